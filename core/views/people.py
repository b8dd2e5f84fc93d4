"""The people of a project and their roles."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.access import Access, project_page
from core.audit.sentences import actor_name
from core.errors import ExpectedError
from core.forms import AddPersonForm, PeopleFilter, RolesForm, status_of, take_errors
from core.lists.paging import cut
from core.models import Membership, Role, User
from core.queries import maker_of, people_of
from core.roles import READERS
from core.services.people import reset_password
from core.services.projects import change_roles, invite, remove_member, roles_stamp
from core.views.subnav import project_subnav


@project_page(*READERS)
@require_safe
def people(request: HttpRequest, access: Access) -> HttpResponse:
    filters = PeopleFilter(request.GET)
    memberships = filters.shown(people_of(access.project, **filters.criteria()))
    context = {
        "filters": filters,
        "page": cut(request, memberships),
        "subnav": project_subnav(access, "core:people"),
    }
    return render(request, "core/people.html", context, status=filters.http_status)


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def person_add(request: HttpRequest, access: Access) -> HttpResponse:
    """Adds a person. A new account's first password is only in the response, so there is no redirect."""
    form = AddPersonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            invited = invite(by=access.user, project=access.project, **form.cleaned_data)
        except ExpectedError as error:
            take_errors(form, error, at="email")
        else:
            person, first = invited.membership.user, invited.first_password
            if first is None:
                messages.success(request, f"{person.name} is now in {access.project.name}. {_made(person)}")
                return redirect("core:people", access.project.slug)
            context = {"person": person, "secret": first, "reissued": not invited.is_new}
            return render(request, "core/person_added.html", context)
    return render(request, "core/person_add.html", {"form": form}, status=status_of(form))


def _made(person: User) -> str:
    """Who created the account: an admin who adds it here should know its origin."""
    entry = maker_of(person)
    if entry is None or entry.actor_id is None:
        return ""
    return f"{actor_name(entry)} created this account. Ask {person.name} whether it is theirs."


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def person_roles(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    membership = access.get(Membership.objects.select_related("user", "project"), pk=pk)
    form = RolesForm(request.POST if request.method == "POST" else None, initial={"roles": membership.roles})
    if request.method == "POST" and form.is_valid():
        try:
            change_roles(
                by=access.user,
                membership=membership,
                roles=form.cleaned_data["roles"],
                seen=request.POST.get("seen", ""),
            )
        except ExpectedError as error:
            take_errors(form, error, at="roles")
        else:
            messages.success(request, f"The roles of {membership.user.name} are changed.")
            # An admin who gave up the role cannot see the list of people.
            if membership.user_id == access.user.pk and Role.ADMIN not in membership.roles:
                return redirect("core:home", access.project.slug)
            return redirect("core:people", access.project.slug)
    membership.refresh_from_db(fields=["roles"])
    context = {"form": form, "membership": membership, "seen": roles_stamp(membership)}
    return render(request, "core/person_roles.html", context, status=status_of(form))


@project_page(Role.ADMIN)
@require_POST
def person_remove(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    membership = access.get(Membership.objects.select_related("user", "project"), pk=pk)
    name, own = membership.user.name, membership.user_id == access.user.pk
    remove_member(by=access.user, membership=membership)
    messages.success(
        request, f"{name} is no longer in {access.project.name}. Their work stays, with their name."
    )
    return redirect("core:start") if own else redirect("core:people", access.project.slug)


@project_page(Role.ADMIN)
@require_POST
def person_password(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """A new first password, shown once in the response."""
    membership = access.get(Membership.objects.select_related("user"), pk=pk)
    first = reset_password(by=access.user, user=membership.user)
    return render(
        request, "core/person_added.html", {"person": membership.user, "secret": first, "reset": True}
    )
