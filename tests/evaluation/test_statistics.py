"""The numbers behind a standing, against SciPy, evalica, published figures and simulation."""

import math

import evalica
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluation.statistics import (
    clustered_interval,
    decisive_votes_needed,
    e_value,
    half_width,
    judge,
    krippendorff_alpha,
    least_detectable_rate,
    votes_to_settle,
)
from evaluation.statistics.intervals import ASSUMED_CORRELATION
from evaluation.statistics.power import effective_votes


# --- intervals ---------------------------------------------------------------------------------------------
def test_one_vote_a_rater_is_the_ordinary_t_interval():
    values = [1, 0, 1, 1, 0, 1, 0.5, 1, 0, 1, 0, 1, 1, 0, 0.5, 1, 0, 1]
    found = clustered_interval({rater: [value] for rater, value in enumerate(values)})
    reference = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.method == "clustered"
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high))


def test_the_formula_on_figures_worked_by_hand():
    # Three raters: sums of residuals around 0.5 are +1, 0, -1; variance = 3/2 · 2/144 = 1/48; t(2) = 4.302653.
    groups = {"a": [1, 1, 1, 0], "b": [1, 1, 0, 0], "c": [1, 0, 0, 0]}
    found = clustered_interval(groups)
    assert found.value == 0.5
    assert found.high == pytest.approx(min(1, 0.5 + 4.302653 * math.sqrt(1 / 48)), abs=1e-6)
    assert (found.n, found.clusters) == (12, 3)


def test_equal_clusters_match_a_t_interval_over_rater_means():
    rng = np.random.default_rng(5)
    groups = {rater: list(rng.binomial(1, (rater + 1) / 10, 12).astype(float)) for rater in range(9)}
    found = clustered_interval(groups)
    reference = stats.ttest_1samp([np.mean(v) for v in groups.values()], 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high))


@pytest.mark.parametrize("raters", [1, 2, 3, 12])
def test_twelve_to_nothing_is_not_certainty(raters):
    found = clustered_interval({r: [1.0] * (12 // raters) for r in range(raters)})
    assert found.value == 1 and found.high == 1
    assert found.low < 0.85
    lost = clustered_interval({r: [0.0] * (12 // raters) for r in range(raters)})
    assert lost.high == pytest.approx(1 - found.low)


def test_without_clustering_the_fallback_is_clopper_and_pearson():
    found = clustered_interval({rater: [1.0] for rater in range(12)})
    reference = stats.binomtest(12, 12).proportion_ci(0.95, method="exact")
    assert found.method == "assumed"
    assert found.low == pytest.approx(reference.low)


def test_one_rater_weighs_less_than_many():
    alone = clustered_interval({1: [1.0] * 12})
    many = clustered_interval({r: [1.0] for r in range(12)})
    assert alone.low < many.low
    effective = 12 / (1 + 11 * ASSUMED_CORRELATION)
    assert alone.low == pytest.approx(0.025 ** (1 / effective))


def test_raters_who_cancel_out_exactly_do_not_look_certain():
    found = clustered_interval({r: [1.0, 0.0] for r in range(6)})
    assert found.low < 0.35 and found.high > 0.65


def test_raters_whose_means_agree_by_chance_do_not_look_certain():
    """Between these raters hardly anything differs; 45 votes are 45 votes all the same."""
    groups = {0: [0.0] * 5 + [0.5] + [1.0] * 6} | {r: [0.0] * 5 + [1.0] * 6 for r in (1, 2, 3)}
    found = clustered_interval(groups)
    assert found.method == "clustered"
    votes = [vote for rater in groups.values() for vote in rater]
    alone = stats.ttest_1samp(votes, 0).confidence_interval(0.95)
    assert found.low <= alone.low and found.high >= alone.high


def test_all_ties_are_even_with_some_width():
    found = clustered_interval({1: [0.5] * 4, 2: [0.5] * 4})
    assert found.value == 0.5 and found.low < 0.3 and found.high > 0.7


def test_a_rare_event_takes_the_wider_interval():
    groups = {r: [0.0] * 12 for r in range(4)} | {9: [0.0] * 11 + [1.0]}
    found = clustered_interval(groups)
    assert found.method == "both"
    assert found.low == 0 or found.low < 1 / 60
    assert found.high > stats.binomtest(1, 60).proportion_ci(0.95, method="exact").high


def test_scores_use_their_own_scale():
    found = clustered_interval({1: [5, 4, 5], 2: [3, 4, 4], 3: [2, 5, 4]}, low=1, high=5)
    as_shares = clustered_interval({1: [1, 0.75, 1], 2: [0.5, 0.75, 0.75], 3: [0.25, 1, 0.75]})
    assert found.value == pytest.approx(4)
    assert found.low == pytest.approx(1 + 4 * as_shares.low)


def test_nothing_rated_is_no_interval():
    found = clustered_interval({})
    assert found.value is None and found.low is None and found.n == 0
    assert clustered_interval({1: []}).n == 0


def test_values_off_the_scale_are_refused():
    with pytest.raises(ValueError, match="outside"):
        clustered_interval({1: [1.5]})


votes = st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=15)


@settings(deadline=None)  # nothing is timed here
@given(st.dictionaries(st.integers(0, 8), votes, min_size=1))
# Five votes on the rarer side are not few, from whichever side they are counted.
@example({0: [0.0], 1: [0.0], 2: [0.0] * 7 + [1.0] * 5})
def test_an_interval_always_has_width_holds_its_mean_and_mirrors(groups):
    found = clustered_interval(groups)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high - found.low > 0.05
    mirrored = clustered_interval({rater: [1 - v for v in values] for rater, values in groups.items()})
    assert mirrored.low == pytest.approx(1 - found.high, abs=1e-9)


def _panel(rng, raters=20, each=20, spread=0.8):
    """Votes of raters whose leanings spread around even; the mean over all raters is exactly one half."""
    lean = 1 / (1 + np.exp(-rng.normal(0, spread, raters)))
    return rng.random((raters, each)) < lean[:, None]


def test_clustered_intervals_cover_what_naive_ones_miss():
    rng = np.random.default_rng(20261123)
    clustered = naive = 0
    rounds = 1500
    for _ in range(rounds):
        panel = _panel(rng)
        found = clustered_interval({r: row.astype(float).tolist() for r, row in enumerate(panel)})
        clustered += found.low <= 0.5 <= found.high
        reach = 1.959964 * math.sqrt(panel.mean() * (1 - panel.mean()) / panel.size)
        naive += abs(panel.mean() - 0.5) <= reach
    assert naive / rounds == pytest.approx(0.72, abs=0.05)
    assert 0.93 <= clustered / rounds <= 0.975


# --- power -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("rate", "needed"), [(0.55, 783), (0.60, 194), (0.65, 85), (0.70, 47)])
def test_published_sample_sizes(rate, needed):
    assert decisive_votes_needed(rate) == needed
    assert decisive_votes_needed(1 - rate) == needed


@pytest.mark.parametrize("rate", [0, 0.5, 1])
def test_no_sample_size_without_a_difference(rate):
    with pytest.raises(ValueError, match="rate"):
        decisive_votes_needed(rate)


def test_the_least_detectable_rate_inverts_the_sample_size():
    assert least_detectable_rate(194) == pytest.approx(0.60, abs=1e-3)
    assert least_detectable_rate(783) == pytest.approx(0.55, abs=1e-3)
    assert least_detectable_rate(3) is None and least_detectable_rate(0) is None


def test_more_raters_buy_more_than_more_votes_by_the_same():
    assert half_width(100, 10) < half_width(100, 4) < half_width(60, 4)
    assert half_width(100, 1) is None
    assert half_width(2, 2) == 0.5
    assert effective_votes(20, 20) == 20
    assert effective_votes(400, 20) == pytest.approx(400 / (1 + 19 * ASSUMED_CORRELATION))


# --- anytime-valid evidence --------------------------------------------------------------------------------
def test_the_e_value_is_the_beta_mixture():
    weights = stats.beta(10, 10)
    by_hand = weights.expect(lambda p: p**9 * (1 - p) ** 3) / 0.5**12
    assert e_value(9, 3) == pytest.approx(by_hand)
    assert e_value(0, 0) == 1
    assert e_value(3, 9) == pytest.approx(e_value(9, 3))
    assert math.isfinite(e_value(100_000, 0))


def test_the_e_value_is_a_fair_bet_when_there_is_no_difference():
    expected = sum(math.comb(15, w) * 0.5**15 * e_value(w, 15 - w) for w in range(16))
    assert expected == pytest.approx(1)


def test_looking_all_the_time_rarely_fools_the_e_value_but_often_a_plain_test():
    rng = np.random.default_rng(20261123)
    rounds, length, every = 2000, 500, 10
    wins = np.cumsum(rng.random((rounds, length)) < 0.5, axis=1)[:, every - 1 :: every]
    looks = np.arange(every, length + 1, every)
    plain = (np.abs(wins - looks / 2) / np.sqrt(looks / 4) > 1.959964).any(axis=1).mean()
    table = {(int(w), int(n)): e_value(w, n - w) for n in looks for w in range(n + 1)}
    fired = np.mean([any(table[w, n] >= 20 for w, n in zip(row, looks, strict=True)) for row in wins])
    assert plain == pytest.approx(0.30, abs=0.04)
    assert fired == pytest.approx(0.028, abs=0.012)


def test_a_real_difference_is_found():
    rng = np.random.default_rng(7)
    found = 0
    for _ in range(200):
        wins = np.cumsum(rng.random(600) < 0.65)
        found += any(e_value(w, n - w) >= 20 for n, w in enumerate(wins, 1))
    assert found / 200 > 0.95


def test_votes_to_settle_lands_on_the_threshold():
    more = votes_to_settle(30, 18)
    total = 48 + more
    share = 30 / 48
    assert e_value(total * share, total * (1 - share)) >= 20
    assert e_value((total - 1) * share, (total - 1) * (1 - share)) < 20
    assert votes_to_settle(60, 10) == 0
    assert votes_to_settle(10, 10) is None and votes_to_settle(0, 0) is None
    assert votes_to_settle(50_001, 50_000) is None
    assert votes_to_settle(18, 30) == more


# --- agreement ---------------------------------------------------------------------------------------------
def _evalica(units):
    """evalica wants raters in rows and units in columns, gaps as NaN."""
    width = max(len(unit) for unit in units)
    return evalica.alpha(
        pd.DataFrame([[u[r] if r < len(u) else None for u in units] for r in range(width)])
    ).alpha


def test_alpha_matches_evalica():
    rng = np.random.default_rng(3)
    kinds = ["a", "b", "tie", "bad"]
    for _ in range(20):
        units = [[kinds[i] for i in rng.integers(0, 4, rng.integers(1, 5))] for _ in range(30)]
        assert krippendorff_alpha(units) == pytest.approx(_evalica(units))


def test_alpha_of_krippendorffs_own_example():
    # Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), example C: nominal, four observers, gaps.
    rows = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    columns = zip(*[row.split() for row in rows], strict=True)
    units = [[value for value in column if value != "."] for column in columns]
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=0.001)


def test_alpha_is_not_defined_without_pairs_or_variation():
    assert krippendorff_alpha([["a"], ["b"]]) is None
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) is None
    assert krippendorff_alpha([]) is None


# --- the sentence ------------------------------------------------------------------------------------------
def _votes(wins, losses, raters):
    values = [1.0] * wins + [0.0] * losses
    return clustered_interval({r: values[r::raters] for r in range(raters)})


def test_settled_needs_evidence_and_several_people():
    many = judge(_votes(60, 10, 10), wins=60, losses=10, others=0, baseline="A", candidate="B")
    assert many.settled == "candidate" and "B is better than A: enough evidence to stop" in many.says
    behind = judge(_votes(10, 60, 10), wins=10, losses=60, others=0, baseline="A", candidate="B")
    assert behind.settled == "baseline" and "A is better" in behind.says


def test_one_person_alone_settles_nothing_however_often_they_vote():
    alone = clustered_interval({1: [1.0] * 400})
    assert alone.low > 0.5
    found = judge(alone, wins=400, losses=0, others=0, baseline="A", candidate="B")
    assert found.e_value >= 20 and found.settled is None
    assert "other people" in found.says


def test_a_lean_says_how_far_it_is():
    found = judge(_votes(30, 18, 6), wins=30, losses=18, others=12, baseline="A", candidate="B")
    assert found.settled is None and found.more > votes_to_settle(30, 18)
    assert "B is ahead" in found.says and f"about {found.more}" in found.says


def test_even_and_empty():
    even = judge(_votes(10, 10, 4), wins=10, losses=10, others=0, baseline="A", candidate="B")
    assert even.more is None and "neither is ahead" in even.says
    none = judge(clustered_interval({}), wins=0, losses=0, others=0, baseline="A", candidate="B")
    assert none.says == "No ratings yet."
