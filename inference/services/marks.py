"""Good and bad marks for the answers of a chat."""

from django.db import transaction
from django.urls import reverse

from annotation.models import Example
from annotation.services import file_correction, retire
from annotation.text.cleaning import clean_text
from core.audit.entries import record
from core.errors import Conflict, Invalid
from core.models import User
from core.text import one_line
from inference.actions import InferenceAction
from inference.marks import AnswerMark
from inference.models import Answer

MAX_REASON = 300


@transaction.atomic
def mark_answer(*, by: User, answer: Answer, good: bool, reason: str = "") -> AnswerMark:
    """Stores what the person thinks of the answer, in place of what they thought before.

    The question is filed for annotation: a bad answer as the worse one, to be answered better, a good one as a proposal to be checked.
    A preference version has the marks of the moment when it is frozen (dataset.preferences.Take).
    """
    reason = one_line(clean_text(reason), most=MAX_REASON + 1)
    if len(reason) > MAX_REASON:
        raise Invalid("The reason is too long.", fields={"reason": [f"At most {MAX_REASON} characters."]})
    # Two clicks at once: the second one waits, and finds the first one's mark.
    answer = (
        Answer.objects.select_for_update(of=("self",))
        .select_related("project", "conversation")
        .get(pk=answer.pk)
    )
    if answer.conversation is None or answer.status == Answer.Status.STREAMING or not answer.text.strip():
        raise Conflict("Only a finished answer of a chat can be marked.", "Wait until it is done.")
    mark = AnswerMark.objects.filter(answer=answer, user=by).first()
    if mark is not None and mark.good == good:
        mark.reason = reason
        mark.save(update_fields=["reason", "marked_at"])
    else:
        if mark is not None:
            _remove(by=by, mark=mark)
        example = _file(by=by, answer=answer, good=good, reason=reason)
        mark = AnswerMark.objects.create(
            answer=answer, user=by, good=good, reason=reason, revision=example.revisions.get(number=1)
        )
    record(
        by=by,
        project=answer.project,
        action=InferenceAction.ANSWER_MARKED,
        obj=answer,
        mark="good" if good else "bad",
        reason=reason,
    )
    return mark


def _file(*, by: User, answer: Answer, good: bool, reason: str) -> Example:
    conversation = answer.conversation
    assert conversation is not None
    detail = {
        "label": f"Chat of {by.name}, turn {answer.turn}, marked {'good' if good else 'bad'}",
        "url": reverse("inference:answer", args=[answer.project.slug, answer.public_id]),
        "reason": reason,
    }
    return file_correction(
        by=by,
        project=answer.project,
        messages=[message for message in answer.messages if message["role"] != "system"],
        context=conversation.context,
        completion=answer.text if good else "",
        slice="",
        # The turns of a chat share one split, so that none is tested on while another trains.
        group=f"chat-{conversation.pk}",
        origin=Example.Origin.CHAT,
        origin_detail=detail if good else detail | {"answer": answer.text},
    )


@transaction.atomic
def take_back_mark(*, by: User, answer: Answer) -> None:
    """Removes the person's mark. The example that it filed is retired unless somebody has worked on it. Nothing happens without a mark."""
    answer = Answer.objects.select_for_update(of=("self",)).select_related("project").get(pk=answer.pk)
    mark = AnswerMark.objects.filter(answer=answer, user=by).first()
    if mark is None:
        return
    _remove(by=by, mark=mark)
    record(by=by, project=answer.project, action=InferenceAction.ANSWER_MARK_TAKEN_BACK, obj=answer)


def _remove(*, by: User, mark: AnswerMark) -> None:
    example = Example.objects.select_for_update().get(pk=mark.revision.example_id)
    mark.delete()
    if example.status == Example.Status.QUEUED and example.revision == 1:
        retire(by=by, example=example, reason="The mark of the answer was taken back.")
