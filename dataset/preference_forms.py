"""The form of a freeze of preferences. It checks the form of values; the service decides what is allowed."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.http import QueryDict

from dataset.preferences import (
    DEFAULT_AGREEMENT,
    DEFAULT_DIFFERENCE,
    MOST_DIFFERENCE,
    MOST_RATERS,
    TAKE_LABELS,
    Choice,
)
from dataset.services.versions import SEED
from dataset.splits import TEST, VALIDATION


def _short(**attrs: str) -> forms.NumberInput:
    return forms.NumberInput(attrs={"class": "short", **attrs})


class PreferenceForm(forms.Form):
    take = forms.MultipleChoiceField(
        label="Take",
        choices=[(str(name), label) for name, label in TAKE_LABELS.items()],
        initial=[str(name) for name in Choice().take],
        widget=forms.CheckboxSelectMultiple,
    )
    campaigns = forms.MultipleChoiceField(
        label="Only these campaigns",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: all closed ones. Ratings count once their campaign is closed.",
    )
    raters = forms.IntegerField(
        label="People for each pair, at least",
        min_value=1,
        max_value=MOST_RATERS,
        initial=1,
        help_text="A pair that fewer people judged is left out. Corrections and examples need one.",
        widget=_short(),
    )
    agreement = forms.IntegerField(
        label="Agreement, percent at least",
        min_value=51,
        max_value=100,
        initial=round(100 * DEFAULT_AGREEMENT),
        help_text="The share of the people who judged a pair and say the same. “Equal” is a different opinion, too.",
        widget=_short(),
    )
    difference = forms.FloatField(
        label="Difference of scores, at least",
        min_value=0.1,
        max_value=MOST_DIFFERENCE,
        initial=DEFAULT_DIFFERENCE,
        help_text="Of the means of two answers, which are between 1 and 5. Used only when you take scores.",
        widget=_short(step="0.1"),
    )
    validation = forms.IntegerField(
        label="Validation, percent",
        min_value=0,
        max_value=50,
        initial=10,
        help_text="Measured during training, to see when the model stops improving.",
        widget=_short(),
    )
    test = forms.IntegerField(
        label="Test, percent",
        min_value=0,
        max_value=50,
        initial=10,
        help_text="Of new prompts. A prompt that was test in any earlier dataset stays test.",
        widget=_short(),
    )
    separate_near_duplicates = forms.BooleanField(
        label="Keep near-duplicates of test rows out of training",
        required=False,
        initial=True,
        help_text="Prompts that nearly repeat a test row of any dataset, of examples too, are withheld.",
    )
    seed = forms.IntegerField(
        label="Random seed",
        min_value=0,
        max_value=2**31 - 1,
        required=False,
        initial=SEED,
        help_text="Another number draws other groups. Splits from earlier datasets stay.",
        widget=_short(),
    )
    note = forms.CharField(
        max_length=300, required=False, help_text="What is new in it, for the people who train on it."
    )

    def __init__(self, data: QueryDict | None = None, *, campaigns: Sequence[tuple[str, str]] = ()) -> None:
        """`campaigns` are the names that can be chosen, each with a few words on it."""
        super().__init__(data)
        field = self.fields["campaigns"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(name, f"{name} ({words})") for name, words in campaigns]

    def choice(self) -> Choice:
        """Of a valid form."""
        values = self.cleaned_data
        return Choice(
            take=tuple(values["take"]),
            campaigns=tuple(values["campaigns"]),
            raters=values["raters"],
            agreement=values["agreement"] / 100,
            difference=values["difference"],
        )

    def settings(self) -> dict[str, Any]:
        """The other settings of a valid form, for start_preference_freeze and the preview; shares are fractions of one."""
        values = self.cleaned_data
        return {
            "separate_near_duplicates": values["separate_near_duplicates"],
            "seed": SEED if values["seed"] is None else values["seed"],
            **{name: values[name] / 100 for name in (VALIDATION, TEST)},
        }
