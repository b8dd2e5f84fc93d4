"""Numbers and words for people."""

import pytest

from core.text import one_line
from core.wording import counted, figure, gigabytes, listed, noun, since


def test_a_noun_follows_its_number():
    assert [noun(count, "row") for count in (0, 1, 2)] == ["rows", "row", "rows"]
    assert noun(1, "run is", "runs are") == "run is"
    assert counted(1284, "row") == "1,284 rows"
    assert counted(1, "person", "people") == "1 person"


@pytest.mark.parametrize(
    ("names", "words"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_listed(names, words):
    assert listed(names) == words


def test_times_and_sizes():
    assert [since(seconds) for seconds in (60, 7200, 86400, 3 * 86400)] == [
        "less than an hour",
        "2 h",
        "1 day",
        "3 days",
    ]
    assert gigabytes(12_440_000_000) == "12.4 GB"
    assert [figure(value) for value in (None, 12, 1284.4, 1.8449, 0.00012)] == [
        "–",
        "12",
        "1,284",
        "1.84",
        "1.2e-04",
    ]


def test_text_comes_on_one_line():
    assert one_line(" a\n b\tc ") == "a b c"
    assert one_line("abcdef", most=3) == "abc"
