"""Forms of core's pages. They check the form of values; the services decide what is allowed."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.password_validation import password_validators_help_texts
from django.core.validators import ProhibitNullCharactersValidator
from django.http import HttpRequest, QueryDict

from core.errors import ExpectedError, Invalid
from core.lists.filters import Filter, search_field
from core.models import Membership, Project, Role, Run
from core.models.people import LONGEST_PASSWORD, MOST_TOKENS
from core.queries import left_but_acted
from core.text import storable
from core.wording import filesize

ROLE_HELP = {
    Role.ANNOTATOR: "writes and corrects examples",
    Role.REVIEWER: "accepts examples or sends them back",
    Role.RATER: "compares answers without model names, chats with candidates",
    Role.ADMIN: "imports, trains, releases, manages people",
    Role.VIEWER: "reads everything, changes nothing",
    Role.PARTNER: "from outside; sees only the sources that you choose for them, and has no other role",
}
ROLE_CHOICES = [(role.value, f"{role.label}: {ROLE_HELP[role]}") for role in Role]


def take_errors(form: forms.BaseForm, error: ExpectedError, *, at: str | None = None) -> None:
    """Puts a service's error into the form: at its fields, else at the field `at` or on top of the form. What was typed stays
    in the form. `status_of` then gives the error's status."""
    form.error_status = error.status  # type: ignore[attr-defined]
    fields = error.fields if isinstance(error, Invalid) else {}
    for name, messages in fields.items():
        for message in messages:
            form.add_error(name if name in form.fields else None, message)
    if not fields:
        form.add_error(at, str(error))


def status_of(form: forms.BaseForm) -> int:
    """The status of a page that shows the form: 200, 422 for wrong values, or that of the service's error."""
    status: int = getattr(form, "error_status", 422) if form.errors else 200
    return status


def choices_of(form: forms.BaseForm, name: str) -> forms.ChoiceField:
    """The field `name` of the form, which has choices."""
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)
    return field


def objects_of(form: forms.BaseForm, name: str) -> "forms.ModelChoiceField[Any]":
    """The field `name` of the form, which has the rows of a queryset as choices."""
    field = form.fields[name]
    assert isinstance(field, forms.ModelChoiceField)
    return field


class TypedText(forms.CharField):
    """Text that a person typed: characters that the database refuses are removed, so that the rest is not lost."""

    def __init__(self, *, required: bool = True, strip: bool = True) -> None:
        super().__init__(required=required, strip=strip)
        refuses = ProhibitNullCharactersValidator
        self.validators = [validator for validator in self.validators if not isinstance(validator, refuses)]

    def to_python(self, value: object) -> str:
        return storable(str(super().to_python(value)))


class SignInForm(AuthenticationForm):
    """E-mail addresses are compared in lower case: otherwise each spelling would have its own count of attempts."""

    error_messages = {
        "invalid_login": "Wrong e-mail or password.",
        "inactive": "This account is deactivated. Ask an admin of your project.",
    }

    def __init__(self, request: HttpRequest | None = None, *args: object, **kwargs: object) -> None:
        super().__init__(request, *args, **kwargs)
        self.fields["username"].label = "E-mail address"
        self.fields["username"].widget = forms.EmailInput(
            attrs={"autocomplete": "username", "autofocus": True, "maxlength": 254}
        )

    def clean_username(self) -> str:
        return str(self.cleaned_data["username"]).strip().lower()


class PasswordForm(forms.Form):
    old = forms.CharField(
        label="Current password",
        strip=False,
        max_length=LONGEST_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    new = forms.CharField(
        label="New password",
        strip=False,
        max_length=LONGEST_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label="New password, again",
        strip=False,
        max_length=LONGEST_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, data: QueryDict | None = None) -> None:
        super().__init__(data)
        self.fields["new"].help_text = " ".join(password_validators_help_texts())

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("new") and values.get("again") and values["new"] != values["again"]:
            self.add_error("again", "The two new passwords are different.")
        return values


class NameForm(forms.Form):
    name = forms.CharField(label="Your name, as colleagues see it", max_length=120)


class ThemeForm(forms.Form):
    theme = forms.CharField(max_length=8)


class KeyForm(forms.Form):
    name = forms.CharField(
        max_length=120,
        help_text="The program that uses it: “help desk widget”, “my notebook”.",
    )


class NewProjectForm(forms.ModelForm):
    class Meta:
        model = Project
        fields = ("name", "slug", "description")
        labels = {"slug": "Address"}
        help_texts = {
            "slug": "Letters, digits and hyphens: the part after /p/. If you leave it empty, it is made from the name. "
            "You cannot change it later.",
            "description": "One line, for the list of projects.",
        }

    def __init__(self, data: QueryDict | None = None) -> None:
        super().__init__(data)
        self.fields["slug"].required = False

    def validate_unique(self) -> None:
        """The service checks whether the address is taken; it also knows the one made from the name."""


class ProjectSettingsForm(forms.ModelForm):
    class Meta:
        model = Project
        fields = (
            "name",
            "description",
            "guideline",
            "system_prompt",
            "lease_minutes",
            "temperature",
            "max_tokens",
        )
        labels = {
            "lease_minutes": "Minutes that an example is reserved",
            "system_prompt": "System prompt",
            "temperature": "Temperature of answers",
            "max_tokens": "Longest answer, in tokens",
        }
        help_texts = {
            "guideline": "How to write a good answer. Markdown; annotators and reviewers see it beside their work.",
            "system_prompt": "It is put before every conversation, in training and in serving. A change "
            "affects the next dataset version and the next training run. Existing versions keep theirs.",
            "lease_minutes": "How long an example is reserved for a person who does not use the page, 1 to 480.",
            "temperature": "0 gives the most likely answer each time, 2 the most varied. Used at /v1, in chats and in new "
            "campaigns that set no other value. Low values keep answers close to the records.",
            "max_tokens": f"1 to {MOST_TOKENS:,}. An answer that reaches it is cut off. It also ends where the model’s "
            "context ends.",
        }
        widgets = {
            "guideline": forms.Textarea(attrs={"rows": 10}),
            "system_prompt": forms.Textarea(attrs={"rows": 4}),
        }

    def __init__(self, data: QueryDict | None = None, *, instance: Project) -> None:
        super().__init__(data, instance=instance)
        for name in ("guideline", "system_prompt"):
            written = self.fields[name]
            if isinstance(written, forms.CharField):
                written.strip = False  # a first line can be indented
        lease = self.fields["lease_minutes"]
        if isinstance(lease, forms.IntegerField):
            lease.min_value, lease.max_value = 1, 480
            lease.widget.attrs |= {"min": 1, "max": 480, "class": "short"}
        self.fields["temperature"].widget.attrs |= {"min": 0, "max": 2, "step": "0.1", "class": "short"}
        self.fields["max_tokens"].widget.attrs |= {"min": 1, "max": MOST_TOKENS, "class": "short"}

    def clean_lease_minutes(self) -> int:
        minutes: int = self.cleaned_data["lease_minutes"]
        if not 1 <= minutes <= 480:
            raise forms.ValidationError("Between 1 and 480 minutes.")
        return minutes


class MoveForm(forms.Form):
    """`sizes`: about how many bytes an archive has, {with weights or not: bytes}."""

    WITH, WITHOUT = "with", "without"
    weights = forms.ChoiceField(label="Files of models", initial=WITHOUT, widget=forms.RadioSelect)

    def __init__(self, data: QueryDict | None = None, *, sizes: dict[bool, int]) -> None:
        super().__init__(data)
        choices_of(self, "weights").choices = [
            (
                self.WITHOUT,
                f"Without weights: about {filesize(sizes[False])}. The hashes of the models come along, and their history.",
            ),
            (self.WITH, f"With weights: about {filesize(sizes[True])}. The models can be served there, too."),
        ]


class ImportProjectForm(forms.Form):
    file = forms.FileField(
        label="Project archive",
        widget=forms.ClearableFileInput(attrs={"accept": ".zip,application/zip"}),
        help_text="The file that “Move this project” made in the other installation.",
    )
    slug = forms.SlugField(
        label="Address",
        max_length=60,
        required=False,
        help_text="The last part of /p/…/. Empty: the address that the project had.",
    )


class RolesForm(forms.Form):
    roles = forms.MultipleChoiceField(choices=ROLE_CHOICES, widget=forms.CheckboxSelectMultiple)


class AddPersonForm(RolesForm):
    email = forms.EmailField(
        label="E-mail address", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    name = forms.CharField(
        max_length=120,
        required=False,
        help_text="For a new account. An existing account keeps its name.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    field_order = ("email", "name", "roles")


class PeopleFilter(Filter):
    q = search_field("Name or e-mail")
    role = forms.ChoiceField(
        choices=[("", "any"), *((role.value, role.label) for role in Role)], required=False
    )


class AccountFilter(Filter):
    q = search_field("Name or e-mail")
    state = forms.ChoiceField(
        choices=[
            ("", "any"),
            ("active", "Active"),
            ("deactivated", "Deactivated"),
            ("operator", "Operators"),
        ],
        required=False,
    )


class RunFilter(Filter):
    q = search_field("Title")
    status = forms.ChoiceField(
        choices=[("", "any"), ("active", "Not ended"), *Run.Status.choices], required=False
    )


class AuditFilter(Filter):
    who = forms.ChoiceField(required=False)
    what = search_field("What", "approved, run, member added")
    object = search_field("Object", "its name")
    since = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, data: QueryDict, *, project: Project) -> None:
        super().__init__(data)
        members = Membership.objects.filter(project=project).values_list("user_id", "user__name")
        others = left_but_acted(project).values_list("pk", "name")
        who = self.fields["who"]
        if isinstance(who, forms.ChoiceField):
            who.choices = [
                ("", "anyone"),
                *((str(pk), name) for pk, name in members),
                *((str(pk), f"{name} (not a member now)") for pk, name in others),
                ("Guildhall", "Guildhall itself"),
            ]
