"""Forms of imports, freezes and examples. They check the form of values; the services decide what is allowed."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from django import forms
from django.db.models import Model, QuerySet
from django.http import QueryDict

from core.errors import ExpectedError
from core.forms import objects_of
from core.lists.params import Params
from core.models import Membership
from dataset.data_rules import CHOICES
from dataset.mapping import LEAVE_OUT, TARGETS, TOOL_TURNS, FieldMapping, read_mapping
from dataset.models import DataImport, DataRule, Source
from dataset.questions import ASKED, MOST_ANSWER, QUESTIONS, SECTIONS
from dataset.services.duplicates import KeepRule
from dataset.services.sources import LONGEST_DESCRIPTION, LONGEST_NAME, LONGEST_NOTE, SourceValues
from dataset.services.versions import SEED
from dataset.services.withdrawals import LONGEST_REASON
from dataset.splits import TEST, VALIDATION

RULE_HELP = {
    DataRule.KNOWN_LICENSE: "an empty license, or a text that is not in the table of well-known ones, is unknown",
    DataRule.COMMERCIAL: "for example CC-BY-NC-4.0",
    DataRule.DERIVATIVES: "for example CC-BY-ND-4.0",
    DataRule.SHARE_ALIKE: "for example CC-BY-SA-4.0 or ODbL-1.0",
    DataRule.CONSENT: "every source then says on what basis its data is used; examples written here need none",
    DataRule.EXPIRED: "from the day after its last day of use",
}

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


class SourceForm(forms.Form):
    name = forms.CharField(
        max_length=LONGEST_NAME, help_text="Imports name it: its examples keep following it."
    )
    description = forms.CharField(
        required=False,
        max_length=LONGEST_DESCRIPTION,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="What it contains, who collected it, when and how.",
    )
    license = forms.CharField(
        required=False,
        max_length=LONGEST_NAME,
        widget=forms.TextInput(attrs={"list": "licenses"}),
        help_text="An SPDX identifier such as CC-BY-4.0, or a text. Only well-known licenses have conditions that rules can check.",
    )
    consent = forms.ChoiceField(
        label="Consent basis", choices=Source.Consent.choices, initial=Source.Consent.UNKNOWN
    )
    consent_note = forms.CharField(
        required=False, max_length=LONGEST_NOTE, help_text="Where the consent or the contract can be found."
    )
    owner = forms.CharField(
        required=False, max_length=LONGEST_NAME, help_text="The person or organisation whose data it is."
    )
    contact = forms.CharField(required=False, max_length=200, help_text="Whom to ask: an address or a name.")
    expires_on = forms.DateField(
        label="Last day of use",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="Empty: without an end. Admins see on Home when it comes near.",
    )

    def values(self) -> SourceValues:
        """The fields of a valid form, for create_source and change_source."""
        return cast(SourceValues, dict(self.cleaned_data))


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="It is shown to everybody who reads about the source, and stored in the audit.",
    )


class SettleForm(forms.Form):
    """How a cluster of duplicates is settled. The service decides what is allowed; this keeps what was typed."""

    def all_wanted(self) -> bool:
        return Params(self._posted()).flag("wanted")

    def kept(self) -> list[int]:
        """The ids of the chosen examples."""
        return Params(self._posted()).numbers("keep")

    def rule(self) -> KeepRule | None:
        """The rule that chooses the one to keep; None when examples were chosen."""
        name = Params(self._posted()).text("rule", most=20)
        return KeepRule(name) if name in KeepRule.values else None

    def reason(self) -> str:
        return Params(self._posted()).text("reason")

    def _posted(self) -> QueryDict:
        return cast(QueryDict, self.data)

    def show(self, error: ExpectedError) -> None:
        """Puts the service's error on top of the form."""
        self.add_error(None, str(error))


class RulesForm(forms.Form):
    rules = forms.MultipleChoiceField(
        label="Rules",
        required=False,
        choices=[(rule.value, f"{rule.label}: {RULE_HELP[rule]}") for rule in CHOICES],
        widget=forms.CheckboxSelectMultiple,
    )


class PartnerField(forms.ModelChoiceField):
    def label_from_instance(self, obj: Model) -> str:
        return str(obj.user) if isinstance(obj, Membership) else str(obj)


class PartnerForm(forms.Form):
    """Which partner is to see a source."""

    partner = PartnerField(Membership.objects.none(), empty_label=None)

    def __init__(self, data: QueryDict | None = None, *, partners: QuerySet[Membership]) -> None:
        super().__init__(data)
        field = objects_of(self, "partner")
        field.queryset = partners


SEEN = "seen-"  # before a question's key: the answer that the page showed


class DatasheetForm(forms.Form):
    """One field for each question that people are asked, named after its key, and beside it which answer was shown (`seen`, a
    primary key, 0 for none). `for_version` adds the choice to keep the answers for later versions, too."""

    also_later = forms.BooleanField(
        label="Also for the datasets that are frozen later",
        required=False,
        initial=True,
        help_text="Earlier datasets keep their own answers.",
    )

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        answers: Mapping[str, str],
        seen: Mapping[str, int],
        for_version: bool,
    ) -> None:
        super().__init__(data, initial=dict(answers))
        self.seen = dict(seen)
        if data is not None:
            posted = Params(data)
            self.seen = {key: posted.number(SEEN + key) or 0 for key in ASKED if SEEN + key in posted}
        for key in ASKED:
            self.fields[key] = forms.CharField(
                label=QUESTIONS[key].words,
                required=False,
                max_length=MOST_ANSWER,
                widget=forms.Textarea(attrs={"rows": 3}),
            )
        if not for_version:
            del self.fields["also_later"]

    def sections(self) -> list[tuple[str, list[tuple[forms.BoundField, str, int]], int]]:
        """(section, its fields with the name and value of what was seen, how many of them are empty)."""
        found = []
        for name, questions in SECTIONS:
            keys = [question.key for question in questions if question.asked]
            fields = [(self[key], SEEN + key, self.seen.get(key, 0)) for key in keys]
            found.append((name, fields, sum(not self[key].value() for key in keys)))
        return [section for section in found if section[1]]

    def answers(self) -> dict[str, str]:
        """The texts of a valid form by question."""
        return {key: self.cleaned_data[key] for key in ASKED}
