"""Forms of training's pages. The launch form is made from the dataclass of method and objective."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.db.models import QuerySet

from core.errors import Invalid
from core.forms import objects_of
from core.lists.numbers import whole_number
from core.models import Project
from dataset.models import DatasetVersion
from training import queries
from training.chain import continuable_versions
from training.interpolation import BETWEEN
from training.methods import METHODS, Recipe, Setting, recipe_from, settings_of
from training.methods.settings import plain
from training.models import BaseModel, LearningCurve, ModelVersion
from training.objectives import OBJECTIVES, SUPERVISED, every_setting, recipe_type
from training.starts import has_part, serving_words, settings_to_continue

COMMON = ("objective", "method", "base_model", "dataset", "continued_from", "note")


def setting_field(setting: Setting) -> forms.Field:
    """The form field of one setting; its help gives the reason for the default, and `data-default` the default."""
    field = _field_of(setting)
    default = ("on" if setting.default else "off") if setting.kind == "bool" else setting.default
    field.widget.attrs["data-default"] = default
    return field


def _field_of(setting: Setting) -> forms.Field:
    # "Rows per step (rows)" would say it twice.
    label = (
        f"{setting.label} ({setting.unit})"
        if setting.unit and setting.unit not in setting.label.lower()
        else setting.label
    )
    if setting.kind == "bool":
        return forms.BooleanField(label=label, required=False, help_text=setting.help)
    if setting.kind == "choice":
        return forms.ChoiceField(label=label, choices=setting.choices, help_text=setting.help)
    assert not isinstance(setting.default, str)
    default = plain(setting.default)
    words = f"{setting.help} Default {default}: {setting.source}." if setting.source else setting.help
    options: dict[str, Any] = {"min_value": setting.least, "max_value": setting.most, "error_messages": {}}
    for name, start, limit in (
        ("min_value", "At least", setting.least),
        ("max_value", "At most", setting.most),
    ):
        if limit is not None:
            options["error_messages"][name] = f"{start} {plain(limit)}."
    if setting.kind == "int":
        return forms.IntegerField(label=label, help_text=words.strip(), **options)
    field = forms.FloatField(label=label, help_text=words.strip(), **options)
    # Any number of digits: browsers refuse 0.0005 with the default step.
    field.widget.attrs["step"] = "any"
    return field


def kept_settings(values: Mapping[str, Any], method: str, objective: str = SUPERVISED.name) -> dict[str, Any]:
    """The values in a form of another method (`was`) or objective (`was_for`) that a person chose: {setting: value as given}.

    A value that is the old form's default was not chosen, so the new form's default takes its place. Settings that the new form
    does not have are kept as well: they come back with the method or objective that has them. "kept" names all of them, so
    that a chosen value that equals another form's default still counts as chosen.
    """
    was, was_for = str(values.get("was", "")), str(values.get("was_for", "")) or SUPERVISED.name
    if not {was, method} <= METHODS.keys() or not {was_for, objective} <= OBJECTIVES.keys():
        return {}
    shown = (setting for setting in settings_of(recipe_type(was, was_for)) if not setting.fixed)
    before = {setting.name: setting for setting in shown}
    named = set(str(values.get("kept", "")).split(","))
    kept: dict[str, Any] = {}
    for setting in every_setting():
        if setting.name in before:
            # The browser does not send a box that is not ticked.
            value = values.get(setting.name, "" if setting.kind == "bool" else None)
            chosen = value is not None and (
                setting.name in named or not before[setting.name].is_default(value)
            )
        else:
            value = values.get(setting.name)
            chosen = value is not None
        if chosen:
            kept[setting.name] = value == "on" if setting.kind == "bool" else value
    return kept | {"kept": ",".join(sorted(kept))}


def continued_values(project: Project, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a form shows when a version to continue from was just chosen (`was_from` is the one before): its base model and, where only
    one method with one shape can continue, these. Empty otherwise."""
    chosen, before = str(values.get("continued_from", "")), str(values.get("was_from", ""))
    pk = whole_number(chosen)
    if pk is None or chosen == before:
        return {}
    version = continuable_versions(project).filter(pk=pk).first()
    if version is None:
        return {}
    shown: dict[str, Any] = {"base_model": version.base_model_id}
    if has_part(version) and version.training_run is not None and version.training_run.method in METHODS:
        shown |= {"method": version.training_run.method, **settings_to_continue(version)}
    return shown


class VersionField(forms.ModelChoiceField):
    """A model version, with what made it."""

    def label_from_instance(self, obj: ModelVersion) -> str:
        run = obj.training_run
        method = METHODS.get(run.method) if run else None
        made = f": {method.label} on {str(run.dataset).lower()}" if run and method else ""
        label = f"{obj}{made}, {obj.base_model}"
        return f"{label}, {obj.note}" if obj.note else label


class DatasetField(forms.ModelChoiceField):
    """A dataset version, with the numbers of its rows."""

    def label_from_instance(self, obj: DatasetVersion) -> str:
        rows = queries.split_rows(obj)
        label = f"{obj}: {rows['train']:,} training and {rows['validation']:,} validation rows"
        return f"{label}, {obj.note}" if obj.note else label


class LaunchForm(forms.Form):
    """The launch form. Method and objective decide which settings it has, the objective which datasets."""

    objective = forms.ChoiceField(
        label="Learns from",
        choices=[(one.name, f"{one.label}: {one.summary}") for one in OBJECTIVES.values()],
        widget=forms.RadioSelect,
    )
    method = forms.ChoiceField(
        choices=[(method.name, f"{method.label}: {method.summary}") for method in METHODS.values()],
        widget=forms.RadioSelect,
    )
    base_model = forms.ModelChoiceField(BaseModel.objects.none(), label="Base model", empty_label=None)
    dataset = DatasetField(DatasetVersion.objects.none(), empty_label=None)
    continued_from = VersionField(
        ModelVersion.objects.none(),
        label="Continue from",
        required=False,
        empty_label="No version, start from the base model",
        help_text="A version of this project to train further. Rows it was trained on are not repeated unless the dataset has them.",
    )
    note = forms.CharField(
        required=False,
        max_length=300,
        help_text="What you want to find out. It is shown in the list of runs.",
    )

    # Settings of recipes that this form does not ask for; they keep their defaults.
    unused: tuple[str, ...] = ()
    any_objective = True

    def __init__(
        self,
        project: Project,
        method: str,
        data: Mapping[str, Any] | None = None,
        *,
        initial: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=initial)
        self.project = project
        self.chosen = METHODS.get(method) or next(iter(METHODS.values()))
        held = self.data if self.is_bound else self.initial
        wanted = str(held.get("objective")) if self.any_objective else ""
        self.chosen_objective = OBJECTIVES.get(wanted, SUPERVISED)
        # Without objectives there are none of their settings either.
        self.recipe_type = (
            recipe_type(self.chosen.name, self.chosen_objective.name)
            if self.any_objective
            else self.chosen.recipe
        )
        self.settings = [
            setting
            for setting in settings_of(self.recipe_type)
            if setting.name not in self.unused and not setting.fixed
        ]
        bases, datasets = self.fields["base_model"], self.fields["dataset"]
        assert isinstance(bases, forms.ModelChoiceField)
        assert isinstance(datasets, forms.ModelChoiceField)
        bases.queryset = queries.ready_bases()
        datasets.queryset = DatasetVersion.objects.filter(
            project=project, status=DatasetVersion.Status.READY, kind=self.chosen_objective.dataset_kind
        ).order_by("-number")
        versions = self.fields["continued_from"]
        assert isinstance(versions, forms.ModelChoiceField)
        versions.queryset = continuable_versions(project)
        # Chosen for another objective: the newest version of this one's kind takes its place.
        offered = {one.pk for one in self.objects("dataset")}
        if whole_number(str(self.initial.get("dataset", ""))) not in offered:
            self.initial.pop("dataset", None)
        self.fields["method"].initial = self.chosen.name
        self.fields["objective"].initial = self.chosen_objective.name
        for setting in self.settings:
            self.fields[setting.name] = setting_field(setting)
            self.fields[setting.name].initial = setting.default

    def objects(self, name: str) -> QuerySet[Any]:
        """The rows that people can choose in the field `name`."""
        rows = objects_of(self, name).queryset
        assert rows is not None
        return rows

    def method_groups(self) -> list[tuple[str, list[Any]]]:
        """(heading, the choices under it) of the methods."""
        groups: dict[str, list[Any]] = {}
        for choice in self["method"]:
            groups.setdefault(METHODS[choice.data["value"]].group, []).append(choice)
        return list(groups.items())

    def serving_plan(self) -> str:
        """How a model trained with the present values is served."""
        try:
            recipe = self.recipe() if self.is_bound and self.is_valid() else self.recipe_type()
        except Invalid:
            recipe = self.recipe_type()
        start = self.cleaned_data.get("continued_from") if self.is_bound else None
        return serving_words(self.chosen, recipe, start)

    def basic(self) -> list[forms.BoundField]:
        return [self[setting.name] for setting in self.settings if not setting.advanced]

    def advanced(self) -> list[forms.BoundField]:
        return [self[setting.name] for setting in self.settings if setting.advanced]

    def carried(self) -> list[tuple[str, str]]:
        """(name, value) of settings that only other methods or objectives have, chosen before: hidden, so that they are
        restored later. Also "kept", see `kept_settings`."""
        held = self.data if self.is_bound else self.initial
        here = {setting.name for setting in self.settings}
        others = {setting.name for setting in every_setting()} - here
        values = [(name, held.get(name)) for name in [*sorted(others), "kept"]]
        return [
            (name, ("on" if value else "off") if isinstance(value, bool) else str(value))
            for name, value in values
            if value is not None
        ]

    def advanced_is_open(self) -> bool:
        """The section is open when it has a changed or wrong setting."""
        return any(
            self[setting.name].errors or not setting.is_default(self[setting.name].value())
            for setting in self.settings
            if setting.advanced
        )

    def named_errors(self) -> list[str]:
        """ "Learning rate: at most 0.1.", for error lists outside the fields."""
        labels = {setting.name: setting.label for setting in self.settings}
        return [
            str(message)
            if name == NON_FIELD_ERRORS
            else f"{labels.get(name, self[name].label)}: {str(message)[:1].lower()}{str(message)[1:]}"
            for name, errors in self.errors.items()
            for message in errors
        ]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors:
            try:
                self.recipe()
            except Invalid as error:
                for name, words in error.fields.items():
                    self.add_error(name if name in self.fields else None, words)
        return values

    def values(self) -> dict[str, Any]:
        return {
            setting.name: self.cleaned_data[setting.name]
            for setting in self.settings
            if setting.name in self.cleaned_data
        }

    def recipe(self) -> Recipe:
        return recipe_from(self.recipe_type, self.values())

    def chosen_values(self) -> dict[str, Any]:
        """Of a valid form: {project, base_model, dataset, method, recipe, objective, continued_from}."""
        return {
            **self.common_values(),
            "objective": self.chosen_objective.name,
            "continued_from": self.cleaned_data["continued_from"],
        }

    def common_values(self) -> dict[str, Any]:
        """Of a valid form: {project, base_model, dataset, method, recipe}."""
        return {
            "project": self.project,
            "base_model": self.cleaned_data["base_model"],
            "dataset": self.cleaned_data["dataset"],
            "method": self.chosen.name,
            "recipe": self.recipe(),
        }


class ShareForm(forms.Form):
    """Which share of the way to a version becomes a version."""

    percent = forms.TypedChoiceField(
        choices=[(str(percent), f"{percent}%") for percent in BETWEEN],
        coerce={str(percent): percent for percent in BETWEEN}.__getitem__,
    )


class LearningCurveForm(LaunchForm):
    """The form of a learning curve: that of a run, and how often each share is repeated."""

    # Points are measured once, on test rows, after their last step, and learn those rows alone.
    unused = (
        "evaluations",
        "most_validation_rows",
        "measuring_share",
        "replay",
        "replay_share",
        "own_words",
        "divergence_weight",
    )
    # They are rows of examples.
    any_objective = False
    repeats = forms.IntegerField(
        min_value=1,
        max_value=LearningCurve.MOST_REPEATS,
        initial=3,
        help_text="How often each share of the rows is drawn and trained. More repeats take as much longer and make the intervals "
        "narrower. Default 3: with few examples one draw of a quarter of them depends much on chance.",
    )

    def __init__(
        self,
        project: Project,
        method: str,
        data: Mapping[str, Any] | None = None,
        *,
        initial: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(project, method, data, initial=initial)
        del self.fields["note"], self.fields["objective"], self.fields["continued_from"]

    def chosen_values(self) -> dict[str, Any]:
        """Of a valid form: {project, base_model, dataset, method, recipe, repeats}."""
        return {**self.common_values(), "repeats": self.cleaned_data["repeats"]}
