"""Which split a group gets, as a pure function: shares in every slice, permanence, and the edges of both."""

import random
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.models import GroupSplit
from dataset.splits import (
    LEAST_TEST,
    SPLITS,
    TEST,
    TESTED_FROM,
    TRAIN,
    VALIDATION,
    Group,
    assign_splits,
    slice_rows,
    untested,
)


def test_the_names_are_those_that_the_database_knows():
    assert list(SPLITS) == GroupSplit.Split.values


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


@settings(deadline=None)
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
        # Of three groups two small ones may both be needed as test rows.
        for split, share, least in ((TEST, test, 3), (VALIDATION, validation, 4)):
            if share and len(free) >= least:
                assert split in {after[name] for name in second}


@settings(deadline=None)
@given(rows=st.lists(sizes, min_size=12, max_size=80), test=st.floats(min_value=0.05, max_value=0.3))
def test_no_split_is_further_off_than_half_of_the_largest_group(rows: list[int], test: float):
    groups = [Group(f"g{n}", size) for n, size in enumerate(rows)]
    count = shares(groups, assign_splits(groups, validation=0.1, test=test, seed="1"))
    assert count[TEST] <= max(test * sum(rows), LEAST_TEST) + max(rows) / 2 + min(rows)
    assert count[TRAIN] > 0


# --- slices ------------------------------------------------------------------------------------------------
def sliced(name: str, split: str | None = None, **slices: int) -> Group:
    return Group(name, sum(slices.values()), split, slices)


def rows_in_test(groups: list[Group], decided: dict[str, str]) -> Counter[str]:
    return slice_rows(g for g in groups if (g.split or decided[g.name]) == TEST)


slices_of_a_group = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 6), min_size=1, max_size=3)
many_groups = st.lists(slices_of_a_group, min_size=1, max_size=50)
some_share = st.floats(min_value=0.05, max_value=0.25)


@settings(deadline=None)
@given(sizes=many_groups, validation=some_share, test=some_share, seed=st.sampled_from("1234"))
def test_every_slice_that_can_be_tested_is_tested(
    sizes: list[dict[str, int]], validation: float, test: float, seed: str
):
    groups = [sliced(f"g{n}", **size) for n, size in enumerate(sizes)]
    decided = assign_splits(groups, validation=validation, test=test, seed=seed)
    assert set(decided) == {group.name for group in groups}
    in_test = rows_in_test(groups, decided)
    rows, members = slice_rows(groups), Counter(name for group in groups for name in group.slices)
    for name, count in rows.items():
        if count >= TESTED_FROM and members[name] >= 3:
            assert in_test[name] >= LEAST_TEST
    assert TRAIN in decided.values()
    whole = [
        Group(group.name, group.rows, decided[group.name], group.slices, group.parts) for group in groups
    ]
    short = {n for n, count in rows.items() if count >= TESTED_FROM and in_test[n] < LEAST_TEST}
    assert set(untested(whole, test=test)) == short


@settings(deadline=None)
@given(sizes=many_groups, test=some_share, seed=st.sampled_from("1234"), data=st.data())
def test_the_order_of_groups_does_not_matter(
    sizes: list[dict[str, int]], test: float, seed: str, data: st.DataObject
):
    groups = [sliced(f"g{n}", **size) for n, size in enumerate(sizes)]
    shuffled = data.draw(st.permutations(groups))
    shuffled = [Group(g.name, g.rows, None, dict(reversed(list(g.slices.items())))) for g in shuffled]
    options = {"validation": 0.1, "test": test, "seed": seed}
    assert assign_splits(shuffled, **options) == assign_splits(groups, **options)  # type: ignore[arg-type]


@settings(deadline=None)
@given(first=many_groups, second=many_groups, test=some_share)
def test_decided_groups_stay_and_starved_slices_come_first(
    first: list[dict[str, int]], second: list[dict[str, int]], test: float
):
    """A first version without slices' shares (all of it trains), then new groups: they go to test until it has its share."""
    old = [sliced(f"old{n}", TRAIN, **size) for n, size in enumerate(first)]
    new = [sliced(f"new{n}", **size) for n, size in enumerate(second)]
    decided = assign_splits([*old, *new], validation=0, test=test, seed="1")
    assert set(decided) == {group.name for group in new}
    in_test = rows_in_test([*old, *new], decided)
    rows, free = slice_rows([*old, *new]), Counter(name for group in new for name in group.slices)
    for name, count in rows.items():
        if count >= TESTED_FROM and free[name] >= 3 and len(old) + len(new) >= 3:
            assert in_test[name] >= LEAST_TEST


@settings(deadline=None)
@given(rows=st.lists(st.integers(1, 5), min_size=60, max_size=200), test=some_share, validation=some_share)
def test_shares_hold_in_every_slice(rows: list[int], test: float, validation: float):
    groups = [sliced(f"g{n}", **{"abc"[n % 3]: size}) for n, size in enumerate(rows)]
    decided = assign_splits(groups, validation=validation, test=test, seed="1")
    total = slice_rows(groups)
    for split, share in ((TEST, test), (VALIDATION, validation)):
        held = slice_rows(group for group in groups if decided[group.name] == split)
        for name in "abc":
            # Half of the largest group of this slice, and as much carried over from the slice before.
            goal = max(share * total[name], LEAST_TEST if split == TEST else 0)
            assert abs(held[name] - goal) <= max(rows)


def test_many_small_slices_add_up_to_the_shares():
    groups = [sliced(f"g{n}", **{f"slice {n // 4}": 1}) for n in range(2000)]
    count = shares(groups, assign_splits(groups, validation=0.1, test=0.1, seed="1"))
    assert abs(count[TEST] - 200) <= 2 and abs(count[VALIDATION] - 200) <= 2


def test_a_slice_too_small_for_its_share_gets_two_test_rows():
    groups = [sliced(f"a{n}", large=1) for n in range(200)] + [sliced(f"b{n}", small=1) for n in range(10)]
    assert rows_in_test(groups, assign_splits(groups, validation=0.1, test=0.05, seed="1")) == {
        "large": 10,
        "small": 2,
    }


def test_a_slice_that_cannot_be_divided_is_named_with_the_reason():
    others = [sliced(f"g{n}", TEST if n < 3 else TRAIN, other=5) for n in range(9)]
    groups = [
        *others,
        sliced("conversation", TRAIN, one=12),
        Group("cluster", 12, TRAIN, {"alike": 12}, parts=12),
        *(sliced(f"old{n}", TRAIN, old=5) for n in range(3)),
        sliced("few", TRAIN, few=9),
    ]
    reasons = untested(groups, test=0.1)
    assert set(reasons) == {"one", "alike", "old"}
    assert "one group" in reasons["one"]
    assert "near-duplicates" in reasons["alike"]
    assert "permanent" in reasons["old"]
    assert set(untested(groups, test=0).values()) == {"The test share is 0%."}


def test_a_slice_of_two_groups_is_divided():
    groups = [sliced("a", s=5), sliced("b", s=6), *(sliced(f"g{n}", other=1) for n in range(30))]
    decided = assign_splits(groups, validation=0.1, test=0.1, seed="1")
    assert {decided["a"], decided["b"]} >= {TEST}
    assert rows_in_test(groups, decided)["s"] in (5, 6)


def test_fifty_thousand_groups_take_seconds():
    draw = random.Random(1)
    groups = [sliced(f"g{n}", **{f"s{draw.randrange(40)}": draw.randint(1, 7)}) for n in range(50_000)]
    began = time.process_time()
    count = shares(groups, assign_splits(groups, validation=0.1, test=0.1, seed="1"))
    assert time.process_time() - began < 10
    assert abs(count[TEST] / count.total() - 0.1) < 0.002


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 400), min_size=1, max_size=6))
def test_something_always_trains(sizes: list[int]):
    groups = [sliced(f"g{n}", s=size) for n, size in enumerate(sizes)]
    assert TRAIN in assign_splits(groups, validation=0.25, test=0.25, seed="1").values()
