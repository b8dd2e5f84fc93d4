"""Conversations and what to ask."""

import json
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.db.models import QuerySet

from annotation.models import DatasetRow, DatasetVersion, GroupSplit
from core.access import Access
from core.models import Project
from core.text import lines_of
from inference.models import Conversation, Generation

DEMO_SLUG = "freight-desk"


def conversations(access: Access) -> QuerySet[Conversation]:
    """The person's own conversations, newest first."""
    return Conversation.objects.filter(project=access.project, user=access.user).select_related(
        "version__base_model"
    )


@dataclass(frozen=True)
class Turn:
    """One question and the answer that counts for it."""

    number: int
    question: str
    answer: Generation
    tries: int


def turns_of(conversation: Conversation) -> list[Turn]:
    """The conversation as it stands: of each turn the newest answer. One query."""
    newest: dict[int, Generation] = {}
    tries: dict[int, int] = {}
    for generation in conversation.generations.filter(turn__isnull=False).order_by("id"):
        number = generation.turn or 0
        newest[number] = generation
        tries[number] = tries.get(number, 0) + 1
    return [
        Turn(number, str(newest[number].messages[-1]["content"]), newest[number], tries[number])
        for number in sorted(newest)
    ]


def history(turns: list[Turn]) -> list[dict[str, str]]:
    """Turns as chat messages, answers that came to nothing left out together with their questions."""
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


@lru_cache(maxsize=1)
def _demo_suggestions() -> tuple[Suggestion, ...]:
    path = settings.BASE_DIR / "annotation" / "demo" / "try_prompts.jsonl"
    if not path.is_file():
        return ()
    rows = [json.loads(line) for line in lines_of(path.read_text(encoding="utf-8")) if line]
    return tuple(
        Suggestion(row["messages"][-1]["content"], list(row.get("context", [])))
        for row in rows
        if len(row["messages"]) == 1
    )


def suggestions(project: Project, limit: int = 6) -> list[Suggestion]:
    """Questions no model of the project was trained on: the demo's own, else held-out rows of the newest dataset."""
    if project.slug == DEMO_SLUG and _demo_suggestions():
        return list(_demo_suggestions()[:limit])
    rows = (
        DatasetRow.objects.filter(
            dataset__project=project,
            dataset__status=DatasetVersion.Status.READY,
            split=GroupSplit.Split.TEST,
        )
        .select_related("revision")
        .order_by("-dataset__number", "position")[: limit * 4]
    )
    found = [
        Suggestion(
            str(row.revision.content["messages"][-1]["content"]), list(row.revision.content["context"])
        )
        for row in rows
        if len([m for m in row.revision.content["messages"] if m["role"] != "system"]) == 1
    ]
    return found[:limit]
