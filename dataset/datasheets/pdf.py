"""A datasheet as PDF, by typst: one library without parts of the system.

Texts go to the template as JSON in one input, never into its source. The compiler sees no folder but an empty one.
"""

import json
import re
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typst

from core.text import plain_line_ends
from core.wording import day
from dataset.queries.datasheet import Datasheet, SheetEntry
from dataset.questions import REFERENCE

_TEMPLATE = Path(__file__).with_name("sheet.typ")
# Controls, marks that turn the direction of the text after them, and code points that are no characters.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\uffff\ud800-\udfff]"
)
# Scripts and signs that the fonts inside typst do not have: the fonts of the server have to.
_OTHER_SCRIPTS = re.compile("[\u0590-\u1cff\u2e80-\ufdff\ufe30-\ufffd\U00010000-\U0010ffff]")
_BOXES = "Letters that no font of this server has are drawn as boxes. The page and the Markdown file have all letters."
_LONG = re.compile(r"\S{41,}")
_HASH = re.compile(r"[0-9a-f]{64}")  # fits a line, and is copied from it
_BREAK = "\u200b"  # lets a line end here: a word of a thousand letters would leave the page


def as_pdf(sheet: Datasheet) -> bytes:
    """The PDF file. Takes some tenths of a second."""
    values = json.dumps(_values(sheet))
    with TemporaryDirectory(prefix="datasheet-") as nothing:
        compiler = typst.Compiler(root=nothing, font_paths=_fonts())
        made = compiler.compile(_TEMPLATE.read_bytes(), format="pdf", sys_inputs={"sheet": values})
    assert isinstance(made, bytes)
    return made


@lru_cache(maxsize=1)
def _fonts() -> typst.Fonts:
    """Those inside typst, then the server's. Searched for once."""
    return typst.Fonts(include_system_fonts=True, include_embedded_fonts=True)


def _readable(text: str) -> str:
    """The text without invisible signs, and with places where a long word can be broken."""
    return _LONG.sub(_breakable, _UNSEEN.sub("", plain_line_ends(text)))


def _breakable(match: re.Match[str]) -> str:
    word = match[0]
    return (
        word if _HASH.fullmatch(word) else _BREAK.join(word[at : at + 40] for at in range(0, len(word), 40))
    )


def _values(sheet: Datasheet) -> dict[str, Any]:
    dataset = sheet.dataset
    sections = [
        {"name": name, "entries": [_entry(entry) for entry in entries]} for name, entries in sheet.sections
    ]
    about = [
        f"Frozen on {day(dataset.created_at)}. Content hash (SHA-256): {dataset.content_hash}",
        f"This datasheet was made on {day(sheet.at)}. {sheet.answered} of {sheet.asked} questions to people are answered.",
        *([f"Note: {dataset.note}"] if dataset.note else []),
        f"The questions are after {REFERENCE}.",
    ]
    if _OTHER_SCRIPTS.search(json.dumps([sections, about, sheet.title], ensure_ascii=False)):
        about.append(_BOXES)
    return {
        "title": _readable(sheet.title),
        "foot": _readable(f"{sheet.title}, made on {day(sheet.at)}"),
        "about": [_readable(line) for line in about],
        "sections": sections,
    }


def _entry(entry: SheetEntry) -> dict[str, Any]:
    answer, table = entry.answer, entry.facts.table
    return {
        "question": _readable(entry.question.words),
        "asked": entry.question.asked,
        "facts": [_readable(line) for line in entry.facts.lines],
        "columns": [_readable(name) for name in table.columns] if table else [],
        "rows": [[_readable(cell) for cell in row] for row in table.rows] if table else [],
        "answer": _readable(answer.text) if answer else None,
        "by": _readable(f"{answer.by.name if answer.by else 'Guildhall'}, {day(answer.at)}")
        if answer
        else "",
    }
