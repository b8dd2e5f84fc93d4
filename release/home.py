"""Release's card on Home."""

from django.urls import reverse
from django.utils import timezone

from core.access import Access
from core.home.stages import Glance, NextItem, Stage, StageCard
from core.models import Role
from core.roles import READERS
from core.wording import since
from inference.models import Route
from inference.queries import route_of
from release.queries import Candidate, candidates, newest_ready


def glance(access: Access) -> Glance:
    route = route_of(access.project)
    return Glance(_card(access, route), _for_admin(access, route) if access.has(Role.ADMIN) else [])


def _card(access: Access, route: Route | None) -> StageCard:
    """The live version and since when; the newest candidate. Admins and viewers only."""
    url = reverse("release:home", args=[access.project.slug])
    newest = newest_ready(access.project)
    ahead = newest is not None and newest.number > (route.version.number if route else 0)
    waits = f"; {newest} is a candidate" if ahead else ""
    if route is None:
        return StageCard("–", f"nothing is live yet{waits}", url)
    figure = str(route.version) if route.version.number else "base"
    live = since((timezone.now() - route.changed_at).total_seconds())
    return StageCard(figure, f"live {live}{waits}", url)


def _for_admin(access: Access, route: Route | None) -> list[NextItem]:
    """A version that beats the live one, or the first that could be released."""
    against = route.version if route else None
    trained = [
        candidate for candidate in candidates(access.project, against, limit=5) if candidate.version.number
    ]
    best = next((candidate for candidate in trained if _prefers(candidate)), None)
    if best is not None:
        opponent = "the live version" if route else "the base model"
        return [_item(access, best, f"{best.version} beats {opponent}: see the gate", 25)]
    if route is None and trained:
        first = trained[0]
        return [_item(access, first, f"No version is live yet; {first.version} is ready", 45)]
    return []


def _prefers(candidate: Candidate) -> bool:
    return any(c.name == "human_preference" and c.result == "pass" for c in candidate.gate.checks)


def _item(access: Access, candidate: Candidate, title: str, order: int) -> NextItem:
    url = reverse("release:version", args=[access.project.slug, candidate.version.pk])
    return NextItem(title=title, line=candidate.gate.says, url=url, action="See the gate", order=order)


stage = Stage(
    key="release",
    label="Release",
    order=50,
    glance=glance,
    roles=READERS,
    url_name="release:home",
)
