"""The state diagrams of the models that have a table of transitions."""

from collections.abc import Iterable

from django.db.models import Field, Model

HEAD = """# States

Every model below has a status that changes only as its `TRANSITIONS` table allows. `bin/architecture` makes this page from
these tables; do not edit it.
"""


def page(models: Iterable[type[Model]]) -> str:
    """The page for those of `models` that have a table, in the order given."""
    return "\n".join([HEAD, *(_section(model) for model in models if hasattr(model, "TRANSITIONS"))])


def _section(model: type[Model]) -> str:
    table: dict[str, set[str]] = getattr(model, "TRANSITIONS")  # noqa: B009 - Model does not declare it
    field = _status_field(model, table)
    labels = {str(value): str(label) for value, label in field.flatchoices}
    lines = [f'    state "{label}" as {value}' for value, label in labels.items()]
    if field.has_default():
        lines.append(f"    [*] --> {field.get_default()}")
    for value in labels:
        targets = {str(target) for target in table.get(value, ())}
        lines += [f"    {value} --> {target}" for target in labels if target in targets]
        if not targets:
            lines.append(f"    {value} --> [*]")
    title = f"## {model.__name__}\n\nIn `{model._meta.app_label}`, field `{field.name}`.\n"
    return "\n".join([title, "```mermaid", "stateDiagram-v2", *lines, "```", ""])


def _status_field(model: type[Model], table: dict[str, set[str]]) -> "Field[object, object]":
    """The field whose choices the table's statuses are."""
    for field in model._meta.fields:
        if field.choices and set(table) <= {value for value, _ in field.flatchoices}:
            return field
    raise LookupError(f"No field of {model.__name__} has the choices that its TRANSITIONS table names.")
