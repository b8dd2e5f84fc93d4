"""The numbers behind a standing, against SciPy, published figures, other packages and simulation."""

import math

import evalica
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluation.statistics import (
    Growth,
    Votes,
    codes,
    estimate,
    first_plan,
    half_width,
    hasty_rater,
    interval,
    is_hasty,
    judge,
    krippendorff_alpha,
    least_settled_rate,
    settling_power,
    simultaneous,
    votes_to_settle,
)
from evaluation.statistics.boundaries import mixture_bound, planned_bounds
from evaluation.statistics.power import effective_votes
from evaluation.statistics.votes import ASSUMED_CORRELATION
from tests.support import rating_panels


def _votes(groups, items=None):
    """Votes out of {rater: values}; every vote on an item of its own unless `items` names them in order."""
    values = [value for row in groups.values() for value in row]
    raters = [rater for rater, row in groups.items() for _ in row]
    return Votes.of(values, raters, items or list(range(len(values))))


# --- intervals ---------------------------------------------------------------------------------------------
def test_one_vote_a_rater_is_the_t_interval_on_the_logit_scale():
    values = [1, 0, 1, 1, 0, 1, 0.5, 1, 0, 1, 0, 1, 1, 0, 0.5, 1, 0, 1]
    found = interval(_votes({rater: [value] for rater, value in enumerate(values)}))
    mean, error = np.mean(values), stats.sem(values)
    reach = stats.t.ppf(0.975, 17) * error / (mean * (1 - mean))
    logit = math.log(mean / (1 - mean))
    assert found.method == "clustered"
    assert (found.low, found.high) == pytest.approx(
        (1 / (1 + math.exp(reach - logit)), 1 / (1 + math.exp(-reach - logit)))
    )


def test_equal_raters_give_the_t_test_over_their_means():
    rng = np.random.default_rng(5)
    groups = {rater: list(rng.binomial(1, (rater + 1) / 10, 12).astype(float)) for rater in range(9)}
    figures = estimate(_votes(groups))
    means = [np.mean(row) for row in groups.values()]
    assert figures.mean == pytest.approx(np.mean(means))
    assert figures.df == pytest.approx(8)
    # CR2 for equal clusters is the plain variance of a mean of means.
    assert figures.variance == pytest.approx(stats.sem(means) ** 2)


def test_a_heavy_rater_does_not_outvote_ten_others():
    groups = {0: [1.0] * 300} | {rater: [0.0, 1.0] * 5 for rater in range(1, 11)}
    figures = estimate(_votes(groups))
    weight = 300 / (1 + 299 * ASSUMED_CORRELATION)
    other = 10 / (1 + 9 * ASSUMED_CORRELATION)
    assert figures.mean == pytest.approx((weight + 10 * other / 2) / (weight + 10 * other))
    assert figures.mean < 0.62 < 350 / 400


def test_uneven_weights_and_degrees_of_freedom_worked_by_hand():
    # Sizes 4 and 1 and 1: weights n/(1+(n-1)ρ); B = D(diag(1/w) - 1/W)D, df = trace(B)² / ‖B‖².
    votes = _votes({"a": [1, 1, 1, 1], "b": [1], "c": [0]})
    weights = np.array([4 / (1 + 3 * ASSUMED_CORRELATION), 1, 1])
    shares = weights / weights.sum()
    d = np.diag(shares / np.sqrt(1 - shares))
    b = d @ (np.diag(1 / weights) - 1 / weights.sum()) @ d
    figures = estimate(votes)
    assert figures.df == pytest.approx(np.trace(b) ** 2 / (b * b).sum())
    means = np.array([1, 1, 0])
    mean = shares @ means
    assert figures.variance == pytest.approx((shares**2 * (means - mean) ** 2 / (1 - shares)).sum())


def test_shared_items_widen_the_interval():
    rng = np.random.default_rng(3)
    easy = rng.random(20) < 0.6
    groups = {rater: [float(value) for value in easy] for rater in range(10)}  # all say the same of an item
    apart = interval(_votes(groups))
    shared = interval(_votes(groups, items=list(range(20)) * 10))
    assert shared.high - shared.low > 2 * (apart.high - apart.low)


@pytest.mark.parametrize("raters", [1, 2, 3, 12])
def test_twelve_to_nothing_is_not_certainty(raters):
    found = interval(_votes({r: [1.0] * (12 // raters) for r in range(raters)}))
    assert found.value == 1 and found.high == 1
    assert found.low < 0.85
    lost = interval(_votes({r: [0.0] * (12 // raters) for r in range(raters)}))
    assert lost.high == pytest.approx(1 - found.low)


def test_without_spread_the_interval_is_clopper_and_pearson():
    found = interval(_votes({rater: [1.0] for rater in range(12)}))
    reference = stats.binomtest(12, 12).proportion_ci(0.95, method="exact")
    assert found.method == "assumed"
    assert found.low == pytest.approx(reference.low)


def test_one_and_two_raters_follow_the_same_rule_as_few_votes():
    """30 votes of one person are worth about six; two people's spread says nothing either."""
    alone = interval(_votes({1: [1.0, 0.0] * 15}))
    two = interval(_votes({1: [1.0, 0.0] * 15, 2: [1.0, 0.0] * 15}))
    three_votes = interval(_votes({r: [1.0] for r in range(3)}))
    assert alone.method == two.method == three_votes.method == "assumed"
    assert alone.high - alone.low > two.high - two.low
    effective = 30 / (1 + 29 * ASSUMED_CORRELATION)
    assert alone.low == pytest.approx(stats.beta.ppf(0.025, effective / 2, effective / 2 + 1))


def test_raters_who_cancel_out_exactly_do_not_look_certain():
    found = interval(_votes({r: [1.0, 0.0] for r in range(6)}))
    assert found.low < 0.35 and found.high > 0.65


def test_all_ties_are_even_with_some_width():
    for raters in (2, 8):
        found = interval(_votes({rater: [0.5] * 4 for rater in range(raters)}))
        assert found.value == 0.5 and found.method == "assumed"
        assert found.low < 0.4 and found.high > 0.6


def test_a_rare_event_takes_the_wider_interval():
    groups = {r: [0.0] * 12 for r in range(4)} | {9: [0.0] * 11 + [1.0]}
    found = interval(_votes(groups))
    assert found.method == "both"
    assert found.low < 1 / 60
    assert found.high > stats.binomtest(1, 60).proportion_ci(0.95, method="exact").high


def test_scores_use_their_own_scale():
    found = interval(_votes({1: [5, 4, 5], 2: [3, 4, 4], 3: [2, 5, 4]}), low=1, high=5)
    as_shares = interval(_votes({1: [1, 0.75, 1], 2: [0.5, 0.75, 0.75], 3: [0.25, 1, 0.75]}))
    assert found.value == pytest.approx(4)
    assert found.low == pytest.approx(1 + 4 * as_shares.low)


def test_nothing_rated_is_no_interval():
    found = interval(Votes.of([], [], []))
    assert found.value is None and found.low is None and found.n == 0
    assert interval(Votes.of([None, None], [1, 2], [1, 2])).n == 0


def test_values_off_the_scale_are_refused():
    with pytest.raises(ValueError, match="outside"):
        interval(_votes({1: [1.5]}))
    with pytest.raises(ValueError, match="Every vote"):
        Votes.of([1.0], [1, 2], [1])


rows = st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=15)


@settings(deadline=None)  # nothing is timed here
@given(st.dictionaries(st.integers(0, 8), rows, min_size=1), st.integers(1, 12))
@example({0: [0.0], 1: [0.0], 2: [0.0] * 7 + [1.0] * 5}, 3)
@example({0: [1.0] * 15, 1: [0.0]}, 1)
@example({0: [0.5], 1: [0.5], 2: [0.5]}, 3)
def test_an_interval_always_has_width_holds_its_mean_and_mirrors(groups, questions):
    total = sum(len(row) for row in groups.values())
    items = [at % questions for at in range(total)]
    found = interval(_votes(groups, items))
    assert 0 <= found.low <= found.value + 1e-9 and found.value - 1e-9 <= found.high <= 1
    assert found.high - found.low > 0.05
    mirrored = interval(_votes({r: [1 - v for v in values] for r, values in groups.items()}, items))
    assert mirrored.low == pytest.approx(found.mirrored().low, abs=1e-9)
    assert mirrored.high == pytest.approx(found.mirrored().high, abs=1e-9)


def test_slices_are_corrected_for_their_number():
    rng = np.random.default_rng(1)
    votes = Votes.of(
        list((rng.random(200) < 0.5).astype(float)), [i % 20 for i in range(200)], list(range(200))
    )
    groups = codes([i % 10 for i in range(200)])
    together = simultaneous(votes, groups)
    alone = interval(votes.where(groups == 3))
    assert len(together) == 10
    assert together[3].low < alone.low and together[3].high > alone.high
    assert together[3].low == pytest.approx(interval(votes.where(groups == 3), level=0.995).low)


def test_a_slice_of_both_bad_has_no_win_rate():
    votes = Votes.of([None, None, 1.0], [1, 2, 3], [1, 2, 3])
    assert set(simultaneous(votes, codes(["a", "a", "b"]))) == {1}


# --- simulation, in short; benchmarks/statistics.py does it at length --------------------------------------
# The bounds are four standard errors of a simulation from what benchmarks/statistics.py measures at length.
HARDEST = [
    "20 raters, 100 to 1, sd 0.8",
    "8 raters, 150 to 5, sd 0.8",
    "300 by one, ten of 10, sd 0.8",
    "20 raters, 20 items x 20, sd 0.8 and 0.8",
    "20 raters, 20 items x 20, sd 0 and 0.8",
]


@pytest.mark.parametrize("name", HARDEST)
def test_intervals_cover_what_plain_ones_miss(name):
    design = next(d for d in rating_panels.designs() if d.name == name and d.rate == 0.6)
    ours, plain, _ = rating_panels.coverage(np.random.default_rng(20261125), design, 600)
    assert ours > 0.915
    assert plain < 0.88


@pytest.mark.parametrize(
    "panel",
    [
        rating_panels.SimulatedPanel(10),
        rating_panels.SimulatedPanel(5),
        rating_panels.SimulatedPanel(10, "uneven"),
        rating_panels.SimulatedPanel(10, "serial"),
    ],
    ids=str,
)
def test_the_verdict_rarely_errs_where_a_plain_test_often_does(panel):
    ours, plain = rating_panels.alarms(np.random.default_rng(20261125), panel, 400)
    assert ours < 0.085
    assert plain > 0.5


def test_a_real_difference_is_found():
    rng = np.random.default_rng(20261125)
    assert rating_panels.power(rng, rating_panels.SimulatedPanel(10, spread=0.4), 0.6, 400) > 0.51
    rate = least_settled_rate(300, 12)
    assert rating_panels.power(rng, rating_panels.SimulatedPanel(12), rate, 400, 300) == pytest.approx(
        0.8, abs=0.08
    )


@pytest.mark.parametrize(
    "strategy", rating_panels.STRATEGIES.values(), ids=lambda strategy: strategy.__name__
)
def test_the_gate_is_not_passed_by_chance(strategy):
    rng = np.random.default_rng(20261125)
    assert (
        sum(strategy(rng, rating_panels.SimulatedPanel(10)) for _ in range(200)) <= 14
    )  # 7%; five standard errors above 2%


def test_one_rater_does_not_pass_the_gate():
    assert not rating_panels.one_rater_passes()


def test_slices_without_a_difference_rarely_look_different():
    ours, single = rating_panels.slice_alarms(np.random.default_rng(20261125), 10, 200)
    assert ours < 0.1 < single


def test_mirrored_cases_are_equal():
    assert rating_panels.mirrored_equal(np.random.default_rng(20261125), 200)


# --- boundaries --------------------------------------------------------------------------------------------
def test_the_bounds_are_the_published_ones():
    # Lan & DeMets 1983 and every table since: four equal looks, two-sided 5%.
    assert planned_bounds((0.25, 0.5, 0.75, 1.0), 0.05) == pytest.approx(
        (4.333, 2.963, 2.359, 2.014), abs=0.001
    )
    assert planned_bounds((1.0,), 0.05) == pytest.approx((1.95996,), abs=1e-4)


def test_the_bounds_spend_no_more_than_they_may():
    rng = np.random.default_rng(2)
    steps = rng.standard_normal((200_000, 4)) / 2
    z = np.cumsum(steps, axis=1) / np.sqrt([0.25, 0.5, 0.75, 1.0])
    crossed = (np.abs(z) >= np.array(planned_bounds())).any(axis=1).mean()
    assert crossed == pytest.approx(0.04, abs=0.002)


@pytest.mark.parametrize("fractions", [(), (0.5, 0.5), (0.5, 0.4), (0.5, 1.1), (0.0, 1.0)])
def test_looks_have_to_rise(fractions):
    with pytest.raises(ValueError, match="rising"):
        planned_bounds(fractions)


def test_looking_after_every_vote_rarely_crosses_the_mixture_bound():
    rng = np.random.default_rng(4)
    counts = np.arange(20, 2001)
    means = np.cumsum(rng.integers(0, 2, (2000, 2000)), axis=1)[:, 19:] / counts
    z = np.abs(means - 0.5) * 2 * np.sqrt(counts)
    bounds = np.array([mixture_bound(4.0 * count) for count in counts])
    assert (z >= bounds).any(axis=1).mean() <= 0.01
    assert (z >= 1.96).any(axis=1).mean() > 0.3


# --- power -------------------------------------------------------------------------------------------------
def test_power_is_the_noncentral_t_of_the_last_look():
    raters, votes, rate = 20, 240, 0.65
    tail = stats.norm.sf(planned_bounds()[-1])
    shift = 0.15 / math.sqrt(0.65 * 0.35 / effective_votes(votes, raters))
    assert settling_power(rate, votes, raters) == pytest.approx(
        stats.nct.sf(stats.t.isf(tail, raters - 1), raters - 1, shift), abs=1e-6
    )


def test_one_rater_settles_nothing_and_few_settle_little():
    assert settling_power(0.9, 1000, 1) == 0
    assert least_settled_rate(1000, 1) is None
    assert least_settled_rate(300, 5) > least_settled_rate(300, 10) > least_settled_rate(300, 20)


def test_no_number_of_ratings_replaces_raters():
    assert votes_to_settle(0.6, 10) is None
    assert votes_to_settle(0.6, 40) < votes_to_settle(0.6, 30)
    assert settling_power(0.6, votes_to_settle(0.6, 40), 40) >= 0.8
    assert settling_power(0.6, votes_to_settle(0.6, 40) - 1, 40) < 0.8


def test_the_least_rate_inverts_the_power():
    rate = least_settled_rate(300, 12)
    assert settling_power(rate, 300, 12) == pytest.approx(0.8, abs=1e-3)


def test_more_raters_buy_more_than_more_votes_by_the_same():
    assert half_width(100, 10) < half_width(100, 4) < half_width(60, 4)
    assert half_width(100, 2) is None and half_width(2, 3) is None
    assert effective_votes(20, 20) == 20


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
    table = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    columns = zip(*[row.split() for row in table], strict=True)
    units = [[value for value in column if value != "."] for column in columns]
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=0.001)


def test_alpha_is_not_defined_without_pairs_or_variation():
    assert krippendorff_alpha([["a"], ["b"]]) is None
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) is None
    assert krippendorff_alpha([]) is None


# --- pace --------------------------------------------------------------------------------------------------
def test_nobody_reads_two_answers_in_a_second():
    assert is_hasty(1.0, 0) and is_hasty(4.0, 600)
    assert not is_hasty(9.0, 600)
    assert hasty_rater([(1.0, 300)] * 3 + [(30.0, 300)] * 3)
    assert not hasty_rater([(1.0, 300)] * 2 + [(30.0, 300)] * 4)
    assert not hasty_rater([(1.0, 300)] * 4), "four ratings are no habit"


# --- the verdict -------------------------------------------------------------------------------------------
def _panel(wins, losses, raters, *, others=0):
    """The votes of a panel in an even mix, so that every look sees the same rate."""
    total = wins + losses
    values = [float((at + 1) * wins // total > at * wins // total) for at in range(total)] + [None] * others
    return Votes.of(values, [at % raters for at in range(total + others)], list(range(total + others)))


def test_settled_at_a_planned_look_and_not_before():
    votes = _panel(90, 30, 13)
    verdict = judge(votes, planned=120, baseline="A", candidate="B")
    assert verdict.settled == "candidate" and verdict.complete
    assert "B is better than A: settled at the planned look after" in verdict.says
    early = judge(votes.first(29), planned=120, baseline="A", candidate="B")
    assert early.settled is None and early.next_look == 30
    assert "The next look is after 30 of 120 ratings." in early.says


def test_the_verdict_is_the_same_however_often_it_is_asked():
    rng = np.random.default_rng(8)
    votes = Votes.of(
        list((rng.random(300) < 0.62).astype(float)), [i % 15 for i in range(300)], list(range(300))
    )
    by_look = [judge(votes.first(n), planned=200, baseline="A", candidate="B") for n in range(150, 200)]
    assert len({verdict.settled for verdict in by_look}) == 1
    assert {verdict.looks[2].z for verdict in by_look} == {by_look[0].looks[2].z}


def test_mirrored_votes_give_the_mirrored_verdict():
    rng = np.random.default_rng(9)
    for rate in (0.3, 0.5, 0.62, 0.9):
        values = (rng.random(160) < rate).astype(float)
        raters, items = rng.integers(0, 8, 160), rng.integers(0, 50, 160)
        one = judge(Votes(values, raters, items), planned=160, baseline="A", candidate="B")
        other = judge(Votes(1 - values, raters, items), planned=160, baseline="A", candidate="B").mirrored()
        assert one.settled == other.settled
        assert [look.z for look in one.looks] == pytest.approx([look.z for look in other.looks], abs=1e-9)


def test_one_person_alone_settles_nothing_however_often_they_vote():
    verdict = judge(_panel(400, 0, 1), planned=400, baseline="A", candidate="B")
    assert verdict.settled is None
    assert "the votes of one person cannot settle it" in verdict.says


def test_one_vote_of_a_second_person_does_not_help():
    votes = Votes.of([1.0] * 301, ["a"] * 300 + ["b"], list(range(301)))
    assert judge(votes, planned=300, baseline="A", candidate="B").settled is None


def test_after_the_plan_it_takes_stronger_evidence():
    """2.5 standard errors at the last look settle; the same found by going on does not."""
    even = _panel(60, 60, 12)
    more = _panel(150, 60, 12)
    votes = Votes.of(
        [*even.values, *more.values], [*even.raters, *more.raters], list(range(len(even) + len(more)))
    )
    planned_so = judge(votes, planned=len(votes), baseline="A", candidate="B")
    extended = judge(votes, planned=120, baseline="A", candidate="B")
    assert planned_so.settled == "candidate"
    assert abs(extended.looks[-1].z) < 0.1
    assert (extended.settled == "candidate") == (planned_so.looks[-1].z > 3.5)


def test_votes_that_turn_round_unsettle():
    values = [1.0] * 60 + [0.0] * 80
    votes = Votes.of(values, [i % 20 for i in range(140)], list(range(140)))
    verdict = judge(votes, planned=80, baseline="A", candidate="B")
    assert verdict.settled is None and "favour the other version" in verdict.says


def test_both_bad_counts_for_the_plan_and_for_nobody():
    votes = _panel(90, 30, 13, others=60)
    verdict = judge(votes, planned=180, baseline="A", candidate="B")
    assert verdict.complete and verdict.settled == "candidate"
    nothing_else = judge(
        Votes.of([None] * 40, [i % 4 for i in range(40)], list(range(40))),
        planned=40,
        baseline="A",
        candidate="B",
    )
    assert nothing_else.settled is None


def test_even_and_empty():
    even = judge(_panel(10, 10, 4), planned=20, baseline="A", candidate="B")
    assert even.settled is None and "neither is ahead" in even.says
    assert judge(Votes.of([], [], []), planned=20, baseline="A", candidate="B").says == "No ratings yet."


def test_a_plan_may_grow_only_before_its_first_look():
    assert first_plan([Growth(100, 0)]) == 100
    assert first_plan([Growth(100, 0), Growth(400, 24)]) == 400
    assert first_plan([Growth(100, 0), Growth(400, 25)]) == 100
    assert first_plan([Growth(100, 0), Growth(400, 24), Growth(800, 101)]) == 400
    assert first_plan([]) == 0
