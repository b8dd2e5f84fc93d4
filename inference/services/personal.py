"""The switch of a personal adapter, with its engine."""

from django.conf import settings
from django.db import transaction

from core.errors import Refused
from core.models import Project, Run, User
from inference.models import Deployment
from inference.queries import live_version
from inference.services.deployments import ensure_deployment, request_load
from training.models import ModelVersion, PersonalAdapter, Team
from training.services import personal


@transaction.atomic
def train(*, by: User, project: Project, owner: User | Team, shared: ModelVersion | None) -> PersonalAdapter:
    """Queues an adapter on top of `shared`, or of the live version. Refused when nothing is live then."""
    live = live_version(project)
    chosen = shared or live
    if chosen is None:
        raise Refused("No model version is live yet.", "An admin of the project must release one.")
    return personal.launch_adapter(
        by=by,
        project=project,
        owner=owner,
        shared=chosen,
        of_live=live is not None and live.pk == chosen.pk,
        most_rank=settings.ENGINE_MAX_LORA_RANK,
    )


@transaction.atomic
def switch_on(*, by: User, adapter: PersonalAdapter) -> None:
    """Its owner's next request is answered with it, once its engine has loaded it. An earlier adapter of the owner is unloaded."""
    adapter = personal.turn_on(by=by, adapter=adapter)
    version = adapter.version
    assert version is not None  # turn_on refuses without one
    others = Deployment.objects.filter(
        version__personal_adapter__owner=adapter.owner_id,
        version__personal_adapter__team=adapter.team_id,
        version__project=adapter.project_id,
        wanted=Deployment.Wanted.LOADED,
    ).exclude(version=version)
    others.update(wanted=Deployment.Wanted.UNLOADED)
    deployment = Deployment.objects.filter(version=version).first()
    if deployment is not None and (
        deployment.wanted == Deployment.Wanted.UNLOADED or deployment.status == Deployment.Status.FAILED
    ):
        request_load(by=by, version=version)
    else:
        ensure_deployment(by=by, version=version)


def switch_off(*, by: User, adapter: PersonalAdapter) -> None:
    """From the next request on the shared version answers. The engine keeps it loaded: on a processor each load takes a place until
    the engine's next start."""
    personal.turn_off(by=by, adapter=adapter)


def delete_again(run: Run, by: User) -> None:
    """The deletion continues (core.runs.kinds.RunKind.on_again)."""
