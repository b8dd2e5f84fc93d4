"""The map as a drawing: which colour each point has, and where the names of intents are. Pure."""

from collections import Counter
from dataclasses import dataclass

from annotation.checks.languages import LANGUAGES
from annotation.models import Example
from annotation.moods import MOODS
from annotation.queries.mapping import Intent, Point

WIDTH, HEIGHT, MARGIN = 1000, 620, 24
COLOURS = 5
MOST_NAMES = 8
SLICE, STATUS, LANGUAGE, MOOD = "slice", "status", "language", "mood"
COLOURED_BY = (SLICE, STATUS, LANGUAGE, MOOD)


@dataclass(frozen=True)
class Dot:
    """A point of the drawing. `css` is its colour; `words` is what a pointer shows."""

    example: int
    x: float
    y: float
    css: str
    words: str


@dataclass(frozen=True)
class Caption:
    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Drawing:
    """`legend` is [(class, name, points)]."""

    dots: list[Dot]
    captions: list[Caption]
    legend: list[tuple[str, str, int]]


def drawing_of(points: list[Point], intents: list[Intent], *, colour: str, chosen: int | None) -> Drawing:
    """With `chosen`, the points of other intents are faint and only its name is written."""
    named = [_name(point, colour) for point in points]
    common = Counter(named).most_common()
    css = {name: f"c{at}" for at, (name, _) in enumerate(common[:COLOURS], 1)}
    dots = [
        Dot(
            point.example,
            _across(point.x),
            _down(point.y),
            " ".join(filter(None, (css.get(name, ""), "faint" if _is_faint(point, chosen) else ""))),
            f"#{point.example}, {name}",
        )
        for point, name in zip(points, named, strict=True)
    ]
    shown = [one for one in intents if one.number == chosen] if chosen is not None else intents[:MOST_NAMES]
    captions = [Caption(_across(one.x), _down(one.y), one.name) for one in shown]
    legend = [(css[name], name, n) for name, n in common[:COLOURS]]
    if rest := sum(n for _, n in common[COLOURS:]):
        legend.append(("", "others", rest))
    return Drawing(dots, captions, legend)


def _name(point: Point, colour: str) -> str:
    if colour == STATUS:
        return str(Example.Status(point.status).label)
    if colour == LANGUAGE:
        return _trait(point.language, LANGUAGES, "not clear")
    if colour == MOOD:
        return _trait(point.mood, MOODS, "not read")
    return point.slice or "no slice"


def _trait(key: str | None, names: dict[str, str], unclear: str) -> str:
    return "not read yet" if key is None else names.get(key, key) or unclear


def _is_faint(point: Point, chosen: int | None) -> bool:
    return chosen is not None and point.intent != chosen


def _across(x: float) -> float:
    return round(MARGIN + (x + 1) / 2 * (WIDTH - 2 * MARGIN), 1)


def _down(y: float) -> float:
    return round(MARGIN + (y + 1) / 2 * (HEIGHT - 2 * MARGIN), 1)
