"""What an import says about the rows of a file: counts, keys that were not taken, problems, and the first rows."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from core.text import is_storable, storable
from dataset.models import DataImport, ImportIssue
from dataset.runner.chats import ParsedExample
from dataset.runner.json_lines import Value, shown, write_json
from dataset.runner.preparing import NoteCount
from dataset.runner.reading.records import FileLine, clipped, excerpt_of
from dataset.runner.values import Issue

ISSUES_A_LINE = 5
# The number of bad rows shown of a refused file.
ISSUES_OF_A_REFUSED_FILE = 1000
# The number of different keys shown of one file; a file with more has values in the place of keys.
MOST_KEYS = 200
FIRST_ROWS = 5
_MOST_LETTERS = 1500  # of one row, in the preview


@dataclass
class Tally:
    data_import: DataImport
    lines: int = 0
    accepted: int = 0
    repeated: int = 0
    rejected: int = 0
    keys: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    other_keys: int = 0
    unwritten: list[ImportIssue] = field(default_factory=list)
    first: list[ImportIssue] = field(default_factory=list)

    def note(self, counts: Iterable[NoteCount]) -> None:
        """Counts the keys of a batch that were not imported under their own name."""
        for count in counts:
            note = count.note
            entry = self.keys.get((note.key, note.what))
            if entry is not None:
                entry["count"] += count.rows
            elif len(self.keys) < MOST_KEYS:
                self.keys[note.key, note.what] = {
                    "key": note.key, "what": note.what, "count": count.rows, "line": count.line, "says": note.says,
                }  # fmt: skip
            else:
                self.other_keys += count.rows

    def stored_keys(self) -> list[dict[str, Any]]:
        """The keys as DataImport.keys holds them, the commonest first."""
        keys = sorted(self.keys.values(), key=lambda entry: (-entry["count"], entry["line"], entry["key"]))
        if self.other_keys:
            says = f"More than {MOST_KEYS} different keys. The others are only counted."
            keys.append({"key": "", "what": "ignored", "count": self.other_keys, "line": 0, "says": says})
        return keys

    def reject(self, line: FileLine, issues: list[Issue]) -> None:
        self.rejected += 1
        for issue in issues[:ISSUES_A_LINE]:
            self.add(
                ImportIssue(
                    data_import=self.data_import,
                    kind=ImportIssue.Kind.REJECTED,
                    part=line.part[-200:],
                    line=line.number,
                    column=issue.column,
                    field=storable(issue.field)[:60],
                    reason=storable(issue.reason)[:300],
                    excerpt=excerpt_of(line),
                )
            )

    def repeat(self, line: FileLine, example: ParsedExample, reason: str, repeats: int | None) -> None:
        self.repeated += 1
        self.add(
            ImportIssue(
                data_import=self.data_import,
                kind=ImportIssue.Kind.REPEATED,
                part=line.part[-200:],
                line=line.number,
                reason=reason,
                excerpt=clipped(example.messages[-1]["content"]),
                repeats_id=repeats,
            )
        )

    def add(self, issue: ImportIssue) -> None:
        self.unwritten.append(issue)
        if len(self.first) < ISSUES_OF_A_REFUSED_FILE:
            self.first.append(issue)

    def counts(self) -> dict[str, Any]:
        """The fields of DataImport that hold the result."""
        return {
            "lines": self.lines,
            "accepted": self.accepted,
            "repeated": self.repeated,
            "rejected": self.rejected,
            "keys": self.stored_keys(),
        }


@dataclass
class FirstLook:
    """The columns of a file and its first rows, before and after: what a person needs to map it."""

    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    sample: list[dict[str, Value]] = field(default_factory=list)
    has_tools: bool = False

    def see(self, data: dict[str, Value]) -> None:
        """Counts the columns that have a value in this row."""
        if len(self.sample) < 100:
            self.sample.append(data)
        for name, value in data.items():
            if value in (None, "", [], {}) or not is_storable(name):
                continue
            entry = self.columns.get(name)
            if entry is not None:
                entry["count"] += 1
            elif len(self.columns) < MOST_KEYS:
                example = value if isinstance(value, str) else write_json(value)
                self.columns[name] = {"name": name[:200], "count": 1, "example": clipped(example, 80)}

    def show(self, line: FileLine, data: dict[str, Value], parsed: ParsedExample | list[Issue]) -> None:
        if len(self.rows) >= FIRST_ROWS:
            return
        after = None
        issues = []
        if isinstance(parsed, ParsedExample):
            after = {
                name: getattr(parsed, name)
                for name in ("messages", "context", "completion", "rejected", "slice", "edge", "tags", "group", "source",
                             "license")
                if getattr(parsed, name)
            }  # fmt: skip
        else:
            issues = [
                {"field": storable(issue.field), "reason": storable(issue.reason)}
                for issue in parsed[:ISSUES_A_LINE]
            ]
        before = [
            [
                shown(name)[1:-1],
                clipped(value if isinstance(value, str) else write_json(value), _MOST_LETTERS),
            ]
            for name, value in data.items()
        ]
        self.rows.append(
            {"line": line.number, "part": line.part, "before": before[:40], "after": after, "issues": issues}
        )
