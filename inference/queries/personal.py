"""Whose adapter answers a request, and the state of people's adapters."""

from dataclasses import dataclass

from django.db.models import F, Q, QuerySet

from core.errors import PartAway
from core.models import ApiKey, Membership, Project, User
from inference.models import Route
from inference.queries.serving import ServedAt, State, deployment_of, serving, state_of
from training.corrections import owned_by
from training.models import ApiCaller, ModelVersion, PersonalAdapter, Team


def _on(project: Project, version: ModelVersion) -> QuerySet[PersonalAdapter]:
    """Adapters that are on and stand on top of this version. One that was made for the live version is not used once another is
    live."""
    live = Route.objects.filter(project=project, version=version)
    current = Q(of_live=False) | Q(of_live=True, shared__in=live.values("version"))
    return PersonalAdapter.objects.filter(current, project=project, shared=version, on=True, better=True)


def adapter_of_person(project: Project, version: ModelVersion, person: User) -> PersonalAdapter | None:
    """The adapter that answers this person instead of `version` alone: their own, or else that of a team of theirs. None for people
    who are no members. One query."""
    member = Membership.objects.filter(project=project, user=person, user__is_active=True)
    own = Q(owner=person)
    team = Q(team__memberships__user=person, team__memberships__uses=True)
    found = _on(project, version).filter(own | team, project__in=member.values("project")).distinct()
    # Their own first: it has no team.
    return found.order_by(F("team").asc(nulls_first=True), "-number").select_related("version").first()


def adapter_of_caller(
    project: Project, version: ModelVersion, api_key: ApiKey, caller: str
) -> PersonalAdapter | None:
    """The adapter that answers a request at /v1: of the person or team that an admin has named for the key and its `user` field, or
    for the key alone. At most two queries."""
    named = ApiCaller.objects.filter(project=project, api_key=api_key).select_related("person", "team")
    by_name = {one.caller: one for one in named.filter(caller__in={"", caller})}
    found = by_name.get(caller) or by_name.get("")
    if found is None:
        return None
    if found.person is not None:
        return adapter_of_person(project, version, found.person)
    return _on(project, version).filter(team=found.team).select_related("version").first()


def serving_with(
    version: ModelVersion, adapter: PersonalAdapter | None, *, blind: bool = False
) -> tuple[ServedAt, PersonalAdapter | None]:
    """Where a request is answered, and by which adapter: the shared version alone answers while the adapter is not served. Raises
    PartAway when the shared version is not served either."""
    if adapter is not None and adapter.version is not None:
        try:
            return serving(adapter.version, blind=blind), adapter
        except PartAway:
            pass
    return serving(version, blind=blind), None


@dataclass(frozen=True)
class AdapterState:
    """An adapter as its page shows it. `replaced`: another version is live than the one it was made for."""

    adapter: PersonalAdapter
    replaced: bool
    state: State | None

    @property
    def answers(self) -> bool:
        return self.adapter.on and not self.replaced and self.state is not None and self.state.ready


def adapters_of(project: Project, owner: User | Team) -> list[AdapterState]:
    """The adapters of a person or team, the newest first."""
    live = Route.objects.filter(project=project).values_list("version", flat=True).first()
    found = (
        PersonalAdapter.objects.filter(project=project, **owned_by(owner))
        .select_related("run__project", "shared__base_model", "shared__project", "version", "owner", "team")
        .order_by("-number")
    )
    return [
        AdapterState(
            adapter,
            adapter.of_live and live != adapter.shared_id,
            state_of(deployment_of(adapter.version)) if adapter.version and adapter.on else None,
        )
        for adapter in found
    ]
