"""The rules of a dataset version as pure functions: what a row is, what its hash is, which split a group gets."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.datasets import (
    SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
    ContentHash,
    Group,
    assign_splits,
    canonical_row,
    content_hash_of,
    row_hash,
)

ROW = {
    "messages": [{"role": "user", "content": "Where is my café order?"}],
    "context": ["order 5 | in Köln"],
    "completion": "In Köln.",
    "slice": "status",
    "edge": "",
    "tags": ["b", "a"],
    "group": "g1",
    "source": "desk",
    "license": "internal",
}
SETTINGS = {
    "validation": 0.1,
    "test": 0.1,
    "seed": 1,
    "slices": [],
    "sources": [],
    "system_prompt": "You answer.",
}


# --- rows and hashes ---------------------------------------------------------------------------------------
def test_the_hashes_of_known_rows_never_change():
    """These values are on record in every project: a change here is a new FORMAT."""
    first, second = canonical_row(ROW), canonical_row(ROW | {"completion": "In Bonn.", "group": "g2"})
    assert row_hash(first) == "cb3b026573dcbfcd6886b6392c0d0112312d3ee8d36007a9c3cbd445ba3cdda3"
    assert (
        content_hash_of([(first, TRAIN), (second, TEST)], SETTINGS)
        == "f1f200fb6790e2d4aa7823f0cbced963b92fb2535b9e946e0675a3d8cd5efd1a"
    )


def test_a_row_holds_the_canonical_fields_and_nothing_else():
    row = canonical_row(ROW | {"status": "approved", "pk": 7, "tags": ["b", "a", "b"]})
    assert set(row) == set(ROW)
    assert row["tags"] == ["a", "b"]
    with pytest.raises(KeyError):
        canonical_row({"messages": []})


def test_unicode_form_does_not_matter():
    decomposed = ROW | {"completion": "In Ko\u0308ln."}
    assert row_hash(canonical_row(decomposed)) == row_hash(canonical_row(ROW))


@pytest.mark.parametrize("name", list(ROW))
def test_every_field_matters(name: str):
    other = (
        [{"role": "user", "content": "Else?"}]
        if name == "messages"
        else ["x"]
        if name in ("context", "tags")
        else "x"
    )
    assert row_hash(canonical_row(ROW | {name: other})) != row_hash(canonical_row(ROW))


def test_settings_and_splits_matter_and_order_does_not():
    rows = [(canonical_row(ROW | {"group": f"g{n}"}), SPLITS[n % 3]) for n in range(9)]
    known = content_hash_of(rows, SETTINGS)
    assert content_hash_of(reversed(rows), SETTINGS) == known
    assert content_hash_of(rows, dict(reversed(SETTINGS.items()))) == known
    assert content_hash_of(rows, SETTINGS | {"system_prompt": "Else."}) != known
    moved = [(rows[0][0], TEST), *rows[1:]]
    assert content_hash_of(moved, SETTINGS) != known
    assert content_hash_of(rows[1:], SETTINGS) != known
    assert content_hash_of([*rows, rows[0]], SETTINGS) != known


def test_rows_out_of_order_are_refused():
    content = ContentHash(SETTINGS)
    content.add("b" * 64, TRAIN)
    with pytest.raises(ValueError, match="order"):
        content.add("a" * 64, TRAIN)


# --- splits ------------------------------------------------------------------------------------------------
def shares(groups: list[Group], decided: dict[str, str]) -> Counter[str]:
    count: Counter[str] = Counter()
    for group in groups:
        count[decided.get(group.name) or group.split or "?"] += group.rows
    return count


def test_shares_hold():
    groups = [Group(f"g{n}", 1 + n % 4) for n in range(1000)]
    count = shares(groups, assign_splits(groups, validation=0.1, test=0.2, seed="1"))
    total = sum(count.values())
    assert abs(count[VALIDATION] / total - 0.1) < 0.005
    assert abs(count[TEST] / total - 0.2) < 0.005


def test_another_seed_is_another_draw_and_the_same_seed_the_same():
    groups = [Group(f"g{n}", 1) for n in range(50)]
    first = assign_splits(groups, validation=0.1, test=0.1, seed="1")
    assert assign_splits(reversed(groups), validation=0.1, test=0.1, seed="1") == first
    assert assign_splits(groups, validation=0.1, test=0.1, seed="2") != first


@pytest.mark.parametrize("size", [3, 4, 5])
def test_a_small_project_still_holds_something_out(size: int):
    groups = [Group(f"g{n}", 10 - n) for n in range(size)]
    count = Counter(assign_splits(groups, validation=0.1, test=0.1, seed="1").values())
    assert (count[TEST], count[VALIDATION]) == (1, 1)
    assert count[TRAIN] == size - 2


def test_fewer_than_three_groups_all_train():
    assert assign_splits([Group("a", 5), Group("b", 5)], validation=0.2, test=0.2, seed="1") == {
        "a": TRAIN,
        "b": TRAIN,
    }


def test_a_share_of_nothing_holds_nothing_out():
    groups = [Group(f"g{n}", 1) for n in range(30)]
    assert set(assign_splits(groups, validation=0, test=0, seed="1").values()) == {TRAIN}


def test_a_giant_group_is_not_held_out():
    groups = [Group("giant", 1000), *(Group(f"g{n}", 1) for n in range(20))]
    assert assign_splits(groups, validation=0.1, test=0.1, seed="1")["giant"] == TRAIN


names = st.text(min_size=1, max_size=8)
sizes = st.integers(min_value=1, max_value=50)


@given(
    first=st.dictionaries(names, sizes, max_size=30),
    second=st.dictionaries(names, sizes, max_size=30),
    validation=st.floats(min_value=0, max_value=0.25),
    test=st.floats(min_value=0, max_value=0.25),
    seed=names,
)
def test_a_group_keeps_its_split_whatever_comes_later(
    first: dict[str, int], second: dict[str, int], validation: float, test: float, seed: str
):
    """Two versions in a row: groups of the first may grow, go and come back, and never change their split."""
    options = {"validation": validation, "test": test, "seed": seed}
    decided = assign_splits([Group(name, rows) for name, rows in first.items()], **options)  # type: ignore[arg-type]
    assert set(decided) == set(first)
    later = [Group(name, rows, decided.get(name)) for name, rows in second.items()]
    added = assign_splits(later, **options)  # type: ignore[arg-type]
    assert set(added) == set(second) - set(first)
    assert set(added.values()) <= set(SPLITS)
    after = decided | added
    if len(second) >= 3:
        free = [name for name in second if name not in first]
        for split, share in ((TEST, test), (VALIDATION, validation)):
            if share and len(free) >= 3:
                assert split in {after[name] for name in second}


@given(rows=st.lists(sizes, min_size=12, max_size=80), test=st.floats(min_value=0.05, max_value=0.3))
def test_no_split_is_further_off_than_half_of_the_largest_group(rows: list[int], test: float):
    groups = [Group(f"g{n}", size) for n, size in enumerate(rows)]
    count = shares(groups, assign_splits(groups, validation=0.1, test=test, seed="1"))
    assert count[TEST] <= test * sum(rows) + max(rows) / 2 + min(rows)
    assert count[TRAIN] > 0
