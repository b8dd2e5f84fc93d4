"""The data of charts and the format of their numbers: pure functions, without drawing."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeGuard

MAX_POINTS = 400  # more are not visible at this width
MAX_ROWS = 60


@dataclass(frozen=True)
class Series:
    """A named line. `points` are (x, y); None, NaN and infinite values are left out. A dotted line shows its points."""

    name: str
    points: Sequence[tuple[float | None, float | None]]
    dotted: bool = False


@dataclass(frozen=True)
class IntervalRow:
    """A value with its interval: one row of a result. `n` is the number of ratings."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Bar:
    name: str
    value: float | None


class LineSeries(NamedTuple):
    """A Series whose points are all finite, and not too many."""

    name: str
    points: list[tuple[float, float]]
    dotted: bool


class IntervalMark(NamedTuple):
    """An IntervalRow whose value is finite. Without an interval `low` and `high` are the value itself."""

    name: str
    value: float
    low: float
    high: float
    words: str


def finite(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(float(value))


def has_interval(row: IntervalRow) -> bool:
    return finite(row.low) and finite(row.high)


def finite_points(points: Iterable[tuple[float | None, float | None]]) -> list[tuple[float, float]]:
    return [
        (float(x), float(y)) for x, y in points if x is not None and y is not None and finite(x) and finite(y)
    ]


def thin(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most MAX_POINTS: the lowest and the highest point of each section, so that no spike is lost; and both ends."""
    if len(points) <= MAX_POINTS:
        return points
    stretch = math.ceil((len(points) - 2) / ((MAX_POINTS - 2) // 2))
    kept = [points[0]]
    for start in range(1, len(points) - 1, stretch):
        part = points[start : min(start + stretch, len(points) - 1)]
        kept.extend(sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])}))
    return [*kept, points[-1]]


def count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def distinct(names: Sequence[str], longest: int) -> list[str]:
    """Names cut to length and made different: Vega merges rows with the same name."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        short = name if len(name) <= longest else f"{name[: longest - 1]}…"
        seen[short] = seen.get(short, 0) + 1
        out.append(short if seen[short] == 1 else f"{short} ({seen[short]})")
    return out
