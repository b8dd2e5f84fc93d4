"""Learning curves: which rows a point trains on, and what more rows would do to the loss. Pure functions, no database, no torch.

The curve is a power law with a floor, L(n) = a + b * n ** -c, the form with the most support in reviews (Viering and Loog 2023, "The
Shape of Learning Curves: a Review"; Hestness et al. 2017, arXiv 1712.00409). Four sizes cannot hold three parameters: they hardly
determine the exponent, and a free fit swings wildly. Hoiem et al. 2021 ("Learning Curves for Analysis of Deep Networks", arXiv
2010.11029) therefore hold it near -0.5 by a penalty and weigh the sizes by their variance; Mahmood et al. 2022 ("How Much More Data Do
I Need?", arXiv 2207.01725) show that one fit to few points is often far off. Here the exponent is not chosen: every one of EXPONENTS
takes part with the weight that the points give it (Bayesian model averaging, even prior). An exponent of 0 would be log-linear; those
below it are straighter still, those above 1 are flatter than 1/n. They are wider than the family itself because an interval that
ends at the family's edge is too narrow there: with 0.05 to 1.0 a log-linear curve was covered 72 to 81 times of 100, with these 97
(benchmarks/learning_curves.py; docs/reference/learning-curves.md has the figures). For one exponent a and b are linear, so nothing
is searched for.

The fit sees the mean over the repeats of each share, not each repeat: repeats share rows, so their differences say too little about
how far the curve itself is off. The misfit of the means does.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.wording import noun

Floats = NDArray[np.float64]

SHARES = (25, 50, 75, 100)  # percent of the training rows, one point each
LEAST_SHARES = 3  # fewer sizes leave nothing to see how well the curve fits
MOST_TIMES = 4  # nothing is said beyond this many times the rows
EXPONENTS = np.linspace(-0.25, 1.25, 16)  # never 0, where the power law is not defined
DRAWS = 4000
LEVEL = 0.95
SEED = 20240  # the same measurements give the same intervals
# A fall of the loss below this is not worth writing examples for: it makes a token two hundredths less surprising.
MEASURABLE = 0.02
# Each share needs a few steps, and a bootstrap of fewer groups is too narrow.
LEAST_ROWS = 80
LEAST_GROUPS = 20
MILESTONES = (1000, 2000, 5000)
MORE = (500, 1000)
LINE_POINTS = 25


# --- the points -----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class CurveRows:
    """The rows that all points are measured on: their groups, what each stands for, and the tokens of their completions."""

    groups: Sequence[str]
    weights: Sequence[float]
    tokens: Sequence[int]


@dataclass(frozen=True)
class Measured:
    """One point: a share of the rows, trained once. `losses` are the held-out rows' summed losses in nats, in their order."""

    repeat: int
    share: int
    rows: int
    losses: Sequence[float]


@dataclass(frozen=True)
class ShareFigures:
    """All repeats of one share: mean rows, mean loss per token in nats with its interval, and how much lower it is than at the
    share before."""

    share: int
    rows: float
    repeats: int
    loss: float
    low: float
    high: float
    drop: float | None = None
    drop_low: float | None = None
    drop_high: float | None = None


@dataclass(frozen=True)
class Ahead:
    """What `examples` more examples, of which `rows` are trained on, would do: the loss falls by `drop`, between `low` and `high`.
    `refused` says why nothing is said; the numbers are None then. `until` is the number of examples that is reached, if that was
    the question."""

    examples: int
    rows: int
    until: int | None = None
    drop: float | None = None
    low: float | None = None
    high: float | None = None
    refused: str = ""


@dataclass(frozen=True)
class Forecast:
    """The figures of a learning curve. `line` is (rows, loss, low, high) of the fitted curve; empty when `refused` says why there is
    none."""

    shares: list[ShareFigures]
    ahead: list[Ahead] = field(default_factory=list)
    line: list[tuple[float, float, float, float]] = field(default_factory=list)
    exponent: float | None = None
    refused: str = ""

    def as_values(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "Forecast":
        return cls(
            shares=[ShareFigures(**one) for one in values["shares"]],
            ahead=[Ahead(**one) for one in values["ahead"]],
            line=[(one[0], one[1], one[2], one[3]) for one in values["line"]],
            exponent=values["exponent"],
            refused=values["refused"],
        )


# --- uncertainty of the held-out rows -------------------------------------------------------------------------
def resampled(held_out: CurveRows, points: Sequence[Measured], rng: np.random.Generator) -> Floats:
    """(1 + DRAWS, points): mean loss per token of each point, first on the rows themselves, then on groups of rows drawn again with
    replacement (a cluster bootstrap). All points of a draw have the same groups, so that what they share cancels in differences."""
    names = sorted(set(held_out.groups))
    of_group = {name: at for at, name in enumerate(names)}
    at = np.array([of_group[name] for name in held_out.groups])
    weights = np.asarray(held_out.weights, dtype=float)
    tokens = np.bincount(at, weights * np.asarray(held_out.tokens, dtype=float), len(names))
    losses = np.stack(
        [np.bincount(at, weights * np.asarray(point.losses, dtype=float), len(names)) for point in points]
    )
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS).astype(float)
    times = np.vstack([np.ones(len(names)), drawn])
    means: Floats = (times @ losses.T) / (times @ tokens)[:, None]
    # Drawing again understates the variance of a mean by (groups - 1) / groups.
    means[1:] = means[0] + (means[1:] - means[0]) * math.sqrt(len(names) / max(1, len(names) - 1))
    return means


# --- the curve ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Curves:
    """Curves that the points allow, one per draw: L(n) = floor + fall * shape(n), with exponent number `exponent`."""

    largest: float
    smallest: float
    floor: Floats
    fall: Floats
    exponent: NDArray[np.int64]

    def at(self, rows: float) -> Floats:
        """(draws,): the loss at `rows`."""
        shapes = _shape(rows, self.smallest, self.largest)
        values: Floats = self.floor + self.fall * shapes[self.exponent]
        return values


def _shape(rows: float, smallest: float, largest: float) -> Floats:
    """(exponents,): n ** -c, moved and scaled to 1 at the smallest and 0 at the largest size, so that `fall` is the drop between the
    two whatever the exponent is."""
    power: Floats = rows**-EXPONENTS
    low, high = largest**-EXPONENTS, smallest**-EXPONENTS
    shape: Floats = (power - low) / (high - low)
    return shape


def fitted(means: Floats, rows: Sequence[float], repeats: Sequence[int], rng: np.random.Generator) -> Curves:
    """A curve for every draw of the held-out rows, itself drawn from all curves that fit the shares of that draw.

    `means` is (draws, shares), each the mean of so many `repeats`. For one exponent the posterior of (a, b, variance) under the usual
    even prior is that of a weighted regression: Student's t with shares - 2 degrees of freedom. An exponent's weight is its marginal
    likelihood. A share's variance is taken to be s + s * largest / n over its repeats: the draw of the rows, which falls with their
    number, and training, which does not (Hoiem et al. 2021), equal at the largest share since few repeats cannot tell them apart.
    """
    sizes = np.asarray(rows, dtype=float)
    smallest, largest = float(sizes.min()), float(sizes.max())
    root = np.sqrt(np.asarray(repeats, dtype=float) / (0.5 + 0.5 * largest / sizes))
    shapes = np.stack([_shape(size, smallest, largest) for size in sizes], axis=1)
    free = len(sizes) - 2
    lines = [_regression(means, shape, root) for shape in shapes]
    # An exact fit, as of made-up points, would divide by zero.
    square = np.maximum(np.stack([line.square for line in lines], axis=1), 1e-18)
    weight = np.array([line.log_weight for line in lines]) - 0.5 * free * np.log(square)
    weight = np.exp(weight - weight.max(axis=1, keepdims=True))
    until = np.cumsum(weight, axis=1) / weight.sum(axis=1, keepdims=True)
    chosen = np.minimum((until < rng.random((len(means), 1))).sum(axis=1), len(lines) - 1)
    draws = np.arange(len(means))
    spread = np.sqrt(square[draws, chosen] / rng.chisquare(free, len(means)))
    roots = np.stack([line.root for line in lines])[chosen]
    noise = spread[:, None] * np.einsum("ijk,ik->ij", roots, rng.standard_normal((len(means), 2)))
    both = np.stack([line.both for line in lines], axis=1)[draws, chosen] + noise
    return Curves(largest, smallest, both[:, 0], both[:, 1], chosen)


@dataclass(frozen=True)
class _Line:
    """The weighted regression of all draws on one shape: (draws, 2) floor and fall, (draws,) weighted squares left, the root of their
    covariance, and the logarithm of the part of the likelihood that does not depend on the draw."""

    both: Floats
    square: Floats
    root: Floats
    log_weight: float


def _regression(means: Floats, shape: Floats, root: Floats) -> _Line:
    design = np.stack([np.ones_like(shape), shape], axis=1) * root[:, None]
    gram = design.T @ design
    inverse = np.linalg.inv(gram)
    both = (means * root) @ design @ inverse
    left = means * root - both @ design.T
    return _Line(
        both,
        np.einsum("ij,ij->i", left, left),
        np.linalg.cholesky(inverse),
        -0.5 * math.log(float(np.linalg.det(gram))),
    )


# --- everything that a learning curve says --------------------------------------------------------------------
def forecast(held_out: CurveRows, points: Sequence[Measured], *, trained_share: float) -> Forecast:
    """The figures of the points finished so far, and what more examples would do.

    `trained_share` is the share of the examples that is trained on (0.8 where a fifth is held out): of 500 more examples as many
    rows are added. With fewer than LEAST_SHARES shares there are figures and no curve.
    """
    if not points:
        return Forecast([], refused="No point is finished yet.")
    rng = np.random.default_rng(SEED)
    means = resampled(held_out, points, rng)
    of_share = {share: [at for at, point in enumerate(points) if point.share == share] for share in SHARES}
    of_share = {share: at for share, at in of_share.items() if at}
    by_share = np.stack([means[:, at].mean(axis=1) for at in of_share.values()], axis=1)
    rows = [float(np.mean([points[one].rows for one in at])) for at in of_share.values()]
    repeats = [len(at) for at in of_share.values()]
    shares = _figures(by_share, list(of_share), rows, repeats)
    if len(shares) < LEAST_SHARES:
        return Forecast(
            shares,
            refused=f"{LEAST_SHARES} of {len(SHARES)} shares must be finished before anything is said about more examples.",
        )
    curves = fitted(by_share, rows, repeats, rng)
    ahead = [
        _ahead(curves, wanted, until, trained_share) for wanted, until in _questions(rows[-1], trained_share)
    ]
    said = [one.rows for one in ahead if not one.refused]
    end = rows[-1] + max(said, default=0)
    line = []
    for size in np.geomspace(rows[0], end, LINE_POINTS):
        values = curves.at(float(size))
        low, high = _interval(values)
        line.append((float(size), float(np.median(values)), low, high))
    return Forecast(shares, ahead, line, float(np.mean(EXPONENTS[curves.exponent])))


def _figures(
    means: Floats, shares: Sequence[int], rows: Sequence[float], repeats: Sequence[int]
) -> list[ShareFigures]:
    found: list[ShareFigures] = []
    for at, share in enumerate(shares):
        low, high = _interval(means[1:, at])
        drop = means[:, at - 1] - means[:, at] if at else None
        drop_low, drop_high = _interval(drop[1:]) if drop is not None else (None, None)
        found.append(
            ShareFigures(
                share,
                rows[at],
                repeats[at],
                float(means[0, at]),
                low,
                high,
                float(drop[0]) if drop is not None else None,
                drop_low,
                drop_high,
            )
        )
    return found


def _questions(rows: float, trained_share: float) -> list[tuple[int, int | None]]:
    """(more examples, the number of examples that is reached): fixed numbers, then to the next milestones. The same number is not
    asked for twice."""
    now = round(rows / trained_share)
    to_milestones = {size - now: size for size in MILESTONES if size > now}
    return [(more, None) for more in MORE if more not in to_milestones] + [*to_milestones.items()]


def _ahead(curves: Curves, examples: int, until: int | None, trained_share: float) -> Ahead:
    rows = max(1, round(examples * trained_share))
    if curves.largest + rows > MOST_TIMES * curves.largest:
        return Ahead(
            examples,
            rows,
            until,
            refused=f"That is more than {MOST_TIMES} times the rows that were measured: too far to say.",
        )
    drops = curves.at(curves.largest) - curves.at(curves.largest + rows)
    low, high = _interval(drops)
    return Ahead(examples, rows, until, float(np.median(drops)), low, high)


def _interval(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


# --- in words -------------------------------------------------------------------------------------------------
def in_words(ahead: Ahead) -> str:
    """ "500 more examples would lower held-out loss by 0.05 (0.02 to 0.08)." A curve that is flat, and one that is too uncertain, are
    said to be so: they are not the same."""
    start = f"{ahead.examples:,} more {noun(ahead.examples, 'example')}"
    if ahead.until is not None:
        start += f" (to {ahead.until:,})"
    if ahead.drop is None or ahead.low is None or ahead.high is None:
        return f"{start}: {ahead.refused[0].lower()}{ahead.refused[1:]}"
    digits = 3 if ahead.high - ahead.low < 0.02 or 0 < ahead.low < 0.005 else 2
    # Adding 0 makes 0.00 of -0.00.
    drop, low, high = (
        f"{round(value, digits) + 0:.{digits}f}".replace("-", "−")
        for value in (ahead.drop, ahead.low, ahead.high)
    )
    if ahead.low > 0 and ahead.high >= MEASURABLE:
        return f"{start} would lower held-out loss by {drop} ({low} to {high})."
    if ahead.high < MEASURABLE:
        return (
            f"More of the same kind would not lower the loss measurably: {start} by {drop} ({low} to {high})."
        )
    return (
        f"Whether {start} would lower held-out loss cannot be seen yet: by {drop}, but the interval, {low} to {high}, "
        "includes zero. More repeats and more test rows make it narrower."
    )
