"""For machines: is the process alive, and can it work."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from core import health


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while this process answers; it checks no other part."""
    return JsonResponse({"status": "ok"})


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when pages can be served (the database answers), else 503. Every part is listed, up or offline since when.

    Offline engines or workers do not make the web process unready: pages that do not need them work.
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
