"""Personal adapters: a person's own page, and the admins' page of teams, adapters and callers of /v1."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.access import Access, project_page
from core.errors import ExpectedError
from core.forms import status_of, take_errors
from core.lists.paging import cut
from core.models import Role, User
from core.roles import CHATTERS, READERS
from inference import queries
from inference.adapter_forms import CallerForm, TeamForm, TrainForm
from inference.models import Answer
from inference.queries.personal import adapters_of
from inference.queries.receipts import is_proven, look_for, receipts_of
from inference.services import personal
from inference.views.subnav import serving_subnav
from training.corrections import choose, unsupported
from training.models import ApiCaller, ModelVersion, PersonalAdapter, Team
from training.personal import LEAST_HELD_OUT, LEAST_ROWS, LEFT_OUT, OfferVerdict
from training.services import adapter_deletion, teams


def _label(access: Access, version: ModelVersion) -> str:
    """The shared version's name, as far as this person may see it."""
    return queries.candidate_label(version) if queries.is_blind(access) else queries.version_label(version)


def _shown(access: Access, owner: User | Team) -> list[dict[str, object]]:
    return [
        {
            "own": one,
            "adapter": one.adapter,
            "shared": _label(access, one.adapter.shared),
            "verdict": OfferVerdict.from_values(one.adapter.figures["verdict"])
            if "verdict" in one.adapter.figures
            else None,
            "left_out": [
                (LEFT_OUT[reason], n) for reason, n in one.adapter.left_out.items() if reason in LEFT_OUT
            ],
        }
        for one in adapters_of(access.project, owner)
    ]


def _choices(access: Access) -> dict[str, queries.ChatModel]:
    """Versions to train on top of, by token, for people who see their names; the live version is the first choice anyway."""
    if queries.is_blind(access):
        return {}
    return {one.code: one for one in queries.candidates(access) if not unsupported(one.version)}


def _train_form(request: HttpRequest, access: Access) -> TrainForm:
    choices = [(code, one.label) for code, one in _choices(access).items()]
    return TrainForm(request.POST if request.method == "POST" else None, choices=choices)


def _chosen(form: TrainForm, access: Access) -> ModelVersion | None:
    """The chosen version; None for the live one."""
    if not form.is_valid():
        raise Http404
    one = _choices(access).get(form.cleaned_data["on"])
    return one.version if one else None


def _supply(access: Access, owner: User | Team) -> dict[str, object]:
    """How many corrections there are, and why they do not suffice yet."""
    live = queries.live_version(access.project)
    if live is None:
        return {
            "refused": "No model version is live yet. An admin of the project must release one.",
            "live": None,
        }
    chosen = choose(access.project, owner, live)
    return {
        "live": _label(access, live),
        "train_rows": chosen.train,
        "held_out": chosen.held_out,
        "left_out": [(LEFT_OUT[reason], n) for reason, n in chosen.left_out.items()],
        "refused": unsupported(live) or chosen.shortage,
        "short": bool(chosen.shortage),
        "least": LEAST_ROWS,
        "least_held_out": LEAST_HELD_OUT,
    }


# --- a person's own page -----------------------------------------------------------------------------------------
@project_page(*CHATTERS)
@require_safe
def own(request: HttpRequest, access: Access) -> HttpResponse:
    """Whether an adapter can be trained, the adapters there are, what they are worth, and the switch."""
    shown = _shown(access, access.user)
    memberships = access.user.team_memberships.filter(team__project=access.project).select_related("team")
    in_teams = PersonalAdapter.objects.filter(project=access.project, team__isnull=False)
    used = [one for one in in_teams if any(row["author"] == access.user.pk for row in one.rows)]
    context = {
        "shown": shown,
        "training": any(one["adapter"].run.is_active for one in shown),  # type: ignore[attr-defined]
        "supply": _supply(access, access.user),
        "form": _train_form(request, access),
        "memberships": memberships,
        "used_by_teams": used,
        "receipts": receipts_of(access).filter(subject=access.user),
        "answers": Answer.objects.filter(
            user=access.user, project=access.project, adapter__isnull=False
        ).count(),
        "is_admin": access.has(Role.ADMIN),
        "subnav": serving_subnav(access, "inference:own-adapter"),
    }
    return render(request, "inference/own_adapter.html", context)


@project_page(*CHATTERS)
@require_POST
def own_train(request: HttpRequest, access: Access) -> HttpResponse:
    shared = _chosen(_train_form(request, access), access)
    personal.train(by=access.user, project=access.project, owner=access.user, shared=shared)
    messages.success(request, "Your adapter is being trained.")
    return redirect("inference:own-adapter", access.project.slug)


@project_page(*CHATTERS)
@require_POST
def own_delete(request: HttpRequest, access: Access) -> HttpResponse:
    receipt = adapter_deletion.request_deletion(by=access.user, project=access.project, owner=access.user)
    return redirect("inference:receipt", access.project.slug, receipt.pk)


@project_page(*CHATTERS)
@require_POST
def team_use(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """A member's own switch of a team's adapter."""
    team = access.get(Team, pk=pk, memberships__user=access.user)
    uses = "on" in request.POST
    teams.use_team_adapter(by=access.user, team=team, uses=uses)
    messages.success(
        request,
        f"The adapter of {team} answers you when it is on."
        if uses
        else f"The adapter of {team} no longer answers you.",
    )
    return redirect("inference:own-adapter", access.project.slug)


@project_page(*CHATTERS)
@require_POST
def switch(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Turns an adapter on or off: its owner, or an admin."""
    adapters = PersonalAdapter.objects.select_related("project", "owner", "team")
    if not access.has(Role.ADMIN):
        adapters = adapters.filter(owner=access.user)
    adapter = access.get(adapters, pk=pk)
    if "on" in request.POST:
        personal.switch_on(by=access.user, adapter=adapter)
        messages.success(request, f"{str(adapter).capitalize()} is on.")
    else:
        personal.switch_off(by=access.user, adapter=adapter)
        messages.success(request, f"{str(adapter).capitalize()} is off.")
    is_own = adapter.owner_id == access.user.pk
    return redirect("inference:own-adapter" if is_own else "inference:adapters", access.project.slug)


@project_page()
@require_safe
def receipt(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """A deletion with its proof: what was deleted, by hash, and a search for it that is made now."""
    found = access.get(receipts_of(access), pk=pk)
    looks = look_for(found) if found.completed_at else []
    context = {
        "receipt": found,
        "looks": looks,
        "proven": is_proven(looks),
        "is_admin": access.has(Role.ADMIN),
        "own_url": found.subject_id == access.user.pk,
    }
    return render(request, "inference/receipt.html", context)


# --- the admins' page ---------------------------------------------------------------------------------------------
def _page(request: HttpRequest, access: Access, form: CallerForm) -> HttpResponse:
    everybody = (
        PersonalAdapter.objects.filter(project=access.project)
        .select_related("owner", "team", "shared__base_model", "run")
        .order_by("-number")
    )
    context = {
        "page": cut(request, everybody, 25),
        "teams": access.project.teams.prefetch_related("members"),
        "callers": ApiCaller.objects.filter(project=access.project).select_related(
            "api_key", "person", "team"
        ),
        "receipts": receipts_of(access) if access.has(Role.ADMIN) else [],
        "form": form,
        "is_admin": access.has(Role.ADMIN),
        "subnav": serving_subnav(access, "inference:adapters"),
    }
    return render(request, "inference/adapters.html", context, status=status_of(form))


@project_page(*READERS)
@require_safe
def adapters(request: HttpRequest, access: Access) -> HttpResponse:
    return _page(request, access, CallerForm(access.project))


@project_page(Role.ADMIN)
@require_POST
def owner_delete(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    """Deletes all adapters of the owner of this one, as its owner can."""
    adapter = access.get(PersonalAdapter.objects.select_related("owner", "team"), pk=pk)
    owner = adapter.owner or adapter.team
    assert owner is not None  # the database holds it
    receipt = adapter_deletion.request_deletion(by=access.user, project=access.project, owner=owner)
    return redirect("inference:receipt", access.project.slug, receipt.pk)


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def team_new(request: HttpRequest, access: Access) -> HttpResponse:
    return _team_page(request, access, None)


@project_page(Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def team(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    return _team_page(request, access, access.get(Team, pk=pk))


def _team_page(request: HttpRequest, access: Access, team: Team | None) -> HttpResponse:
    form = TeamForm(access.project, request.POST if request.method == "POST" else None, team=team)
    if request.method == "POST" and form.is_valid():
        try:
            saved = teams.save_team(
                by=access.user,
                project=access.project,
                name=form.cleaned_data["name"],
                people=form.people_ids(),
                team=team,
            )
        except ExpectedError as error:
            take_errors(form, error, at="name")
        else:
            messages.success(request, f"The team {saved} is saved.")
            return redirect("inference:team", access.project.slug, saved.pk)
    context = {
        "team": team,
        "form": form,
        "shown": _shown(access, team) if team else [],
        "supply": _supply(access, team) if team else None,
        "train_form": TrainForm(choices=[(code, one.label) for code, one in _choices(access).items()]),
        "is_admin": True,
    }
    return render(request, "inference/team.html", context, status=status_of(form))


@project_page(Role.ADMIN)
@require_POST
def team_train(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    team = access.get(Team, pk=pk)
    shared = _chosen(_train_form(request, access), access)
    personal.train(by=access.user, project=access.project, owner=team, shared=shared)
    messages.success(request, f"The adapter of {team} is being trained.")
    return redirect("inference:team", access.project.slug, team.pk)


@project_page(Role.ADMIN)
@require_POST
def team_remove(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    team = access.get(Team.objects.select_related("project"), pk=pk)
    teams.delete_team(by=access.user, team=team)
    messages.success(request, f"The team {team} is deleted.")
    return redirect("inference:adapters", access.project.slug)


@project_page(Role.ADMIN)
@require_POST
def caller_add(request: HttpRequest, access: Access) -> HttpResponse:
    form = CallerForm(access.project, request.POST)
    if form.is_valid():
        owner = form.owner()
        teams.name_caller(
            by=access.user,
            api_key=form.cleaned_data["api_key"],
            caller=form.cleaned_data["caller"],
            person=owner if isinstance(owner, User) else None,
            team=owner if isinstance(owner, Team) else None,
        )
        messages.success(request, "Saved. It counts from the next request on.")
        return redirect("inference:adapters", access.project.slug)
    return _page(request, access, form)


@project_page(Role.ADMIN)
@require_POST
def caller_remove(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    caller = access.get(ApiCaller.objects.select_related("project", "api_key"), pk=pk)
    teams.remove_caller(by=access.user, caller=caller)
    messages.success(request, "Removed. The shared version answers from the next request on.")
    return redirect("inference:adapters", access.project.slug)
