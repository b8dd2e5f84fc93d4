"""Conversations, and suggestions for questions."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.db.models import QuerySet

from annotation.models import Example
from core.access import Access
from core.models import Project, User
from dataset.models import DatasetRow, DatasetVersion, GroupSplit
from inference.marks import AnswerMark
from inference.models import Answer, Conversation, CorrectionDraft
from inference.queries.marks import marks_of


def conversations(access: Access) -> QuerySet[Conversation]:
    """The person's own conversations, newest first."""
    return Conversation.objects.filter(project=access.project, user=access.user).select_related(
        "version__base_model"
    )


@dataclass(frozen=True)
class Turn:
    """One question and its current answer."""

    number: int
    question: str
    answer: Answer
    tries: int
    draft: CorrectionDraft | None = None
    mark: AnswerMark | None = None


def turns_of(conversation: Conversation) -> list[Turn]:
    """The conversation with the newest answer of each turn. One query."""
    newest: dict[int, Answer] = {}
    tries: dict[int, int] = {}
    for answer in conversation.answers.filter(turn__isnull=False).select_related("adapter").order_by("id"):
        number = answer.turn or 0
        newest[number] = answer
        tries[number] = tries.get(number, 0) + 1
    return [
        Turn(number, str(newest[number].messages[-1]["content"]), newest[number], tries[number])
        for number in sorted(newest)
    ]


def with_own(turns: list[Turn], user: User) -> list[Turn]:
    """The turns with this person's unsent corrections and marks. Two queries."""
    begun = CorrectionDraft.objects.filter(user=user, answer__in=[turn.answer.pk for turn in turns])
    drafts = {draft.answer_id: draft for draft in begun}
    marks = marks_of(user, [turn.answer for turn in turns])
    return [replace(turn, draft=drafts.get(turn.answer.pk), mark=marks.get(turn.answer.pk)) for turn in turns]


def history(turns: list[Turn]) -> list[dict[str, str]]:
    """Turns as chat messages. Empty answers are left out together with their questions."""
    messages: list[dict[str, str]] = []
    for turn in turns:
        if turn.answer.text.strip():
            messages += [
                {"role": "user", "content": turn.question},
                {"role": "assistant", "content": turn.answer.text},
            ]
    return messages


@dataclass(frozen=True)
class Suggestion:
    """A question to try, with the records that belong to it."""

    text: str
    context: list[str]

    @property
    def records(self) -> str:
        return "\n".join(self.context)


def suggestions(project: Project, limit: int = 6) -> list[Suggestion]:
    """Questions no model of the project was trained on: test rows of the newest dataset, else examples in the queue."""
    rows = (
        DatasetRow.objects.filter(
            dataset__project=project,
            dataset__status=DatasetVersion.Status.READY,
            split=GroupSplit.Split.TEST,
        )
        .select_related("revision")
        .order_by("-dataset__number", "position")[: limit * 4]
    )
    suggested = _single_questions(
        (row.revision.content["messages"], row.revision.content["context"]) for row in rows
    )
    if not suggested:
        waiting = Example.objects.filter(project=project, status=Example.Status.QUEUED).order_by("pk")
        suggested = _single_questions(waiting.values_list("messages", "context")[: limit * 4])
    return suggested[:limit]


def _single_questions(pairs: Iterable[tuple[list[dict[str, str]], list[str]]]) -> list[Suggestion]:
    """Those that can start a chat: one user message, with or without a system message before it."""
    return [
        Suggestion(str(messages[-1]["content"]), list(context))
        for messages, context in pairs
        if len([message for message in messages if message["role"] != "system"]) == 1
    ]
