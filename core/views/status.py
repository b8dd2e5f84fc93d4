"""Which part of the system is up, for people. Machines use /readyz."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from core import health


@require_safe
def status(request: HttpRequest) -> HttpResponse:
    return render(request, "core/status.html", {"parts": health.parts()})


@require_safe
def status_parts(request: HttpRequest) -> HttpResponse:
    """The table of the status page, which reloads itself."""
    return render(request, "core/_status_parts.html", {"parts": health.parts()})


@require_safe
def status_tag(request: HttpRequest) -> HttpResponse:
    """The tag on Home: loaded after the page, because checking every part takes a moment."""
    away = [part for part in health.parts() if not part.up]
    return render(request, "core/_status_tag.html", {"away": away})
