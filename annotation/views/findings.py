"""Quality: what the checks found in the project's examples."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from annotation.links import annotation_subnav
from core.access import Access, project_page
from core.roles import EXAMPLE_READERS


@project_page(*EXAMPLE_READERS)
@require_safe
def findings(request: HttpRequest, access: Access) -> HttpResponse:
    context = {"subnav": annotation_subnav(access, "quality:findings")}
    return render(request, "annotation/findings.html", context)
