"""Rows as Label Studio and Argilla export them: the question and the people's answers are in lists inside lists.

Each row is unwrapped to plain columns; what is not a question or an answer keeps a column of its own, so that it is
counted and can be mapped.
"""

from collections.abc import Iterable

from dataset.runner.json_lines import Value
from dataset.runner.values import BadField

Row = dict[str, Value]


def unwrapped(data: Row) -> Row:
    """The row with plain columns. Raises BadField when people gave different answers. Other rows are returned as they are."""
    if is_label_studio(data):
        return _label_studio(data)
    if is_argilla(data):
        return _argilla(data)
    return data


def is_label_studio(data: Row) -> bool:
    return isinstance(data.get("data"), dict) and isinstance(data.get("annotations"), list)


def is_argilla(data: Row) -> bool:
    others = ("responses", "suggestions", "metadata", "vectors", "status")
    return isinstance(data.get("fields"), dict) and any(name in data for name in others)


def _label_studio(data: Row) -> Row:
    """A task with its `annotations`: each has `result`, a list of {from_name, value: {text | choices | rating | ...}}."""
    row: Row = {}
    task, annotations = data["data"], data["annotations"]
    assert isinstance(task, dict)
    assert isinstance(annotations, list)
    row |= task
    kept = [one for one in annotations if isinstance(one, dict) and one.get("was_cancelled") is not True]
    truth = [one for one in kept if one.get("ground_truth") is True]
    answers: dict[str, list[Value]] = {}
    for annotation in truth or kept:
        for name, value in _results(annotation.get("result")):
            answers.setdefault(name, []).append(value)
        for key, value in annotation.items():
            if key not in ("result", "was_cancelled", "ground_truth"):
                row.setdefault(f"annotations.{key}", value)
    for name, values in answers.items():
        row[name if name not in row else f"annotations.{name}"] = _only(name, values)
    return _with_others(row, data, ("data", "annotations"))


def _results(result: Value) -> Iterable[tuple[str, Value]]:
    """(name of the control, what the person gave); several texts of one control in one list."""
    for entry in result if isinstance(result, list) else []:
        if not isinstance(entry, dict):
            continue
        name = entry.get("from_name")
        value = entry.get("value")
        inner = value.get(str(entry.get("type"))) if isinstance(value, dict) else None
        if inner is None and isinstance(value, dict):
            inner = next(
                (value[key] for key in ("text", "choices", "rating", "number") if key in value), value
            )
        yield str(name), _single(inner)


def _argilla(data: Row) -> Row:
    """A record with `fields`, people's `responses` and a model's `suggestions`; a response counts before a suggestion."""
    row: Row = {}
    fields = data["fields"]
    assert isinstance(fields, dict)
    row |= fields
    answers = _responses(data.get("responses"))
    for name, value in _suggestions(data.get("suggestions")):
        answers.setdefault(name, [value])
    for name, values in answers.items():
        row[name if name not in row else f"responses.{name}"] = _only(name, values)
    metadata = data.get("metadata")
    if isinstance(metadata, dict):
        row |= {f"metadata.{key}": value for key, value in metadata.items()}
    return _with_others(row, data, ("fields", "responses", "suggestions", "metadata"))


def _responses(responses: Value) -> dict[str, list[Value]]:
    """Of version 2, {question: [{value, user_id}]}, and of version 1, [{values: {question: {value}}, status}]."""
    answers: dict[str, list[Value]] = {}
    if isinstance(responses, dict):
        for name, given in responses.items():
            for one in given if isinstance(given, list) else [given]:
                if not (isinstance(one, dict) and one.get("status") in ("discarded", "draft")):
                    answers.setdefault(name, []).append(one.get("value") if isinstance(one, dict) else one)
    for response in responses if isinstance(responses, list) else []:
        values = response.get("values") if isinstance(response, dict) else None
        if not isinstance(response, dict) or response.get("status") in ("discarded", "draft"):
            continue
        for name, one in values.items() if isinstance(values, dict) else ():
            answers.setdefault(name, []).append(one.get("value") if isinstance(one, dict) else one)
    return answers


def _suggestions(suggestions: Value) -> Iterable[tuple[str, Value]]:
    if isinstance(suggestions, dict):
        for name, one in suggestions.items():
            yield name, one.get("value") if isinstance(one, dict) else one
    for one in suggestions if isinstance(suggestions, list) else []:
        if isinstance(one, dict) and isinstance(one.get("question_name"), str):
            yield str(one["question_name"]), one.get("value")


def _only(name: str, values: list[Value]) -> Value:
    """The one answer; people who gave the same count once."""
    different: list[Value] = []
    for value in values:
        if value not in (None, "", []) and value not in different:
            different.append(value)
    if len(different) > 1:
        reason = f"Has {len(different)} different answers of people. Export one answer for each row: the one that was accepted."
        raise BadField(name[:60], reason)
    return different[0] if different else None


def _single(value: Value) -> Value:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _with_others(row: Row, data: Row, read: tuple[str, ...]) -> Row:
    for key, value in data.items():
        if key not in read:
            row.setdefault(key, value)
    return row
