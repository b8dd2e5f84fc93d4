"""From a description to safe HTML: drawn by Vega, cleaned for the page, cached."""

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any
from xml.etree import ElementTree

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

SVG = "http://www.w3.org/2000/svg"

_cache: OrderedDict[str, SafeString] = OrderedDict()
_CACHE_SIZE = 128
_lock = threading.Lock()
_drawing = threading.Lock()  # the process has one converter: one drawing at a time


def chart(
    spec: Callable[[bool], Any],
    *,
    inputs: object,
    label: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
) -> SafeString:
    """`inputs` is all that the drawing depends on; its repr is the cache key."""
    key = hashlib.sha256(repr((label, head, inputs)).encode()).hexdigest()
    with _lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
    drawn = mark_safe(  # noqa: S308 - clean() lets only shapes and escaped text through
        "".join(
            draw(spec(wide).to_dict(validate=False), label, "wide" if wide else "narrow")
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


def draw(spec: dict[str, Any], label: str, size: str) -> str:
    import vl_convert

    from core.charts.specs import CONFIG

    spec["config"] = CONFIG
    with _drawing:
        svg = vl_convert.vegalite_to_svg(spec)
    return clean(svg, label=label, css_class=size)


# The allowed attributes of an element. Everything else from Vega is removed.
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
    """Vega's SVG, reduced to shapes and text: no style, script, id, event or link, each point with its text."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - Vega wrote it a moment ago, in this process
    out = _clean_element(root)
    if out is None:
        raise ValueError("This is not a drawing.")
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
                _LONG_DECIMALS.sub(lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), value),
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
    """The same as a table, for people who prefer to read."""
    return format_html(
        '<details class="chart-numbers"><summary>Numbers</summary><table><caption class="vh">{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></details>",
        label,
        format_html_join("", '<th scope="col"{}>{}</th>', ((_right(i), name or mark_safe('<span class="vh">Name</span>')) for i, name in enumerate(head))),
        format_html_join("", "<tr>{}</tr>", ((format_html_join("", "<td{}>{}</td>", ((_right(i), cell) for i, cell in enumerate(row))),) for row in rows)),
    )  # fmt: skip


def _right(column: int) -> SafeString:
    return mark_safe(' class="num"') if column else mark_safe("")


def nothing(words: str) -> SafeString:
    return format_html('<p class="chart-none">{}</p>', words)
