"""The filters of the lists of examples, for pages, downloads and the API."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from annotation.checks import TEXT_CHECKS
from annotation.checks.languages import LANGUAGES
from annotation.models import Example, ExampleFinding
from annotation.moods import MOODS
from annotation.queries.categories import edge_filter_choices
from annotation.queries.examples import languages_to_filter, people_of, slices_of, sources_of
from annotation.queries.findings import kind_label, kinds_of
from annotation.registry import finding_sources
from core.lists.filters import Filter, search_field
from core.lists.search import LEAST, pattern
from core.models import Project


class ExampleFilter(Filter):
    q = search_field("Text", "words, or #12")
    status = forms.ChoiceField(choices=[("", "any"), *Example.Status.choices], required=False)
    slice = forms.ChoiceField(required=False)
    edge = forms.ChoiceField(label="Edge case", required=False)
    source = forms.ChoiceField(required=False)
    tag = forms.CharField(required=False, max_length=40)
    person = forms.ChoiceField(label="Person", required=False)
    origin = forms.ChoiceField(
        label="Origin", required=False, choices=[("", "anywhere"), *Example.Origin.choices]
    )
    language = forms.ChoiceField(required=False)
    mood = forms.ChoiceField(
        label="Customer's mood",
        required=False,
        choices=[("", "any"), *MOODS.items(), ("-", "Not read")],
    )
    import_id = forms.IntegerField(required=False, widget=forms.HiddenInput, min_value=1)

    def __init__(self, data: QueryDict, *, project: Project) -> None:
        super().__init__(data)
        languages = [(code, LANGUAGES[code]) for code in languages_to_filter(project)]
        edges = [("any", "Only edge cases"), *edge_filter_choices(project)]
        for name, empty, choices in (
            ("edge", "all", edges),
            ("slice", "any", [("-", "No slice"), *((name, name) for name in slices_of(project))]),
            ("source", "any", [(name, name) for name in sources_of(project)]),
            ("language", "any", [*languages, ("-", "Not clear")]),
            ("person", "anybody", people_of(project).values_list("pk", "name")),
        ):
            field = self.fields[name]
            if isinstance(field, forms.ChoiceField):
                field.choices = [("", empty), *((str(value), label) for value, label in choices)]

    def clean_q(self) -> str:
        text = str(self.cleaned_data["q"]).strip()
        if text and not text.startswith("#") and not pattern(text):
            raise ValidationError(f"Type at least {LEAST} letters.")
        return text


class ReviewFilter(Filter):
    """The filters above the list of examples in review."""

    q = search_field("Search")
    edge = forms.ChoiceField(label="Edge case", required=False)
    slice = forms.ChoiceField(label="Slice", required=False)

    def __init__(self, data: QueryDict, *, project: Project) -> None:
        super().__init__(data)
        slices = slices_of(project)
        self.fields["edge"] = forms.ChoiceField(
            label="Edge case",
            required=False,
            choices=[("", "All"), ("any", "Any edge case"), *edge_filter_choices(project)],
        )
        self.fields["slice"] = forms.ChoiceField(
            label="Slice", required=False, choices=[("", "All"), *[(name, name) for name in slices]]
        )


class QualityFilter(Filter):
    """The filters above the findings of the checks."""

    check = forms.ChoiceField(required=False)
    kind = forms.ChoiceField(required=False)
    level = forms.ChoiceField(choices=[("", "any"), *ExampleFinding.Level.choices], required=False)
    status = forms.ChoiceField(
        choices=[("", "Open"), *ExampleFinding.Status.choices[1:], ("any", "Any")], required=False
    )
    slice = forms.ChoiceField(required=False)
    source = forms.ChoiceField(required=False)
    fixable = forms.ChoiceField(
        label="Fix", choices=[("", "any"), ("yes", "Can be fixed in one step")], required=False
    )
    import_id = forms.IntegerField(required=False, widget=forms.HiddenInput, min_value=1)
    example = forms.IntegerField(required=False, widget=forms.HiddenInput, min_value=1)

    def __init__(self, data: QueryDict | Mapping[str, Any], *, project: Project) -> None:
        super().__init__(data)
        kinds = kinds_of(project)
        checks = sorted({*TEXT_CHECKS, *finding_sources(), *(check for check, _ in kinds)})
        for name, choices in (
            ("check", [(check, check) for check in checks]),
            ("kind", [(kind, kind_label(kind)) for kind in sorted({kind for _, kind in kinds if kind})]),
            ("slice", [("-", "No slice"), *((name, name) for name in slices_of(project))]),
            ("source", [(name, name) for name in sources_of(project)]),
        ):
            field = self.fields[name]
            if isinstance(field, forms.ChoiceField):
                field.choices = [("", "any"), *choices]
