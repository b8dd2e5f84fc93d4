"""What two examples of a cluster share and what differs, in words: texts that are not equal are never "100% similar"."""

import pytest

from annotation.models import Example
from core.wording import similar
from dataset.queries.likeness import likeness_words
from tests.datasets.copies import ASKED, SAID, clusters, page, search
from tests.support.factories import World, make_example
from tests.support.reading import text_of

ONE = {"messages": [{"role": "user", "content": ASKED}], "context": [], "completion": SAID}


@pytest.mark.parametrize(
    ("changed", "kind", "similarity", "words"),
    [
        ({}, "pair", 1.0, "the same question and answer as #1"),
        ({"completion": SAID.replace("3 December", "9 December")}, "pair", 1.0,
         "the same question as #1; numbers or dates differ in the answer"),
        ({"completion": SAID.upper()}, "pair", 1.0, "the same question as #1; capitals or spaces differ in the answer"),
        ({"completion": SAID.replace(".", "!")}, "pair", 1.0,
         "the same question as #1; punctuation marks differ in the answer"),
        ({"completion": "It is lost."}, "prompt", 1.0, "the same question as #1; words differ in the answer"),
        ({"completion": f"{SAID} Bye."}, "pair", 0.9999,
         "the same question as #1; words differ in the answer; question and answer 99% similar"),
        ({"context": ["ETA 3 December"]}, "pair", 1.0, "the same question and answer as #1; words differ in the records"),
    ],
)  # fmt: skip
def test_what_differs_is_said(changed: dict, kind: str, similarity: float, words: str):
    one, other = Example(pk=1, **ONE), Example(pk=2, **(ONE | changed))
    assert likeness_words(one, other, kind=kind, similarity=similarity) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1.0, "the same words (numbers may differ)"),
        (0.9999, "99% similar"),
        (0.8, "80% similar"),
        (None, "–"),
    ],
)
def test_a_similarity_of_words_is_never_the_equality_of_texts(value: object, words: str):
    assert similar(value) == words


@pytest.mark.django_db
def test_a_cluster_of_answers_with_other_dates_does_not_call_them_equal(world: World, as_user):
    make_example(world.project, ASKED, SAID, status="approved")
    make_example(world.project, ASKED, SAID.replace("3 December", "9 December"), status="approved")
    search(world)
    cluster = clusters(world)[0]
    shown = text_of(as_user(world.reviewer).get(page("duplicate-cluster", world, cluster.pk)))
    assert f"the same question as #{cluster.first_id}; numbers or dates differ in the answer" in shown
    assert "100%" not in shown
