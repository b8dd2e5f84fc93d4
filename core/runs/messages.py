"""Messages to the broker. Tasks are named by text, so that the sender does not import their code."""

import logging

from celery import current_app
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerAway
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from core.host import valkey
from core.models import Run

log = logging.getLogger(__name__)

# Of core.tasks.
EXECUTE_RUN = "core.tasks.execute_run"
DELIVER = "core.tasks.deliver"


def send(task: str, pk: int, *, queue: str | None = None) -> bool:
    """Sends a message to the broker. False when the broker is offline: the sweep sends it again later."""
    if valkey.is_silent():
        log.warning("The broker did not answer a moment ago; %s(%s) waits for the sweep", task, pk)
        return False
    try:
        current_app.tasks[task].apply_async((pk,), queue=queue)
    except (
        BrokerAway,
        RedisError,
        OSError,
    ) as error:  # RedisError: it answers but refuses writes (its disk is full)
        if isinstance(error, RedisTimeout) or isinstance(error.__cause__, RedisTimeout):
            valkey.note_silence()
        log.warning("The broker is offline; %s(%s) waits for the sweep", task, pk)
        return False
    return True


def send_run(run_id: int, queue: str) -> None:
    """Sends a queued run's message and stores when the broker accepted it."""
    if send(EXECUTE_RUN, run_id, queue=queue):
        Run.objects.filter(pk=run_id).update(sent_at=timezone.now())
