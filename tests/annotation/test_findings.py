"""Findings that are stored: what the checks find at a new revision, over edits, and in a run over the project."""

import pytest

from annotation.checks import CHECKS
from annotation.models import Example, ExampleFinding
from annotation.services import write_example
from annotation.services.found import check_and_store
from annotation.services.quality import start_check
from core.errors import Conflict
from core.models import Run
from core.runs.execution import execute
from tests.support.factories import make_example

pytestmark = pytest.mark.django_db


def test_smoke(world):
    example = write_example(by=world.annotator, project=world.project, content={"messages": [{"role": "user", "content": "Hi there, where?"}], "completion": "Write to jo@acme-freight.de soon."})
    f = example.findings.get()
    assert f.check_name == "privacy"


def test_run(world):
    for n in range(1500):
        make_example(world.project, completion=f"Write to jo{n}@acme-freight.de soon.")
    run = start_check(by=world.admin, project=world.project)
    import time
    t = time.time()
    execute(run.pk)
    print(time.time() - t)
    run.refresh_from_db()
    assert run.status == "succeeded", run.error_message
    assert ExampleFinding.objects.count() == 1500
    assert 0, run.message
