"""The filters of lists. One form serves a list's page, its download and the API, so all three understand the same.

A wrong filter is not ignored, because the list would then show the wrong rows: the page shows an error at the field and
lists nothing; downloads and the API answer 422 with the parameter and its allowed values.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.validators import MaxValueValidator
from django.db.models import Model, QuerySet
from django.http import QueryDict

from core.errors import Invalid
from core.lists.numbers import LARGEST_ID

M = TypeVar("M", bound=Model)
PAGING = ("page", "page_size")
MOST_NAMED = 20  # choices that a message lists; a project may have thousands of slices


class Filter(forms.Form):
    """Base of every list's filters. Bind it to `request.GET`.

    `also` lists parameters of the page that are not filters.
    """

    also: tuple[str, ...] = ()

    def __init__(self, data: QueryDict | Mapping[str, Any]) -> None:
        super().__init__(data)
        for field in self.fields.values():
            if isinstance(field, forms.IntegerField) and field.max_value is None:
                field.validators.append(MaxValueValidator(LARGEST_ID))

    @property
    def http_status(self) -> int:
        """The HTTP status of a page with this form."""
        return 200 if self.is_valid() else 422

    @property
    def messages(self) -> list[str]:
        """The errors, with the field's label in front, for places that are not beside the fields."""
        return [
            str(message) if name == NON_FIELD_ERRORS else f"{self[name].label}: {message}"
            for name, errors in self.errors.items()
            for message in errors
        ]

    def criteria(self) -> dict[str, Any]:
        """The valid values, without empty ones."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value not in (None, "", [])}

    def checked(self) -> dict[str, Any]:
        """`criteria`, for downloads and the API. Raises Invalid (422) with every wrong parameter."""
        if not self.is_valid():
            fields = {
                name: [str(message) for message in errors]
                for name, errors in self.errors.items()
                if name != NON_FIELD_ERRORS
            }
            raise Invalid("Some filters are wrong.", "Nothing was listed.", fields=fields | self._unknown())
        return self.criteria()

    def shown(self, rows: QuerySet[M]) -> QuerySet[M]:
        """For pages: `rows`, or nothing when a filter is wrong."""
        return rows if self.is_valid() else rows.none()

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        for messages in self._unknown().values():
            for message in messages:
                self.add_error(None, message)
        for name in self._repeated():
            self.add_error(name, "Give it once.")
        return values

    def add_error(self, field: str | None, error: Any) -> None:
        """Django's messages for wrong values do not say which values are possible."""
        if field is not None and isinstance(error, ValidationError) and not hasattr(error, "error_dict"):
            error = [self._worded(field, single_error) for single_error in error.error_list]
        super().add_error(field, error)

    def _worded(self, name: str, error: ValidationError) -> ValidationError:
        field = self.fields[name]
        if error.code == "invalid_choice" and isinstance(field, forms.ChoiceField):
            choices: Any = field.choices
            return ValidationError(not_a_choice(self.data.get(name), [value for value, _ in choices]))
        if error.code == "null_characters_not_allowed":
            return ValidationError("Remove the NUL character.")
        if error.code == "invalid" and isinstance(field, forms.DateField):
            return ValidationError("Give a date as 2026-11-25.")
        if isinstance(field, forms.IntegerField):
            least, most = (
                one if isinstance(one, int) else None for one in (field.min_value, field.max_value)
            )
            return ValidationError(number_words(least, most))
        return error

    def _unknown(self) -> dict[str, list[str]]:
        return unknown_names(self.data, (*self.fields, *self.also))

    def _repeated(self) -> list[str]:
        if not isinstance(self.data, QueryDict):
            return []
        return [
            name
            for name, field in self.fields.items()
            if not isinstance(field, forms.MultipleChoiceField) and len(self.data.getlist(name)) > 1
        ]


def search_field(label: str, hint: str = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": hint}),
    )


def unknown_names(
    parameters: Iterable[str], known: Iterable[str], *, paged: bool = True, noun: str = "parameter"
) -> dict[str, list[str]]:
    """{name: the error} for every parameter that is not in `known`; with `paged`, page parameters are known."""
    names = [*known, *(PAGING if paged else ())]
    possible = f"Possible: {', '.join(names)}." if names else "This address has no parameters."
    return {
        name: [f"There is no {noun} “{_short(name)}”. {possible}"] for name in parameters if name not in names
    }


def not_a_choice(value: object, choices: Iterable[Any]) -> str:
    """ "“aproved” is not one of: queued, approved." """
    known = [str(choice) for choice in choices if choice not in ("", None)]
    more = f" and {len(known) - MOST_NAMED:,} more" if len(known) > MOST_NAMED else ""
    if not known:
        return f"“{_short(value)}” does not exist. There are no values to choose yet."
    return f"“{_short(value)}” is not one of: {', '.join(known[:MOST_NAMED])}{more}."


def number_words(least: int | None, most: int | None) -> str:
    """The message for a whole number from `least` to `most`, both included."""
    if least is not None and most is not None and most < LARGEST_ID:
        return f"Give a whole number from {least:,} to {most:,}."
    return f"Give a whole number of {least:,} or more." if least is not None else "Give a whole number."


def _short(value: object) -> str:
    text = str(value if value is not None else "").replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return text if len(text) <= 60 else f"{text[:59]}…"
