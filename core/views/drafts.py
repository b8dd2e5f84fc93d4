"""What pages that autosave (gh-autosave) send and are answered, alike for pairs, reviews, ratings and chat."""

from datetime import datetime

from django.http import HttpRequest, HttpResponse, JsonResponse

from core.models import DraftBase
from core.services.drafts import FormState


def writer_of(request: HttpRequest) -> dict[str, str]:
    """Which browser tab saves a draft, and whose draft its page began with."""
    if not (writer := request.headers.get("X-Draft-Writer", "")):
        return {}
    return {"writer": writer[:64], "seen": request.headers.get("X-Draft-Seen", "")}


def saved(draft: DraftBase, until: datetime | None = None) -> JsonResponse:
    """The answer to a draft that was kept: when, and until when the item is this person's (null: not any more)."""
    return JsonResponse(
        {"saved_at": draft.saved_at.isoformat(), "until": until.isoformat() if until else None}
    )


def how_it_stands(state: FormState, draft: DraftBase | None, next_url: str) -> JsonResponse:
    """The answer to a page that was opened before and asks: may it be changed here, and if not, why?"""
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
    """Back and Reload ask the server: a page with an editor must not come back after its item was sent."""
    response["Cache-Control"] = "no-store"
    return response
