"""Serving's card on Home, and the audit sentences of its actions."""

from django.urls import reverse

from core.access import Access
from core.home.stages import Glance, NextItem, Stage, StageCard
from core.models import Role
from core.roles import SERVING_READERS
from core.wording import noun
from inference import queries
from inference.models import Deployment
from training.models import ModelVersion

# Automatic actions of engines at every start, and actions of little interest.


def glance(access: Access) -> Glance:
    chats = access.has(Role.RATER)
    models = queries.candidates(access) if chats or queries.is_blind(access) else []
    candidates = sum(model.state.ready for model in models)
    chat = [_chat(access)] if chats and candidates else []
    if queries.is_blind(access):
        return Glance(_blind_card(access, candidates), chat)
    deployments = list(queries.deployments(access.project).filter(wanted=Deployment.Wanted.LOADED))
    failed = _failed(access, deployments) if access.has(Role.ADMIN) else []
    return Glance(_card(access, deployments), [*failed, *chat])


def _blind_card(access: Access, candidates: int) -> StageCard:
    """The number of candidates that the person can chat with."""
    url = reverse("inference:chat", args=[access.project.slug])
    return StageCard(f"{candidates:,}", noun(candidates, "candidate to test", "candidates to test"), url)


def _card(access: Access, deployments: list[Deployment]) -> StageCard:
    """For admins and viewers: what is served and what is live."""
    url = reverse("inference:home", args=[access.project.slug])
    states = [queries.state_of(deployment) for deployment in deployments]
    ready = sum(state.ready for state in states)
    live = queries.live_version(access.project)
    served = noun(ready, "version served", "versions served")
    if live is not None:
        return StageCard(f"{ready:,}", f"{served}; {live} is live", url)
    if any(state.key == "starting" for state in states):
        return StageCard(f"{ready:,}", f"{served}; an engine is starting", url)
    return StageCard(f"{ready:,}", f"{served}; none is live", url)


def _failed(access: Access, deployments: list[Deployment]) -> list[NextItem]:
    """The newest version that could not be served; a rejected one has its own line in training."""
    failed = next(
        (
            deployment
            for deployment in deployments
            if deployment.status == Deployment.Status.FAILED
            and deployment.version.status != ModelVersion.Status.REJECTED
        ),
        None,
    )
    if failed is None:
        return []
    return [
        NextItem(
            f"{failed.version} could not be served",
            failed.error[:160],
            reverse("inference:home", args=[access.project.slug]),
            "See why",
            order=22,
            tone="copper",
        )
    ]


def _chat(access: Access) -> NextItem:
    return NextItem(
        "Test a model",
        "Ask what a customer would ask. An answer you correct goes to annotation.",
        reverse("inference:chat", args=[access.project.slug]),
        "Chat",
        order=60,
    )


STAGE = Stage(
    key="serve",
    label="Serve",
    order=30,
    glance=glance,
    roles=SERVING_READERS,
    url_name="inference:home",
)
