"""The filters of a dataset's rows and an import's lines, read by their pages and the API alike."""

from django import forms

from core.lists.filters import Filter
from dataset.models import GroupSplit, ImportIssue


class SplitFilter(Filter):
    """The tabs of a dataset's rows."""

    split = forms.ChoiceField(choices=[("", "All"), *GroupSplit.Split.choices], required=False)


class IssueFilter(Filter):
    """The tabs of an import's lines."""

    kind = forms.ChoiceField(choices=[("", "any"), *ImportIssue.Kind.choices], required=False)
