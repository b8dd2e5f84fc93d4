"""Forms of release. They check shapes; services decide."""

from django import forms


class SignOffForm(forms.Form):
    """`replaces` is the id of what was live when the page was drawn; empty for nothing."""

    replaces = forms.IntegerField(required=False, widget=forms.HiddenInput)
    note = forms.CharField(
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Stays on record with the gate. Needed when something holds or fails: why it goes live all the same.",
    )
    sign_off = forms.BooleanField(required=False, label="I have read the gate and sign this off")

    def __init__(self, *args: object, signer: str = "", **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        if signer:
            self.fields["sign_off"].label = f"I, {signer}, have read the gate and sign this off"


class RollBackForm(forms.Form):
    away_from = forms.IntegerField()
    note = forms.CharField(required=False, max_length=2000)
