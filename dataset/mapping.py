"""How the columns of a file become the fields of an example, as a person chose it. Pure data.

Without a choice a column is read by its name (dataset.runner.shapes).
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import Invalid

LEAVE_OUT = ""
# {target: its words}; "label" says whether the answer is good.
TARGETS = {
    "prompt": "Question",
    "completion": "Completion",
    "messages": "Conversation (a list of messages)",
    "system": "Instructions before the conversation",
    "context": "Record",
    "rejected": "Worse answer",
    "label": "Whether the answer is good",
    "slice": "Slice",
    "edge": "Edge case",
    "tags": "Tags",
    "group": "Group (conversation or document)",
    "source": "Source",
    "license": "License",
    "id": "Its id elsewhere",
}
TOOL_TURNS = {
    "refuse": "Refuse rows with tool calls",
    "records": "Results of tools become records; the calls are left out",
}
MOST_COLUMNS = 200
MOST_LETTERS = 200


@dataclass(frozen=True)
class FieldMapping:
    """`columns` is {a column's name: a key of TARGETS, or "" to leave it out}; other columns are read by their name."""

    columns: Mapping[str, str] = field(default_factory=dict)
    tool_turns: str = "refuse"

    def stored(self) -> dict[str, Any]:
        return {"columns": dict(self.columns), "tool_turns": self.tool_turns}


def read_mapping(value: object) -> FieldMapping:
    """A mapping from JSON that a person, a program or the database gives. Raises Invalid, with the field `mapping`."""
    problems: list[str] = []
    data = value if isinstance(value, Mapping) else {}
    if value is not None and not isinstance(value, Mapping):
        problems.append("Must be an object with columns and tool_turns.")
    if unknown := [str(key) for key in data if key not in ("columns", "tool_turns")]:
        problems.append(f"There is no {unknown[0][:60]}. Possible: columns, tool_turns.")
    columns = data.get("columns") or {}
    if not isinstance(columns, Mapping) or len(columns) > MOST_COLUMNS:
        problems.append(f"columns must be an object with at most {MOST_COLUMNS} names.")
        columns = {}
    for name, target in columns.items():
        if len(str(name)) > MOST_LETTERS:
            problems.append(f"The name of a column has more than {MOST_LETTERS} letters.")
        elif target != LEAVE_OUT and target not in TARGETS:
            problems.append(
                f"{str(name)[:60]}: there is no field {str(target)[:60]}. Possible: {', '.join(TARGETS)}."
            )
    turns = data.get("tool_turns", "refuse")
    if turns not in TOOL_TURNS:
        problems.append(f"tool_turns must be one of: {', '.join(TOOL_TURNS)}.")
    if problems:
        raise Invalid("The mapping is not valid.", "Nothing was imported.", fields={"mapping": problems[:10]})
    return FieldMapping({str(name): str(target) for name, target in columns.items()}, str(turns))


def fingerprint(columns: Iterable[str]) -> str:
    """The same for files with the same columns: a mapping is remembered under it."""
    return hashlib.sha256("\n".join(sorted(columns)).encode("utf-8", "replace")).hexdigest()
