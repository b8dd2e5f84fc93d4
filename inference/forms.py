"""Forms of chats and lists. They check shapes; what is allowed is decided by the services."""

from collections.abc import Sequence
from typing import Any

from django import forms

from annotation.models import Example
from core.errors import Invalid
from core.lists.filters import Filter, search_field
from inference.models import Answer
from inference.services.conversations import MAX_CONTEXT, MAX_QUESTION


class QuestionForm(forms.Form):
    text = forms.CharField(
        label="Your question",
        strip=False,
        required=False,  # the service says it better
        widget=forms.Textarea(
            attrs={"rows": 2, "maxlength": MAX_QUESTION, "placeholder": "Ask as a customer would"}
        ),
    )


class NewChatForm(forms.Form):
    """`candidate` holds an opaque token, never a version's id or name."""

    candidate = forms.ChoiceField(label="Who answers", widget=forms.RadioSelect)
    text = forms.CharField(
        label="First question",
        strip=False,
        max_length=MAX_QUESTION,
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "Ask as a customer would"}),
    )
    context = forms.CharField(
        label="Records",
        required=False,
        strip=False,
        max_length=MAX_CONTEXT,
        widget=forms.Textarea(attrs={"rows": 3, "class": "mono"}),
        help_text="What the desk's systems say, one record a line. The model may state only what is written here.",
    )

    def __init__(self, *args: Any, choices: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        candidate = self.fields["candidate"]
        if isinstance(candidate, forms.ChoiceField):
            candidate.choices = list(choices)

    def clean_text(self) -> str:
        text = str(self.cleaned_data["text"])
        if not text.strip():
            raise forms.ValidationError("Write a question first.")
        return text


class CorrectionForm(forms.Form):
    completion = forms.CharField(
        label="The answer it should have given",
        required=False,  # the service says it better
        strip=False,
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    topic = forms.CharField(
        label="Slice", required=False, max_length=120, widget=forms.TextInput(attrs={"list": "slices"})
    )
    edge = forms.ChoiceField(label="Edge case", required=False, choices=Example.Edge.choices)

    def checked(self) -> dict[str, Any]:
        """What services.correct takes. Invalid, with the fields named, when a value is not one of those offered."""
        if not self.is_valid():
            fields = {name: [str(message) for message in found] for name, found in self.errors.items()}
            raise Invalid("This correction was not sent.", "The reasons are below the fields.", fields=fields)
        return self.cleaned_data


class AnswersFilter(Filter):
    q = search_field("Text or id", "words of question or answer, or an id")
    version = forms.ChoiceField(label="Version", required=False)
    purpose = forms.ChoiceField(
        label="Asked by", required=False, choices=[("", "anybody"), *Answer.Purpose.choices]
    )
    status = forms.ChoiceField(
        label="Ended", required=False, choices=[("", "any way"), *Answer.Status.choices]
    )
    doubt = forms.ChoiceField(
        label="Weights", required=False, choices=[("", "all"), ("yes", "in doubt"), ("no", "not in doubt")]
    )

    def __init__(self, *args: Any, versions: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        version = self.fields["version"]
        if isinstance(version, forms.ChoiceField):
            version.choices = [("", "any"), *versions]
