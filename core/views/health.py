"""What machines ask: is the process alive, and can it do its work."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from core import health


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while this process answers at all; it asks no other part."""
    return JsonResponse({"status": "ok"})


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when pages can be served (the database answers), else 503. Every part is named, up or away since when.

    Engines or workers that are away do not make the web process unready: the pages that do not need them work.
    """
    parts = health.parts()
    ready = all(part.up for part in parts if part.name == "postgres")
    body = {
        "status": "ready" if ready else "away",
        "parts": [
            {"name": part.name, "up": part.up, "since": part.since.isoformat() if part.since else None}
            for part in parts
        ],
    }
    return JsonResponse(body, status=200 if ready else 503)
