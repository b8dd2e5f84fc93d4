"""Numbers out of addresses: what is none is None, never an error."""

import pytest

from core.lists.numbers import LARGEST_ID, whole_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        (" 12 ", 12),
        ("٣", 3),
        (str(LARGEST_ID), LARGEST_ID),
        (str(LARGEST_ID + 1), None),
        ("9" * 5000, None),
        ("²", None),
        ("-1", None),
        ("1.5", None),
        ("", None),
        (None, None),
        (7, 7),
    ],
)
def test_whole_numbers(text: object, number: int | None) -> None:
    assert whole_number(text) == number


def test_a_smaller_limit() -> None:
    assert whole_number("300", most=299) is None
