"""Chat with a candidate, and filing corrections for annotation."""

from functools import partial
from typing import Any

from django.db import transaction
from django.urls import reverse

from annotation.models import Example
from annotation.queries.categories import known_categories
from annotation.services import file_correction
from annotation.text.cleaning import MAX_SLICE, clean_text
from core.audit.entries import record
from core.errors import Conflict, Invalid
from core.marks import refuse_marks
from core.models import Project, User
from core.services.drafts import kept_if_refused
from core.text import lines_of, one_line, trimmed
from inference.actions import InferenceAction
from inference.models import Answer, Conversation, CorrectionDraft
from inference.queries import history, turns_of
from inference.queries.personal import adapter_of_person
from inference.services.answering import Opened, open_answer
from inference.services.drafts import save_correction_draft
from inference.services.writing import one_at_a_time
from training.models import ModelVersion

MAX_QUESTION = 8_000
MAX_CONTEXT = 8_000


def _clean(text: str, field: str, limit: int, label: str) -> str:
    """The text to store: as typed, or empty if it is only white space."""
    text = clean_text(text)
    text = text if text.strip() else ""
    if len(text) > limit:
        raise Invalid(
            f"{label} is too long.",
            fields={field: [f"At most {limit:,} characters; these are {len(text):,}."]},
        )
    return text


@transaction.atomic
def start_conversation(
    *, by: User, project: Project, version: ModelVersion, context: str = "", title: str = ""
) -> Conversation:
    """Opens a conversation with a version. `context` has one record per line."""
    records = _clean(context, "context", MAX_CONTEXT, "The records text")
    refuse_marks(context=records)
    conversation = Conversation.objects.create(
        project=project,
        user=by,
        version=version,
        title=one_line(clean_text(title), most=120),
        context=[line for line in lines_of(records) if line.strip()],
    )
    record(by=by, project=project, action=InferenceAction.CONVERSATION_STARTED, obj=conversation)
    return conversation


def _open(
    *, by: User, conversation: Conversation, messages: list[dict[str, str]], turn: int, blind: bool
) -> Opened:
    return open_answer(
        by=by,
        project=conversation.project,
        version=conversation.version,
        messages=messages,
        context=conversation.context,
        params={},
        purpose=Answer.Purpose.CHAT,
        conversation=conversation,
        turn=turn,
        # Read now: a switch that was turned before this question counts.
        adapter=adapter_of_person(conversation.project, conversation.version, by),
        blind=blind,
    )


def _locked(conversation: Conversation) -> Conversation:
    return (
        Conversation.objects.select_for_update(of=("self",))
        .select_related(
            "project", "version__base_model", "version__project", "version__training_run__dataset"
        )
        .get(pk=conversation.pk)
    )


@transaction.atomic
def ask(*, by: User, conversation: Conversation, text: str, blind: bool = False) -> Opened:
    """Asks a question. `stream_answer` streams the answer, or `answer_now` waits for it."""
    question = _clean(text, "text", MAX_QUESTION, "The question")
    if not question:
        raise Invalid("Write a question first.", fields={"text": ["Write a question first."]})
    refuse_marks(text=question)
    conversation = _locked(conversation)
    one_at_a_time(conversation)
    turns = turns_of(conversation)
    messages = [*history(turns), {"role": "user", "content": question}]
    number = turns[-1].number + 1 if turns else 1
    opened = _open(by=by, conversation=conversation, messages=messages, turn=number, blind=blind)
    conversation.title = conversation.title or one_line(question, most=120)
    conversation.save(update_fields=["title", "changed_at"])
    return opened


@transaction.atomic
def ask_again(*, by: User, conversation: Conversation, blind: bool = False) -> Opened:
    """Asks the last question once more. The earlier answer is kept but no longer counts."""
    conversation = _locked(conversation)
    one_at_a_time(conversation)
    turns = turns_of(conversation)
    if not turns:
        raise Conflict("This conversation has no question to ask again.", "Write one first.")
    last = turns[-1]
    messages = [*history(turns[:-1]), {"role": "user", "content": last.question}]
    opened = _open(by=by, conversation=conversation, messages=messages, turn=last.number, blind=blind)
    conversation.save(update_fields=["changed_at"])
    return opened


def correct(*, by: User, answer: Answer, completion: str, topic: str = "", edge: str = "") -> Example:
    """Files a better answer to a chat's question as an example with its origin; `topic` is its slice.

    A refused correction is saved as a draft.
    """
    typed = {"completion": completion, "topic": topic, "edge": edge}
    with kept_if_refused(partial(save_correction_draft, by=by, answer=answer, content=typed)):
        return _correct(by, answer, completion, topic, edge)


@transaction.atomic
def _correct(by: User, answer: Answer, completion: str, topic: str, edge: str) -> Example:
    _must_fit(answer.project, topic, edge)
    better = _clean(completion, "completion", 20_000, "The answer")
    if not better:
        raise Invalid("Write the answer it should have given.", fields={"completion": ["Write an answer."]})
    if trimmed(better) == trimmed(clean_text(answer.text)):
        raise Invalid(
            "This is the same answer.",
            fields={"completion": ["This is the same answer. Change what is wrong, then send it."]},
        )
    conversation = answer.conversation
    if conversation is None or answer.status == Answer.Status.STREAMING:
        raise Conflict("Only a finished answer of a chat can be corrected here.", "Wait until it is done.")
    where = reverse("inference:answer", args=[answer.project.slug, answer.public_id])
    detail: dict[str, Any] = {
        "label": f"Chat of {by.name}, turn {answer.turn}",
        "url": where,
        "answer": answer.text,
    }
    example = file_correction(
        by=by,
        project=answer.project,
        messages=[m for m in answer.messages if m["role"] != "system"],
        context=conversation.context,
        completion=better,
        slice=topic,
        edge=edge,
        group=f"chat-{conversation.pk}",
        origin=Example.Origin.CHAT,
        origin_detail=detail,
    )
    CorrectionDraft.objects.filter(answer=answer, user=by).delete()
    record(
        by=by, project=answer.project, action=InferenceAction.ANSWER_CORRECTED, obj=answer, example=example.pk
    )
    return example


def _must_fit(project: Project, topic: str, edge: str) -> None:
    wrong: dict[str, list[str]] = {}
    if len(topic) > MAX_SLICE:
        wrong["topic"] = [f"At most {MAX_SLICE} characters; these are {len(topic):,}."]
    if edge and edge not in known_categories(project).edges:
        wrong["edge"] = ["This kind of edge case does not exist."]
    if wrong:
        raise Invalid("The correction was not filed.", "See the messages below the fields.", fields=wrong)
