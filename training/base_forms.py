"""The form that adds a base model."""

from typing import Any

from django import forms
from django.conf import settings
from django.http import QueryDict

from training.host.packages import PACKAGES, model_folders
from training.models import BaseModel

# The source fields of each kind of base model; the first one names it.
SOURCE_FIELDS: dict[str, tuple[str, ...]] = {
    BaseModel.Kind.PACKAGE: ("package",),
    BaseModel.Kind.FOLDER: ("folder",),
    BaseModel.Kind.HUB: ("hub_name", "revision"),
}
_WHICH = {
    BaseModel.Kind.PACKAGE: "Choose a package.",
    BaseModel.Kind.FOLDER: "Choose a folder.",
    BaseModel.Kind.HUB: "Enter its name on the hub, as owner/name.",
}


class BaseModelForm(forms.Form):
    """Where a base model comes from. Folders are chosen from those that the settings allow, never typed."""

    # Otherwise a browser would require the hidden fields of other kinds.
    use_required_attribute = False

    kind = forms.ChoiceField(
        choices=BaseModel.Kind.choices, widget=forms.RadioSelect, initial=BaseModel.Kind.HUB
    )
    name = forms.CharField(max_length=120, help_text="As people will see it, such as SmolLM2 135M.")
    package = forms.ChoiceField(required=False, choices=[("", "–"), *((name, name) for name in PACKAGES)])
    folder = forms.ChoiceField(required=False)
    hub_name = forms.CharField(
        label="Name on the hub", required=False, max_length=200, help_text="owner/name, as in its address."
    )
    revision = forms.CharField(
        required=False,
        max_length=40,
        help_text="The commit hash, 40 digits. It pins the model, so that its files cannot change.",
    )
    license = forms.CharField(required=False, max_length=120)

    def __init__(self, data: QueryDict | None = None) -> None:
        super().__init__(data)
        folder = self.fields["folder"]
        assert isinstance(folder, forms.ChoiceField)
        folder.choices = [("", "–"), *((str(path), str(path)) for path in model_folders())]
        if settings.MODEL_FOLDERS:
            folder.help_text = "Folders with a config.json below the model folders of this installation."
        else:
            folder.help_text = "No folder is set up. An operator sets the folders in GUILDHALL_MODEL_FOLDERS."

    def location(self) -> str:
        return str(self.cleaned_data.get(SOURCE_FIELDS[self.cleaned_data["kind"]][0]) or "")

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        kind = values.get("kind")
        if kind is None:
            return values
        # Values of another kind stay in the form. They are not checked and not used.
        for other, names in SOURCE_FIELDS.items():
            for name in names if other != kind else ():
                self.errors.pop(name, None)
                values[name] = ""
        if not self.location() and SOURCE_FIELDS[kind][0] not in self.errors:
            self.add_error(SOURCE_FIELDS[kind][0], _WHICH[kind])
        if kind == BaseModel.Kind.HUB and not values.get("revision") and "revision" not in self.errors:
            self.add_error("revision", "Enter the commit hash, 40 digits 0-9 and a-f.")
        return values

    def sources(self) -> list[tuple[str, list[forms.BoundField]]]:
        """(kind, its fields) for each kind; the page shows those of the chosen kind, all required."""
        for names in SOURCE_FIELDS.values():
            for name in names:
                self.fields[name].required = True  # for display only: `clean` checks those of the chosen kind
        return [(kind, [self[name] for name in names]) for kind, names in SOURCE_FIELDS.items()]
