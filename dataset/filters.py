"""The filters of a dataset's rows, of a comparison and of an import's lines, read by their pages and the API alike."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.http import QueryDict

from annotation.checks import CHECKS, TEXT_CHECKS
from core.lists.filters import Filter
from dataset.models import DatasetVersion, GroupSplit, ImportIssue, RowFinding
from dataset.queries.comparison import Kind
from dataset.queries.versions import NO_SLICE


def _slice_field(filters: Filter, names: Iterable[str]) -> None:
    """The slices of a frozen version are known: another name is a mistake, and refused."""
    field = filters.fields["slice"]
    if isinstance(field, forms.ChoiceField):
        named = [(name or NO_SLICE, name or "No slice") for name in sorted(set(names))]
        field.choices = [("", "any"), *named]


class RowFilter(Filter):
    """The tabs of a dataset's rows, and its filters."""

    split = forms.ChoiceField(
        choices=[("", "All"), *GroupSplit.Split.choices], required=False, widget=forms.HiddenInput
    )
    slice = forms.ChoiceField(required=False)
    rejected = forms.ChoiceField(
        label="Worse answer", choices=[("", "any"), ("yes", "Rows with a worse answer")], required=False
    )

    def __init__(self, data: QueryDict | Mapping[str, Any], *, dataset: DatasetVersion) -> None:
        super().__init__(data)
        _slice_field(self, dataset.counts.get("slices", {}))

    def rows(self) -> dict[str, Any]:
        """The values for dataset.queries.versions.rows_of; of a wrong filter, none."""
        values = self.criteria()
        return {
            "split": values.get("split", ""),
            "slice_name": values.get("slice", ""),
            "rejected": "rejected" in values,
        }


class FindingFilter(Filter):
    """Above the findings that the rows of a version still have."""

    check = forms.ChoiceField(
        choices=[("", "any"), *((name, CHECKS[name].about) for name in TEXT_CHECKS)], required=False
    )
    level = forms.ChoiceField(choices=[("", "any"), *RowFinding.Level.choices], required=False)


class CompareFilter(Filter):
    """The tabs of a comparison of two versions, and its filter."""

    kind = forms.ChoiceField(
        choices=[("", "All changes"), *Kind.choices],
        required=False,
        widget=forms.HiddenInput,
    )
    slice = forms.ChoiceField(required=False)

    def __init__(self, data: QueryDict | Mapping[str, Any], *, slices: Iterable[str]) -> None:
        super().__init__(data)
        _slice_field(self, slices)


class CompareWithFilter(Filter):
    """The number of the version to compare with."""

    other = forms.IntegerField(min_value=1, required=False)


class IssueFilter(Filter):
    """The tabs of an import's lines."""

    kind = forms.ChoiceField(choices=[("", "any"), *ImportIssue.Kind.choices], required=False)
