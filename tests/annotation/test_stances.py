"""Yes and no at the beginning of an answer."""

import pytest

from annotation.checks.repeated import contradiction, stance_of


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Yes, it is.", "yes"),
        ("Sure, take your time", "yes"),
        ("No, but we have mocha.", "no"),
        ("Sorry, we don't serve that.", "no"),
        ("No problem. Is it correct?", ""),
        ("No, problem!", ""),
        ("Never mind, it is done.", ""),
        ("Yes or no, what would you like?", ""),
        ("Sorry about that, is this correct?", ""),
        ("I’m sorry to hear that. It left on Monday.", ""),
        ("Of course not.", "no"),
        ("Not at all, it is free.", ""),
        ("Nobody knows.", ""),
    ],
)
def test_what_an_answer_begins_with(answer: str, said: str):
    assert stance_of(answer).yes_or_no == said


def test_no_problem_does_not_contradict_sure():
    assert contradiction("Sure, take your time.", "No problem.") == ""
    assert contradiction("Of course.", "Of course not.") == "yes against no"
