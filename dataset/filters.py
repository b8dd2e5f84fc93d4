"""The filters of a dataset's rows, comparisons, sources, an import's rows and exports, read by their pages and the API alike."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.http import QueryDict

from annotation.checks import CHECKS, TEXT_CHECKS
from annotation.filters import ExampleFilter
from annotation.models import Example
from core.lists.filters import Filter, search_field
from dataset.models import DatasetVersion, DuplicateCluster, GroupSplit, ImportIssue, RowFinding, Source, Twin
from dataset.queries.comparison import Kind
from dataset.queries.versions import NO_SLICE
from dataset.writers import BY_NAME, WRITERS, Writer

ALL_KEYS, STANDARD_KEYS = "all", "standard"
_ALL_WORDS = "All fields: what the shape has no key for is in further keys, which an import reads."
_STANDARD_WORDS = (
    "Only the standard keys, for trainers that refuse others. The system prompt and the records are put into the system "
    "message, as models see them here."
)


def _slice_field(filters: Filter, names: Iterable[str]) -> None:
    """The slices of a frozen version are known: another name is a mistake, and refused."""
    field = filters.fields["slice"]
    if isinstance(field, forms.ChoiceField):
        named = [(name or NO_SLICE, name or "No slice") for name in sorted(set(names))]
        field.choices = [("", "any"), *named]


class SplitFilter(Filter):
    """Which split of a dataset version."""

    split = forms.ChoiceField(choices=[("", "All"), *GroupSplit.Split.choices], required=False)


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
        if dataset.kind == DatasetVersion.Kind.PREFERENCE:
            del self.fields["rejected"]  # nearly all rows have one

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
    state = forms.ChoiceField(
        label="Dismissed",
        choices=[
            ("", "any"),
            ("open", "Not dismissed"),
            ("dismissed", "Dismissed before the freeze's check"),
        ],
        required=False,
    )


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


class SourceFilter(Filter):
    """The filters of the list of sources."""

    q = search_field("Name or owner")
    state = forms.ChoiceField(
        required=False,
        choices=[("", "any"), ("usable", "Usable"), ("expired", "Expired"), ("withdrawn", "Withdrawn")],
    )
    consent = forms.ChoiceField(
        label="Consent basis", required=False, choices=[("", "any"), *Source.Consent.choices]
    )
    partner = forms.IntegerField(
        required=False, min_value=1, widget=forms.HiddenInput, help_text="The id of a partner's membership."
    )


class SourceExampleFilter(Filter):
    """The filter of a source's examples."""

    status = forms.ChoiceField(required=False, choices=[("", "any"), *Example.Status.choices])


class IssueFilter(Filter):
    """The tabs of an import's lines."""

    kind = forms.ChoiceField(choices=[("", "any"), *ImportIssue.Kind.choices], required=False)


class TwinFilter(Filter):
    """The tabs of the twins, and those of one finding."""

    status = forms.ChoiceField(required=False, choices=[("", "any"), *Twin.Status.choices])
    finding = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)


class _Shape(forms.Form):
    """How an export is written. Without a shape it is Guildhall's own."""

    shape = forms.ChoiceField(
        choices=[(writer.name, f"{writer.label}: {writer.says}") for writer in WRITERS],
        required=False,
        widget=forms.RadioSelect,
    )
    keys = forms.ChoiceField(
        choices=[(ALL_KEYS, _ALL_WORDS), (STANDARD_KEYS, _STANDARD_WORDS)],
        required=False,
        widget=forms.RadioSelect,
    )

    @property
    def writer(self) -> Writer:
        """The chosen shape of a valid form."""
        return BY_NAME[self.cleaned_data.get("shape") or WRITERS[0].name]

    @property
    def own_keys(self) -> bool:
        return self.cleaned_data.get("keys") != STANDARD_KEYS

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        writer = BY_NAME.get(values.get("shape") or WRITERS[0].name)
        if writer and values.get("keys") == STANDARD_KEYS and not writer.keeps_others:
            self.add_error("keys", f"{writer.label} has no choice of keys. Leave it out.")
        return values


class ExamplesExportFilter(ExampleFilter, _Shape):
    """Which examples, and in which shape."""

    def criteria(self) -> dict[str, Any]:
        """Those of the examples only."""
        return {
            name: value for name, value in super().criteria().items() if name in ExampleFilter.base_fields
        }

    def words(self) -> list[str]:
        """The criteria as people read them: "Status: Approved"."""
        return [f"{self[name].label}: {self._shown(name, value)}" for name, value in self.criteria().items()]

    def _shown(self, name: str, value: object) -> str:
        field = self.fields[name]
        choices: Any = field.choices if isinstance(field, forms.ChoiceField) else []
        return str(dict(choices).get(str(value), value))


class VersionExportFilter(SplitFilter, _Shape):
    """Which rows of a version, and in which shape."""


class DuplicateFilter(Filter):
    """The filters of the clusters of duplicates."""

    kind = forms.ChoiceField(
        label="Duplicates",
        choices=[("", "Questions, and whole examples"), *DuplicateCluster.Kind.choices],
        required=False,
    )
    state = forms.ChoiceField(
        choices=[("", "Open"), ("settled", "Settled"), ("any", "Open and settled")], required=False
    )
    answers = forms.ChoiceField(choices=[("", "any"), ("disagree", "Answers that disagree")], required=False)
    tested = forms.ChoiceField(
        label="Test rows", choices=[("", "any"), ("yes", "With a test row")], required=False
    )

    def clusters(self) -> dict[str, Any]:
        """The values for dataset.queries.duplicates.clusters_of; of a wrong filter, none."""
        values = self.criteria()
        return {
            "kind": values.get("kind", ""),
            "state": values.get("state", ""),
            "disagreeing": "answers" in values,
            "tested": "tested" in values,
        }
