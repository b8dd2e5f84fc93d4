"""Formats values for people. A builtin of every template, so no `{% load %}` is needed.

Everything here is a pure function of its arguments; the few filters that return HTML also escape it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

import nh3
from django import template
from django.apps import apps
from django.core.paginator import Page
from django.forms import BoundField
from django.template.context import Context
from django.utils import timezone
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

from core.diff import DiffPiece, compare
from core.models import Role, Run, User
from core.runs.kinds import Again, again_for
from core.text import lines_of
from core.wording import (
    NOTHING,
    duration,
    filesize,
    finite_number,
    milliseconds,
    number,
    percent,
    signed,
    similar,
    time_left,
)

register = template.Library()

RANGE = "–"

for _shown in (duration, filesize, milliseconds, number, percent, signed, similar, time_left):
    register.filter(_shown)


@register.filter
def again(run: Run, user: User) -> Again | None:
    """How this person can start an ended run again: `verb` for the button and `words`; None when it is not possible."""
    return again_for(run, user)


@register.filter
def age(value: datetime | None) -> str:
    """How long ago that was, as a duration: "16 min"."""
    return NOTHING if value is None else duration(max(timezone.now() - value, timedelta()))


@register.simple_tag
def interval(
    value: object, low: object = None, high: object = None, n: object = None, style: str = "percent"
) -> SafeString:
    """A number with its interval and sample size: `62% (55–69), n 204`.

    `style` is "percent" (shares of one) or the number of decimals ("2"). Without `low`/`high` only value and n
    are shown; screen readers get words for the brackets.
    """
    if finite_number(value) is None:
        return format_html(
            '<span class="interval">{}</span>',
            NOTHING if not n else f"not known, n {number(n)}",
        )
    if style == "percent":
        show, bare = percent(value), (lambda share: f"{float(share) * 100:.0f}")
    else:
        show, bare = number(value, style), (lambda figure: number(figure, style))
    parts = [format_html('<span class="value">{}</span>', show)]
    if finite_number(low) is not None and finite_number(high) is not None:
        parts.append(
            format_html(
                ' <span class="range" title="95% interval"><span class="vh">95% interval </span>({}{}{})</span>',
                bare(low),
                RANGE,
                bare(high),
            )
        )
    if finite_number(n) is not None:
        parts.append(format_html('<span class="n">, n {}</span>', number(n)))
    return format_html('<span class="interval">{}</span>', mark_safe("".join(parts)))  # noqa: S308 - every part is escaped above


_SHAPES = {
    "datetime": "%-d %b %Y, %H:%M UTC",
    "date": "%-d %b %Y",
    "time": "%H:%M UTC",
    "relative": "%-d %b %Y, %H:%M UTC",
    "short": "%-d %b, %H:%M",
}


@register.simple_tag
def when(value: datetime | None, shape: str = "relative") -> SafeString:
    """A time. Sent as UTC; gh-time.js shows it in the reader's time zone.

    `shape`: relative ("3 min ago", with the full time as title), short ("10:31", "Fri", "12 Nov"), datetime,
    date or time.
    """
    if value is None:
        return mark_safe('<span class="soft">never</span>')
    moment = value.astimezone(UTC)
    return format_html(
        '<gh-time data-shape="{}"><time datetime="{}">{}</time></gh-time>',
        shape,
        moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        moment.strftime(_SHAPES[shape]),
    )


@register.simple_tag
def countdown(
    value: datetime | None,
    before: str = "Reserved for you until",
    after: str = "Your reservation is over",
) -> SafeString:
    """The end of a lease: "Reserved for you until 11:20". The element changes colour when two minutes are left."""
    if value is None:
        return mark_safe("")
    moment = value.astimezone(UTC)
    return format_html(
        '<gh-countdown data-until="{}" data-before="{}" data-after="{}">{} {}</gh-countdown>',
        moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        before,
        after,
        before if moment > timezone.now() else after,
        moment.strftime("%H:%M UTC") if moment > timezone.now() else "",
    )


@register.filter
def initials(value: object) -> str:
    """ "Mona Okafor" -> "MO"; at most two letters."""
    words = re.findall(r"\w+", str(value))
    letters = [words[0][0], words[-1][0]] if len(words) > 1 else [word[:2] for word in words]
    return "".join(letters).upper()


@register.filter
def role_names(value: Iterable[str] | None) -> str:
    """Role values to names, in a fixed order: ["rater", "annotator"] -> "Annotator, rater"."""
    held = {value} if isinstance(value, str) else set(value or ())
    names = [str(role.label).lower() for role in Role if role.value in held]
    text = ", ".join(names)
    return text[:1].upper() + text[1:]


# --- Markdown ----------------------------------------------------------------------------------------------

_TAGS = {
    "p", "br", "strong", "em", "code", "pre", "ul", "ol", "li", "blockquote", "a", "h1", "h2", "h3", "h4", "hr",
    "table", "thead", "tbody", "tr", "th", "td", "del", "s",
}  # fmt: skip
# Two steps: markdown-it escapes raw HTML, and nh3 allows only this list.
_markdown = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True}).enable(
    ["table", "strikethrough"]
)
# For documents: a line break in the source is not a line break on the page, as usual in Markdown.
_flowing = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])


# A row of a table is filled up to the table's width, so a few bytes can make very many cells. With more tables they
# are shown as they were typed; the limit is a table of ten columns and three thousand lines.
_MOST_CELLS = 30_000
_TABLELESS = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True}).enable(
    "strikethrough"
)


def _cells_at_most(text: str) -> int:
    lines = lines_of(text)
    widths = (line.count("|") + 1 for line in lines if "-" in line and not line.strip(" \t|:-"))
    return max(widths, default=0) * len(lines)


@lru_cache(maxsize=512)
def _render_markdown(text: str, flow: bool = False) -> str:
    maker = _TABLELESS if _cells_at_most(text) > _MOST_CELLS else _flowing if flow else _markdown
    return nh3.clean(
        maker.render(text),
        tags=_TAGS,
        attributes={"a": {"href", "title"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )


@register.filter
def markdown(value: object, shape: str = "") -> SafeString:
    """Markdown to HTML that is safe to show: no raw HTML, no images, no script. Wrap it in class `prose`.

    Line breaks are kept, as people write comments and answers; `markdown:"flow"` joins them, as documents do.
    """
    return mark_safe(_render_markdown(str(value or "")[:100_000], shape == "flow"))  # noqa: S308 - nh3 cleaned it


@dataclass(frozen=True)
class Guideline:
    """A guideline to read beside the work: its HTML, and its headings as (id, words, depth from 1)."""

    html: SafeString
    headings: tuple[tuple[str, str, int], ...]


@lru_cache(maxsize=64)
def _guideline(text: str) -> Guideline:
    tokens = _flowing.parse(text)
    headings: list[tuple[str, str, int]] = []
    levels = sorted({token.tag for token in tokens if token.type == "heading_open"})
    for at, token in enumerate(tokens):
        if token.type not in ("heading_open", "heading_close"):
            continue
        depth = levels.index(token.tag) + 1
        # The page has its own heading, and so has the box around this text.
        token.tag = f"h{min(depth + 2, 6)}"
        if token.type == "heading_open":
            words = "".join(part.content for part in tokens[at + 1].children or [] if part.content)
            token.attrSet("id", f"guide-{len(headings) + 1}")
            headings.append((f"guide-{len(headings) + 1}", words, depth))
    html = nh3.clean(
        _flowing.renderer.render(tokens, _flowing.options, {}),
        tags=_TAGS | {"h5", "h6"},
        attributes={"a": {"href", "title"}, **{f"h{n}": {"id"} for n in range(3, 7)}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return Guideline(mark_safe(html), tuple(headings))  # noqa: S308 - nh3 cleaned it


@register.filter
def guideline(text: object) -> Guideline:
    """A Markdown text with ids on its headings. The first 100,000 characters."""
    return _guideline(str(text or "")[:100_000])


# --- what changed ------------------------------------------------------------------------------------------


def _marked(pieces: Iterable[DiffPiece], *, old: bool, new: bool) -> SafeString:
    out: list[str] = []
    for piece in pieces:
        if piece.op == "equal":
            out.append(conditional_escape(piece.old))
            continue
        if old and piece.old:
            out.append(format_html("<del>{}</del>", piece.old))
        if new and piece.new:
            out.append(format_html("<ins>{}</ins>", piece.new))
    return mark_safe("".join(out))  # noqa: S308 - each piece is escaped above


@register.filter
def word_diff(old: object, new: object) -> SafeString:
    """The changes from `old` to `new`, by phrase, as <del> and <ins>. Show it in class `diff`.

    When over half changed, the two texts are side by side, each with its own marks. The work is bounded (core.diff).
    """
    diff = compare(str(old or ""), str(new or ""))
    if not diff.apart:
        return _marked(diff.pieces, old=True, new=True)
    return format_html(
        '<span class="diff-sides"><span class="diff-side"><span class="diff-name">Before</span>{}</span>'
        '<span class="diff-side"><span class="diff-name">After</span>{}</span></span>',
        _marked(diff.pieces, old=True, new=False),
        _marked(diff.pieces, old=False, new=True),
    )


@register.filter
def word_marks(reference: object, text: object) -> SafeString:
    """`text` with <mark> around the phrases that are not in `reference`. Show it in class `diff`. Bounded work (core.diff)."""
    diff = compare(str(reference or ""), str(text or ""))
    parts = [
        conditional_escape(piece.new) if piece.op == "equal" else format_html("<mark>{}</mark>", piece.new)
        for piece in diff.pieces
        if piece.new
    ]
    return mark_safe("".join(parts))  # noqa: S308 - each piece is escaped above


@register.simple_tag
def part_state(state: str) -> SafeString:
    """The state of a part since the revision before, as a small word: "same" reads "unchanged"."""
    name, words = ("", "unchanged") if state == "same" else (f" {state}", state)
    return format_html('<span class="part-state{}">{}</span>', name, words)


@register.filter
def word_count(value: object) -> int:
    return len(str(value or "").split())


# --- small helpers ---------------------------------------------------------------------------------------

_TONES = {
    "ok": {
        "succeeded",
        "approved",
        "ready",
        "live",
        "running",
        "open",
        "active",
        "done",
        "frozen",
        "up",
        "loaded",
    },
    "warn": {
        "cancelling",
        "sent_back",
        "waiting",
        "review",
        "in_review",
        "queued",
        "pending",
        "loading",
        "paused",
    },
    "bad": {"failed", "rejected", "away", "error", "lost", "parked", "revoked"},
}


# Chat messages have the API's role names; people see these names.
_SPEAKERS = {"assistant": "Agent", "system": "System prompt", "user": "Customer"}
_TURNS = {"assistant": "bot", "system": "system"}


@register.filter
def speaker(role: object) -> str:
    """The name of a role: "assistant" -> "Agent". Other words are shown as they are, capitalised."""
    return _SPEAKERS.get(str(role)) or str(role)[:1].upper() + str(role)[1:]


@register.filter
def turn_class(role: object) -> str:
    """The CSS class for the side and colour of a turn: bot, system or user."""
    return _TURNS.get(str(role), "user")


@register.filter
def tone(status: object) -> str:
    """The CSS class of a status's tag: "ok", "warn", "bad" or none."""
    for name, words in _TONES.items():
        if str(status) in words:
            return name
    return ""


@register.simple_tag
def key(keys: str, label: str) -> SafeString:
    """One entry of the shortcuts in the footer: `{% key "ctrl+enter" "submit" %}`."""
    names = {
        "ctrl": "Ctrl",
        "alt": "Alt",
        "enter": "Enter",
        "shift": "Shift",
        "esc": "Esc",
        "left": "←",
        "right": "→",
    }
    caps = format_html_join(
        " ",
        "<kbd>{}</kbd>",
        ((names.get(part, part.upper()),) for part in keys.split("+")),
    )
    return format_html('<span class="key">{} {}</span>', caps, label)


@register.simple_tag(takes_context=True)
def theme(context: Context) -> str:
    """ "light", "dark" or "" (as the system): the person's choice, else the last one of this browser."""
    request = context.get("request")
    user = context.get("user")
    choice = getattr(user, "theme", None) if getattr(user, "is_authenticated", False) else None
    if choice is None and request is not None:
        choice = request.COOKIES.get("gh_theme")
    return choice if choice in ("light", "dark") else ""


@register.filter
def page_numbers(page: Page[Any]) -> list[int | str]:
    """Numbers for the pagination, gaps as "…": [1, "…", 4, 5, 6, "…", 20]."""
    return list(page.paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1))


@register.filter
def widget_kind(field: BoundField) -> str:
    """The kind of a form field: "check", "choices", "file" or "plain"."""
    name = type(field.field.widget).__name__
    if name == "CheckboxInput":
        return "check"
    if name in ("RadioSelect", "CheckboxSelectMultiple"):
        return "choices"
    return "file" if "File" in name else "plain"


class _Linked(Protocol):
    @property
    def url_name(self) -> str: ...


@register.filter
def in_stage(stage: _Linked, request: object) -> bool:
    """Whether the present page belongs to this stage's app: both are in the same URL namespace."""
    match = getattr(request, "resolver_match", None)
    return bool(match and match.namespace and match.namespace == stage.url_name.partition(":")[0])


@register.filter
def join_soft(labels: Iterable[str] | None) -> str:
    """["Annotator", "Rater"] -> "Annotator, rater"."""
    text = ", ".join(str(label).lower() for label in ([labels] if isinstance(labels, str) else labels or ()))
    return text[:1].upper() + text[1:]


@register.filter
def action_words(action: str) -> str:
    """ "example.sent_back" -> "Examples sent back": the number of times is shown beside it."""
    noun, _, participle = str(action).replace("_", " ").partition(".")
    if participle and not noun.endswith("s"):
        noun = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{noun} {participle}".strip().capitalize()


# Letters and signs of scripts that run from right to left, and characters inside their names.
_RIGHT_TO_LEFT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001eeff"
_NAME_FROM_THE_RIGHT = re.compile(rf"[{_RIGHT_TO_LEFT}](?:[{_RIGHT_TO_LEFT}\s.'’-]*[{_RIGHT_TO_LEFT}])?")


@register.filter
def isolated(value: str) -> SafeString:
    """A sentence with each right-to-left name in a <bdi>, so that the numbers and commas beside the name keep their places.
    For sentences from Python; templates put their names into a <bdi>."""
    return mark_safe(_NAME_FROM_THE_RIGHT.sub(r"<bdi>\g<0></bdi>", conditional_escape(value)))  # noqa: S308 (escaped)


@register.filter
def object_kind(object_type: str) -> str:
    """ "datasets.datasetversion" -> "dataset version", by the model's verbose name; deleted models keep their class name."""
    try:
        return str(apps.get_model(object_type)._meta.verbose_name)
    except (LookupError, ValueError):
        return str(object_type).rpartition(".")[2]
