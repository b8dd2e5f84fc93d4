"""Serving on the project's first screen, and how its deeds read in the record."""

from django.urls import reverse

from core.access import Access
from core.models import Role
from core.stages import NextItem, Stage, StageCard
from inference import queries
from inference.models import Deployment
from training.models import ModelVersion

WORDINGS = {
    "deployment.requested": "{actor} asked to serve {label}",
    "deployment.requested_again": "{actor} asked once more to serve {label}",
    "deployment.unload_requested": "{actor} asked to stop serving {label}",
    "deployment.loaded": "{label} is served; {checked} prompts gave the same tokens",
    "deployment.failed": "{label} could not be served: {reason}",
    "deployment.unloaded": "{label} is not served any more",
    "engine.up": "The engine {label} came up",
    "engine.down": "The engine {label} went down: {error}",
    "engine.stopped": "The engine {label} was stopped",
    "route.changed": "{actor} made {label} live",
    "conversation.started": "{actor} began a chat",
    "answer.corrected": "{actor} corrected an answer of a chat",
}


def card(access: Access) -> StageCard:
    """Admins and viewers: what is served and what is live. Others: how many candidates they can chat with."""
    if queries.is_blind(access):
        ready = sum(one.state.ready for one in queries.candidates(access))
        url = reverse("inference:chat", args=[access.project.slug])
        return StageCard(
            f"{ready:,}", "candidate to chat with" if ready == 1 else "candidates to chat with", url
        )
    url = reverse("inference:home", args=[access.project.slug])
    found = list(queries.deployments(access.project).filter(wanted=Deployment.Wanted.LOADED))
    states = [queries.state_of(one) for one in found]
    ready = sum(state.ready for state in states)
    live = queries.live_version(access.project)
    noun = "version served" if ready == 1 else "versions served"
    if live is not None:
        return StageCard(f"{ready:,}", f"{noun}; {live} is live", url)
    if any(state.key == "starting" for state in states):
        return StageCard(f"{ready:,}", f"{noun}; an engine is starting", url)
    return StageCard(f"{ready:,}", f"{noun}; none is live", url)


def next_items(access: Access) -> list[NextItem]:
    slug = access.project.slug
    items = []
    if access.has(Role.ADMIN):
        failed = (
            queries.deployments(access.project)
            .filter(wanted=Deployment.Wanted.LOADED, status=Deployment.Status.FAILED)
            .exclude(version__status=ModelVersion.Status.REJECTED)
            .first()
        )
        if failed is not None:
            items.append(
                NextItem(
                    f"{failed.version} could not be served",
                    failed.error[:160],
                    reverse("inference:home", args=[slug]),
                    "See why",
                    order=22,
                    tone="copper",
                )
            )
    if access.has(Role.RATER) and any(one.state.ready for one in queries.candidates(access)):
        items.append(
            NextItem(
                "Chat with a candidate",
                "Ask what a customer would ask. An answer you correct becomes training material.",
                reverse("inference:chat", args=[slug]),
                "Chat",
                order=60,
            )
        )
    return items


STAGE = Stage(
    key="serve",
    label="Serve",
    order=30,
    card=card,
    next_items=next_items,
    roles=(Role.ADMIN, Role.VIEWER, Role.RATER, Role.ANNOTATOR, Role.REVIEWER),
    url_name="inference:home",
)
