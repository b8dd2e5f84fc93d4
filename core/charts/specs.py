"""The drawings as altair describes them. Imported when the first chart is drawn: altair takes a quarter of a second."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import altair as alt

from core.charts.data import Bar, IntervalMark, LineSeries, distinct
from core.wording import figure

WIDE, NARROW = 640, 330  # px: the boxes a chart is drawn for
SERIES = [f"var(--series-{n})" for n in range(1, 6)]
INK, SOFT, LINE = "var(--ink)", "var(--soft)", "var(--line)"

# Names are left of the marks. Their layout uses the drawing library's font, and the page shows them in the reader's, which may
# be wider, so they get more space.
NAMED_PADDING = {"left": 24, "top": 4, "right": 6, "bottom": 4}
CONFIG: dict[str, Any] = {
    "background": None,
    "font": "sans-serif",
    "padding": 4,
    "view": {"stroke": None},
    "axis": {
        "labelColor": SOFT, "labelFontSize": 12, "labelFontWeight": "normal", "titleColor": SOFT, "titleFontSize": 12,
        "titleFontWeight": "normal", "titlePadding": 8, "gridColor": LINE, "domainColor": LINE, "tickColor": LINE,
    },
}  # fmt: skip


def line_spec(
    series: Sequence[LineSeries], x_title: str, y_title: str, x_max: float | None, from_zero: bool, wide: bool
) -> Any:
    names = [line.name for line in series]
    colour = alt.Color("series:N", scale=alt.Scale(domain=names, range=SERIES[: len(names)]), legend=None)
    xs = [x for line in series for x, _ in line.points]
    right = max([*xs, x_max] if x_max is not None and math.isfinite(x_max) else xs)
    left = min(xs)
    if left == right:
        left, right = left - 0.5, right + 0.5
    x = alt.X(
        "x:Q", title=x_title or None, scale=alt.Scale(domain=[left, right], nice=False),
        axis=alt.Axis(
            grid=False, tickCount=5 if wide else 4, domain=False, ticks=False, labelOverlap=True, labelSeparation=12,
        ),
    )  # fmt: skip
    y = alt.Y(
        "y:Q", title=None, scale=alt.Scale(zero=from_zero, padding=6, nice=True),
        axis=alt.Axis(domain=False, ticks=False, tickCount=5, labelPadding=8),
    )  # fmt: skip
    marks: list[Any] = []
    for line in series:
        data = [{"x": px, "y": py, "series": line.name} for px, py in line.points]
        tipped = [
            {**point, "tip": f"{line.name}: {figure(py)} at {x_title or 'x'} {figure(px)}"}
            for point, (px, py) in zip(data, line.points, strict=True)
        ]
        base = alt.Chart(alt.Data(values=data)).encode(x=x, y=y, color=colour)
        if line.dotted:
            marks.append(
                base.mark_line(strokeWidth=2, strokeDash=[1, 5], strokeCap="round", description="line")
            )
        else:
            marks.append(base.mark_line(strokeWidth=1.7, strokeJoin="round", description="line"))
        # A line without visible points still has invisible ones, for the tooltip and the keyboard.
        shown = line.dotted or len(data) == 1
        every = tipped if shown else tipped[:: max(1, len(tipped) // 60)]
        marks.append(
            alt.Chart(alt.Data(values=every))
            .mark_circle(size=46, opacity=1.0 if shown else 0.0)
            .encode(x=x, y=y, color=colour, description="tip:N")
        )
    # The name is at the end of its line; names that would overlap are moved apart.
    marks.append(
        alt.Chart(alt.Data(values=_end_labels(series, 190 if wide else 170, from_zero)))
        .mark_text(align="left", dx=8, fontSize=12, clip=False)
        .encode(
            x="x:Q",
            y=alt.Y("y:Q"),
            text="name:N",
            color=alt.Color("name:N", scale=alt.Scale(domain=names, range=SERIES[: len(names)]), legend=None),
        )
    )
    return alt.layer(*marks).properties(
        width=_plot_width(series, wide), height=190 if wide else 170,
        **({"title": alt.TitleParams(y_title, anchor="start", frame="group", fontSize=12, fontWeight="normal", color=SOFT, offset=8)} if y_title else {}),
    )  # fmt: skip


def _plot_width(series: Sequence[LineSeries], wide: bool) -> int:
    longest = max(len(line.name) for line in series)
    return (WIDE if wide else NARROW) - 52 - min(130, round(6.6 * longest) + 12)


def _end_labels(series: Sequence[LineSeries], height: int, from_zero: bool) -> list[dict[str, Any]]:
    ys = [y for line in series for _, y in line.points]
    low, high = (min(0.0, *ys) if from_zero else min(ys)), max(ys)
    least = (high - low or 1.0) * 15 / height
    ends = sorted(((line.points[-1][1], line.name) for line in series), reverse=True)
    last = max(line.points[-1][0] for line in series)
    placed: list[dict[str, Any]] = []
    above: float | None = None
    for y, name in ends:
        at = y if above is None else min(y, above - least)
        above = at
        placed.append({"x": last, "y": at, "name": name if len(name) <= 20 else f"{name[:19]}…"})
    return placed


def interval_spec(
    rows: Sequence[IntervalMark],
    reference: float | None,
    as_percent: bool,
    domain: tuple[float, float] | None,
    wide: bool,
) -> Any:
    names = distinct([row.name for row in rows], 28 if wide else 14)
    values = [
        {"name": name, "value": row.value, "low": row.low, "high": row.high, "tip": row.words}
        for name, row in zip(names, rows, strict=True)
    ]
    everything = [number for row in rows for number in (row.low, row.high, row.value)]
    if reference is not None:
        everything.append(reference)
    low, high = domain or (min(everything), max(everything))
    pad = 0 if domain else ((high - low) * 0.06 or 0.5)
    x = alt.X(
        "low:Q", title=None, scale=alt.Scale(domain=[low - pad, high + pad], nice=domain is None, zero=False),
        axis=alt.Axis(domain=False, ticks=False, tickCount=5 if wide else 4, format="%" if as_percent else "~r", labelFlush=True),
    )  # fmt: skip
    y = _by_name(names, wide)
    base = alt.Chart(alt.Data(values=values))
    layers: list[Any] = []
    if reference is not None:
        layers.append(
            alt.Chart(alt.Data(values=[{"at": reference}]))
            .mark_rule(strokeDash=[4, 4], color=SOFT)
            .encode(x=alt.X("at:Q", title=None))
        )
    layers.append(
        base.mark_rule(strokeWidth=2, color=SERIES[0], strokeCap="round").encode(x=x, x2="high:Q", y=y)
    )
    layers.append(
        base.mark_circle(size=80, opacity=1, color=SERIES[0]).encode(
            x=alt.X("value:Q", title=None), y=y, description="tip:N"
        )
    )
    width = _width_beside(names, wide) - 30
    return alt.layer(*layers).properties(width=width, height={"step": 30}, padding=NAMED_PADDING)


def _by_name(names: list[str], wide: bool) -> Any:
    axis = alt.Axis(
        domain=False,
        ticks=False,
        grid=False,
        labelLimit=_name_limit(wide),
        labelPadding=8,
        labelColor=INK,
    )
    return alt.Y("name:N", sort=names, title=None, axis=axis)


def _name_limit(wide: bool) -> int:
    """The widest name in pixels; a longer one is cut."""
    return 200 if wide else 110


def _width_beside(names: list[str], wide: bool) -> int:
    """Pixels beside the names, at about 6.8 per letter."""
    longest = max(len(name) for name in names)
    return (WIDE if wide else NARROW) - min(_name_limit(wide), round(6.8 * longest) + 10)


def bar_spec(bars: Sequence[Bar], unit: str, show: Callable[[Any], str], wide: bool) -> Any:
    names = distinct([bar.name for bar in bars], 28 if wide else 14)
    values = [
        {
            "name": name,
            "value": bar.value,
            "words": show(bar.value),
            "tip": f"{bar.name}: {show(bar.value)} {unit}".strip(),
        }
        for name, bar in zip(names, bars, strict=True)
    ]
    width = _width_beside(names, wide) - 70
    top = max(0.0, *(float(bar.value or 0) for bar in bars)) or 1.0
    bottom = min(0.0, *(float(bar.value or 0) for bar in bars))
    x = alt.X("value:Q", title=None, axis=None, scale=alt.Scale(domain=[bottom, top], nice=False))
    y = _by_name(names, wide)
    base = alt.Chart(alt.Data(values=values)).encode(x=x, y=y)
    return alt.layer(
        base.mark_bar(height=14, color=SERIES[0], cornerRadius=3).encode(description="tip:N"),
        base.mark_text(align="left", dx=6, color=SOFT, fontSize=12).encode(text="words:N"),
    ).properties(width=width, height={"step": 26}, padding=NAMED_PADDING)
