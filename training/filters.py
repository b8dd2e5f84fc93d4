"""The filters of training's lists."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import QueryDict

from core.lists.filters import Filter, search_field
from core.models import Run
from training.forgotten import CHANGES
from training.general import TASKS
from training.methods import METHODS
from training.models import ModelVersion, TrainingRun


class TrainingRunFilter(Filter):
    q = search_field("Search", "number, note, base model, person")
    status = forms.ChoiceField(choices=[("", "any"), *Run.Status.choices], required=False)
    method = forms.ChoiceField(
        choices=[("", "any"), *((method.name, method.label) for method in METHODS.values())], required=False
    )


class VersionFilter(Filter):
    q = search_field("Search", "number, name, note")
    status = forms.ChoiceField(choices=[("", "any"), *ModelVersion.Status.choices], required=False)
    kind = forms.ChoiceField(choices=[("", "any"), *ModelVersion.Kind.choices], required=False)


class KnowledgeFilter(Filter):
    """The filters of what base models answered about facts without support."""

    base_model = forms.IntegerField(required=False, min_value=1)
    example = forms.IntegerField(required=False, min_value=1)
    unknown = forms.ChoiceField(choices=[("", "any"), ("yes", "With unknown facts")], required=False)


class ForgettingFilter(Filter):
    """The filters of the items that versions were measured on."""

    change = forms.ChoiceField(label="Answer", choices=[("", "any"), *CHANGES.items()], required=False)
    task = forms.ChoiceField(
        choices=[("", "any"), *((task.name, task.label) for task in TASKS.values() if task.most_tokens)],
        required=False,
    )


class CompareForm(Filter):
    a = forms.ChoiceField(label="One run", required=False)
    b = forms.ChoiceField(label="Another run", required=False)

    def __init__(self, runs: list[TrainingRun], data: QueryDict | Mapping[str, Any]) -> None:
        super().__init__(data)
        for field in self.fields.values():
            assert isinstance(field, forms.ChoiceField)
            field.choices = [(str(run.number), run.run.title) for run in runs]
