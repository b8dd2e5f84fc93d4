"""What the figures of a task say, and the statistics under them. No database."""

import random

import pytest

from training.forgetting import ItemResult, TaskFigures, figures_of, verdicts
from training.statistics.shares import share_difference


def pairs(both, lost, gained, neither):
    return (
        [(True, True)] * both + [(True, False)] * lost + [(False, True)] * gained + [(False, False)] * neither
    )


def results(*counts, loss=1.0):
    return [ItemResult(1.0, loss, 1, was, now) for was, now in pairs(*counts)]


# --- shares ----------------------------------------------------------------------------------------------------
def test_the_interval_is_the_published_one():
    # The example of Fagerland, Lydersen & Laake (2014), 21 children: -0.286 with -0.508 to -0.013.
    found = share_difference(pairs(1, 1, 7, 12))
    assert found.worse == pytest.approx(-6 / 21)
    assert (found.low, found.high) == (pytest.approx(-0.508, abs=6e-4), pytest.approx(-0.013, abs=6e-4))


@pytest.mark.parametrize(
    "counts", [(1, 0, 0, 0), (20, 0, 0, 0), (0, 0, 0, 20), (10, 0, 0, 10), (0, 20, 0, 0)]
)
def test_the_interval_is_never_zero_wide(counts):
    found = share_difference(pairs(*counts))
    assert found.high - found.low > 0.05
    assert -1 <= found.low < found.high <= 1


def test_nothing_is_said_without_items():
    assert share_difference([]) is None and figures_of("facts", []) is None


@pytest.mark.parametrize(("lose", "gain"), [(0.02, 0.02), (0.1, 0.1), (0.15, 0.05), (0.3, 0.02)])
def test_nineteen_of_twenty_intervals_hold_the_true_difference(lose, gain):
    draws, held = random.Random(5), 0
    for _ in range(2000):
        drawn = []
        for _ in range(80):
            at = draws.random()
            drawn.append((True, False) if at < lose else (False, True) if at < lose + gain else (True, True))
        found = share_difference(drawn)
        held += found.low <= lose - gain <= found.high
    assert held / 2000 > 0.94


# --- verdicts --------------------------------------------------------------------------------------------------
def said(*figures):
    return [one.verdict for one in verdicts(list(figures))]


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ((60, 0, 0, 20), "kept"),
        ((57, 3, 2, 18), "kept"),
        ((40, 20, 0, 20), "forgot"),
        ((20, 1, 30, 29), "better"),
        ((40, 12, 8, 20), "unknown"),  # the interval reaches past ten points
        ((10, 0, 0, 0), "unknown"),  # too few items
        ((5, 4, 0, 71), "unknown"),  # the base gets almost none right
    ],
)
def test_a_share(counts, verdict):
    assert said(figures_of("facts", results(*counts))) == [verdict]


def test_a_task_without_checks_is_judged_by_its_loss():
    draws = random.Random(1)
    losses = [(20 + draws.gauss(0, 3), draws.gauss(0, 0.4)) for _ in range(80)]

    def prose(shift):
        return figures_of("prose", [ItemResult(loss, loss + shift + noise, 10) for loss, noise in losses])

    assert said(prose(0)) == ["kept"]
    assert said(prose(5)) == ["forgot"]
    assert said(prose(-5)) == ["better"]
    assert said(prose(0.9)) == ["forgot"]
    assert prose(5).deciding.worse == pytest.approx(0.5, abs=0.02)


def test_rows_of_one_conversation_say_nothing():
    rows = [ItemResult(10, 20, 10, group="one") for _ in range(40)]
    (one,) = verdicts([figures_of("previous", rows)])
    assert one.verdict == "unknown" and "one conversation" in one.why


def test_many_tasks_are_corrected_for_their_number():
    # p = 0.013 one-sided: alone it counts, among six it does not.
    weak = figures_of("facts", results(50, 12, 3, 15))
    assert 0.0125 / 3 < weak.deciding.p_worse < 0.025
    assert said(weak) == ["forgot"]
    others = [figures_of(name, results(60, 2, 2, 16)) for name in ("arithmetic", "format", "refusals")]
    assert said(weak, *others)[0] == "unknown"


def test_a_version_that_forgot_nothing_is_seldom_called_forgetful():
    draws, called = random.Random(9), 0
    for _ in range(400):
        tasks = []
        for name in ("arithmetic", "format", "facts", "refusals"):
            drawn = [ItemResult(1, 1, 1, draws.random() < 0.6, draws.random() < 0.6) for _ in range(80)]
            tasks.append(figures_of(name, drawn))
        called += "forgot" in said(*tasks)
    assert called / 400 < 0.05


def test_figures_survive_storing():
    for figures in (figures_of("facts", results(40, 20, 0, 20)), figures_of("prose", [ItemResult(1, 2, 1)])):
        assert TaskFigures.from_values(figures.as_values()) == figures
