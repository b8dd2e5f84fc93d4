"""Charts as inline SVG: drawn by Vega (altair describes, vl-convert draws, no browser), cleaned for the page.

The output is safe HTML that the strict Content-Security-Policy allows: no style attribute, no
script, every label escaped. Colours are the design tokens (`var(--accent)`), so a chart follows light and dark. Each chart is
drawn twice, wide and narrow, because an SVG that shrinks shrinks its letters too; `static/css/charts.css` shows the one
that fits.

The first chart of a process takes about half a second (Vega starts), later ones about 50 ms; equal charts come from a cache.
"""

import math
from collections.abc import Sequence
from typing import Any

from django.utils.safestring import SafeString

from core.charts import drawing
from core.charts.data import (
    MAX_ROWS,
    Bar,
    IntervalMark,
    IntervalRow,
    LineSeries,
    Series,
    count,
    finite,
    finite_points,
    has_interval,
    thin,
)
from core.wording import figure, percent

__all__ = ["Bar", "IntervalRow", "Series", "bar_chart", "interval_chart", "line_chart"]
MOST_LINES = 5  # the number of different colours


def line_chart(
    *,
    series: Sequence[Series],
    label: str,
    x_title: str = "",
    y_title: str = "",
    x_max: float | None = None,
    from_zero: bool = False,
) -> SafeString:
    """Lines over a common x, such as loss by step. `x_max` keeps space for later values."""
    lines = [
        LineSeries(line.name, thin(finite_points(line.points)), line.dotted) for line in series[:MOST_LINES]
    ]
    lines = [line for line in lines if line.points]
    if not lines:
        return drawing.nothing("No data yet.")
    end = x_max if x_max is not None and math.isfinite(x_max) else None

    def spec(wide: bool) -> Any:
        from core.charts.specs import line_spec

        return line_spec(lines, x_title, y_title, end, from_zero, wide)

    return drawing.chart(
        spec,
        inputs=("line", lines, x_title, y_title, end, from_zero),
        label=label,
        head=("Series", x_title or "x", y_title or "value"),
        # The table of a line without points has only its end: hundreds of rows would not help.
        rows=[
            (line.name, figure(x), figure(y))
            for line in lines
            for x, y in (line.points if line.dotted else line.points[-1:])
        ],
    )


def interval_chart(
    *,
    rows: Sequence[IntervalRow],
    label: str,
    reference: float | None = None,
    as_percent: bool = False,
    domain: tuple[float, float] | None = None,
) -> SafeString:
    """One dot with its interval per row, in the given order. `reference` draws a dashed line (0.5 for a win rate)."""
    kept = [row for row in rows[:MAX_ROWS] if finite(row.value)]
    if not kept:
        return drawing.nothing("No ratings yet.")
    show = percent if as_percent else figure
    line = reference if finite(reference) else None

    def drawn(row: IntervalRow) -> IntervalMark:
        value = float(row.value or 0)
        words = f"{row.name}: {show(value)}"
        low = high = value
        if has_interval(row):
            low, high = float(row.low or 0), float(row.high or 0)
            words += f", 95% interval {show(low)} to {show(high)}"
        if row.n is not None:
            words += f", n {count(row.n)}"
        return IntervalMark(row.name, value, low, high, words)

    def spec(wide: bool) -> Any:
        from core.charts.specs import interval_spec

        return interval_spec([drawn(row) for row in kept], line, as_percent, domain, wide)

    return drawing.chart(
        spec,
        inputs=("interval", kept, line, as_percent, domain),
        label=label,
        head=("", "Value", "95% interval", "n"),
        rows=[
            (
                row.name,
                show(row.value),
                f"{show(row.low)} to {show(row.high)}" if has_interval(row) else "–",
                count(row.n),
            )
            for row in kept
        ],
    )


def bar_chart(*, bars: Sequence[Bar], label: str, unit: str = "", as_percent: bool = False) -> SafeString:
    """Horizontal bars from zero, each with its number. The order is kept: sort before by size if needed."""
    kept = [bar for bar in bars[:MAX_ROWS] if finite(bar.value)]
    if not kept:
        return drawing.nothing("No data yet.")
    show = percent if as_percent else figure

    def spec(wide: bool) -> Any:
        from core.charts.specs import bar_spec

        return bar_spec(kept, unit, show, wide)

    return drawing.chart(
        spec,
        inputs=("bar", kept, unit, as_percent),
        label=label,
        head=("", unit or "Value"),
        rows=[(bar.name, show(bar.value)) for bar in kept],
    )
