"""The filters of the examples list, read by its page, its download and the API alike."""

from typing import Any

from django import forms

from annotation.models import Example
from annotation.queries.examples import people_of, slices_of, sources_of
from core.models import Project
from core.search import LEAST, pattern


class ExampleFilter(forms.Form):
    q = forms.CharField(
        label="Text",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "words, or #12"}),
    )
    status = forms.ChoiceField(choices=[("", "any"), *Example.Status.choices], required=False)
    slice = forms.ChoiceField(required=False)
    edge = forms.ChoiceField(
        label="Edge case",
        required=False,
        choices=[
            ("", "all"),
            ("any", "Only edge cases"),
            *(pair for pair in Example.Edge.choices if pair[0]),
        ],
    )
    source = forms.ChoiceField(required=False)
    tag = forms.CharField(required=False, max_length=40)
    person = forms.ChoiceField(label="Person", required=False)
    origin = forms.ChoiceField(
        label="Origin", required=False, choices=[("", "anywhere"), *Example.Origin.choices]
    )
    batch = forms.IntegerField(required=False, widget=forms.HiddenInput, min_value=1, max_value=2**62)

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, empty, choices in (
            ("slice", "any", [("-", "No slice"), *((name, name) for name in slices_of(project))]),
            ("source", "any", sources_of(project).values_list("pk", "name")),
            ("person", "anybody", people_of(project).values_list("pk", "name")),
        ):
            field = self.fields[name]
            if isinstance(field, forms.ChoiceField):
                field.choices = [("", empty), *((str(value), label) for value, label in choices)]

    def clean_q(self) -> str:
        text = str(self.cleaned_data["q"]).strip()
        if text and not text.startswith("#") and not pattern(text):
            raise forms.ValidationError(f"Type at least {LEAST} letters.")
        return text

    def wanted(self) -> dict[str, Any]:
        """What can be read of the filters; what cannot is left out, and its field says so."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}
