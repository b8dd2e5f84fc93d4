"""Shuffling sides and drawing prompts: pure and balanced."""

from random import Random

import numpy as np
import pytest
from scipy import stats

from evaluation.planning import plan
from evaluation.sampling import choose
from evaluation.sides import RATER_LIMIT, candidate_is_a, fair_coin
from evaluation.statistics import votes_to_settle
from tests.evaluation.side_simulation import KNOWS, Rater, campaign, gain, inferred, share_on_one_side


# --- sides -------------------------------------------------------------------------------------------------
def test_the_raters_limit_comes_first_then_the_prompts_balance_then_the_coin():
    def left(rater, prompt, coin):
        return candidate_is_a(rater_lead=rater, prompt_lead=prompt, coin=lambda: coin)

    assert [left(0, 0, coin) for coin in (True, False)] == [True, False]
    for coin in (True, False):
        assert left(0, 1, coin) is False and left(0, -1, coin) is True
        assert left(RATER_LIMIT, -1, coin) is False and left(-RATER_LIMIT, 1, coin) is True
        # A pair that comes back after its time can carry a rater past the limit: the way goes back.
        assert left(RATER_LIMIT + 2, 0, coin) is False


def test_the_coin_is_fair_and_its_throws_are_independent():
    throws = [fair_coin() for _ in range(4000)]
    assert stats.binomtest(sum(throws), 4000).pvalue > 1e-5
    pairs = list(zip(throws[::2], throws[1::2], strict=True))
    table = [[pairs.count((a, b)) for b in (True, False)] for a in (True, False)]
    assert stats.chi2_contingency(table).pvalue > 1e-5


@pytest.mark.parametrize("in_turn", [False, True])
@pytest.mark.parametrize("raters", [2, 3, 5])
def test_sides_even_out_for_each_rater_and_within_each_prompt(raters, in_turn):
    """Before, a coin for each rater alone: .49, .25 and .06 of the prompts had all on one side for 2, 3 and 5 raters."""
    random = Random(raters)
    made = [
        campaign(random, raters=raters, prompts=60, per_prompt=raters, in_turn=in_turn) for _ in range(30)
    ]
    assert sum(share_on_one_side(items) for _, items in made) / 30 <= 0.02
    assert max(rater.worst for people, _ in made for rater in people) <= RATER_LIMIT
    assert all(item.taken == raters for _, items in made for item in items)


@pytest.mark.parametrize("skips", [0.0, 0.3])
def test_who_recognises_69_in_100_by_words_infers_under_71(skips):
    """Permuted blocks of two gave such a rater .76."""
    alone, best = gain(3, campaigns=120, skips=skips, raters=3, prompts=60, per_prompt=3)
    assert alone == pytest.approx(KNOWS, abs=0.012)
    assert KNOWS + (best - alone) < 0.71  # what is gained, without the luck of this sample


def test_the_simulated_rater_does_see_through_blocks_of_two():
    """The measure itself finds what the earlier rule gave away."""
    rng, right, rated = np.random.default_rng(4), 0, 0
    for _ in range(150):
        sides = [side for _ in range(30) for side in ((True, False) if rng.random() < 0.5 else (False, True))]
        # A lead of one is the limit: the next goes to the other side.
        rater = Rater(shown=[(side, False) for side in sides])
        pairs, _, known = inferred(rng, rater, limit=1)
        rated, right = rated + pairs, right + known
    assert right / rated > 0.74


# --- sampling ----------------------------------------------------------------------------------------------
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
    assert made.out_of_reach == max(rate for rate, votes in made.needs if votes is None)
    assert dict(made.within_reach) == {rate: votes for rate, votes in made.needs if votes}
    assert [larger.raters for larger in made.larger] == [7, 10, 15]
    assert made.half_width > made.larger[0].half_width > made.larger[-1].half_width
    assert made.finds > made.larger[0].finds > made.larger[-1].finds
    many = plan(prompts=100, per_prompt=3, raters=30)
    assert many.needs[1][1] == votes_to_settle(0.65, 30) and 0.65 in dict(many.within_reach)
    short = plan(prompts=10, per_prompt=3, raters=2)
    assert short.ratings == 20 and short.short_of_raters
    none = plan(prompts=10, per_prompt=1, raters=0)
    assert none.ratings == 0 and none.half_width is None and none.finds is None
