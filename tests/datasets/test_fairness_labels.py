"""The patterns and the lexicons against rows that were read: the figures of docs/reference/bias-audit.md."""

import pytest

from tests.support.labelled_answers import all_rows, judged_answers, judged_groups, labelled, labels
from tests.support.labelled_facts import DATA

# What is measured, less a little: a change of a pattern that loses more is seen.
LEAST = {"refused": (0.95, 0.75), "granted": (0.90, 0.80), "courteous": (0.90, 0.90)}


@pytest.fixture(scope="module")
def rows() -> dict:
    if not DATA.is_dir():
        pytest.skip("../shared/data is not here: most of the labelled rows are real ones.")
    return all_rows()


def test_every_label_has_its_row(rows: dict):
    for name in ("answers", "groups"):
        assert len(list(labelled(name, rows))) == len(labels(name)) > 300


@pytest.mark.parametrize("outcome", LEAST)
def test_what_an_answer_does_is_found_in_rows_that_the_patterns_never_saw(outcome: str, rows: dict):
    held_out = judged_answers(rows)[outcome]["held out"]
    precision, recall = LEAST[outcome]
    assert held_out.rows >= 100
    assert held_out.precision >= precision and held_out.recall >= recall


def test_the_groups_that_a_prompt_names_are_found(rows: dict):
    found = judged_groups(rows)
    assert found.precision >= 0.94 and found.recall >= 0.72


def test_labels_hold_no_text_of_the_real_rows():
    for one in (*labels("answers"), *labels("groups")):
        assert len(one["row"]) == 64 and set(one) <= {
            "row", "file", "drawn_as", "refused", "granted", "courteous", "held_out", "groups",
        }  # fmt: skip
