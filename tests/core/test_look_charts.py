"""Charts: safe to inline under the policy, well-formed, true to their numbers, calm with strange ones."""

import math
import re
from xml.etree import ElementTree

import pytest

from core.charts import Bar, IntervalRow, Series, bar_chart, data, drawing, interval_chart, line_chart

EVIL = '<script>alert("x")</script> & "quotes"'
NAN, INF = float("nan"), float("inf")


def _tree(html: str) -> ElementTree.Element:
    """Charts are written so that they are XML as well; anything left open or unescaped fails here."""
    return ElementTree.fromstring(html)


def _svgs(html: str) -> list[ElementTree.Element]:
    return [element for element in _tree(html).iter() if element.tag.endswith("}svg")]


def _tips(svg: ElementTree.Element) -> list[str]:
    return [element.attrib["data-tip"] for element in svg.iter() if "data-tip" in element.attrib]


def _loss() -> str:
    return line_chart(
        series=[
            Series("training", [(x, 3 - x / 50) for x in range(60)]),
            Series("held out", [(x, 3.1 - x / 50) for x in range(0, 60, 10)], dotted=True),
        ],
        label="Loss by step",
        x_title="step",
        x_max=100,
    )


ALL = {
    "line": _loss,
    "interval": lambda: interval_chart(
        rows=[IntervalRow("version 8", 0.62, 0.55, 0.69, 204), IntervalRow("base", 0.29, 0.22, 0.37, 180)],
        label="Win rate",
        reference=0.5,
        as_percent=True,
    ),
    "bar": lambda: bar_chart(bars=[Bar("customs", 42), Bar("delay", 118)], label="By slice", unit="examples"),
    "evil": lambda: bar_chart(bars=[Bar(EVIL, 1)], label=EVIL, unit=EVIL),
    "evil line": lambda: line_chart(
        series=[Series(EVIL, [(0, 1), (1, 2)], dotted=True)], label=EVIL, x_title=EVIL
    ),
    "evil interval": lambda: interval_chart(rows=[IntervalRow(EVIL, 1, 0, 2, 3)], label=EVIL),
}


@pytest.mark.parametrize("name", ALL)
def test_a_chart_passes_the_policy_and_is_well_formed(name: str) -> None:
    html = ALL[name]()
    for element in _tree(html).iter():
        tag = element.tag.rpartition("}")[2]
        assert tag not in {"script", "style", "foreignObject", "image", "a", "use"}, tag
        for attribute, value in element.attrib.items():
            assert attribute != "style"
            assert not attribute.startswith("on")
            assert "url(" not in value
    assert len(_svgs(html)) == 2, "one wide, one narrow"


@pytest.mark.parametrize("name", ALL)
def test_a_chart_names_no_colour_of_its_own(name: str) -> None:
    for svg in _svgs(ALL[name]()):
        for element in svg.iter():
            for attribute in ("fill", "stroke"):
                colour = element.get(attribute)
                assert colour is None or colour in {"none", "transparent"} or colour.startswith("var(--"), (
                    colour
                )


@pytest.mark.parametrize("name", ALL)
def test_letters_keep_a_readable_size_on_a_phone(name: str) -> None:
    wide, narrow = _svgs(ALL[name]())
    for svg, room in (
        (narrow, 296),
        (wide, 560),
    ):  # px: what is left of a 360 px screen; the narrowest wide box
        scale = min(1.0, room / float(svg.attrib["viewBox"].split()[2]))
        sizes = [
            float(t.attrib["font-size"].removesuffix("px")) for t in svg.iter() if "font-size" in t.attrib
        ]
        assert sizes
        assert min(sizes) * scale >= 9.5


def test_a_chart_says_what_it_is_and_each_point_its_words() -> None:
    html = _loss()
    assert 'aria-label="Loss by step"' in html
    for svg in _svgs(html):
        assert svg.attrib["role"] == "img"
        tips = _tips(svg)
        assert "held out: 3.1 at step 0" in tips
        assert "held out: 2.1 at step 50" in tips
        assert len([tip for tip in tips if tip.startswith("training")]) == 60
        titles = [e.text for e in svg.iter() if e.tag.endswith("}title")]
        assert titles == tips


def test_an_interval_row_tells_its_interval_and_n() -> None:
    html = ALL["interval"]()
    assert "version 8: 62%, 95% interval 55% to 69%, n 204" in _tips(_svgs(html)[0])
    assert "<td>base</td>" in html
    assert "22% to 37%" in html


def test_bars_keep_their_order_and_proportion() -> None:
    svg = _svgs(bar_chart(bars=[Bar("half", 50), Bar("whole", 100)], label="x"))[0]
    lengths = []
    for element in svg.iter():
        if "data-tip" in element.attrib:
            xs = [float(x) for x in re.findall(r"[MHLh](-?[\d.]+)", element.attrib["d"])]
            lengths.append(max(xs) - min(0.0, *xs))
    assert [tip.partition(":")[0] for tip in _tips(svg)] == ["half", "whole"]
    assert lengths[1] / lengths[0] == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize(
    ("chart", "words"),
    [
        (line_chart(series=[], label="x"), "No data yet."),
        (
            line_chart(series=[Series("a", [(1, None), (2, NAN), (INF, 1)])], label="x"),
            "No data yet.",
        ),
        (interval_chart(rows=[], label="x"), "No ratings yet."),
        (interval_chart(rows=[IntervalRow("a", NAN)], label="x"), "No ratings yet."),
        (bar_chart(bars=[Bar("a", None)], label="x"), "No data yet."),
    ],
)
def test_nothing_to_draw_is_said_in_words(chart: str, words: str) -> None:
    assert words in chart
    assert "svg" not in chart


def test_one_point_is_shown_as_a_point() -> None:
    html = line_chart(series=[Series("only", [(3, 2.5)])], label="x")
    assert _tips(_svgs(html)[0]) == ["only: 2.5 at x 3"]
    assert "NaN" not in html


def test_missing_values_leave_the_others_in_place() -> None:
    html = line_chart(series=[Series("a", [(0, 1.0), (1, NAN), (2, 3.0)], dotted=True)], label="x")
    assert _tips(_svgs(html)[0]) == ["a: 1 at x 0", "a: 3 at x 2"]


@pytest.mark.parametrize("value", [0, -5, 1e12, 1e-9])
def test_extreme_and_equal_values_draw(value: float) -> None:
    for html in (
        line_chart(series=[Series("flat", [(0, value), (1, value)], dotted=True)], label="x"),
        bar_chart(bars=[Bar("a", value)], label="x"),
        interval_chart(rows=[IntervalRow("a", value, value, value)], label="x", reference=value),
    ):
        assert "NaN" not in html
        assert "Infinity" not in html
        assert len(_svgs(html)) == 2


def test_a_hundred_thousand_points_are_thinned_and_no_spike_is_lost() -> None:
    points = [(float(x), 1.0) for x in range(100_000)]
    points[54_321] = (54_321.0, 9.0)
    points[12_345] = (12_345.0, -9.0)
    thin = data.thin(points)
    assert len(thin) <= data.MAX_POINTS
    assert (54_321.0, 9.0) in thin
    assert (12_345.0, -9.0) in thin
    assert (thin[0], thin[-1]) == (points[0], points[-1])
    assert [x for x, _ in thin] == sorted(x for x, _ in thin)
    assert len(line_chart(series=[Series("a", points)], label="x")) < 150_000


def test_rows_of_one_name_stay_apart() -> None:
    html = bar_chart(bars=[Bar("same", 1), Bar("same", 2)], label="x")
    assert len(_tips(_svgs(html)[0])) == 2


def test_equal_charts_are_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    original = drawing.draw
    monkeypatch.setattr(drawing, "draw", lambda *args: drawn.append(args) or original(*args))
    bars = [Bar("once", math.pi)]
    first = bar_chart(bars=bars, label="cached")
    assert bar_chart(bars=bars, label="cached") == first
    assert len(drawn) == 2
    assert bar_chart(bars=bars, label="other label") != first
    assert len(drawn) == 4
