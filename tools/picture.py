"""The picture of the import graph: apps as layers, their modules as boxes, arrows between apps. Drawn as SVG."""

from collections import defaultdict
from dataclasses import dataclass
from html import escape
from pathlib import Path

from tools.source import Graph, Layers, graph_of, layers_of, read

WIDTH_OF_BOXES = 700  # from the left edge of an app's boxes to their right edge
LEFT = 20
NAME = 122
ROW = 26
BOX = 20
GAP = 5
PAD = 12
BETWEEN_APPS = 14
LANE = 44
TOP = 64
LETTER = 7.1  # the width of a letter of a box, generously

STYLE = """
  svg { --back: #ffffff; --ink: #1c2430; --soft: #5b6675; --line: #c3cad4; --app: #f4f6f9; --layer: #dfeaf7; --box: #ffffff;
        --arrow: #2f6db3; --wrong: #b3261e; }
  @media (prefers-color-scheme: dark) {
    svg { --back: #14181f; --ink: #e6eaf0; --soft: #9aa6b5; --line: #465160; --app: #1c222b; --layer: #24405f; --box: #2a323d;
          --arrow: #7db4ee; --wrong: #ff8a80; }
  }
  text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: var(--ink); font-size: 12px; }
  .title { font-size: 17px; font-weight: 600; }
  .note { fill: var(--soft); }
  .name { font-size: 15px; font-weight: 600; }
  .count { font-size: 11px; fill: var(--arrow); font-weight: 600; }
  .wrong { fill: var(--wrong); }
  .back { fill: var(--back); }
  .app { fill: var(--app); stroke: var(--line); }
  .layer { fill: var(--layer); stroke: var(--line); }
  .box { fill: var(--box); stroke: var(--line); }
  .arrow { stroke: var(--arrow); stroke-width: 1.5; fill: none; }
  .dot, .head { fill: var(--arrow); }
"""


@dataclass(frozen=True)
class App:
    name: str
    layers: list[list[str]]  # those that exist, from high to low
    others: list[str]  # its other modules and packages


def draw(root: Path) -> str:
    """The picture of the code under `root`; the same code always gives the same text."""
    files = read(root)
    graph = graph_of(files)
    packages = {source.module for source in files if source.is_package}
    layers = layers_of(root)
    apps = [_app(name, graph, packages, layers) for names in layers.apps for name in names]
    return _svg(apps, arrows(graph, [app.name for app in apps]))


def arrows(graph: Graph, apps: list[str]) -> dict[tuple[str, str], int]:
    """(importing app, imported app) -> how many modules of the first import the second, lazy imports counted."""
    importing: dict[tuple[str, str], set[str]] = defaultdict(set)
    for module, targets in graph.all.items():
        source = module.partition(".")[0]
        for target in targets:
            pair = source, target.partition(".")[0]
            if pair[0] != pair[1] and pair[0] in apps and pair[1] in apps:
                importing[pair].add(module)
    return {pair: len(modules) for pair, modules in sorted(importing.items())}


def _app(name: str, graph: Graph, packages: set[str], layers: Layers) -> App:
    children = {module.split(".")[1] for module in graph.at_the_top if module.startswith(f"{name}.")}
    shown = {child: f"{child}/" if f"{name}.{child}" in packages else child for child in sorted(children)}
    ordered = [[shown.pop(part) for part in layer if part in shown] for layer in layers.inside.get(name, [])]
    return App(name, [layer for layer in ordered if layer], list(shown.values()))


# --- Drawing


@dataclass(frozen=True)
class Box:
    x: float
    row: int
    text: str
    kind: str  # "layer", "box", or "" for a sign between two layers

    @property
    def width(self) -> float:
        return _width(self.text, self.kind)


def _width(text: str, kind: str) -> float:
    return round(len(text) * LETTER + (14 if kind else 2), 1)


def _boxes(app: App) -> list[Box]:
    """The layers from high to low, then the other modules on rows of their own."""
    signs: list[tuple[str, str]] = []
    for number, layer in enumerate(app.layers):
        signs += [("›", "")] if number else []
        signs += [(part, "layer") for part in layer]
    boxes = _rows(signs, first=0)
    return boxes + _rows([(part, "box") for part in app.others], first=boxes[-1].row + 1 if boxes else 0)


def _rows(signs: list[tuple[str, str]], *, first: int) -> list[Box]:
    boxes: list[Box] = []
    x, row = 0.0, first
    for text, kind in signs:
        if x + _width(text, kind) > WIDTH_OF_BOXES:
            x, row = 0.0, row + 1
        boxes.append(Box(x, row, text, kind))
        x += _width(text, kind) + GAP
    return boxes


def _svg(apps: list[App], counts: dict[tuple[str, str], int]) -> str:
    boxes = {app.name: _boxes(app) for app in apps}
    tops: dict[str, float] = {}
    heights: dict[str, float] = {}
    y = float(TOP)
    for app in apps:
        rows = max((box.row for box in boxes[app.name]), default=0) + 1
        tops[app.name], heights[app.name] = y, 2 * PAD + rows * ROW - (ROW - BOX)
        y += heights[app.name] + BETWEEN_APPS
    right = LEFT + NAME + WIDTH_OF_BOXES + PAD
    width, height = right + LANE * len(apps) + 10, y + 6
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}">',
        "<title>The apps of Guildhall and what they import</title>",
        f"<desc>{escape(_in_words(apps, counts))}</desc>",
        f"<style>{STYLE}</style>",
        f'<rect class="back" width="{width:g}" height="{height:g}"/>',
        _text(LEFT, 28, "Who imports whom", "title"),
        _text(LEFT, 48, "A higher app imports lower ones, never back. In an app, layers go from left (high) to right (low).", "note"),
        _text(right, 48, "Number of modules that import", "note"),
    ]  # fmt: skip
    for app in apps:
        parts += _drawn_app(app, boxes[app.name], tops[app.name], heights[app.name], right)
    parts += _drawn_arrows([app.name for app in apps], counts, tops, heights, right)
    return "\n".join([*parts, "</svg>", ""])


def _in_words(apps: list[App], counts: dict[tuple[str, str], int]) -> str:
    order = "From high to low: " + ", ".join(app.name for app in apps) + "."
    return order + "".join(
        f" {number} modules of {source} import {target}." for (source, target), number in counts.items()
    )


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def _drawn_app(app: App, boxes: list[Box], top: float, height: float, right: float) -> list[str]:
    parts = [
        f'<rect class="app" x="{LEFT}" y="{top:g}" width="{right - LEFT:g}" height="{height:g}" rx="8"/>',
        _text(LEFT + PAD, top + PAD + 15, app.name, "name"),
    ]
    for box in boxes:
        x, y = LEFT + NAME + box.x, top + PAD + box.row * ROW
        if box.kind:
            parts.append(
                f'<rect class="{box.kind}" x="{x:g}" y="{y:g}" width="{box.width:g}" height="{BOX}" rx="4"/>'
            )
        parts.append(_text(round(x + box.width / 2, 1), y + 14, box.text, "label", "middle"))
    return parts


def _drawn_arrows(
    apps: list[str],
    counts: dict[tuple[str, str], int],
    tops: dict[str, float],
    heights: dict[str, float],
    right: float,
) -> list[str]:
    """One lane for each imported app: it collects those that import it and ends with an arrow at that app."""
    lane = {name: right + LANE * number - 12 for number, name in enumerate(apps)}
    out = {name: tops[name] + heights[name] - 10 for name in apps}
    into = {name: tops[name] + 10 for name in apps}
    downwards = {pair: n for pair, n in counts.items() if apps.index(pair[0]) < apps.index(pair[1])}
    farthest = {
        source: max(lane[target] for start, target in downwards if start == source) for source, _ in downwards
    }
    parts = [f'<path class="arrow" d="M{right:g} {out[source]:g}H{x:g}"/>' for source, x in farthest.items()]
    for target in apps:
        if sources := [start for start, end in downwards if end == target]:
            first = min(out[source] for source in sources)
            x, y = lane[target], into[target]
            parts.append(f'<path class="arrow" d="M{x:g} {first:g}V{y:g}H{right + 7:g}"/>')
            parts.append(
                f'<path class="head" d="M{right:g} {y:g}l8 -4v8z"><title>{escape(target)} is imported</title></path>'
            )
    for (source, target), number in downwards.items():
        x, y = lane[target], out[source]
        parts.append(f'<circle class="dot" cx="{x:g}" cy="{y:g}" r="3.5"/>')
        parts.append(_text(x + 6, y - 5, str(number), "count"))
    for (source, target), number in counts.items():
        if (source, target) not in downwards:
            parts.append(_text(LEFT + PAD, out[source] + 4, f"{number} import {target}!", "wrong"))
    return parts
