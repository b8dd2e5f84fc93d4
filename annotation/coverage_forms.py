"""The forms of coverage targets and authoring tasks."""

from collections.abc import Mapping
from typing import Any

from django import forms

from annotation.checks.languages import LANGUAGES
from annotation.models import AuthoringTask, CoverageTarget
from annotation.moods import MOODS
from annotation.queries.authoring import possible_owners
from annotation.queries.categories import edge_choices
from annotation.queries.examples import slices_to_choose
from annotation.services.coverage import LONGEST_WANTED, MOST_NUMBER, MOST_QUOTA
from core.forms import choices_of, objects_of
from core.models import Project, User


class TargetForm(forms.Form):
    amount = forms.IntegerField(label="Target", min_value=1, max_value=MOST_NUMBER)
    unit = forms.ChoiceField(
        label="Counted as",
        choices=[
            (CoverageTarget.Unit.NUMBER, "number of approved examples"),
            (CoverageTarget.Unit.SHARE, "percent of all approved examples"),
        ],
        widget=forms.RadioSelect,
        initial=CoverageTarget.Unit.NUMBER,
    )
    owner = forms.ModelChoiceField(
        label="Owner",
        queryset=User.objects.none(),
        required=False,
        empty_label="Nobody yet",
        help_text="Who sees to it that it is reached.",
    )

    def __init__(self, data: Mapping[str, Any] | None, *, project: Project, initial: dict[str, Any]) -> None:
        super().__init__(data, initial=initial)
        objects_of(self, "owner").queryset = project.members.order_by("name")


class TaskForm(forms.Form):
    """An authoring task that exists: its part does not change, because examples were written for it."""

    wanted = forms.CharField(
        label="What is wanted",
        max_length=LONGEST_WANTED,
        help_text="In words, for the people who write: “angry customers whose parcel is held at customs”.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    quota = forms.IntegerField(
        label="How many",
        min_value=1,
        max_value=MOST_QUOTA,
        help_text="The task is done when this many of its examples are approved.",
    )
    owner = forms.ModelChoiceField(
        label="Owner",
        queryset=User.objects.none(),
        required=False,
        empty_label="Every annotator",
        help_text="Sees the task on Home.",
    )
    due_on = forms.DateField(
        label="Due", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        *,
        project: Project,
        task: AuthoringTask | None = None,
        **more: Any,
    ) -> None:
        initial = more.pop("initial", {})
        if task is not None:
            initial = {name: getattr(task, name) for name in ("wanted", "quota", "owner", "due_on")}
        super().__init__(data, initial=initial)
        objects_of(self, "owner").queryset = possible_owners(project)


class NewTaskForm(TaskForm):
    slice = forms.ChoiceField(label="Slice", required=False)
    edge = forms.ChoiceField(label="Edge case", required=False)
    language = forms.ChoiceField(
        label="Language",
        required=False,
        choices=[("", "Any"), *sorted(LANGUAGES.items(), key=lambda one: one[1])],
    )
    mood = forms.ChoiceField(label="Customer's mood", required=False, choices=[("", "Any"), *MOODS.items()])
    field_order = ("slice", "edge", "language", "mood", "wanted", "quota", "owner", "due_on")

    def __init__(self, data: Mapping[str, Any] | None, *, project: Project, **more: Any) -> None:
        super().__init__(data, project=project, **more)
        self.fields["wanted"].required = False
        choices_of(self, "slice").choices = [
            ("", "Any slice"),
            *((one, one) for one in slices_to_choose(project)),
        ]
        choices_of(self, "edge").choices = [("", "Any"), *edge_choices(project)[1:]]
