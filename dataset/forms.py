"""Forms of imports, freezes and examples. They check shapes; what is allowed is decided by the services."""

from collections.abc import Sequence
from typing import Any

from django import forms

from dataset.models import DataImport
from dataset.services.versions import SEED
from dataset.splits import TEST, VALIDATION

DESTINATION_HELP = {
    DataImport.Destination.QUEUE: "annotators work through them; a completion may be missing",
    DataImport.Destination.REVIEW: "reviewers accept them or send them back",
    DataImport.Destination.APPROVED: "they go into the next dataset, counted as reviewed by nobody",
}


class ImportForm(forms.Form):
    file = forms.FileField(
        label="JSONL file",
        widget=forms.ClearableFileInput(attrs={"accept": ".jsonl,.ndjson,.json,application/jsonl"}),
    )
    destination = forms.ChoiceField(
        label="Where the examples go",
        choices=[(value, f"{value.label}: {DESTINATION_HELP[value]}") for value in DataImport.Destination],
        initial=DataImport.Destination.QUEUE,
        widget=forms.RadioSelect,
    )
    default_source = forms.CharField(
        label="Source",
        max_length=120,
        required=False,
        help_text="For lines that name none: “desk transcripts 2025”, “customs handbook”.",
    )
    default_license = forms.CharField(
        label="License",
        max_length=120,
        required=False,
        help_text="For lines that name none: “internal”, “CC BY 4.0”.",
    )


class FreezeForm(forms.Form):
    validation = forms.IntegerField(
        label="Validation, percent",
        min_value=0,
        max_value=50,
        initial=10,
        help_text="Measured while training, to see when it stops getting better.",
        widget=forms.NumberInput(attrs={"class": "short"}),
    )
    test = forms.IntegerField(
        label="Test, percent",
        min_value=0,
        max_value=50,
        initial=10,
        help_text="Never trained on, in this or any later version.",
        widget=forms.NumberInput(attrs={"class": "short"}),
    )
    note = forms.CharField(
        max_length=300, required=False, help_text="What is new in it, for those who train on it later."
    )
    separate_near_duplicates = forms.BooleanField(
        label="Keep near-duplicates of test rows out of training",
        required=False,
        initial=True,
        help_text="New questions that differ only in numbers or a few words go to one split together; those that are nearly "
        "a test row of an earlier dataset are withheld. Otherwise the test overstates how good a model is.",
    )
    seed = forms.IntegerField(
        label="Seed of the draw",
        min_value=0,
        max_value=2**31 - 1,
        required=False,
        initial=SEED,
        help_text="Another number draws other groups. What an earlier dataset decided stays.",
        widget=forms.NumberInput(attrs={"class": "short"}),
    )
    slices = forms.MultipleChoiceField(
        label="Only these slices", required=False, widget=forms.CheckboxSelectMultiple
    )
    sources = forms.MultipleChoiceField(
        label="Only these sources", required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, slices: Sequence[str], sources: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, values in (("slices", slices), ("sources", sources)):
            field = self.fields[name]
            if isinstance(field, forms.MultipleChoiceField):
                field.choices = [(value, value) for value in values]

    def settings(self) -> dict[str, Any]:
        """What a valid form asks for, as start_freeze and the preview take it; shares are of one."""
        chosen = {name: self.cleaned_data[name] for name in ("separate_near_duplicates", "slices", "sources")}
        chosen["seed"] = SEED if self.cleaned_data["seed"] is None else self.cleaned_data["seed"]
        return chosen | {name: self.cleaned_data[name] / 100 for name in (VALIDATION, TEST)}
