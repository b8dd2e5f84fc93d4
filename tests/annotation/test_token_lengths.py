"""The check of an example's size tells its length in the tokens of the project's base model."""

import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.checks import size, text_findings
from annotation.checks.base import Pair
from annotation.registry import base_of_lengths, tokens_in
from annotation.runner.side import UncheckedRow, checked_rows
from core.models import Project
from tests.support.factories import World, make_base_model, make_training
from training import counting
from training.chat_template import FileTokenizer

pytestmark = pytest.mark.django_db
# The tokenizer of the tests knows whole words: this many tokens, and one for each of the five marks around the turns.
WORDS = 60


def content(words: int = WORDS) -> dict[str, Any]:
    return {
        "messages": [{"role": "user", "content": "Hello"}], "context": [], "completion": "Hello " * words,
    }  # fmt: skip


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    counting._opened.cache_clear()
    yield
    counting._opened.cache_clear()


def limited(world: World, tokens: int) -> Project:
    Project.objects.filter(pk=world.project.pk).update(most_example_tokens=tokens, system_prompt="")
    return Project.objects.get(pk=world.project.pk)


def says(project: Project, text: dict[str, Any]) -> list[str]:
    return [finding.says for finding in size.run(Pair.of(text), project)]


def test_the_length_is_that_of_the_base_models_template(world: World):
    base = make_base_model()
    project = limited(world, 63)
    known = base_of_lengths(project)
    assert known is not None and known.name == base.name
    # <|user|> Hello <|assistant|> ... <|im_end|>
    assert tokens_in(known, content(), "") == WORDS + 4
    assert says(project, content()) == [
        f"{WORDS + 4} tokens of {base.name}, more than the 63 of this project. Training cuts the text or leaves it out."
    ]
    assert says(limited(world, 64), content()) == []
    assert tokens_in(known, content(), "Hello Hello") == WORDS + 7
    assert tokens_in(known, {**content(), "context": ["Hello"]}, "") > WORDS + 5


def test_the_project_counts_with_the_base_that_it_trained_last(world: World):
    one, two = make_base_model(), make_base_model()
    assert base_of_lengths(limited(world, 63)) is None  # two to choose from
    assert "this project has no base model yet" in says(limited(world, 63), content(300))[0]
    make_training(world.project, world.admin, base_model=one)
    make_training(world.project, world.admin, base_model=two)
    known = base_of_lengths(limited(world, 63))
    assert known is not None and known.name == two.name
    assert base_of_lengths(limited(world, 63)) != base_of_lengths(world.other)


def test_without_a_tokenizer_that_can_be_read_it_is_an_estimate(world: World):
    base = make_base_model(
        parity_prompts=[{"messages": [{"role": "user", "content": "Hello"}], "token_ids": [7]}]
    )
    project = limited(world, 63)
    known = base_of_lengths(project)
    assert known is not None and not known.folder and tokens_in(known, content(), "") is None
    (words,) = says(project, content(300))
    assert f"an estimate: the tokens of {base.name} were not counted" in words


def test_a_template_that_refuses_leaves_the_estimate(world: World, monkeypatch: pytest.MonkeyPatch):
    make_base_model()
    known = base_of_lengths(limited(world, 63))
    assert known is not None

    def refuse(*args: object, **options: object) -> str:
        raise ValueError("no system message")

    monkeypatch.setattr(FileTokenizer, "render", refuse)
    assert tokens_in(known, content(), "") is None


def test_short_texts_ask_nothing_and_long_ones_once(world: World):
    make_base_model()
    project = limited(world, 63)
    with CaptureQueriesContext(connection) as queries:
        text_findings(content(2), project)
    assert len(queries) == 0
    with CaptureQueriesContext(connection) as queries:
        text_findings(content(), project)
        text_findings(content(), project)
    assert 0 < len(queries) <= 3


def test_the_second_process_counts_with_what_the_worker_asked(world: World):
    """It makes no query: its database would be another one."""
    base = make_base_model()
    project = limited(world, 63)
    base_of_lengths(project)
    rows = [UncheckedRow(at, "0", content()) for at in range(40)]
    # From the first row on in a process of its own: the first chunk is checked here, the others there.
    chunks = iter([rows[:2], rows[2:20], rows[20:]])
    found = [one.findings for chunk in checked_rows(project, chunks, rows=40, least=1) for one in chunk]
    told = [finding.says for findings in found for finding in findings if finding.check == "size"]
    assert len(told) == 40 and all(f"tokens of {base.name}" in words for words in told)
    again: Project = pickle.loads(pickle.dumps(project))
    with CaptureQueriesContext(connection) as queries:
        assert base_of_lengths(again) == base_of_lengths(project)
    assert len(queries) == 0
