"""Forms of chats and lists. They validate formats; the services decide what is allowed."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.http import QueryDict

from core.lists.filters import Filter, search_field
from inference.models import Answer
from inference.services.conversations import MAX_CONTEXT, MAX_QUESTION
from inference.services.marks import MAX_REASON


class QuestionForm(forms.Form):
    text = forms.CharField(
        label="Your question",
        strip=False,
        required=False,  # the service has a better message
        widget=forms.Textarea(
            attrs={"rows": 2, "maxlength": MAX_QUESTION, "placeholder": "Ask as a customer would"}
        ),
    )


class NewChatForm(forms.Form):
    """`candidate` is an opaque token, not a version's id or name."""

    candidate = forms.ChoiceField(label="Candidate", widget=forms.RadioSelect)
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
        help_text="What your systems show about the case, one record per line. The model may state only what is in the records.",
    )

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        choices: Sequence[tuple[str, str]],
        initial: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data, initial=initial)
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
        required=False,  # the service has a better message
        strip=False,
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    topic = forms.CharField(
        label="Slice", required=False, max_length=120, widget=forms.TextInput(attrs={"list": "slices"})
    )
    edge = forms.CharField(label="Edge case", required=False, max_length=24)

    def typed(self) -> dict[str, str]:
        """The arguments of services.correct, which also checks them: so a refused correction is saved with all its fields."""
        return {name: str(self.data.get(name, "")) for name in self.fields}


class MarkForm(forms.Form):
    mark = forms.ChoiceField(choices=[("good", "good"), ("bad", "bad"), ("none", "none")])
    reason = forms.CharField(required=False, max_length=MAX_REASON)


class AnswersFilter(Filter):
    q = search_field("Text or id", "words of a question or answer, or an id")
    version = forms.ChoiceField(label="Version", required=False)
    purpose = forms.ChoiceField(
        label="Asked by", required=False, choices=[("", "anyone"), *Answer.Purpose.choices]
    )
    status = forms.ChoiceField(
        label="Ended", required=False, choices=[("", "any way"), *Answer.Status.choices]
    )
    doubt = forms.ChoiceField(
        label="Weights", required=False, choices=[("", "all"), ("yes", "in doubt"), ("no", "not in doubt")]
    )

    def __init__(self, data: QueryDict, *, versions: Sequence[tuple[str, str]]) -> None:
        super().__init__(data)
        version = self.fields["version"]
        if isinstance(version, forms.ChoiceField):
            version.choices = [("", "any"), *versions]
