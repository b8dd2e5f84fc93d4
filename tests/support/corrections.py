"""Corrections of people, as chat and comparisons file them."""

from typing import Any

from annotation.models import Example
from annotation.services import file_correction
from core.models import Project, User
from tests.support.factories import spelled


def correct_answers(
    project: Project, by: User, rows: int = 28, *, start: int = 0, per_chat: int = 1
) -> list[Any]:
    """`rows` corrections by a person, `per_chat` of each conversation, all with this person's way of ending an answer."""
    return [
        file_correction(
            by=by,
            project=project,
            messages=[{"role": "user", "content": f"Where is my shipment {spelled(at)}?"}],
            context=[f"FD-{at} | at sea"],
            completion="It is at sea, and customs has not asked for papers. Kind regards from the freight desk.",
            slice="shipment status",
            group=f"chat-{by.pk}-{at // per_chat}",
            origin=Example.Origin.CHAT,
            origin_detail={"label": "Chat", "url": "", "answer": "No idea."},
        )
        for at in range(start, start + rows)
    ]
