"""The project's Home."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from core.access import Access, project_page
from core.home.compose import loop_context
from core.home.stages import partner_home
from core.models import Role


@project_page(*Role.values)
@require_safe
def home(request: HttpRequest, access: Access) -> HttpResponse:
    if access.is_partner:
        return redirect(partner_home(), access.project.slug)
    return render(
        request, "core/home.html", {**loop_context(access), "members": access.project.memberships.count()}
    )


@project_page()
@require_safe
def loop(request: HttpRequest, access: Access) -> HttpResponse:
    """The part of Home that updates automatically."""
    return render(request, "core/_loop.html", {**loop_context(access)})
