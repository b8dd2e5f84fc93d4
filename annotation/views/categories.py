"""The project's own lists: slices and kinds of edge cases."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.category_forms import CategoryForm, MergeForm, new_form
from annotation.models import Category
from annotation.queries.categories import examples_of, listed, not_listed, old_names_of
from annotation.services import categories as services
from core.access import Access, project_page
from core.errors import ExpectedError
from core.forms import status_of, take_errors
from core.lists.numbers import whole_number
from core.models import Role
from core.roles import EXAMPLE_READERS

KINDS = {"slices": Category.Kind.SLICE, "edge-cases": Category.Kind.EDGE}
TITLES = {Category.Kind.SLICE: "slice", Category.Kind.EDGE: "kind of edge case"}


def _back(access: Access, category: Category) -> str:
    at = "slices" if category.kind == Category.Kind.SLICE else "edge-cases"
    return reverse("annotation:categories", args=[access.project.slug]) + f"#{at}"


def _category(access: Access, pk: int) -> Category:
    """An entry of the list; an old name is not one any more."""
    return access.get(Category.objects.filter(merged_into=None).select_related("project"), pk=pk)


@project_page(*EXAMPLE_READERS)
@require_safe
def categories(request: HttpRequest, access: Access) -> HttpResponse:
    context = {
        "slices": listed(access.project, Category.Kind.SLICE),
        "edges": listed(access.project, Category.Kind.EDGE),
        "not_listed": not_listed(access.project),
        "can_change": access.has(Role.ADMIN),
    }
    return render(request, "annotation/categories.html", context)


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def category_new(request: HttpRequest, access: Access, kind: str) -> HttpResponse:
    form = new_form(KINDS[kind], request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            category = services.add_category(
                by=access.user, project=access.project, kind=KINDS[kind], **form.cleaned_data
            )
            messages.success(request, f"{category.name} is on the list.")
            return redirect(_back(access, category))
        except ExpectedError as error:
            take_errors(form, error)
    context = {"form": form, "noun": TITLES[KINDS[kind]], "kind": kind}
    return render(request, "annotation/category_form.html", context, status=status_of(form))


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def category(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Its name and description; under them what else can be done with it."""
    one = _category(access, pk)
    initial = {"name": one.name, "description": one.description}
    form = CategoryForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        try:
            seen = request.POST.get("seen", "")
            changed = services.change_category(by=access.user, category=one, seen=seen, **form.cleaned_data)
            messages.success(request, f"{changed.name} is saved.")
            return redirect(_back(access, changed))
        except ExpectedError as error:
            take_errors(form, error)
    return _page(request, access, one, form)


def _page(
    request: HttpRequest, access: Access, one: Category, form: CategoryForm, merge: MergeForm | None = None
) -> HttpResponse:
    context = {
        "form": form,
        "category": one,
        "noun": one.noun,
        "merge": merge or MergeForm(None, others=_others(one)),
        "examples": examples_of(one),
        "old_names": old_names_of(one),
        "seen": services.category_stamp(one),
        "kind": "slices" if one.kind == Category.Kind.SLICE else "edge-cases",
    }
    status = status_of(form) if form.errors else status_of(merge) if merge is not None else 200
    return render(request, "annotation/category_form.html", context, status=status)


def _others(one: Category) -> list[Category]:
    others = Category.objects.filter(project=one.project, kind=one.kind, merged_into=None)
    return list(others.exclude(pk=one.pk).order_by("-active", "name"))


@project_page(Role.ADMIN)
@require_POST
def category_merge(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    one = _category(access, pk)
    merge = MergeForm(request.POST, others=_others(one))
    if not merge.is_valid():
        initial = CategoryForm(None, initial={"name": one.name, "description": one.description})
        return _page(request, access, one, initial, merge)
    into = _category(access, whole_number(merge.cleaned_data["into"]) or 0)
    services.merge_categories(by=access.user, category=one, into=into, seen=request.POST.get("seen", ""))
    messages.success(request, f"{one.name} is merged into {into.name}.")
    return redirect(_back(access, one))


@project_page(Role.ADMIN)
@require_POST
def category_active(request: HttpRequest, access: Access, pk: int, active: bool) -> HttpResponse:
    one = _category(access, pk)
    services.set_active(by=access.user, category=one, active=active, seen=request.POST.get("seen", ""))
    words = "can be chosen again" if active else "is retired. Examples that have it keep it"
    messages.success(request, f"{one.name} {words}.")
    return redirect(_back(access, one))


@project_page(Role.ADMIN)
@require_POST
def category_up(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    one = _category(access, pk)
    services.move_up(by=access.user, category=one)
    return redirect(_back(access, one))
