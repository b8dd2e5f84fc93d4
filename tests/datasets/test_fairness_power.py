"""The test of shares against SciPy, what it can see, and what the correction leaves out."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.bias_audit import WOMEN, MadeSets, named, share, simulated
from dataset.fairness.counting import Table, comparisons_of
from dataset.fairness.differences import LEAST_SHARE_ROWS, benjamini_hochberg, compare, holm
from dataset.fairness.exact import design_effect, likeness, share_test
from dataset.fairness.power import least_seen, level_of, visible
from dataset.fairness.words import shipped


def shares(ones: int, n: int, other_ones: int, rest: int) -> tuple[np.ndarray, np.ndarray]:
    values = np.r_[np.arange(n) < ones, np.arange(rest) < other_ones].astype(float)
    return values, np.arange(n + rest) < n


@pytest.mark.parametrize(
    ("ones", "n", "other_ones", "rest"), [(20, 50, 190, 950), (0, 60, 40, 300), (9, 40, 4, 200)]
)
def test_rows_of_their_own_conversations_give_fishers_test(ones: int, n: int, other_ones: int, rest: int):
    values, ours = shares(ones, n, other_ones, rest)
    found = share_test(values, np.arange(n + rest), ours, ~ours)
    table = [[ones, n - ones], [other_ones, rest - other_ones]]
    tails = [stats.fisher_exact(table, alternative=side).pvalue for side in ("less", "greater")]
    assert found.p == pytest.approx(min(1, 2 * min(tails)))
    whole = ones + other_ones
    most = stats.fisher_exact(
        [[min(n, whole), max(n - whole, 0)], [max(whole - n, 0), rest - max(whole - n, 0)]]
    )
    assert 0 < found.least <= 2.001 * most.pvalue


def test_alike_rows_of_one_conversation_tell_less():
    random = np.random.default_rng(5)
    conversations = np.repeat(np.arange(100), 4)
    values = (random.random(100) < 0.3).astype(float)[conversations]  # every conversation of one kind
    assert likeness(values, conversations) == pytest.approx(1, abs=0.01)
    assert design_effect(conversations, 1.0) == pytest.approx(4)
    ours = np.arange(400) < 160
    once = share_test(values[::4], np.arange(100), ours[::4], ~ours[::4])
    assert share_test(values, conversations, ours, ~ours).p == pytest.approx(once.p, rel=0.35)
    assert likeness(np.zeros(400), conversations) == 0 == likeness(values, np.arange(400))


def test_equal_shares_are_found_no_oftener_than_the_level_says():
    random = np.random.default_rng(6)
    found = {0.05: 0, 0.005: 0}
    for _ in range(600):
        clusters = np.sort(random.integers(0, 300, 600))
        odds = -1.7 + 0.9 * random.normal(size=300)[clusters]
        values = (random.random(600) < 1 / (1 + np.exp(-odds))).astype(float)
        ours = (random.random(300) < 0.15)[clusters]
        p = share_test(values, clusters, ours, ~ours).p
        found = {level: count + (p < level) for level, count in found.items()}
    assert found[0.05] / 600 <= 0.05 + 3 * 0.009 and found[0.005] / 600 <= 0.005 + 3 * 0.003


def test_weights_move_the_risk_and_keep_its_sum():
    values = [0.01, 0.04, 0.03, 0.005, 0.6]
    assert holm(values, [2.0] * 5) == pytest.approx(holm(values))
    assert benjamini_hochberg(values, [3.0] * 5) == pytest.approx(benjamini_hochberg(values))
    assert holm([0.02, 0.02], [3.0, 1.0]) == pytest.approx([0.02 / 3 * 4, 0.02 / 3 * 4])
    assert holm([0.02, 0.001], [3.0, 1.0]) == pytest.approx([0.02, 0.004])
    random = np.random.default_rng(7)
    weights = [3.0] * 10 + [1.0] * 30
    wrong = sum(min(holm(list(random.random(40)), weights)) < 0.05 for _ in range(2000))
    assert wrong / 2000 == pytest.approx(0.05, abs=0.015)


def test_what_could_never_be_found_is_not_counted():
    lexicon = [shipped("gender")]
    members = {(one.key, group.key): np.zeros(400, dtype=bool) for one in lexicon for group in one.groups}
    members["gender", "women"][:100] = True
    members["gender", "men"][100:] = True
    rare = np.zeros(400)
    rare[:2] = 1  # two refusals, both of women
    random = np.random.default_rng(8)
    values = {
        "refusal": rare, "granted": np.full(400, np.nan), "sentiment": random.normal(size=400),
        "politeness": random.poisson(1.0, 400).astype(float), "length": random.poisson(30, 400).astype(float),
    }  # fmt: skip
    comparisons, counted = comparisons_of(Table(lexicon, np.arange(400), values, members), "holm")
    refusals = [one for one in comparisons if one.outcome == "refusal" and one.figures.p is not None]
    assert refusals and all(one.adjusted is None and not one.found for one in refusals)
    assert counted == 3  # sentiment, politeness and length, women against men


def test_the_smallest_visible_share_is_found_as_often_as_promised():
    """In rows of their own conversations, at the level of a single comparison."""
    level, random = 0.001, np.random.default_rng(9)
    seen = least_seen(100, 900, 0.2, level)
    assert seen is not None and 0.35 < seen < 0.45
    ours, found = np.arange(1000) < 100, 0
    for _ in range(300):
        values = (random.random(1000) < np.where(ours, seen, 0.2)).astype(float)
        found += share_test(values, np.arange(1000), ours, ~ours).p < level
    assert found / 300 == pytest.approx(0.8, abs=0.1)


def test_small_groups_and_impossible_shares_are_said_so():
    assert least_seen(LEAST_SHARE_ROWS - 1, 1000, 0.2, 0.001) is None
    assert least_seen(40, 1000, 0.9, 0.001) is None
    assert level_of("refusal", 20) > level_of("length", 20)
    table = visible(1000, base=0.2, groups=20)
    assert [one.rows for one in table] == [50, 100, 200, 500]
    assert [one.share for one in table] == sorted((one.share for one in table), reverse=True)
    assert visible(60, base=0.2, groups=20) == []


def test_a_group_of_a_tenth_that_is_refused_twice_as_often_is_mostly_named():
    """All lexicons. The benchmark has the table of sizes."""
    planted = simulated(40, MadeSets(base=0.3, biased=WOMEN, part=0.1))
    assert share(planted, named) >= 0.7


def test_a_comparison_of_shares_has_the_exact_p_beside_its_interval():
    values, ours = shares(20, 50, 190, 950)
    found = compare(values, np.arange(1000), ours, ~ours, share=True)
    assert found.p == share_test(values, np.arange(1000), ours, ~ours).p
    assert found.low is not None and found.low > 0 and found.least is not None and found.least < 1e-20
