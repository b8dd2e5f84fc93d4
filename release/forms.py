"""Forms of release. They check shapes; services decide."""

from typing import Any

from django import forms

from core.lists.numbers import LARGEST_ID


class SignOffForm(forms.Form):
    """`replaces` is the id of what was live when the page was drawn; empty for nothing."""

    replaces = forms.IntegerField(required=False, min_value=1, max_value=LARGEST_ID, widget=forms.HiddenInput)
    note = forms.CharField(
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Stays on record with the gate.",
    )
    sign_off = forms.BooleanField(required=False, label="I have read the gate and sign this off")

    def ask_for_a_reason(self) -> None:
        """Called when a check holds or fails: then it is not released without a reason. The service refuses it."""
        note = self.fields["note"]
        note.label = "Reason (required)"
        note.help_text = "Why it is released despite the open checks. It stays on record with the gate."
        note.required = True

    def __init__(self, *args: object, signer: str = "", **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        if signer:
            self.fields["sign_off"].label = f"I, {signer}, have read the gate and sign this off"


class RollBackForm(forms.Form):
    """Why what is live is taken back: one of the usual reasons, in more words where they help. `reason()` gives both."""

    OTHER = "other"
    REASONS = (
        ("Wrong or invented answers", "Wrong or invented answers"),
        ("Slow or failing answers", "Slow or failing answers"),
        ("Made live by mistake", "Made live by mistake"),
        (OTHER, "Something else"),
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
        help_text="Needed when it is something else. Kept in the history and in the audit.",
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("why") == self.OTHER and not values.get("detail"):
            self.add_error("detail", "Say what happened.")
        return values

    def reason(self) -> str:
        why, detail = self.cleaned_data["why"], self.cleaned_data["detail"]
        return ": ".join(part for part in (why if why != self.OTHER else "", detail) if part)
