"""Examples with facts without support, a base model that is asked about them;
what it is made to say is the fixture `saying`."""

from annotation.models import Example, ExampleFinding
from core.tasks import execute_run
from tests.support.factories import make_example, spelled
from training.services.knowledge import start_asking

RECORD = "FD-41007 | at sea | ETA 25 Nov"
UNKNOWN = "FD-41007 arrives on 25 Nov, and the storage costs EUR 4,380."
PLAIN = "FD-41007 arrives on 25 Nov."


def made(world, completion=UNKNOWN, at=0, **fields):
    fields = {
        "question": f"Where is my tile shipment {spelled(at)}?",
        "context": [RECORD],
        "status": Example.Status.QUEUED,
    } | fields
    return make_example(world.project, completion=completion, **fields)


def ask(world, base):
    run = start_asking(by=world.admin, project=world.project, base_model=base)
    execute_run(run.pk)
    run.refresh_from_db()
    return run


def found_in(example):
    return ExampleFinding.objects.filter(example=example, check_name="unknown-facts")
