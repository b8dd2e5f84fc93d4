"""The table of docs/reference/export.md, made from the writers."""

from dataset.writers import FIELDS, WRITERS, Options, Writer, lost_fields

HEAD = "| shape | `shape=` | file | where things are | lost with all fields | lost with the standard keys | examples left out |"


def _code(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing"


def _places(writer: Writer) -> str:
    renamed = [
        f"`{field}` in {writer.keys[field]}" for field in FIELDS if writer.keys.get(field, field) != field
    ]
    return "; ".join(renamed) or "each field under its own name"


def _standard(writer: Writer) -> str:
    if not writer.keeps_others:
        return "(no choice)"
    return f"{_code(lost_fields(writer, Options(own_keys=False)))}; `context` is in the system message"


def table() -> str:
    lines = [HEAD, "|---|---|---|---|---|---|---|"]
    for writer in WRITERS:
        left_out = "; ".join(str(reason) for reason in writer.left_out) or "none"
        cells = [writer.label, f"`{writer.name}`", f".{writer.ending}", _places(writer)]
        cells += [_code(lost_fields(writer, Options())), _standard(writer), left_out]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
