"""Forms of imports, freezes and examples. They check the form of values; the services decide what is allowed."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.http import QueryDict

from dataset.mapping import LEAVE_OUT, TARGETS, TOOL_TURNS, FieldMapping, read_mapping
from dataset.models import DataImport
from dataset.services.versions import SEED
from dataset.splits import TEST, VALIDATION

DESTINATION_HELP = {
    DataImport.Destination.QUEUE: "annotators work on them; a completion can be missing",
    DataImport.Destination.REVIEW: "reviewers accept them or send them back",
    DataImport.Destination.APPROVED: "they go into the next dataset and count as not reviewed",
}


class ImportChoices(forms.Form):
    """Where the examples of a file go, and what rows without a source or licence get."""

    destination = forms.ChoiceField(
        label="Destination of the examples",
        choices=[(value, f"{value.label}: {DESTINATION_HELP[value]}") for value in DataImport.Destination],
        initial=DataImport.Destination.QUEUE,
        widget=forms.RadioSelect,
    )
    default_source = forms.CharField(
        label="Source",
        max_length=120,
        required=False,
        help_text="Used for rows without one: “desk transcripts 2025”, “customs handbook”.",
    )
    default_license = forms.CharField(
        label="License",
        max_length=120,
        required=False,
        help_text="Used for rows without one: “internal”, “CC BY 4.0”.",
    )


class ImportForm(ImportChoices):
    file = forms.FileField(
        label="File",
        help_text="JSON Lines, JSON, CSV, TSV or Parquet, alone or packed as zip, gzip, bzip2 or xz.",
        widget=forms.ClearableFileInput(
            attrs={
                "accept": ".jsonl,.ndjson,.json,.csv,.tsv,.tab,.parquet,.zip,.gz,.bz2,.xz,application/json,text/csv"
            }
        ),
    )
    # A file that the page's script has sent in pieces already.
    upload = forms.UUIDField(required=False, widget=forms.HiddenInput)
    field_order = ("file", "upload", "destination", "default_source", "default_license")

    def __init__(self, data: QueryDict | None = None, files: Any = None) -> None:
        super().__init__(data, files)
        self.fields["file"].required = not (data and data.get("upload"))


BY_NAME, LEFT_OUT = "auto", "none"


class MappingForm(ImportChoices):
    """A select for each column of a checked file, and the choices of the import. Columns are numbered: their names can be any text."""

    tool_turns = forms.ChoiceField(
        label="Tool calls", choices=list(TOOL_TURNS.items()), initial="refuse", widget=forms.RadioSelect
    )

    def __init__(self, data: QueryDict | None = None, *, data_import: DataImport) -> None:
        mapping = read_mapping(data_import.mapping)
        initial = {
            "destination": data_import.destination,
            "default_source": data_import.default_source,
            "default_license": data_import.default_license,
            "tool_turns": mapping.tool_turns,
        }
        super().__init__(data, initial=initial)
        self.columns = [str(column["name"]) for column in data_import.columns]
        for at, name in enumerate(self.columns):
            target = mapping.columns.get(name, BY_NAME)
            self.fields[f"column-{at}"] = forms.ChoiceField(
                label=name,
                required=False,
                choices=[
                    (BY_NAME, "By its name"), *TARGETS.items(), (LEFT_OUT, "Leave it out"),
                ],
                initial=LEFT_OUT if target == LEAVE_OUT else target,
            )  # fmt: skip

    def mapping(self) -> FieldMapping:
        """The mapping of a valid form."""
        columns = {}
        for at, name in enumerate(self.columns):
            chosen = self.cleaned_data.get(f"column-{at}") or BY_NAME
            if chosen != BY_NAME:
                columns[name] = LEAVE_OUT if chosen == LEFT_OUT else chosen
        return FieldMapping(columns, self.cleaned_data["tool_turns"])

    def choices(self) -> dict[str, str]:
        """The other choices of a valid form, as the services take them."""
        return {
            name: self.cleaned_data[name] for name in ("destination", "default_source", "default_license")
        }


class FreezeForm(forms.Form):
    validation = forms.IntegerField(
        label="Validation, percent",
        min_value=0,
        max_value=50,
        initial=10,
        help_text="Measured during training, to see when the model stops improving.",
        widget=forms.NumberInput(attrs={"class": "short"}),
    )
    test = forms.IntegerField(
        label="Test, percent",
        min_value=0,
        max_value=50,
        initial=10,
        help_text="Not used for training, in this or any later version.",
        widget=forms.NumberInput(attrs={"class": "short"}),
    )
    note = forms.CharField(
        max_length=300, required=False, help_text="What is new in it, for the people who train on it."
    )
    separate_near_duplicates = forms.BooleanField(
        label="Keep near-duplicates of test rows out of training",
        required=False,
        initial=True,
        help_text="New questions that differ only in numbers or a few words go to one split together. Questions that nearly "
        "repeat a test row of an earlier dataset are withheld. Otherwise test results look too good.",
    )
    seed = forms.IntegerField(
        label="Random seed",
        min_value=0,
        max_value=2**31 - 1,
        required=False,
        initial=SEED,
        help_text="Another number draws other groups. Splits from earlier datasets stay.",
        widget=forms.NumberInput(attrs={"class": "short"}),
    )
    slices = forms.MultipleChoiceField(
        label="Only these slices", required=False, widget=forms.CheckboxSelectMultiple
    )
    sources = forms.MultipleChoiceField(
        label="Only these sources", required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        slices: Sequence[str],
        sources: Sequence[str],
        initial: dict[str, list[str]] | None = None,
    ) -> None:
        super().__init__(data, initial=initial)
        for name, values in (("slices", slices), ("sources", sources)):
            field = self.fields[name]
            if isinstance(field, forms.MultipleChoiceField):
                field.choices = [(value, value) for value in values]

    def settings(self) -> dict[str, Any]:
        """The settings of a valid form, for start_freeze and the preview; shares are fractions of one."""
        chosen = {name: self.cleaned_data[name] for name in ("separate_near_duplicates", "slices", "sources")}
        chosen["seed"] = SEED if self.cleaned_data["seed"] is None else self.cleaned_data["seed"]
        return chosen | {name: self.cleaned_data[name] / 100 for name in (VALIDATION, TEST)}
