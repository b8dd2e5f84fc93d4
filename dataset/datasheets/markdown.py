"""A datasheet as Markdown (CommonMark with tables)."""

import re
from collections.abc import Iterator

from core.text import lines_of, one_line
from core.wording import day
from dataset.queries.datasheet import Datasheet, SheetEntry
from dataset.queries.datasheet.known import FactTable
from dataset.questions import REFERENCE

# Every sign that can begin or end markup anywhere in a line, HTML included.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&!$^=])")
# At the start of a line these make a list or a rule.
_LINE_START = re.compile(r"^(\s*)([-+]|\d+(?=[.)]))")


def escaped(text: str) -> str:
    """The text on one line, with every sign of Markdown and HTML escaped."""
    return _LINE_START.sub(_escaped_start, _MARKUP.sub(r"\\\1", one_line(text)))


def _escaped_start(match: re.Match[str]) -> str:
    # A digit cannot be escaped, but the point after it can; a zero-width joiner would stay in the text.
    return f"{match[1]}&#{ord(match[2][0])};{match[2][1:]}"


def as_markdown(sheet: Datasheet) -> str:
    """The whole datasheet, ending with a line break."""
    return "\n".join(_lines(sheet)) + "\n"


def _lines(sheet: Datasheet) -> Iterator[str]:
    dataset = sheet.dataset
    yield f"# {escaped(sheet.title)}"
    yield ""
    yield f"* Frozen on {day(dataset.created_at)}, content hash (SHA-256) `{dataset.content_hash}`"
    yield f"* This datasheet was made on {day(sheet.at)}. {sheet.answered} of {sheet.asked} questions to people are answered."
    if dataset.note:
        yield f"* Note: {escaped(dataset.note)}"
    yield f"* The questions are after {escaped(REFERENCE)}."
    for name, entries in sheet.sections:
        yield from ("", f"## {name}")
        for entry in entries:
            yield from ("", f"### {escaped(entry.question.words)}", "")
            yield from _entry(entry)


def _entry(entry: SheetEntry) -> Iterator[str]:
    yield from (f"* {escaped(line)}" for line in entry.facts.lines)
    if entry.facts.table:
        yield from _table(entry.facts.table)
    if entry.answer:
        if entry.facts.lines or entry.facts.table:
            yield ""
        by = entry.answer.by.name if entry.answer.by else "Guildhall"
        # A backslash at the end of a line is a line break; an empty line separates paragraphs.
        for line in lines_of(entry.answer.text):
            yield f"> {escaped(line)}\\" if line.strip() else ">"
        yield f"> — {escaped(by)}, {day(entry.answer.at)}"
    elif entry.question.asked:
        if entry.facts.lines or entry.facts.table:
            yield ""
        yield "*Not answered yet.*"


def _table(table: FactTable) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(map(escaped, table.columns))} |"
    yield f"|{'---|' * len(table.columns)}"
    for row in table.rows:
        yield f"| {' | '.join(map(escaped, row))} |"
