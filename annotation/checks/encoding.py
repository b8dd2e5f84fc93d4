"""Damage that a text took on its way here: letters read in the wrong encoding, lost letters, entities and escapes left over."""

import html
import re
from collections.abc import Callable, Iterator

from annotation.checks.base import UNLIMITED, Check, Finding, Fix, Level, Pair, Span, TimeBudget
from annotation.checks.prose import inside, other_places
from core.models import Project

_MOST = 50  # places of one kind
_ASCII_SIGN = re.compile("[&\\\\\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # what an ASCII text with damage has
_ENTITY = re.compile(
    r"&(?:amp;){0,5}(?:amp|lt|gt|quot|apos|nbsp|copy|euro|[aeiouAEIOU](?:acute|grave|circ|uml)|szlig|ccedil|ntilde|[rl][sd]quo|hellip|[nm]dash|#\d{2,6}|#x[0-9a-fA-F]{2,5});"
)
_ESCAPE = re.compile(
    r"(?:(?<=[\w.,!?;:)])|(?<=[.!?]\s)|^)(?:\\[rn])+(?=[A-Z\s\"]|\Z)|\\u[0-9a-fA-F]{4}(?![0-9a-fA-F])"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\u2028\u2029]+")
# A run of letters that are not ASCII, with the words around: what is repaired at once.
_RUN = re.compile(r"[^\s]*[^\x00-\x7f][^\s]*")
_CODE = re.compile(r"`[^`\n]{1,200}`|(?:https?://|www\.)\S{1,2000}")
_MARKUP = re.compile(r"</?[a-z][^<>\n]{0,200}>|^\s*[{\[]|```")

Place = tuple[int, int, str | None]  # start, end, what it becomes


def _mojibake(text: str) -> Iterator[Place]:
    if text.isascii():
        return
    from ftfy import fix_encoding
    from ftfy.badness import is_bad

    if not is_bad(text):
        return
    for match in _RUN.finditer(text):
        word = match.group()
        if is_bad(word) and (fixed := fix_encoding(word)) != word:
            yield match.start(), match.end(), None if "\ufffd" in fixed else fixed


def _lost(text: str) -> Iterator[Place]:
    return ((match.start(), match.end(), None) for match in re.finditer("\ufffd+", text))


def _entities(text: str) -> Iterator[Place]:
    if "&" not in text or _MARKUP.search(text):
        return
    for match in _ENTITY.finditer(text):
        if inside(*match.span(), other_places(text)):
            continue
        before, now = match.group(), html.unescape(match.group())
        while now != before:
            before, now = now, html.unescape(now)
        yield match.start(), match.end(), now.replace("\u00a0", " ")


def _escapes(text: str) -> Iterator[Place]:
    if "\\" not in text or _MARKUP.search(text):
        return
    for match in _ESCAPE.finditer(text):
        if inside(*match.span(), tuple(code.span() for code in _CODE.finditer(text))):
            continue
        written = match.group()
        if written.startswith("\\u"):
            code = written[2:]
            letter = chr(int(code, 16))
            yield match.start(), match.end(), letter if letter.isprintable() else None
        else:
            at_edge = not text[match.end() :].strip() or not text[: match.start()].strip()
            yield match.start(), match.end(), "" if at_edge else "\n" * max(1, written.count("\\n"))


def _controls(text: str) -> Iterator[Place]:
    return (
        (match.start(), match.end(), "\n" if set(match.group()) <= set("\u2028\u2029") else "")
        for match in _CONTROL.finditer(text)
    )


_KINDS: tuple[tuple[str, Level, str, Callable[[str], Iterator[Place]]], ...] = (
    ("mojibake", "bad", "Letters were read in the wrong encoding: “{}”.", _mojibake),
    ("lost-letter", "bad", "A letter was lost when the text was read (shown as �).", _lost),
    ("entity", "warn", "A leftover of HTML: “{}”.", _entities),
    ("escape", "warn", "A leftover of an escaped text: “{}”.", _escapes),
    ("control", "warn", "The text has an invisible control character.", _controls),
)


def run(pair: Pair, project: Project, budget: TimeBudget = UNLIMITED) -> list[Finding]:
    texts = [("completion", 0, pair.completion)]
    texts += [("messages", index, text) for index, text in enumerate(pair.messages)]
    texts += [("context", index, text) for index, text in enumerate(pair.context)]
    texts = [one for one in texts if not one[2].isascii() or _ASCII_SIGN.search(one[2])]
    findings = []
    for kind, level, says, finder in _KINDS if texts else ():
        spans: list[Span] = []
        fixes: list[Fix] = []
        sure = True
        words = ""
        for field, index, text in texts:
            for start, end, becomes in finder(text):
                budget.spend(8)
                if len(spans) == _MOST:
                    break
                words = words or text[start:end][:40]
                spans.append(Span(field, index, start, end, level))
                sure = sure and becomes is not None
                fixes.append(Fix(field, index, start, end, becomes or ""))
        if spans:
            findings.append(
                Finding(
                    level, says.format(words), tuple(spans), kind=kind, fixes=tuple(fixes) if sure else ()
                )
            )
    return findings


CHECK = Check("encoding", "No letters that were damaged on the way", run)
