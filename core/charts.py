"""Charts as SVG for inlining: drawn by Vega (altair describes, vl-convert draws, no browser), cleaned for the page.

What leaves this module is safe HTML that the strict Content-Security-Policy lets through: no style attribute, no
script, every label escaped. Colours are the design tokens (`var(--accent)`), so a chart follows light and dark. Each chart is
drawn twice, wide and narrow, because an SVG that shrinks shrinks its letters too; `static/css/charts.css` shows the one
that fits.

The first chart of a process takes about half a second (Vega starts), later ones about 50 ms; equal charts come from a cache.
"""

import hashlib
import math
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

WIDE, NARROW = 640, 330  # px: the boxes a chart is drawn for
MAX_POINTS = 400  # more cannot be told apart at this width
MAX_ROWS = 60
SVG = "http://www.w3.org/2000/svg"

SERIES = [f"var(--series-{n})" for n in range(1, 6)]
INK, SOFT, LINE = "var(--ink)", "var(--soft)", "var(--line)"


@dataclass(frozen=True)
class Series:
    """A named line. `points` are (x, y); None, NaN and infinite values are left out. A dotted line shows its points."""

    name: str
    points: Sequence[tuple[float | None, float | None]]
    dotted: bool = False


@dataclass(frozen=True)
class IntervalRow:
    """A value with its interval: one row of a standing. `n` is what it rests on."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Bar:
    name: str
    value: float | None


# --- what people see ---------------------------------------------------------------------------------------


def line_chart(
    *,
    series: Sequence[Series],
    label: str,
    x_title: str = "",
    y_title: str = "",
    x_max: float | None = None,
    from_zero: bool = False,
) -> SafeString:
    """Lines over a common x, such as loss by step. `x_max` keeps room for what is still to come."""
    kept = [Series(one.name, _thin(_finite_points(one.points)), one.dotted) for one in series[: len(SERIES)]]
    kept = [one for one in kept if one.points]
    if not kept:
        return _nothing("Nothing to draw yet.")
    rows = [
        (one.name, _figure(x), _figure(y))
        for one in kept
        for x, y in (one.points if one.dotted else one.points[-1:])
    ]
    return _chart(
        lambda wide: _line_spec(kept, x_title, y_title, x_max, from_zero, wide),
        inputs=("line", kept, x_title, y_title, x_max, from_zero),
        label=label,
        head=("Series", x_title or "x", y_title or "value"),
        rows=rows,
    )


def interval_chart(
    *,
    rows: Sequence[IntervalRow],
    label: str,
    reference: float | None = None,
    as_percent: bool = False,
    domain: tuple[float, float] | None = None,
) -> SafeString:
    """One dot with its interval a row, best first as given. `reference` draws a dashed line (0.5 for a win rate)."""
    kept = [row for row in rows[:MAX_ROWS] if _finite(row.value)]
    if not kept:
        return _nothing("No ratings yet.")
    show = _percent if as_percent else _figure
    table = [
        (
            row.name,
            show(row.value),
            f"{show(row.low)} to {show(row.high)}" if _has_interval(row) else "–",
            _count(row.n),
        )
        for row in kept
    ]
    return _chart(
        lambda wide: _interval_spec(kept, reference, as_percent, domain, wide),
        inputs=("interval", kept, reference, as_percent, domain),
        label=label,
        head=("", "Value", "95% interval", "n"),
        rows=table,
    )


def bar_chart(*, bars: Sequence[Bar], label: str, unit: str = "", as_percent: bool = False) -> SafeString:
    """Horizontal bars from zero, each with its number. Order is kept: sort before, if size is the point."""
    kept = [bar for bar in bars[:MAX_ROWS] if _finite(bar.value)]
    if not kept:
        return _nothing("Nothing to count yet.")
    show = _percent if as_percent else _figure
    return _chart(
        lambda wide: _bar_spec(kept, unit, show, wide),
        inputs=("bar", kept, unit, as_percent),
        label=label,
        head=("", unit or "Value"),
        rows=[(bar.name, show(bar.value)) for bar in kept],
    )


# --- descriptions of the drawings --------------------------------------------------------------------------


def _line_spec(
    series: Sequence[Series], x_title: str, y_title: str, x_max: float | None, from_zero: bool, wide: bool
) -> Any:
    import altair as alt

    names = [one.name for one in series]
    colour = alt.Color("series:N", scale=alt.Scale(domain=names, range=SERIES[: len(names)]), legend=None)
    xs = [x for one in series for x, _ in one.points]
    right = max([*xs, x_max] if x_max is not None and math.isfinite(x_max) else xs)
    left = min(xs)
    if left == right:
        left, right = left - 0.5, right + 0.5
    x = alt.X(
        "x:Q", title=x_title or None, scale=alt.Scale(domain=[left, right], nice=False),
        axis=alt.Axis(grid=False, tickCount=5 if wide else 4, domain=False, ticks=False),
    )  # fmt: skip
    y = alt.Y(
        "y:Q", title=None, scale=alt.Scale(zero=from_zero, padding=6, nice=True),
        axis=alt.Axis(domain=False, ticks=False, tickCount=5, labelPadding=8),
    )  # fmt: skip
    marks: list[Any] = []
    for one in series:
        data = [{"x": px, "y": py, "series": one.name} for px, py in one.points]
        tipped = [
            {**point, "tip": f"{one.name}: {_figure(point['y'])} at {x_title or 'x'} {_figure(point['x'])}"}
            for point in data
        ]
        base = alt.Chart(alt.Data(values=data)).encode(x=x, y=y, color=colour)
        if one.dotted:
            marks.append(
                base.mark_line(strokeWidth=2, strokeDash=[1, 5], strokeCap="round", description="line")
            )
        else:
            marks.append(base.mark_line(strokeWidth=1.7, strokeJoin="round", description="line"))
        # A line without visible points still has invisible ones, for the tooltip and the keyboard.
        shown = one.dotted or len(data) == 1
        every = tipped if shown else tipped[:: max(1, len(tipped) // 60)]
        marks.append(
            alt.Chart(alt.Data(values=every))
            .mark_circle(size=46, opacity=1.0 if shown else 0.0)
            .encode(x=x, y=y, color=colour, description="tip:N")
        )
    # The name stands at the end of its line, where the eye is already; names closer than a line are spread.
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


def _plot_width(series: Sequence[Series], wide: bool) -> int:
    longest = max(len(one.name) for one in series)
    return (WIDE if wide else NARROW) - 52 - min(130, round(6.6 * longest) + 12)


def _end_labels(series: Sequence[Series], height: int, from_zero: bool) -> list[dict[str, Any]]:
    ys = [y for one in series for _, y in one.points]
    low, high = (min(0.0, *ys) if from_zero else min(ys)), max(ys)
    least = (high - low or 1.0) * 15 / height
    ends = sorted(((one.points[-1][1], one.name) for one in series), reverse=True)
    last = max(one.points[-1][0] for one in series)
    placed: list[dict[str, Any]] = []
    above: float | None = None
    for y, name in ends:
        at = y if above is None else min(y, above - least)
        above = at
        placed.append({"x": last, "y": at, "name": name if len(name) <= 20 else f"{name[:19]}…"})
    return placed


def _interval_spec(
    rows: Sequence[IntervalRow],
    reference: float | None,
    as_percent: bool,
    domain: tuple[float, float] | None,
    wide: bool,
) -> Any:
    import altair as alt

    show = _percent if as_percent else _figure
    names = _distinct([row.name for row in rows], 28 if wide else 14)
    values = []
    for name, row in zip(names, rows, strict=True):
        has = _has_interval(row)
        words = f"{row.name}: {show(row.value)}"
        if has:
            words += f", 95% interval {show(row.low)} to {show(row.high)}"
        if row.n is not None:
            words += f", n {_count(row.n)}"
        values.append(
            {"name": name, "value": row.value, "low": row.low if has else row.value, "high": row.high if has else row.value, "tip": words}
        )  # fmt: skip
    everything = [v[key] for v in values for key in ("low", "high", "value")] + (
        [reference] if _finite(reference) else []
    )
    low, high = domain or (min(everything), max(everything))
    pad = 0 if domain else ((high - low) * 0.06 or 0.5)
    x = alt.X(
        "low:Q", title=None, scale=alt.Scale(domain=[low - pad, high + pad], nice=domain is None, zero=False),
        axis=alt.Axis(domain=False, ticks=False, tickCount=5 if wide else 4, format="%" if as_percent else "~r", labelFlush=True),
    )  # fmt: skip
    y = alt.Y(
        "name:N",
        sort=names,
        title=None,
        axis=alt.Axis(
            domain=False,
            ticks=False,
            grid=False,
            labelLimit=200 if wide else 110,
            labelPadding=8,
            labelColor=INK,
        ),
    )
    base = alt.Chart(alt.Data(values=values))
    layers: list[Any] = []
    if _finite(reference):
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
    longest = max(len(name) for name in names)
    width = (WIDE if wide else NARROW) - 30 - min(200 if wide else 110, round(6.8 * longest) + 10)
    return alt.layer(*layers).properties(width=width, height={"step": 30})


def _bar_spec(bars: Sequence[Bar], unit: str, show: Callable[[Any], str], wide: bool) -> Any:
    import altair as alt

    names = _distinct([bar.name for bar in bars], 28 if wide else 14)
    values = [
        {
            "name": name,
            "value": bar.value,
            "words": show(bar.value),
            "tip": f"{bar.name}: {show(bar.value)} {unit}".strip(),
        }
        for name, bar in zip(names, bars, strict=True)
    ]
    longest = max(len(name) for name in names)
    width = (WIDE if wide else NARROW) - 70 - min(200 if wide else 110, round(6.8 * longest) + 10)
    top = max(0.0, *(float(bar.value or 0) for bar in bars)) or 1.0
    bottom = min(0.0, *(float(bar.value or 0) for bar in bars))
    x = alt.X("value:Q", title=None, axis=None, scale=alt.Scale(domain=[bottom, top], nice=False))
    y = alt.Y(
        "name:N",
        sort=names,
        title=None,
        axis=alt.Axis(
            domain=False,
            ticks=False,
            grid=False,
            labelLimit=200 if wide else 110,
            labelPadding=8,
            labelColor=INK,
        ),
    )
    base = alt.Chart(alt.Data(values=values)).encode(x=x, y=y)
    return alt.layer(
        base.mark_bar(height=14, color=SERIES[0], cornerRadius=3).encode(description="tip:N"),
        base.mark_text(align="left", dx=6, color=SOFT, fontSize=12).encode(text="words:N"),
    ).properties(width=width, height={"step": 26})


_CONFIG: dict[str, Any] = {
    "background": None,
    "font": "sans-serif",
    "padding": 4,
    "view": {"stroke": None},
    "axis": {
        "labelColor": SOFT, "labelFontSize": 12, "labelFontWeight": "normal", "titleColor": SOFT, "titleFontSize": 12,
        "titleFontWeight": "normal", "titlePadding": 8, "gridColor": LINE, "domainColor": LINE, "tickColor": LINE,
    },
}  # fmt: skip


# --- drawing, cleaning, keeping ----------------------------------------------------------------------------

_cache: OrderedDict[str, SafeString] = OrderedDict()
_CACHE_SIZE = 128
_lock = threading.Lock()
_drawing = threading.Lock()  # the converter is one engine inside the process: one drawing at a time


def _chart(
    spec: Callable[[bool], Any],
    *,
    inputs: object,
    label: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
) -> SafeString:
    """`inputs` is all that the drawing depends on; its repr is what equal charts are known by."""
    key = hashlib.sha256(repr((label, head, inputs)).encode()).hexdigest()
    with _lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
    drawn = mark_safe(  # noqa: S308 - clean() lets only shapes and escaped text through
        "".join(
            _draw(spec(wide).to_dict(validate=False), label, "wide" if wide else "narrow")
            for wide in (True, False)
        )
    )
    html = format_html(
        '<gh-chart class="chart" role="group" aria-label="{}">{}{}</gh-chart>',
        label,
        drawn,
        _numbers(label, head, rows),
    )
    with _lock:
        _cache[key] = html
        while len(_cache) > _CACHE_SIZE:
            _cache.popitem(last=False)
    return html


def _draw(spec: dict[str, Any], label: str, size: str) -> str:
    import vl_convert

    spec["config"] = _CONFIG
    with _drawing:
        svg = vl_convert.vegalite_to_svg(spec)
    return clean(svg, label=label, css_class=size)


# What may stand on an element of the finished drawing. Everything else that Vega writes is left out.
_ALLOWED = {
    "svg": {"viewBox"},
    "g": {"transform", "fill", "stroke", "stroke-width", "stroke-miterlimit", "opacity"},
    "path": {"d", "transform", "fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity", "fill-opacity", "stroke-opacity"},
    "line": {"x1", "x2", "y1", "y2", "transform", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "opacity"},
    "rect": {"x", "y", "width", "height", "transform", "fill", "stroke", "opacity"},
    "text": {"x", "y", "dx", "dy", "transform", "fill", "font-size", "font-weight", "text-anchor", "opacity"},
    "tspan": {"x", "y", "dx", "dy"},
}  # fmt: skip


_LONG_DECIMALS = re.compile(r"-?\d+\.\d{3,}")


def clean(svg: str, *, label: str, css_class: str) -> str:
    """Vega's SVG, reduced to shapes and text: no style, script, id, event or link, each point with its words."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - Vega wrote it a moment ago, in this process
    out = _clean_element(root)
    if out is None:
        raise ValueError("This is no drawing.")
    out.attrib = {"viewBox": root.attrib["viewBox"], "class": css_class, "role": "img", "aria-label": label}
    out.set("xmlns", SVG)
    return ElementTree.tostring(out, encoding="unicode")


def _clean_element(element: ElementTree.Element) -> ElementTree.Element | None:
    name = element.tag.rpartition("}")[2]
    if name not in _ALLOWED or element.get("display") == "none":
        return None
    out = ElementTree.Element(name)
    for attribute, value in element.attrib.items():
        if attribute in _ALLOWED[name] and "url(" not in value:
            out.set(
                attribute,
                _LONG_DECIMALS.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), value),
            )
    out.text = element.text
    words = element.get("aria-label")
    if name == "path" and words and element.get("role") == "graphics-symbol" and words != "line":
        out.set("data-tip", words)
        ElementTree.SubElement(out, "title").text = words
    for child in element:
        kept = _clean_element(child)
        # Vega wraps everything in groups, most of them empty here.
        if kept is not None and not _is_invisible(kept):
            out.append(kept)
    return out


def _is_invisible(element: ElementTree.Element) -> bool:
    if element.tag == "g":
        return not len(element)
    return element.tag == "path" and not (element.get("d") and (element.get("fill") or element.get("stroke")))


def _numbers(label: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> SafeString:
    """The same as a table, for those who read rather than look."""
    return format_html(
        '<details class="chart-numbers"><summary>Numbers</summary><table><caption class="vh">{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></details>",
        label,
        format_html_join("", '<th scope="col"{}>{}</th>', ((_right(i), name or mark_safe('<span class="vh">Name</span>')) for i, name in enumerate(head))),
        format_html_join("", "<tr>{}</tr>", ((format_html_join("", "<td{}>{}</td>", ((_right(i), cell) for i, cell in enumerate(row))),) for row in rows)),
    )  # fmt: skip


def _right(column: int) -> SafeString:
    return mark_safe(' class="num"') if column else mark_safe("")


def _nothing(words: str) -> SafeString:
    return format_html('<p class="chart-none">{}</p>', words)


# --- numbers -----------------------------------------------------------------------------------------------


def _finite(value: Any) -> bool:
    return value is not None and math.isfinite(float(value))


def _has_interval(row: IntervalRow) -> bool:
    return _finite(row.low) and _finite(row.high)


def _finite_points(points: Iterable[tuple[float | None, float | None]]) -> list[tuple[float, float]]:
    return [
        (float(x), float(y))
        for x, y in points
        if x is not None and y is not None and _finite(x) and _finite(y)
    ]


def _thin(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most MAX_POINTS: of each stretch its lowest and its highest point, so that no spike is lost; and both ends."""
    if len(points) <= MAX_POINTS:
        return points
    stretch = math.ceil((len(points) - 2) / ((MAX_POINTS - 2) // 2))
    kept = [points[0]]
    for start in range(1, len(points) - 1, stretch):
        part = points[start : min(start + stretch, len(points) - 1)]
        kept.extend(sorted({min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])}))
    return [*kept, points[-1]]


def _figure(value: Any) -> str:
    """Three significant digits, thousands set apart: 1.84, 12.3, 1,284, 0.0005."""
    if not _finite(value):
        return "–"
    number = float(value)
    if number == int(number) and abs(number) < 1e15:
        return f"{int(number):,}"
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}" if abs(number) >= 0.001 else f"{number:.1e}"


def _percent(value: Any) -> str:
    return f"{float(value) * 100:.0f}%" if _finite(value) else "–"


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _distinct(names: Sequence[str], longest: int) -> list[str]:
    """Names cut to length and told apart: Vega merges rows of one name."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        short = name if len(name) <= longest else f"{name[: longest - 1]}…"
        seen[short] = seen.get(short, 0) + 1
        out.append(short if seen[short] == 1 else f"{short} ({seen[short]})")
    return out
