"""The list of projects, and new projects."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from core.access import Access, project_page, signed_in
from core.errors import ExpectedError
from core.forms import NewProjectForm, take_errors
from core.lists.params import Params
from core.models import Role
from core.queries import memberships_of
from core.services.projects import create_project


@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """The person's projects; redirects to the project when there is only one, except with `?all`."""
    user = signed_in(request)
    memberships = list(memberships_of(user))
    if len(memberships) == 1 and "all" not in Params(request.GET):
        return redirect("core:home", memberships[0].project.slug)
    return render(request, "core/start.html", {"memberships": memberships})


@require_http_methods(["GET", "HEAD", "POST"])
def project_new(request: HttpRequest) -> HttpResponse:
    """Operators only: operators create projects, admins manage them."""
    user = signed_in(request)
    if not user.is_operator:
        raise PermissionDenied("Only an operator can create projects.")
    form = NewProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            project = create_project(by=user, **form.cleaned_data)
        except ExpectedError as error:
            take_errors(form, error)
        else:
            messages.success(request, f"{project.name} is created, and you are its admin.")
            return redirect("core:people", project.slug)
    status = 422 if request.method == "POST" else 200
    return render(request, "core/project_new.html", {"form": form}, status=status)


@project_page(*Role.values)
@require_safe
def project_menu(request: HttpRequest, access: Access) -> HttpResponse:
    """The menu under the project's name, loaded when it is first opened: most pages do not need it."""
    others = [m.project for m in memberships_of(access.user) if m.project.pk != access.project.pk]
    return render(request, "core/_project_menu.html", {"others": others[:12], "more": len(others) > 12})
