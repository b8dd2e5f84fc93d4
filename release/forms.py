"""Forms of release. They validate formats; services decide."""

from typing import Any

from django import forms
from django.http import QueryDict

from core.lists.numbers import LARGEST_ID


class SignOffForm(forms.Form):
    """`replaces` is the id of the version that was live when the page was rendered; empty for none."""

    replaces = forms.IntegerField(required=False, min_value=1, max_value=LARGEST_ID, widget=forms.HiddenInput)
    note = forms.CharField(
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Stored permanently with the gate.",
    )
    sign_off = forms.BooleanField(required=False, label="I have read the gate and sign this off")

    def ask_for_a_reason(self) -> None:
        """Called when a criterion is on hold or failed: a release then needs a reason. The service checks this."""
        note = self.fields["note"]
        note.label = "Reason (required)"
        note.help_text = "Why you release despite open criteria. Stored permanently with the gate."
        note.required = True

    def __init__(
        self, data: QueryDict | None = None, *, signer: str = "", initial: dict[str, int | None] | None = None
    ) -> None:
        super().__init__(data, initial=initial)
        if signer:
            self.fields["sign_off"].label = f"I, {signer}, have read the gate and sign this off"


class RollBackForm(forms.Form):
    """The reason for a rollback: one of the usual reasons, with details if needed. `reason()` returns both."""

    OTHER = "other"
    REASONS = (
        ("Wrong or invented answers", "Wrong or invented answers"),
        ("Slow or failing answers", "Slow or failing answers"),
        ("Released by mistake", "Released by mistake"),
        (OTHER, "Other"),
    )

    away_from = forms.IntegerField(min_value=1, max_value=LARGEST_ID, widget=forms.HiddenInput)
    why = forms.ChoiceField(
        label="Reason",
        choices=REASONS,
        widget=forms.RadioSelect,
        error_messages={"required": "Choose a reason."},
    )
    detail = forms.CharField(
        label="What happened",
        required=False,
        max_length=1900,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Required for “Other”. Shown in the history and the audit.",
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("why") == self.OTHER and not values.get("detail"):
            self.add_error("detail", "Describe what happened.")
        return values

    def reason(self) -> str:
        why, detail = self.cleaned_data["why"], self.cleaned_data["detail"]
        return ": ".join(part for part in (why if why != self.OTHER else "", detail) if part)


class ForgettingBudgetForm(forms.Form):
    """The largest forgetting that a release may have."""

    answers = forms.FloatField(
        label="Right answers, in points",
        min_value=0,
        max_value=100,
        help_text="Arithmetic, following a format, world facts, each: 10 means that at most 10 of 100 answers may be lost.",
    )
    refusals = forms.FloatField(label="Refused harmful requests, in points", min_value=0, max_value=100)
    loss = forms.FloatField(
        label="Loss, in nats per token",
        min_value=0,
        max_value=10,
        help_text="General English, and the test rows of the version before it: 0.1 is 10% more perplexity.",
    )
