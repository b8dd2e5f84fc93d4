"""A project's settings."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from core.access import Access, project_page
from core.errors import ExpectedError
from core.forms import ProjectSettingsForm, status_of, take_errors
from core.models import Project, Role
from core.roles import READERS
from core.services.projects import settings_stamp, update_project
from core.views.subnav import project_subnav


@project_page(*READERS)
@require_http_methods(["GET", "HEAD", "POST"])
def project_settings(request: HttpRequest, access: Access) -> HttpResponse:
    """Viewers read the settings; only admins can change them."""
    if request.method == "POST":
        access.require(Role.ADMIN)
        # A form on a copy: a model form writes its values into the instance before they are allowed.
        form = ProjectSettingsForm(request.POST, instance=Project.objects.get(pk=access.project.pk))
        if form.is_valid():
            try:
                update_project(
                    by=access.user,
                    project=access.project,
                    seen=request.POST.get("seen", ""),
                    **form.cleaned_data,
                )
            except ExpectedError as error:
                take_errors(form, error)
            else:
                messages.success(request, "The settings are saved.")
                return redirect("core:settings", access.project.slug)
        return _draw(request, access, form)
    return _draw(request, access, ProjectSettingsForm(instance=access.project))


def _draw(request: HttpRequest, access: Access, form: ProjectSettingsForm) -> HttpResponse:
    seen = settings_stamp(Project.objects.get(pk=access.project.pk))
    context = {"form": form, "seen": seen, "subnav": project_subnav(access, "core:settings")}
    return render(request, "core/settings.html", context, status=status_of(form))
