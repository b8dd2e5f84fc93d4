"""Applies the replacements of findings to the texts of an example."""

from collections.abc import Iterable, Mapping
from typing import Any

# As ExampleFinding.fixes has it: which text, from where to where, and the new text.
StoredFix = tuple[str, int, int, int, str]


class FixDoesNotFit(Exception):
    """A replacement is outside of its text, or overlaps another one."""


def apply_fixes(content: Mapping[str, Any], fixes: Iterable[StoredFix]) -> dict[str, Any]:
    """The content with all replacements made; their positions are those in `content`. Raises FixDoesNotFit."""
    by_text: dict[tuple[str, int], list[StoredFix]] = {}
    for fix in dict.fromkeys(fixes):
        by_text.setdefault((fix[0], fix[1]), []).append(fix)
    fixed = {
        **content,
        "messages": [dict(turn) for turn in content["messages"]],
        "context": list(content["context"]),
    }
    for (field, index), inside in by_text.items():
        if field == "completion":
            fixed["completion"] = _replaced(fixed["completion"], inside)
        elif field == "messages" and 0 <= index < len(fixed["messages"]):
            turn = fixed["messages"][index]
            turn["content"] = _replaced(turn["content"], inside)
        elif field == "context" and 0 <= index < len(fixed["context"]):
            fixed["context"][index] = _replaced(fixed["context"][index], inside)
        else:
            raise FixDoesNotFit
    return fixed


def _replaced(text: str, fixes: list[StoredFix]) -> str:
    parts, at = [], 0
    for _, _, start, end, new in sorted(fixes, key=lambda fix: (fix[2], fix[3])):
        if not at <= start <= end <= len(text):
            raise FixDoesNotFit
        parts += [text[at:start], new]
        at = end
    return "".join([*parts, text[at:]])
