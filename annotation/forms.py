"""The data that the editor posts, and the values of its fields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.http import QueryDict

from annotation.checks import CHECKS
from annotation.checks.languages import LANGUAGES
from annotation.models import Example
from annotation.queries.categories import edge_choices
from annotation.text.cleaning import listed
from core.errors import ExpectedError
from core.forms import choices_of
from core.lists import numbers
from core.lists.filters import Filter
from core.models import Project
from core.models.people import LEAST_EXAMPLE_TOKENS, MOST_EXAMPLE_TOKENS


def pair_from(post: QueryDict) -> dict[str, Any]:
    """The content of a posted editor: one `role` and `message` for each turn, one `record` for each record."""
    roles = post.getlist("role")
    texts = post.getlist("message")
    return {
        "messages": [
            {"role": roles[at] if at < len(roles) else "user", "content": text}
            for at, text in enumerate(texts)
        ],
        "context": post.getlist("record"),
        "completion": post.get("completion", ""),
        "slice": post.get("slice", ""),
        "edge": post.get("edge", ""),
        "tags": post.get("tags", ""),
        "comment": post.get("comment", ""),
        "reason": post.get("reason", ""),
        "group": post.get("group", ""),
        "task": whole_number(post.get("task")),
    }


def whole_number(text: str | None) -> int:
    """A number from a hidden field; 0 for anything else."""
    return numbers.whole_number(text, most=numbers.LARGEST_COUNT) or 0


@dataclass
class PairForm:
    """The editor's fields with their values and errors."""

    project: Project
    content: Mapping[str, Any]
    base_revision: int = 0
    errors: Mapping[str, list[str]] = field(default_factory=dict)
    refused: ExpectedError | None = None
    objections: list[str] = field(default_factory=list)

    @property
    def messages(self) -> list[Mapping[str, str]]:
        return list(self.content.get("messages") or []) or [{"role": "user", "content": ""}]

    @property
    def records(self) -> list[str]:
        return listed(self.content.get("context"))

    @property
    def tags(self) -> str:
        tags = self.content.get("tags") or []
        return tags if isinstance(tags, str) else ", ".join(listed(tags))

    @property
    def reason(self) -> str:
        """The reason to keep a text that failed a check, complete or not."""
        return str(self.content.get("reason") or "")

    @property
    def edges(self) -> list[tuple[str, str]]:
        return edge_choices(self.project, present=str(self.content.get("edge") or ""))


class TakeForm(Filter):
    """Which part of the queue to take from; everything is optional, and only valid values count."""

    slice = forms.CharField(required=False, max_length=120)
    edge = forms.CharField(required=False, max_length=24)
    origin = forms.ChoiceField(required=False, choices=[("", ""), *Example.Origin.choices])
    only = forms.ChoiceField(
        required=False, choices=[("", ""), ("edge", ""), ("returned", ""), ("feedback", "")]
    )


class RetireForm(forms.Form):
    reason = forms.CharField(
        label="Why",
        max_length=300,
        help_text="It is kept in the audit, with your name.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class CheckSettingsForm(forms.Form):
    """The checks that are on, and what they expect. The form shows what is on; a project stores what is off."""

    on = forms.MultipleChoiceField(
        label="Checks that are on", required=False, widget=forms.CheckboxSelectMultiple,
        help_text="A check that is off says nothing anywhere: in the editor, in reports and in the list of findings.",
    )  # fmt: skip
    languages = forms.MultipleChoiceField(
        label="Languages of answers", required=False, choices=[(code, name) for name, code in sorted((name, code) for code, name in LANGUAGES.items())],
        widget=forms.CheckboxSelectMultiple(attrs={"class": "long-list"}),
        help_text="An answer in another language is a finding. If you choose none, an answer must have the language of its question.",
    )  # fmt: skip
    most_example_tokens = forms.IntegerField(
        label="Longest example, in tokens",
        min_value=LEAST_EXAMPLE_TOKENS,
        max_value=MOST_EXAMPLE_TOKENS,
        widget=forms.NumberInput(attrs={"class": "short"}),
        help_text="System prompt, records, conversation and completion together. Recipes cut at “Longest row”: set the same number here.",
    )

    def __init__(self, data: QueryDict | None = None, *, project: Project) -> None:
        initial = {
            "on": [name for name in CHECKS if name not in project.checks_off],
            "languages": project.languages,
            "most_example_tokens": project.most_example_tokens,
        }
        super().__init__(data, initial=initial)
        choices_of(self, "on").choices = [
            (name, f"{name.capitalize()}: {check.about}") for name, check in CHECKS.items()
        ]

    def values(self) -> dict[str, Any]:
        """As annotation.services.check_settings.set_checks takes them."""
        return {
            "off": [name for name in CHECKS if name not in self.cleaned_data["on"]],
            "languages": self.cleaned_data["languages"],
            "most_example_tokens": self.cleaned_data["most_example_tokens"],
        }
