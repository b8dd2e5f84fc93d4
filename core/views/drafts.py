"""Requests and responses of pages that autosave (gh-autosave), for examples, reviews, ratings and chat."""

from datetime import datetime

from django.http import HttpRequest, HttpResponse, JsonResponse

from core.models import DraftBase
from core.services.drafts import FormState


def writer_of(request: HttpRequest) -> dict[str, str]:
    """Which browser tab saves a draft, and the writer of the draft that its page started with."""
    if not (writer := request.headers.get("X-Draft-Writer", "")):
        return {}
    return {"writer": writer[:64], "seen": request.headers.get("X-Draft-Seen", "")}


def saved(draft: DraftBase, until: datetime | None = None) -> JsonResponse:
    """The response to a saved draft: when, and until when this person has the lease (null: no lease)."""
    return JsonResponse(
        {"saved_at": draft.saved_at.isoformat(), "until": until.isoformat() if until else None}
    )


def how_it_stands(state: FormState, draft: DraftBase | None, next_url: str) -> JsonResponse:
    """The response to a page that was opened before: can it be changed here, and if not, why?"""
    answer = JsonResponse(
        {
            "editable": state.editable,
            "held": state.held,
            "can_open": state.can_open,
            "until": state.until.isoformat() if state.until else None,
            "detail": state.detail,
            "advice": state.advice,
            "writer": draft.writer if draft else "",
            "next": next_url,
        }
    )
    answer["Cache-Control"] = "no-store"
    return answer


def never_from_memory(response: HttpResponse) -> HttpResponse:
    """Back and Reload ask the server: a page with an editor must not be shown again after its form was sent."""
    response["Cache-Control"] = "no-store"
    return response
