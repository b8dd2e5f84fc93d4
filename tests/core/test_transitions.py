"""A status changes only as the model's TRANSITIONS table says."""

import pytest
from django.apps import apps

from core.errors import Conflict
from core.transitions import UnknownMove, transition

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


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_move_that_the_table_does_not_have_is_refused_before_anything_is_written(model):
    field = _field(model)
    reachable = set().union(*model.TRANSITIONS.values())
    missing = {
        (old, new) for old, targets in model.TRANSITIONS.items() for new in reachable - set(targets) - {old}
    }
    assert missing
    for old, new in sorted(missing):
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
