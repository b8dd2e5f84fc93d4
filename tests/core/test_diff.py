"""What differs between two texts: whole, in phrases, and at a bounded cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.diff import CELLS, Diff, DiffBudget, blocks, compare

TEXT = st.text(alphabet="ab cd\n.,é|7", max_size=200)


def shown(diff: Diff) -> str:
    """[-gone-] and {+come+}, as `git diff --word-diff` writes it."""
    parts = []
    for piece in diff.pieces:
        if piece.op == "equal":
            parts.append(piece.old)
            continue
        parts.append(f"[-{piece.old}-]" if piece.old else "")
        parts.append(f"{{+{piece.new}+}}" if piece.new else "")
    return "".join(parts)


@given(TEXT, TEXT)
def test_the_pieces_are_the_two_texts_letter_for_letter(old: str, new: str) -> None:
    diff = compare(old, new)
    assert "".join(piece.old for piece in diff.pieces) == old
    assert "".join(piece.new for piece in diff.pieces) == new
    assert all(piece.old == piece.new for piece in diff.pieces if piece.op == "equal")
    # No two changes in a row: what belongs together is one phrase.
    assert all(one.op != other.op for one, other in zip(diff.pieces, diff.pieces[1:], strict=False))
    assert diff.changed == (old != new)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("then it costs 5.00 a day", "The record shows 5.00 a day", "[-then it costs-]{+The record shows+} 5.00 a day"),
        ("It costs 1,284.50 EUR.", "It costs 1,384.50 EUR.", "It costs [-1,284.50-]{+1,384.50+} EUR."),
        ("don't wait", "do wait", "[-don't-]{+do+} wait"),
        ("Same. Old end", "Same. New end", "Same. [-Old-]{+New+} end"),
        ("a  b", "a b", "a[-  -]{+ +}b"),
        ("同意します", "同意しません", "同意しま[-す-]{+せん+}"),
        ("| A | 5 |\n| B | 6 |\n", "| A | 7 |\n| B | 8 |\n", "| A | [-5-]{+7+} |\n| B | [-6-]{+8+} |\n"),
        ("one\ntwo\nthree\n", "one\nthree\n", "one\n[-two\n-]three\n"),
    ],
)  # fmt: skip
def test_changes_are_told_in_phrases(old: str, new: str, words: str) -> None:
    assert shown(compare(old, new)) == words


def test_short_islands_go_into_the_changes_around_them() -> None:
    old = "Your parcel waits in the depot of our partner since Monday morning."
    new = "Somebody opened the box at a hub, and customs looked into it on Tuesday evening."
    islands = [piece.old for piece in compare(old, new).pieces if piece.op == "equal"]
    assert all(len(island) > 4 for island in islands if island.strip(" ."))


TABLE = [f"| item {row} | {row * 3} | {{}}.{row:02d} EUR | warehouse {row % 7} |\n" for row in range(150)]
HOSTILE = {
    "every other word": ("a b " * 1000, "a c " * 1000),
    "every other word, long": ("a b " * 50_000, "a c " * 50_000),
    "every line": ("a\n" * 100_000, "b\n" * 100_000),
    "every other line": ("a\nb\n" * 50_000, "a\nc\n" * 50_000),
    "one letter": ("a " * 100_000, "b" + " a" * 100_000),
    "one word": ("x" * 200_000, "y" * 200_000),
    "signs": ("(" * 200_000, ")" * 100_000 + "(" * 100_000),
    "spaces": (" " * 200_000, "\t" * 200_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_costs_more_than_the_budget(name: str) -> None:
    old, new = HOSTILE[name]
    diff = compare(old, new)
    assert diff.spent <= CELLS
    assert len(diff.pieces) <= 1 + min(len(old), len(new)) // 2
    assert "".join(piece.old for piece in diff.pieces) == old
    assert "".join(piece.new for piece in diff.pieces) == new


def test_the_work_stops_growing_when_the_texts_grow() -> None:
    spent = [
        compare("a b " * size, "a c " * size, most=100_000).spent for size in (100, 1_000, 10_000, 50_000)
    ]
    assert spent[0] > 10_000
    assert max(spent) <= 100_000


def test_a_column_of_a_long_table_is_marked_row_by_row() -> None:
    old, new = ("".join(row.format(price) for row in TABLE) for price in (5, 6))
    diff = compare(old, new)
    changes = [piece for piece in diff.pieces if piece.op == "change"]
    assert [piece.old for piece in changes] == [f"5.{row:02d}" for row in range(150)]
    assert not diff.apart


def test_what_is_over_half_changed_is_read_side_by_side() -> None:
    long = "The free time at the terminal is five days and each day after costs twenty euro."
    assert compare(long, "Please send the arrival notice, then we can say what it will cost you there.").apart
    assert not compare(long, long.replace("five", "seven")).apart
    assert not compare("Acme", "Beta").apart
    assert not compare("", long).apart


def test_lists_are_aligned_within_the_budget() -> None:
    budget = DiffBudget(left=10)
    found = blocks(["a", "b", "c", "d"], ["a", "x", "y", "z", "d"], budget)
    assert found == [("equal", 0, 1, 0, 1), ("change", 1, 3, 1, 4), ("equal", 3, 4, 4, 5)]
    assert budget.spent == 6
    assert blocks(list("abcd"), list("dcba"), DiffBudget(left=3)) == [("change", 0, 4, 0, 4)]
