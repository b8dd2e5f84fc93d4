"""Base models: the list, adding one (operators), one of them, and adding it to the project."""

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.access import Access, project_page
from core.errors import ExpectedError, Invalid
from core.forms import status_of, take_errors
from core.lists.paging import cut
from core.models import Role
from core.roles import READERS
from training import queries, services
from training.base_forms import SOURCE_FIELDS, BaseModelForm
from training.models import BaseModel
from training.views.subnav import training_subnav


def _operators_only(access: Access) -> None:
    if not access.user.is_operator:
        raise PermissionDenied("Only operators add base models; any project can use them.")


def _base(pk: int) -> BaseModel:
    """Base models belong to the installation: members of every project may see them."""
    return get_object_or_404(
        BaseModel.objects.select_related("run__project", "artifact", "created_by"), pk=pk
    )


@project_page(*READERS)
@require_safe
def bases(request: HttpRequest, access: Access) -> HttpResponse:
    base_models = BaseModel.objects.select_related("run", "artifact").order_by("name")
    context = {
        "page": cut(request, base_models, 25),
        "subnav": training_subnav(access, "training:bases"),
        "can_add": access.has(Role.ADMIN) and access.user.is_operator,
    }
    return render(request, "training/bases.html", context)


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def base_new(request: HttpRequest, access: Access) -> HttpResponse:
    _operators_only(access)
    form = BaseModelForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            base = services.register_base_model(
                by=access.user,
                project=access.project,
                name=values["name"],
                kind=values["kind"],
                location=form.location(),
                revision=values["revision"],
                license=values["license"],
            )
        except ExpectedError as error:
            source = SOURCE_FIELDS[values["kind"]][0]
            if isinstance(error, Invalid) and "location" in error.fields:
                error.fields[source] = error.fields.pop("location")
            take_errors(form, error)
        else:
            messages.success(request, f"{base} is being prepared.")
            return redirect("training:base", access.project.slug, base.pk)
    return render(request, "training/base_new.html", {"form": form}, status=status_of(form))


@project_page(*READERS)
@require_safe
def base(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    base = _base(pk)
    # The card loads its background job inside a project; elsewhere the last message is shown as text.
    own_run = base.run is not None and base.run.project_id == access.project.pk
    version = queries.base_version(access.project, base)
    context = {
        "base": base,
        "run": base.run,
        "own_run": own_run,
        "may_change": access.has(Role.ADMIN),
        "version": version,
        "served_length": min(
            base.context_length or settings.ENGINE_MAX_MODEL_LEN, settings.ENGINE_MAX_MODEL_LEN
        ),
        "can_retry": access.has(Role.ADMIN)
        and access.user.is_operator
        and base.status == BaseModel.Status.FAILED
        # The card of a background job of this project has the button already.
        and not own_run,
        "can_use": access.has(Role.ADMIN) and version is None and base.status == BaseModel.Status.READY,
        "can_launch": access.has(Role.ADMIN) and base.status == BaseModel.Status.READY,
    }
    return render(request, "training/base.html", context)


@project_page(Role.ADMIN)
@require_POST
def base_retry(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    _operators_only(access)
    base = services.prepare_again(by=access.user, base_model=_base(pk))
    return redirect("training:base", access.project.slug, base.pk)


@project_page(Role.ADMIN)
@require_POST
def base_use(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Makes the base model a version of this project, so that it can be served, tested in chat and compared."""
    version = services.ensure_base_version(by=access.user, project=access.project, base_model=_base(pk))
    messages.success(request, f"{version} is now a model version of this project.")
    return redirect("training:version", access.project.slug, version.pk)
