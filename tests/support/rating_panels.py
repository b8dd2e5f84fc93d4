"""Simulated raters, and how the intervals and the verdict do on their votes."""

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import expit

from evaluation.statistics import Growth, Votes, first_plan, interval, judge, simultaneous
from evaluation.statistics.intervals import Interval
from release.gate import Facts, RatedComparison, human_preference

Rng = np.random.Generator
_NODES, _WEIGHTS = hermegauss(80)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
PLAIN = 1.959964
VOTES = 500
UNEVEN = {
    "20 raters, 100 to 1": [100, 80, 50, 40, 30, 20, 15, 10, 10, 8, 7, 6, 5, 5, 4, 3, 3, 2, 1, 1],
    "8 raters, 150 to 5": [150, 120, 60, 30, 20, 10, 5, 5],
    "300 by one, ten of 10": [300] + [10] * 10,
}
EVEN = {
    f"{raters} x {votes}": [votes] * raters
    for raters, votes in ((20, 20), (50, 4), (10, 50), (5, 10), (3, 30), (2, 20))
}
# raters, items, ratings an item, rater sd, item sd
CROSSED = [
    (20, 20, 20, 0.8, 0.8), (20, 20, 20, 0.4, 0.8), (20, 20, 20, 0.0, 0.8), (20, 100, 10, 0.4, 0.8), (10, 50, 10, 0.8, 0.8),
    (10, 50, 10, 0.4, 0.8), (10, 100, 3, 0.8, 0.8), (10, 100, 3, 0.4, 0.8), (20, 200, 2, 0.8, 0.8), (20, 200, 2, 0.4, 0.8),
    (5, 40, 5, 0.8, 0.8), (5, 40, 5, 0.4, 0.8), (5, 40, 5, 0.0, 0.8), (3, 100, 3, 0.8, 0.8), (3, 100, 3, 0.4, 0.8),
]  # fmt: skip
RATES = (0.5, 0.6, 0.8, 0.95)


@dataclass(frozen=True)
class SimulatedPanel:
    """The raters: `order` mixed (in turn, shuffled), uneven (Zipf) or serial (one rater after another)."""

    raters: int
    order: str = "mixed"
    spread: float = 0.8
    item_spread: float = 0.0
    per_item: int = 3

    def __str__(self) -> str:
        items = f", item sd {self.item_spread:g}, {self.per_item} an item" if self.item_spread else ""
        return f"{self.raters} raters {self.order}, sd {self.spread:g}{items}"


NO_DIFFERENCE = [
    SimulatedPanel(20, spread=0.0), SimulatedPanel(20), SimulatedPanel(10), SimulatedPanel(5), SimulatedPanel(3), SimulatedPanel(10, "uneven"), SimulatedPanel(20, "uneven"),
    SimulatedPanel(10, "serial"), SimulatedPanel(5, "serial"), SimulatedPanel(20, spread=0.4, item_spread=0.8),
    SimulatedPanel(20, spread=0.4, item_spread=0.8, per_item=10), SimulatedPanel(10, item_spread=0.8),
]  # fmt: skip


GATE_PANELS = [
    SimulatedPanel(20),
    SimulatedPanel(10),
    SimulatedPanel(5),
    SimulatedPanel(2),
    SimulatedPanel(10, "uneven"),
    SimulatedPanel(10, "serial"),
]


@functools.cache
def centre(rate: float, spread: float) -> float:
    """The intercept at which the mean of expit(intercept + spread·Z) is `rate`, by bisection."""
    low, high = -20.0, 20.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if (_WEIGHTS * expit(middle + spread * _NODES)).sum() < rate else (low, middle)
        )
    return low


def draw(rng: Rng, panel: SimulatedPanel, rate: float, count: int) -> Votes:
    """`count` votes of a panel in their order."""
    if panel.order == "serial":
        raters = np.arange(count) * panel.raters // count
    elif panel.order == "uneven":
        chances = 1 / np.arange(1, panel.raters + 1)
        raters = rng.choice(panel.raters, count, p=chances / chances.sum())
    else:
        raters = rng.permutation(np.arange(count) % panel.raters)
    items = np.arange(count) // panel.per_item
    if panel.order == "serial":
        items = np.arange(count) % max(count // panel.per_item, 1)
    leaning = panel.spread * rng.standard_normal(panel.raters)[raters]
    leaning = leaning + panel.item_spread * rng.standard_normal(items.max() + 1)[items]
    chance = expit(centre(rate, math.hypot(panel.spread, panel.item_spread)) + leaning)
    return Votes((rng.random(count) < chance).astype(float), raters, items)


# --- coverage ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Design:
    name: str
    rate: float
    raters: np.ndarray
    items: np.ndarray
    spread: float
    item_spread: float
    uneven: bool


def designs() -> Iterator[Design]:
    for sizes, uneven in ((EVEN, False), (UNEVEN, True)):
        for name, counts in sizes.items():
            raters = np.repeat(np.arange(len(counts)), counts)
            for rate, spread in [(rate, 0.8) for rate in RATES] + [(0.6, 0.0)]:
                yield Design(
                    f"{name}, sd {spread:g}", rate, raters, np.arange(len(raters)), spread, 0.0, uneven
                )
    for count, questions, per_question, spread, item_spread in CROSSED:
        raters = np.arange(questions * per_question) % count
        items = np.repeat(np.arange(questions), per_question)
        name = f"{count} raters, {questions} items x {per_question}, sd {spread:g} and {item_spread:g}"
        for rate in RATES:
            yield Design(name, rate, raters, items, spread, item_spread, False)


def coverage(rng: Rng, design: Design, rounds: int) -> tuple[float, float, float]:
    """How often our interval and a plain one contain the true rate, and the mean width of ours."""
    intercept = centre(design.rate, math.hypot(design.spread, design.item_spread))
    count, questions, n = design.raters.max() + 1, design.items.max() + 1, len(design.raters)
    ours = plain = width = 0.0
    for _ in range(rounds):
        leaning = design.spread * rng.standard_normal(count)[design.raters]
        if design.item_spread:
            leaning = leaning + design.item_spread * rng.standard_normal(questions)[design.items]
        values = (rng.random(n) < expit(intercept + leaning)).astype(float)
        estimate = interval(Votes(values, design.raters, design.items))
        assert estimate.low is not None
        assert estimate.high is not None
        ours += estimate.low <= design.rate <= estimate.high
        width += estimate.high - estimate.low
        mean = values.mean()
        plain += abs(mean - design.rate) <= PLAIN * math.sqrt(mean * (1 - mean) / n)
    return ours / rounds, plain / rounds, width / rounds


# --- the verdict -------------------------------------------------------------------------------------------
def plain_alarm(votes: Votes, every: int = 10) -> bool:
    """Whether a plain 5% test at every 10 votes gives a false alarm."""
    counts = np.arange(every, len(votes) + 1, every)
    means = np.cumsum(votes.values)[counts - 1] / counts
    return bool((np.abs(means - 0.5) * 2 * np.sqrt(counts) > PLAIN).any())


def settled(votes: Votes, planned: int) -> str | None:
    return judge(votes, planned=planned, baseline="A", candidate="B").settled


def alarms(rng: Rng, panel: SimulatedPanel, rounds: int) -> tuple[float, float]:
    ours = plain = 0
    for _ in range(rounds):
        votes = draw(rng, panel, 0.5, VOTES)
        ours += settled(votes, VOTES) is not None
        plain += plain_alarm(votes)
    return ours / rounds, plain / rounds


def power(rng: Rng, panel: SimulatedPanel, rate: float, rounds: int, count: int = VOTES) -> float:
    return sum(settled(draw(rng, panel, rate, count), count) == "candidate" for _ in range(rounds)) / rounds


# --- the gate ----------------------------------------------------------------------------------------------
def passes(votes: Votes, planned: int, *, campaigns: int = 1) -> bool:
    """Whether the gate's rating criterion passes on these votes, with all campaigns closed."""
    verdict = judge(votes, planned=planned, baseline="A", candidate="B")
    rate = interval(votes)
    comparison = RatedComparison(
        against="A", campaigns=campaigns, open=False, n=len(votes), planned=planned, raters=rate.clusters,
        settled=verdict.settled, says=verdict.says, rate=rate.value, low=rate.low, high=rate.high,
        rate_among_all=rate.value, bad=0.0, bad_low=0.0, bad_high=0.0, prompts=len(votes), prompts_differing=len(votes),
    )  # fmt: skip
    return human_preference(Facts(version="B", opponent="A", human=comparison)).result == "pass"


def asked_once(rng: Rng, panel: SimulatedPanel) -> bool:
    return passes(draw(rng, panel, 0.5, VOTES), VOTES)


def closed_and_opened(rng: Rng, panel: SimulatedPanel) -> bool:
    """After every 25 votes the campaign is closed, the gate is read and the campaign is opened again."""
    votes = draw(rng, panel, 0.5, VOTES)
    return any(passes(votes.first(count), VOTES) for count in range(25, VOTES + 1, 25))


def repeated(rng: Rng, panel: SimulatedPanel) -> bool:
    """Five campaigns of 100 votes by the same raters; the gate is read after each."""
    votes = draw(rng, panel, 0.5, VOTES)
    growths: list[Growth] = []
    for number in range(1, 6):
        growths.append(Growth(100 * number, 100 * (number - 1)))
        if passes(votes.first(100 * number), first_plan(growths), campaigns=number):
            return True
    return False


def extended(rng: Rng, panel: SimulatedPanel) -> bool:
    """200 votes planned; while the candidate is ahead and nothing settled, 50 more, up to 500."""
    votes = draw(rng, panel, 0.5, VOTES)
    growths = [Growth(200, 0)]
    for count in range(200, VOTES + 1, 50):
        if passes(votes.first(count), first_plan(growths)):
            return True
        if votes.values[:count].mean() <= 0.5:
            return False
        growths.append(Growth(count + 50, count))
    return False


def grown_early(rng: Rng, panel: SimulatedPanel) -> bool:
    """125 votes planned; just before the first look the plan grows to 500 unless the candidate is well ahead."""
    votes = draw(rng, panel, 0.5, VOTES)
    growths = [Growth(125, 0)]
    if votes.values[:31].mean() < 0.6:
        growths.append(Growth(VOTES, 31))
    plan = first_plan(growths)
    return passes(votes.first(plan), plan)


STRATEGIES: dict[str, Callable[[Rng, SimulatedPanel], bool]] = {
    "asked once": asked_once,
    "closed and opened every 25": closed_and_opened,
    "five campaigns of 100": repeated,
    "extended while ahead": extended,
    "plan grown before the first look": grown_early,
}


def one_rater_passes() -> bool:
    """35 to 0 by one person, and 300 to 0 by one with one vote of a second."""
    alone = Votes(np.ones(35), np.zeros(35, int), np.arange(35))
    second = Votes(np.ones(301), np.r_[np.zeros(300, int), 1], np.arange(301))
    return passes(alone, 35) or passes(second, 301)


# --- slices, planning, mirrors -----------------------------------------------------------------------------
def slice_alarms(rng: Rng, slices: int, rounds: int) -> tuple[float, float]:
    """How often some slice of a campaign without differences excludes one half: corrected and uncorrected."""
    ours = single = 0
    groups = np.arange(VOTES) % slices
    for _ in range(rounds):
        votes = draw(rng, SimulatedPanel(20), 0.5, VOTES)
        ours += any(_excludes(estimate) for estimate in simultaneous(votes, groups).values())
        single += any(_excludes(interval(votes.where(groups == name))) for name in range(slices))
    return ours / rounds, single / rounds


def _excludes(estimate: Interval) -> bool:
    return bool(estimate.low > 0.5 or estimate.high < 0.5)


def mirrored_equal(rng: Rng, rounds: int) -> bool:
    for _ in range(rounds):
        count = int(rng.integers(4, 200))
        values = rng.choice([0.0, 0.5, 1.0, np.nan], count, p=[0.4, 0.1, 0.4, 0.1])
        raters, items = rng.integers(0, rng.integers(1, 9), count), rng.integers(0, 40, count)
        votes, turned = Votes(values, raters, items), Votes(1 - values, raters, items)
        direct, other = interval(votes), interval(turned).mirrored()
        if direct.n and not np.allclose(
            (direct.value, direct.low, direct.high), (other.value, other.low, other.high), atol=1e-9
        ):
            return False
        verdict = judge(votes, planned=count, baseline="A", candidate="B")
        if verdict.settled != judge(turned, planned=count, baseline="A", candidate="B").mirrored().settled:
            return False
    return True
