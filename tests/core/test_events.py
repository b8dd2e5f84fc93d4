"""Events reach every subscriber once, are retried, and are parked when they keep failing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core import events
from core.audit.entries import record
from core.models import AuditEntry, Delivery, Event
from core.services.events import publish
from core.tasks import DELIVERY_ATTEMPTS, deliver, sweep_deliveries

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def subscribers(monkeypatch):
    table: dict = {}
    monkeypatch.setattr(events, "_subscribers", table)
    return table


def _due(delivery: Delivery) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(due_at=timezone.now() - timedelta(seconds=10))


def test_each_subscriber_gets_its_own_delivery(world, subscribers, sent):
    got = []
    events.subscribe("dataset.frozen", "one", lambda event: got.append(("one", event.payload["n"])))
    events.subscribe("dataset.frozen", "two", lambda event: got.append(("two", event.payload["n"])))
    publish(project=world.project, kind="dataset.frozen", payload={"n": 7})
    assert len(sent) == 2
    for _, pk in sent:
        deliver(pk)
        deliver(pk)
    assert sorted(got) == [("one", 7), ("two", 7)]
    assert set(Delivery.objects.values_list("status", flat=True)) == {"done"}


def test_a_rolled_back_transaction_publishes_nothing(world, subscribers, sent):
    from django.db import transaction

    events.subscribe("thing.happened", "one", lambda event: None)
    with pytest.raises(RuntimeError), transaction.atomic():
        publish(project=world.project, kind="thing.happened", payload={})
        raise RuntimeError
    assert not Event.objects.exists()
    assert sent == []


def test_a_failing_handler_leaves_nothing_behind_and_is_retried_then_parked(world, subscribers, sent):
    def half_done(event):
        record(by=None, project=event.project, action="half.done")
        raise ValueError("no engine")

    events.subscribe("thing.happened", "one", half_done)
    publish(project=world.project, kind="thing.happened", payload={})
    delivery = Delivery.objects.get()
    for attempt in range(1, DELIVERY_ATTEMPTS + 1):
        _due(delivery)
        deliver(delivery.pk)
        delivery.refresh_from_db()
        assert delivery.attempts == attempt
    assert delivery.status == "parked"
    assert "no engine" in delivery.error
    assert not AuditEntry.objects.exists()


def test_the_sweep_sends_what_a_lost_message_left(world, subscribers, sent):
    events.subscribe("thing.happened", "one", lambda event: None)
    publish(project=world.project, kind="thing.happened", payload={})
    sent.clear()
    delivery = Delivery.objects.get()
    sweep_deliveries()
    assert sent == []  # it is not overdue yet
    _due(delivery)
    sweep_deliveries()
    assert sent == [("core.tasks.deliver", delivery.pk)]


def test_a_delivery_whose_worker_died_is_freed(world, subscribers, sent):
    events.subscribe("thing.happened", "one", lambda event: None)
    publish(project=world.project, kind="thing.happened", payload={})
    delivery = Delivery.objects.get()
    Delivery.objects.update(
        status="claimed",
        claimed_at=timezone.now() - timedelta(hours=1),
        due_at=timezone.now() - timedelta(hours=1),
    )
    sent.clear()
    sweep_deliveries()
    assert sent == [("core.tasks.deliver", delivery.pk)]
