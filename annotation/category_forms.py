"""The forms of a project's lists."""

from collections.abc import Mapping
from typing import Any

from django import forms

from annotation.models import Category
from annotation.models.categories import LONGEST_EDGE, LONGEST_NAME
from annotation.services.categories import LONGEST_DESCRIPTION
from core.forms import choices_of


class CategoryForm(forms.Form):
    name = forms.CharField(label="Name", max_length=LONGEST_NAME, strip=True)
    description = forms.CharField(
        label="Description",
        max_length=LONGEST_DESCRIPTION,
        required=False,
        help_text="What belongs to it, for people who choose.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class NewSliceForm(CategoryForm):
    """A slice's name is also what examples and files have."""


class NewEdgeForm(CategoryForm):
    key = forms.CharField(
        label="Key",
        max_length=LONGEST_EDGE,
        required=False,
        help_text="What files have for it: small letters, digits and “_”. Empty: made from the name. It never changes.",
    )
    field_order = ("name", "key", "description")


def new_form(kind: str, data: Mapping[str, Any] | None = None) -> CategoryForm:
    return NewSliceForm(data) if kind == Category.Kind.SLICE else NewEdgeForm(data)


class MergeForm(forms.Form):
    into = forms.ChoiceField(label="Merge into")

    def __init__(self, data: Mapping[str, Any] | None, *, others: list[Category]) -> None:
        super().__init__(data)
        choices_of(self, "into").choices = [(str(one.pk), one.name) for one in others]
