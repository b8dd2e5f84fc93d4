"""Which checks a project uses."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from annotation.forms import CheckSettingsForm
from annotation.services.check_settings import checks_stamp, set_checks
from core.access import Access, project_page
from core.errors import ExpectedError
from core.forms import status_of, take_errors
from core.models import Project, Role
from core.roles import READERS


@project_page(*READERS)
@require_http_methods(["GET", "HEAD", "POST"])
def check_settings(request: HttpRequest, access: Access) -> HttpResponse:
    """Viewers read which checks are on; only admins can change it."""
    if request.method != "POST":
        return _draw(request, access, CheckSettingsForm(project=access.project))
    access.require(Role.ADMIN)
    form = CheckSettingsForm(request.POST, project=access.project)
    if form.is_valid():
        try:
            set_checks(
                by=access.user, project=access.project, seen=request.POST.get("seen", ""), **form.values()
            )
        except ExpectedError as error:
            take_errors(form, error)
        else:
            messages.success(request, "The settings of the checks are saved.")
            return redirect("annotation:check-settings", access.project.slug)
    return _draw(request, access, form)


def _draw(request: HttpRequest, access: Access, form: CheckSettingsForm) -> HttpResponse:
    seen = checks_stamp(Project.objects.get(pk=access.project.pk))
    return render(
        request, "annotation/check_settings.html", {"form": form, "seen": seen}, status=status_of(form)
    )
