"""Every table of a project is in archives or left out with a reason, and what a part declares is complete.

When you add a model: register it in the `moving.py` of its app, with one line (core/moving/parts.py says how).
"""

from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import models

from core.moving import parts as registry
from core.moving.parts import left_out, part_of, parts, plain

OWN = {"core", "annotation", "datasets", "training", "inference", "evaluation", "release"}


def tables() -> dict[str, type[models.Model]]:
    return {
        model._meta.label: model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label in OWN
    }


def test_every_table_is_a_part_or_left_out_with_a_reason():
    out = {one.label for one in left_out()}
    known = {part.label for part in parts()}
    assert sorted(tables().keys() - known - out) == [], "register these in the moving.py of their app"
    assert sorted(known & out) == []
    assert all(one.why.endswith(".") for one in left_out())


def test_nothing_else_is_registered():
    assert {part.label for part in parts()} <= tables().keys()


def test_every_column_that_refers_to_a_row_says_to_which():
    """A foreign key does; an integer named like one must be in `refs`, or be explained here."""
    explained = {
        "core.AuditEntry": {"actor_id"},  # by `rewrite`: the person may not be among those of the archive
    }
    for part in parts():
        loose = {
            f.column
            for f in part.fields
            if isinstance(f, models.IntegerField) and not f.primary_key and f.column.endswith("_id")
        }
        assert loose <= set(part.refs) | explained.get(part.label, set()), part.label
        arrays = [
            f
            for f in part.fields
            if isinstance(f, ArrayField) and isinstance(f.base_field, models.IntegerField)
        ]
        assert arrays == [], f"{part.label} has a list of numbers: are they ids?"


def test_what_a_part_refers_to_is_in_the_archive_or_does_not_come_along():
    for part in parts():
        for column, label in part.targets.items():
            assert part_of(label) or label == "core.User" or column in part.reset, f"{part.label}.{column}"
        assert set(part.reset) <= set(part.columns)
        assert set(part.json) <= set(part.columns)


def test_every_json_column_has_a_rule():
    """`plain`, once somebody has looked that no ids are in it."""
    for part in parts():
        columns = {f.column for f in part.fields if isinstance(f, models.JSONField)}
        assert columns == set(part.json), part.label


def test_what_must_be_unique_in_an_installation_can_get_another_value():
    for part in parts():
        unique = {f.column for f in part.fields if f.unique and not f.primary_key and not f.is_relation} - {
            "key"
        }  # of artifacts, which are found by their content
        assert unique == set(part.fresh) | ({"slug"} if part.label == "core.Project" else set()), part.label


def test_every_key_is_a_number_from_a_sequence():
    for part in parts():
        assert part.model._meta.pk is not None and part.model._meta.pk.column == "id", part.label


def test_a_new_table_is_noticed(monkeypatch):
    """This file fails when somebody adds a model and forgets archives."""
    monkeypatch.delitem(registry._parts, "release.Release")
    try:
        test_every_table_is_a_part_or_left_out_with_a_reason()
    except AssertionError as error:
        assert "release.Release" in str(error)
    else:
        raise AssertionError("a missing model was not noticed")


def test_plain_changes_nothing():
    value = {"a": [1]}
    assert plain(value, None) is value  # type: ignore[arg-type]
