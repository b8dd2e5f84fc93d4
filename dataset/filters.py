"""The filters of a dataset's rows and an import's lines, read by their pages and the API alike."""

from django import forms

from annotation.models import Example
from core.lists.filters import Filter, search_field
from dataset.models import GroupSplit, ImportIssue, Source


class SplitFilter(Filter):
    """The tabs of a dataset's rows."""

    split = forms.ChoiceField(choices=[("", "All"), *GroupSplit.Split.choices], required=False)


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
