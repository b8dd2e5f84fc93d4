"""The paired difference of losses against closed forms, SciPy and simulation."""

import math
import random

import pytest
from scipy import stats

from training.statistics.paired import PairedRow, holm, paired_difference


def _rows(differences, tokens=1.0, groups=None):
    return [
        PairedRow(groups[at] if groups else at, 2.0 * tokens + one * tokens, 2.0 * tokens, tokens)
        for at, one in enumerate(differences)
    ]


def test_equal_rows_of_their_own_give_the_paired_t_interval():
    rng = random.Random(1)
    values = [rng.gauss(0.1, 0.4) for _ in range(17)]
    found = paired_difference(_rows(values))
    expected = stats.ttest_1samp(values, 0, alternative="greater")
    interval = stats.ttest_1samp(values, 0).confidence_interval()
    assert found.difference == pytest.approx(sum(values) / 17)
    assert (found.low, found.high) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert found.freedom == pytest.approx(16)
    assert found.p_higher == pytest.approx(expected.pvalue)
    assert (found.loss, found.other) == (pytest.approx(2 + found.difference), pytest.approx(2.0))


def test_equal_groups_give_the_t_interval_of_their_means():
    rng = random.Random(2)
    leans = [rng.gauss(0, 0.5) for _ in range(8)]
    groups = [group for group in range(8) for _ in range(3)]
    values = [leans[group] + rng.gauss(0, 0.05) for group in groups]
    means = [sum(values[3 * g : 3 * g + 3]) / 3 for g in range(8)]
    found = paired_difference(_rows(values, groups=groups))
    interval = stats.ttest_1samp(means, 0).confidence_interval()
    assert (found.low, found.high) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert found.groups == 8 and found.n == 24


def test_groups_that_agree_by_chance_do_not_narrow_it():
    """Two groups with the same mean: by groups alone the interval would have no width."""
    values = [0.5, -0.5, 0.5, -0.5]
    found = paired_difference(_rows(values, groups=["a", "a", "b", "b"]))
    assert found.high - found.low > 1


def test_long_answers_weigh_more():
    rows = [PairedRow("a", 3.0 * 90, 2.0 * 90, 90), PairedRow("b", 1.0 * 10, 2.0 * 10, 10)]
    assert paired_difference(rows).difference == pytest.approx(0.9 * 1.0 - 0.1 * 1.0)


def test_a_weight_is_that_many_rows():
    twice = [PairedRow("a", 5, 4, 2), PairedRow("a", 5, 4, 2), PairedRow("b", 3, 4, 2)]
    weighted = [PairedRow("a", 5, 4, 2, weight=2), PairedRow("b", 3, 4, 2)]
    assert paired_difference(twice).difference == pytest.approx(paired_difference(weighted).difference)


def test_identical_losses_have_no_difference_and_no_doubt():
    found = paired_difference(_rows([0.0] * 10))
    assert (found.difference, found.low, found.high, found.p_higher) == (0.0, 0.0, 0.0, 1.0)


def test_one_group_has_no_interval_and_nothing_no_answer():
    found = paired_difference(_rows([0.1, 0.2], groups=["a", "a"]))
    assert found.low is None and found.high is None and found.p_higher is None
    assert paired_difference([]) is None


def test_mirrored_rows_give_the_mirrored_interval():
    rng = random.Random(4)
    rows = [
        PairedRow(rng.randrange(9), rng.gauss(60, 9), rng.gauss(60, 9), rng.randint(5, 60)) for _ in range(40)
    ]
    there = paired_difference(rows)
    back = paired_difference([PairedRow(r.group, r.other, r.loss, r.tokens) for r in rows])
    assert there.low == pytest.approx(-back.high) and there.high == pytest.approx(-back.low)
    assert there.p_higher == pytest.approx(1 - back.p_higher)


@pytest.mark.parametrize("bad", [{"tokens": 0}, {"tokens": 3, "weight": 0}])
def test_rows_without_tokens_or_weight_are_refused(bad):
    with pytest.raises(ValueError, match="above zero"):
        paired_difference([PairedRow("a", 1.0, 1.0, **bad)])


@pytest.mark.parametrize("sizes", [(1,), (1, 1, 2, 6)])
def test_the_interval_covers_with_uneven_groups(sizes):
    rng = random.Random(7)
    covered = 0
    for _ in range(800):
        rows = []
        for group in range(12):
            lean = rng.gauss(0, 0.15)
            for _ in range(rng.choice(sizes)):
                tokens = math.exp(rng.gauss(3.7, 0.5))
                rows.append(PairedRow(group, (2 + lean + rng.gauss(0, 0.3)) * tokens, 2 * tokens, tokens))
        found = paired_difference(rows)
        covered += found.low <= 0 <= found.high
    assert covered / 800 >= 0.93


def test_holm_is_what_the_textbook_says():
    assert holm([0.01, 0.04, 0.03, 0.005]) == [pytest.approx(p) for p in (0.03, 0.06, 0.06, 0.02)]
    assert holm([]) == [] and holm([0.9, 0.8]) == [1.0, 1.0]
