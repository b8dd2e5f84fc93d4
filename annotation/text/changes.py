"""The differences between two revisions, part by part, so that people read only the changes. Pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from annotation.text.cleaning import clean_tags, listed
from core.diff import DiffBudget, blocks

_NO_NAMES: Mapping[str, str] = {}
State = Literal["same", "changed", "added", "removed"]


@dataclass(frozen=True)
class ChangedPart:
    """One turn, record or field in both revisions; `old` or `new` is empty where it was added or removed."""

    state: State
    old: str
    new: str
    role: str = ""
    label: str = ""


@dataclass(frozen=True)
class Changes:
    messages: list[ChangedPart]
    context: list[ChangedPart]
    completion: ChangedPart
    fields: list[ChangedPart]

    @property
    def messages_same(self) -> bool:
        return all(part.state == "same" for part in self.messages)

    @property
    def context_same(self) -> bool:
        return all(part.state == "same" for part in self.context)

    @property
    def changed_fields(self) -> list[ChangedPart]:
        return [part for part in self.fields if part.state != "same"]

    @property
    def nothing(self) -> bool:
        return (
            self.messages_same
            and self.context_same
            and self.completion.state == "same"
            and not self.changed_fields
        )


def state_of(old: str, new: str) -> State:
    """How a part with these two texts changed."""
    if old == new:
        return "same"
    return "added" if not old else "removed" if not new else "changed"


def _align(old: list[tuple[str, str]], new: list[tuple[str, str]]) -> list[ChangedPart]:
    """Matches the parts of two lists of (role, text); parts at the same place count as changed."""
    parts: list[ChangedPart] = []
    for op, a1, a2, b1, b2 in blocks(old, new, DiffBudget()):
        if op == "equal":
            parts += [ChangedPart("same", text, text, role) for role, text in new[b1:b2]]
            continue
        gone, come = old[a1:a2], new[b1:b2]
        for at in range(max(len(gone), len(come))):
            before = gone[at] if at < len(gone) else None
            after = come[at] if at < len(come) else None
            if before and after:
                parts.append(ChangedPart("changed", before[1], after[1], after[0]))
            elif after:
                parts.append(ChangedPart("added", "", after[1], after[0]))
            elif before:
                parts.append(ChangedPart("removed", before[1], "", before[0]))
    return parts


def changes(
    old: Mapping[str, Any], new: Mapping[str, Any], *, edges: Mapping[str, str] = _NO_NAMES
) -> Changes:
    """Compares two contents of revisions: {"messages", "context", "completion", "slice", "edge", "tags"}.

    `edges` gives the names of kinds of edge cases. Empty turns and records are left out: a submit removes them.
    """

    def turns(content: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [(m["role"], m["content"]) for m in content.get("messages") or [] if m["content"].strip()]

    def records(content: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [("", record) for record in listed(content.get("context")) if record.strip()]

    def text(content: Mapping[str, Any], name: str) -> str:
        value = content.get(name) or ""
        if name == "tags":
            return ", ".join(clean_tags(value))
        if name == "edge":
            return edges.get(value, str(value))
        return str(value)

    return Changes(
        messages=_align(turns(old), turns(new)),
        context=_align(records(old), records(new)),
        completion=ChangedPart(
            state_of(text(old, "completion"), text(new, "completion")),
            text(old, "completion"),
            text(new, "completion"),
        ),
        fields=[
            ChangedPart(
                state_of(text(old, name), text(new, name)), text(old, name), text(new, name), label=label
            )
            for name, label in (("slice", "Slice"), ("edge", "Edge case"), ("tags", "Tags"))
        ],
    )
