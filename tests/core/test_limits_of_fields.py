"""What serializers and forms let through fits into the columns it goes to."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.db import connection, models
from rest_framework import serializers

from annotation.models import Draft, Example, Review
from core.lists.numbers import LARGEST_ID
from core.models import ApiKey, Project, User
from dataset.models import DataImport
from evaluation.models import Campaign, Rating
from inference.models import Conversation
from release.models import Release
from training.models import BaseModel, TrainingRun

ROOT = Path(__file__).resolve().parents[2]
MODULES = [
    "core.api.fields",
    *sorted(
        path.relative_to(ROOT).as_posix()[:-3].replace("/", ".")
        for path in ROOT.glob("*/api/*serializers.py")
    ),
]
# Serializers that take what a model's columns keep.
KEPT_IN: dict[str, list[type[models.Model]]] = {
    "NewProjectSerializer": [Project],
    "ProjectChangeSerializer": [Project],
    "MeChangeSerializer": [User],
    "NewPersonSerializer": [User],
    "NewKeySerializer": [ApiKey],
    "NewExampleSerializer": [Example],
    "DraftContentSerializer": [Draft],
    "SubmitSerializer": [Draft],
    "TakeSerializer": [Example],
    "AcceptSerializer": [Review],
    "SendBackSerializer": [Review],
    "NewImportSerializer": [DataImport],
    "NewBaseModelSerializer": [BaseModel],
    "LaunchSerializer": [TrainingRun],
    "NewCampaignSerializer": [Campaign],
    "SayingSerializer": [Rating],
    "NewConversationSerializer": [Conversation],
    "MakeLiveSerializer": [Release],
}
# Checked and cut or refused by a service of their own: annotation.text.cleaning holds slices and tags to their columns.
BY_SERVICE = {"slice", "tags", "slug"}


def all_of(base: type, modules: list[str]) -> Iterator[Any]:
    for name in modules:
        for found in vars(importlib.import_module(name)).values():
            if isinstance(found, type) and issubclass(found, base) and found.__module__ == name:
                yield found


def writable(serializer: type[serializers.BaseSerializer[Any]]) -> dict[str, Any]:
    return {name: field for name, field in serializer().fields.items() if not field.read_only}  # type: ignore[attr-defined]


def too_wide(field: Any, column: Any) -> str:
    """What of `field` does not fit into `column`; empty when all does."""
    if isinstance(column, models.CharField) and not isinstance(
        field, (serializers.ChoiceField, serializers.BooleanField)
    ):
        most = getattr(field, "max_length", None)
        if most is None or most > (column.max_length or most):
            return f"max_length {most}, the column has {column.max_length}"
    if isinstance(field, serializers.ChoiceField) and column.choices:
        unknown = set(field.choices) - {value for value, _ in column.choices}
        if unknown:
            return f"choices {unknown} are not the column's"
    if isinstance(column, models.IntegerField) and isinstance(field, serializers.IntegerField):
        least, most = connection.ops.integer_field_range(column.get_internal_type())
        if (
            field.max_value is None
            or field.max_value > most
            or (field.min_value is not None and field.min_value < least)
        ):
            return f"{field.min_value} to {field.max_value}, the column holds {least} to {most}"
    return ""


@pytest.mark.parametrize("name", KEPT_IN)
def test_a_serializer_fits_its_columns(name: str) -> None:
    serializer = next(one for one in all_of(serializers.BaseSerializer, MODULES) if one.__name__ == name)
    wrong, compared = {}, 0
    for model in KEPT_IN[name]:
        columns = {
            column.name: column for column in model._meta.get_fields() if isinstance(column, models.Field)
        }
        for field_name, field in writable(serializer).items():
            if field_name in columns:
                compared += 1
                if field_name not in BY_SERVICE and (words := too_wide(field, columns[field_name])):
                    wrong[field_name] = words
    assert compared
    assert wrong == {}


def test_every_number_that_programs_send_has_an_end() -> None:
    """Whatever column or filter a number meets, PostgreSQL's bigint holds it."""
    wrong = []
    for serializer in all_of(serializers.Serializer, MODULES):
        if serializer.__name__.startswith("Accepted") or not serializer.__name__.startswith(
            ("New", "Make", "Add", "Roll", "Launch", "Draft", "Submit", "Accept", "Send")
        ):
            continue
        for name, field in writable(serializer).items():
            field = getattr(field, "child", field)
            if isinstance(field, serializers.IntegerField) and (
                field.max_value is None or field.max_value > LARGEST_ID
            ):
                wrong.append(f"{serializer.__name__}.{name}")
    assert wrong == []


def test_the_comparison_sees_what_is_too_wide() -> None:
    column = Project._meta.get_field("name")
    assert too_wide(serializers.CharField(), column)
    assert too_wide(serializers.CharField(max_length=121), column)
    assert not too_wide(serializers.CharField(max_length=120), column)
    assert too_wide(serializers.IntegerField(min_value=0), Draft._meta.get_field("base_revision"))
    assert too_wide(serializers.ChoiceField(choices=["x"]), Example._meta.get_field("status"))


FORMS = ["core.forms", "dataset.forms", "annotation.forms", "training.forms", "inference.forms",
         "evaluation.forms", "release.forms"]  # fmt: skip


def test_every_number_in_a_form_has_an_end() -> None:
    wrong = [
        f"{form.__name__}.{name}"
        for form in all_of(forms.BaseForm, FORMS)
        if not issubclass(form, forms.ModelForm)  # the columns' own validators hold those
        for name, field in form.base_fields.items()
        if isinstance(field, forms.IntegerField)
        and not isinstance(field, forms.FloatField)
        and field.max_value is None
        and not form.__name__.endswith("Filter")
    ]
    assert wrong == []
