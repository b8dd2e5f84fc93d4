"""Quality, Unknown facts: asking a base model about facts without support, and what it did not know."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from annotation.links import annotation_subnav
from core.access import Access, project_page
from core.lists.numbers import whole_number
from core.models import Role
from core.roles import EXAMPLE_DECIDERS, EXAMPLE_READERS
from training.asked import knowledge_state
from training.knowledge import CHECK, QUESTIONING
from training.models import BaseModel
from training.queries import ready_bases
from training.services.knowledge import start_asking


@project_page(*EXAMPLE_READERS)
@require_safe
def knowledge(request: HttpRequest, access: Access) -> HttpResponse:
    state = knowledge_state(access.project)
    context = {
        "state": state,
        "bases": list(ready_bases().order_by("name")),
        "decides": access.has(*EXAMPLE_DECIDERS),
        "follows": access.follows(state.run),
        "may_cancel": access.has(Role.ADMIN),
        "may_add": access.has(Role.ADMIN) and access.user.is_operator,
        "facts_off": "facts" in access.project.checks_off,
        "check": CHECK,
        "questioning": QUESTIONING,
        "subnav": annotation_subnav(access, "quality:findings"),
    }
    return render(request, "training/knowledge.html", context)


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def ask(request: HttpRequest, access: Access) -> HttpResponse:
    """Starts the run."""
    # Base models belong to the installation.
    base_model = get_object_or_404(BaseModel, pk=whole_number(request.POST.get("base_model")))
    start_asking(by=access.user, project=access.project, base_model=base_model)
    messages.success(request, f"{base_model.name} is asked as soon as the training worker is free.")
    return redirect("training:knowledge", access.project.slug)
