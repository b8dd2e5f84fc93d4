"""What people said of two answers, as rows: pure rules, without a database."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.preferences import (
    Choice,
    Judged,
    Opinion,
    Outside,
    Said,
    found_rows,
    latest,
    outcome,
    outside_words,
)

START = datetime(2026, 11, 1, tzinfo=UTC)


def opinions(said: str, source: str = "comparisons") -> list[Opinion]:
    """A opinion for each letter, by different people: a, b, t (equal), x (both bad)."""
    meant = {"a": Said.A, "b": Said.B, "t": Said.TIE, "x": Said.BOTH_BAD}
    return [
        Opinion(source, f"comparison:{at}", at + 1, meant[letter], START + timedelta(minutes=at))
        for at, letter in enumerate(said)
    ]


def pair(said: str, a: str = "Good.", b: str = "Bad.", **more) -> Judged:
    return Judged(1, a, b, "version 2", "version 1", opinions(said), **more)


def rows(*pairs: Judged, **choice) -> tuple[list[tuple[str, str]], dict[str, int]]:
    outside: Counter[str] = Counter()
    found = found_rows(pairs, Choice(**choice), outside)
    return [(row.completion, row.rejected) for row in found], dict(outside)


@pytest.mark.parametrize(
    ("said", "agreement", "expected"),
    [
        ("a", 0.6, Said.A), ("b", 0.6, Said.B), ("t", 0.6, Said.TIE), ("x", 0.6, Said.BOTH_BAD),
        ("ab", 0.6, Outside.DISAGREE), ("aab", 0.6, Said.A), ("abb", 0.6, Said.B), ("aab", 0.7, Outside.DISAGREE),
        ("aabt", 0.6, Outside.DISAGREE),  # who says “equal” does not agree that a is better
        ("aat", 0.6, Said.A), ("aax", 0.6, Said.A), ("axx", 0.6, Said.BOTH_BAD), ("abx", 0.51, Outside.DISAGREE),
        ("aabb", 0.51, Outside.DISAGREE), ("aaabb", 0.6, Said.A), ("aaa", 1.0, Said.A), ("aaab", 1.0, Outside.DISAGREE),
    ],
)  # fmt: skip
def test_the_outcome_is_what_enough_of_the_people_say(said, agreement, expected):
    assert outcome(opinions(said), Choice(agreement=agreement)) == expected


def test_a_pair_that_too_few_people_judged_gives_nothing():
    assert rows(pair("aa"), raters=3) == ([], {"few": 1})
    assert rows(pair("aaa"), raters=3) == ([("Good.", "Bad.")], {})


def test_what_was_written_and_reviewed_needs_one_person():
    assert rows(pair("a", settled=True), raters=3, agreement=1.0) == ([("Good.", "Bad.")], {})


def test_the_answer_that_people_preferred_is_the_completion():
    assert rows(pair("a")) == ([("Good.", "Bad.")], {})
    assert rows(pair("b")) == ([("Bad.", "Good.")], {})


def test_turned_rows_keep_who_answered_and_what_was_said():
    (row,) = found_rows([pair("bba")], Choice(), Counter())
    assert (row.completion_from, row.rejected_from) == ("version 1", "version 2")
    assert [opinion.said for opinion in row.opinions] == [Said.A, Said.A, Said.B]


def test_both_bad_gives_two_bad_answers_and_equal_gives_nothing():
    assert rows(pair("xx")) == ([("", "Good."), ("", "Bad.")], {})
    assert rows(pair("tt")) == ([], {"tie": 1})
    assert rows(pair("ab")) == ([], {"disagree": 1})


def test_a_bad_answer_is_there_once_and_never_against_a_pair():
    twice = rows(pair("x", "One.", "Two."), pair("x", "One.", "Three."))
    assert twice == ([("", "One."), ("", "Two."), ("", "Three.")], {"repeated": 1})
    assert rows(pair("a"), pair("x", "Good.", "Other.")) == (
        [("Good.", "Bad."), ("", "Other.")],
        {"contradicted": 1},
    )
    assert rows(pair("a"), pair("x", "Bad.", "Other.")) == (
        [("Good.", "Bad."), ("", "Other.")],
        {"repeated": 1},
    )


def test_equal_and_empty_answers_give_nothing():
    assert rows(pair("a", "Same. ", "Same.")) == ([], {"same": 1})
    assert rows(pair("a", "Good.", " ")) == ([], {"empty": 1})


def test_the_last_word_of_a_person_counts():
    early, late = opinions("ab")
    changed = Opinion("comparisons", "comparison:9", early.by, Said.B, late.at)
    assert latest([changed, early]) == [changed]
    nobody = [Opinion("examples", f"example:{n}", None, Said.A, START) for n in (1, 2)]
    assert latest(nobody) == nobody


@given(st.text(alphabet="abtx", min_size=1, max_size=9), st.sampled_from([0.51, 0.6, 0.75, 1.0]))
def test_turning_a_pair_around_turns_its_row(said: str, agreement: float):
    turned = said.translate(str.maketrans("ab", "ba"))
    first, first_outside = rows(pair(said), agreement=agreement)
    second, second_outside = rows(pair(turned, "Bad.", "Good."), agreement=agreement)
    assert sorted(first) == sorted(second)
    assert first_outside == second_outside


@given(st.text(alphabet="abtx", min_size=1, max_size=9))
def test_at_most_one_outcome_reaches_the_share(said: str):
    counts = Counter(said)
    result = outcome(opinions(said), Choice(agreement=0.51))
    assert (result == Outside.DISAGREE) == (2 * max(counts.values()) <= len(said))


def test_what_is_left_out_has_words():
    assert outside_words({"disagree": 1, "not_closed": 12, "tie": 0}) == [
        "12 ratings of campaigns that are not closed",
        "1 pair on which people disagree",
    ]


def test_a_choice_reads_back():
    choice = Choice(take=("scores", "comparisons"), campaigns=("B", "A"), raters=2, agreement=0.75)
    assert choice.as_values()["campaigns"] == ["A", "B"]
    assert Choice.of(choice.as_values()).as_values() == choice.as_values()


def alone(said: Said, text: str, by: int = 1) -> Judged:
    opinion = Opinion("marks", f"mark:{by}", by, said, START)
    return Judged(1, text, "", "version 2", "", [opinion], alone=True)


def test_answers_that_were_judged_alone_are_rows_without_a_second_answer():
    assert rows(alone(Said.GOOD, "Soon."), alone(Said.BAD, "Never.")) == (
        [("Soon.", ""), ("", "Never.")],
        {},
    )
    assert rows(alone(Said.GOOD, " ")) == ([], {"empty": 1})
    assert rows(alone(Said.GOOD, "Soon."), alone(Said.GOOD, "Soon.", 2)) == ([("Soon.", "")], {"repeated": 1})
    # Two people contradict each other: neither counts.
    assert rows(alone(Said.GOOD, "Soon."), alone(Said.BAD, "Soon.", 2)) == ([], {"contradicted": 2})


def test_a_pair_is_stronger_than_a_mark_of_one_of_its_answers():
    assert rows(pair("a"), alone(Said.GOOD, "Good."), alone(Said.BAD, "Bad.")) == (
        [("Good.", "Bad.")],
        {"repeated": 2},
    )
    assert rows(pair("a"), alone(Said.BAD, "Good."), alone(Said.GOOD, "Bad.")) == (
        [("Good.", "Bad.")],
        {"contradicted": 2},
    )
