"""Which test rows are measured: the same ones each time, every slice among them."""

import random

import pytest

from training.held_out import LEAST_PER_SLICE, HeldOutRow, choose, newest_of_each, shares


def rows(sizes):
    return [
        HeldOutRow(1, at, 1000 + at, f"{name}{at:060d}", f"p{at}", name, f"g{at}")
        for name, size in sizes.items()
        for at in range(size)
    ]


def test_a_small_set_is_taken_whole():
    chosen = choose(rows({"a": 3, "b": 1}), most=200)
    assert len(chosen) == 4 and all(one.weight == 1 for one in chosen)


def test_every_slice_gets_its_least_and_the_rest_goes_by_size():
    counts = shares({"large": 900, "middle": 90, "small": 12, "tiny": 3}, 200)
    assert sum(counts.values()) == 200
    assert counts["tiny"] == 3 and counts["small"] >= LEAST_PER_SLICE
    assert counts["large"] > 140 and counts["middle"] > LEAST_PER_SLICE


@pytest.mark.parametrize("slices", [1, 13, 60, 500])
def test_the_number_is_kept_however_many_slices_there_are(slices):
    rng = random.Random(slices)
    sizes = {f"s{at}": rng.randint(1, 50) for at in range(slices)}
    counts = shares(sizes, 200)
    assert sum(counts.values()) == min(200, sum(sizes.values()))
    assert all(0 <= counts[name] <= sizes[name] for name in sizes)


def test_the_choice_does_not_depend_on_the_order_and_weights_make_up_for_it():
    whole = rows({"large": 900, "small": 40})
    shuffled = random.Random(3).sample(whole, len(whole))
    chosen = choose(whole)
    assert {one.row for one in chosen} == {one.row for one in choose(shuffled)}
    assert sum(one.weight for one in chosen) == pytest.approx(940)
    assert sum(one.weight for one in chosen if one.row.slice == "small") == pytest.approx(40)


def test_of_one_example_the_newest_dataset_s_row_counts():
    new = HeldOutRow(2, 0, 7, "new", "p", "a", "g")
    old = HeldOutRow(1, 5, 7, "old", "p", "a", "g")
    same = HeldOutRow(1, 6, 8, "new", "p", "a", "g")
    assert newest_of_each([new, old, same]) == [new]
