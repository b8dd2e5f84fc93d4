"""A status changes only as the model's TRANSITIONS table says."""

import ast
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings

from core.database.transitions import UnknownMove, transition
from core.errors import Conflict
from tools.source import read

MODELS = [model for model in apps.get_models() if hasattr(model, "TRANSITIONS")]


def _field(model):
    """The field whose choices the table's statuses are."""
    return next(
        field
        for field in model._meta.fields
        if field.choices and set(model.TRANSITIONS) <= {value for value, _ in field.choices}
    )


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_table_names_every_status_and_no_other(model):
    statuses = {value for value, _ in _field(model).choices}
    assert set(model.TRANSITIONS) == statuses
    assert set().union(*model.TRANSITIONS.values()) <= statuses


def _missing(model):
    """The moves that its table does not have. Where there are two statuses, each can follow the other."""
    reachable = set().union(*model.TRANSITIONS.values())
    return {
        (old, new) for old, targets in model.TRANSITIONS.items() for new in reachable - set(targets) - {old}
    }


def test_nearly_every_table_refuses_some_moves():
    assert {model.__name__ for model in MODELS if not _missing(model)} == {"AuditFinding", "DuplicateCluster"}


@pytest.mark.parametrize("model", filter(_missing, MODELS), ids=lambda model: model.__name__)
def test_a_move_that_the_table_does_not_have_is_refused_before_anything_is_written(model):
    field = _field(model)
    for old, new in sorted(_missing(model)):
        with pytest.raises(Conflict):
            transition(model(**{field.name: old}), new, field=field.name)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_status_that_the_table_does_not_know_is_a_mistake_in_the_program(model):
    field = _field(model)
    known = next(iter(model.TRANSITIONS))
    with pytest.raises(UnknownMove, match=model.__name__):
        transition(model(**{field.name: known}), "melted", field=field.name)
    with pytest.raises(UnknownMove, match=model.__name__):
        transition(model(**{field.name: "melted"}), known, field=field.name)


def _bulk_moves(tree: ast.Module):
    """(model, old, new) of each `Model.objects.filter(status=OLD).update(status=NEW)` that names both statuses."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "update":
            for keyword in call.keywords:
                new = ast.unparse(keyword.value).split(".")
                filters = {
                    (filtered.arg, ast.unparse(filtered.value).split(".")[-1])
                    for inner in ast.walk(call.func.value)
                    if isinstance(inner, ast.Call)
                    for filtered in inner.keywords
                }
                old = [value for name, value in filters if name == keyword.arg]
                if old and old[0].isupper() and new[-1].isupper():
                    model = new[0] if len(new) == 3 else ast.unparse(call.func.value).split(".")[0]
                    yield model, old[0], new[-1]


def test_statements_that_move_many_rows_make_moves_of_the_table():
    tables = {model.__name__: (_field(model), model.TRANSITIONS) for model in MODELS}
    moves = {move for source in read(Path(settings.BASE_DIR)) for move in _bulk_moves(source.tree)}
    checked = 0
    for model, old, new in sorted(moves):
        if model in tables:
            field, table = tables[model]
            by_name = {value.upper(): value for value, _ in field.choices}
            assert by_name[new] in table[by_name[old]], f"{model}: {old} to {new}"
            checked += 1
    assert checked >= 9
