"""Sources: the documents behind examples, and what an outside partner sees of a project."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.links import annotation_subnav
from core.access import Access, project_page
from core.errors import ExpectedError
from core.forms import status_of, take_errors
from core.lists.paging import cut
from core.lists.params import Params
from core.models import Role
from core.roles import SOURCE_READERS
from core.subnav import NavLink
from dataset.filters import SourceExampleFilter, SourceFilter
from dataset.forms import PartnerForm, RulesForm, SourceForm
from dataset.licenses import LICENSES, about
from dataset.models import Source
from dataset.queries.rules import rules_of
from dataset.queries.sources import (
    counts_of,
    examples_of,
    has_expired,
    partners_of,
    possible_partners,
    sources_seen_by,
    statuses_of,
    used_in,
)
from dataset.services.sources import (
    FIELDS,
    change_source,
    create_source,
    hide_from_partner,
    let_partner_see,
    rules_stamp,
    set_rules,
    source_stamp,
)
from dataset.services.withdrawals import withdrawal_stamp


def _subnav(access: Access) -> list[NavLink]:
    """A partner sees none of the other pages."""
    return [] if access.is_partner else annotation_subnav(access, "datasets:sources")


def source_of(access: Access, pk: int) -> Source:
    """The source, or 404: also for a partner who may not see it."""
    return access.get(sources_seen_by(access), pk=pk)


@project_page(*SOURCE_READERS)
@require_safe
def sources(request: HttpRequest, access: Access) -> HttpResponse:
    filters = SourceFilter(request.GET)
    page = cut(request, filters.shown(sources_seen_by(access, **filters.criteria())), 25)
    counts = counts_of(access.project, [source.name for source in page])
    context = {
        "page": page,
        "rows": [(source, counts.get(source.name, 0), has_expired(source)) for source in page],
        "filters": filters,
        "criteria": filters.criteria(),
        "can_change": access.has(Role.ADMIN),
        "subnav": _subnav(access),
    }
    return render(request, "datasets/source_list.html", context, status=filters.http_status)


@project_page(*SOURCE_READERS)
@require_safe
def source(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Facts and examples for everybody who may see it; partners, imports, versions and models for members only."""
    source = source_of(access, pk)
    context = {
        "source": source,
        "about": about(source.license),
        "expired": has_expired(source),
        "statuses": statuses_of(source),
        "used": None if access.is_partner else used_in(source),
        "can_change": access.has(Role.ADMIN),
        "subnav": _subnav(access),
    }
    if access.has(Role.ADMIN):
        context |= {
            "partners": partners_of(source),
            "form": PartnerForm(partners=possible_partners(source)),
            "possible": possible_partners(source).exists(),
            "seen": withdrawal_stamp(source),
        }
    elif not access.is_partner:
        context["partners"] = partners_of(source)
    return render(request, "datasets/source_detail.html", context)


@project_page(*SOURCE_READERS)
@require_safe
def source_examples(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Texts and states, without the people who worked on them: this is what a partner reads."""
    source = source_of(access, pk)
    filters = SourceExampleFilter(request.GET)
    context = {
        "source": source,
        "filters": filters,
        "page": cut(request, filters.shown(examples_of(source, **filters.criteria())), 25),
    }
    return render(request, "datasets/source_examples.html", context, status=filters.http_status)


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def source_new(request: HttpRequest, access: Access) -> HttpResponse:
    form = SourceForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            source = create_source(by=access.user, project=access.project, **form.values())
        except ExpectedError as error:
            take_errors(form, error)
        else:
            return redirect("datasets:source", access.project.slug, source.pk)
    context = {"form": form, "licenses": LICENSES}
    return render(request, "datasets/source_form.html", context, status=status_of(form))


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def source_change(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    source = source_of(access, pk)
    initial = {name: getattr(source, name) for name in FIELDS}
    form = SourceForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            seen = Params(request.POST).text("seen", most=40)
            change_source(by=access.user, source=source, seen=seen, **form.values())
        except ExpectedError as error:
            take_errors(form, error)
        else:
            messages.success(request, "The source is saved.")
            return redirect("datasets:source", access.project.slug, source.pk)
    context = {"form": form, "source": source, "seen": source_stamp(source), "licenses": LICENSES}
    return render(request, "datasets/source_form.html", context, status=status_of(form))


# --- partners ----------------------------------------------------------------------------------------------
@project_page(Role.ADMIN)
@require_POST
def source_partner_add(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    source = source_of(access, pk)
    form = PartnerForm(request.POST, partners=possible_partners(source))
    if form.is_valid():
        partner = let_partner_see(by=access.user, source=source, membership=form.cleaned_data["partner"])
        messages.success(request, f"{partner.membership.user.name} sees {source.name} from now on.")
    else:
        messages.error(request, "Choose a partner who does not see the source yet.")
    return redirect("datasets:source", access.project.slug, source.pk)


@project_page(Role.ADMIN)
@require_POST
def source_partner_remove(request: HttpRequest, access: Access, pk: int, partner: int) -> HttpResponse:
    source = source_of(access, pk)
    seen_by = next((one for one in partners_of(source) if one.pk == partner), None)
    if seen_by is not None:
        hide_from_partner(by=access.user, partner=seen_by)
        messages.success(request, f"{seen_by.membership.user.name} does not see {source.name} any more.")
    return redirect("datasets:source", access.project.slug, source.pk)


# --- data rules --------------------------------------------------------------------------------------------
@project_page(Role.ADMIN, Role.VIEWER)
@require_http_methods(["GET", "HEAD", "POST"])
def data_rules(request: HttpRequest, access: Access) -> HttpResponse:
    """Viewers read the rules; only admins can change them."""
    rules = rules_of(access.project)
    form = RulesForm(request.POST if request.method == "POST" else None, initial={"rules": rules})
    if request.method == "POST":
        access.require(Role.ADMIN)
        if form.is_valid():
            try:
                set_rules(
                    by=access.user,
                    project=access.project,
                    rules=form.cleaned_data["rules"],
                    seen=Params(request.POST).text("seen", most=40),
                )
            except ExpectedError as error:
                take_errors(form, error)
            else:
                messages.success(request, "The rules are saved. The next dataset version follows them.")
                return redirect("datasets:data-rules", access.project.slug)
    context = {"form": form, "seen": rules_stamp(rules), "licenses": LICENSES}
    return render(request, "datasets/data_rules.html", context, status=status_of(form))
