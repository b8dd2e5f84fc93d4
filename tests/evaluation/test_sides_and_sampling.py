"""Shuffling sides and drawing prompts: pure, seeded, balanced."""

import pytest
from scipy import stats

from evaluation.planning import plan
from evaluation.sampling import choose
from evaluation.sides import candidate_goes_left
from evaluation.statistics import votes_to_settle


def _sequence(seed, rater, length):
    left, stood = [], [0, 0]
    for _ in range(length):
        candidate = candidate_goes_left(
            seed=seed, rater=rater, baseline_left=stood[0], candidate_left=stood[1]
        )
        stood[candidate] += 1
        left.append(candidate)
        assert abs(stood[0] - stood[1]) <= 1
    return left


def test_a_rater_never_sees_one_version_left_more_than_once_more_than_the_other():
    for rater in range(200):
        _sequence(7, rater, 25)


def test_the_same_seed_gives_the_same_sides_and_others_differ():
    assert _sequence(1, 1, 40) == _sequence(1, 1, 40)
    assert _sequence(1, 1, 40) != _sequence(2, 1, 40)
    assert _sequence(1, 1, 40) != _sequence(1, 2, 40)


def test_each_place_is_a_fair_coin_over_raters():
    sequences = [_sequence(99, rater, 12) for rater in range(2000)]
    for place in range(12):
        left = sum(sequence[place] for sequence in sequences)
        assert stats.binomtest(left, 2000).pvalue > 1e-4


def test_a_block_tells_nothing_about_the_next():
    blocks = [(s[0], s[2]) for s in (_sequence(5, rater, 4) for rater in range(2000))]
    table = [[sum(b == (i, j) for b in blocks) for j in (False, True)] for i in (False, True)]
    assert stats.chi2_contingency(table).pvalue > 1e-4


def test_every_slice_gets_its_share_to_within_one():
    rows = [(n, "big" if n % 4 else "small") for n in range(400)]
    chosen = choose(rows, 40, seed=3)
    slices = dict(rows)
    assert len(set(chosen)) == 40
    assert abs(sum(slices[key] == "small" for key in chosen) - 10) <= 1


def test_the_draw_is_repeatable_and_differs_by_seed():
    rows = [(n, "s") for n in range(100)]
    assert choose(rows, 10, seed=1) == choose(rows, 10, seed=1)
    assert choose(rows, 10, seed=1) != choose(rows, 10, seed=2)
    assert sorted(choose(rows, 100, seed=1)) == list(range(100))


def test_the_order_does_not_follow_the_slices():
    rows = [(n, "a" if n < 50 else "b") for n in range(100)]
    chosen = choose(rows, 100, seed=4)
    assert stats.spearmanr(chosen, range(100)).pvalue > 1e-3


def test_more_prompts_than_rows_are_refused():
    with pytest.raises(ValueError, match="3 of 2"):
        choose([(1, ""), (2, "")], 3, seed=0)


def test_a_plan_counts_ratings_and_knows_when_raters_are_short():
    made = plan(prompts=30, per_prompt=3, raters=5)
    assert (made.ratings, made.each, made.short_of_raters) == (90, 18, False)
    assert 0 < made.half_width < 0.5 and 0.5 < made.finds < 1
    # Five people who vote alike never tell 60% from even; the form says what more raters would reach.
    assert dict(made.needs)[0.6] is None
    assert [larger.raters for larger in made.larger] == [7, 10, 15]
    assert made.half_width > made.larger[0].half_width > made.larger[-1].half_width
    assert made.finds > made.larger[0].finds > made.larger[-1].finds
    assert plan(prompts=100, per_prompt=3, raters=30).needs[1][1] == votes_to_settle(0.65, 30)
    short = plan(prompts=10, per_prompt=3, raters=2)
    assert short.ratings == 20 and short.short_of_raters
    none = plan(prompts=10, per_prompt=1, raters=0)
    assert none.ratings == 0 and none.half_width is None and none.finds is None
