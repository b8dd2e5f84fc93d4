"""The filters of training's lists."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import QueryDict

from core.lists.filters import Filter, search_field
from core.models import Run
from dataset.models import DatasetVersion
from training.forgotten import CHANGES
from training.general import TASKS
from training.methods import METHODS
from training.models import BaseModel, ModelVersion, TrainingRun
from training.objectives import OBJECTIVES, SUPERVISED
from training.preflight.comparison import SORTS


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


class MethodsForm(Filter):
    """What methods are compared for. Without a choice: the first base model, and the newest dataset of the objective's kind."""

    objective_name = forms.ChoiceField(
        label="Learns from",
        choices=[(one.name, one.label) for one in OBJECTIVES.values()],
        required=False,
    )
    base = forms.ChoiceField(label="Base model", required=False)
    data_version = forms.ChoiceField(label="Dataset", required=False)
    order = forms.ChoiceField(label="Sorted by", choices=list(SORTS.items()), required=False)

    def __init__(
        self,
        bases: list[BaseModel],
        datasets: list[DatasetVersion],
        data: QueryDict | Mapping[str, Any],
    ) -> None:
        super().__init__(data)
        self._bases, self._datasets = bases, datasets
        for name, rows in (("base", bases), ("data_version", datasets)):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [(str(row.pk), str(row)) for row in rows]

    @property
    def objective(self) -> str:
        return str(self.criteria().get("objective_name", SUPERVISED.name))

    @property
    def sort(self) -> str:
        return str(self.criteria().get("order", "method"))

    @property
    def base_model(self) -> BaseModel | None:
        chosen = self.criteria().get("base")
        return next((base for base in self._bases if chosen in (None, str(base.pk))), None)

    @property
    def dataset(self) -> DatasetVersion | None:
        chosen, kind = self.criteria().get("data_version"), OBJECTIVES[self.objective].dataset_kind
        own = (one for one in self._datasets if (str(one.pk) == chosen if chosen else one.kind == kind))
        return next(own, None)
