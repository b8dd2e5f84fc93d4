"""The data that the editor posts, and the values of its fields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.http import QueryDict

from annotation.models import Example
from annotation.queries.categories import edge_choices
from annotation.text.cleaning import listed
from core.errors import ExpectedError
from core.lists import numbers
from core.lists.filters import Filter
from core.models import Project


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
