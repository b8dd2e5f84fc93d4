"""Models this user can chat with, under the names they may see."""

import hashlib
import hmac
from dataclasses import dataclass

from django.conf import settings

from core.access import Access
from inference.models import Deployment, Route
from inference.queries.serving import State, deployments, state_of
from training.models import ModelVersion


def is_blind(access: Access) -> bool:
    """Whether names of model versions are hidden from this person: only admins and viewers see them here.

    Raters and annotators rate candidates in campaigns that can open at any time, so the rule always applies.
    """
    return not access.sees_all


_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels, so that no words appear


def model_code(version: ModelVersion) -> str:
    """An opaque, permanent name for a version, the same for everyone. It does not show its order or kind."""
    key = f"candidate:{settings.SECRET_KEY}".encode()
    return hmac.new(key, f"{version.project_id}:{version.pk}".encode(), hashlib.sha256).hexdigest()[:16]


def candidate_label(version: ModelVersion) -> str:
    """ "Candidate KTR": the same version always has the same letters."""
    value = int(model_code(version), 16)
    letters = ""
    for _ in range(3):
        value, rest = divmod(value, len(_LETTERS))
        letters += _LETTERS[rest]
    return f"Candidate {letters}"


@dataclass(frozen=True)
class ChatModel:
    """A version for chat, under the name this person may see."""

    version: ModelVersion
    code: str
    label: str
    detail: str
    live: bool
    state: State


def version_label(version: ModelVersion) -> str:
    """ "v3 (adapter)" or "SmolLM2 135M Instruct (base)"."""
    if version.number == 0:
        return str(version)
    return f"{version} ({version.get_kind_display().lower()})"


def candidates(access: Access) -> list[ChatModel]:
    """Versions that are wanted and passed their check; for people who rate blind in an order that shows nothing."""
    blind = is_blind(access)
    route = None if blind else Route.objects.filter(project=access.project).first()
    models = [
        ChatModel(
            version=deployment.version,
            code=model_code(deployment.version),
            label=candidate_label(deployment.version) if blind else version_label(deployment.version),
            detail="" if blind else deployment.version.note,
            live=bool(route and route.version_id == deployment.version_id),
            state=state_of(deployment),
        )
        for deployment in deployments(access.project).filter(
            wanted=Deployment.Wanted.LOADED, version__status=ModelVersion.Status.READY
        )
    ]
    return sorted(models, key=lambda model: model.code) if blind else models
