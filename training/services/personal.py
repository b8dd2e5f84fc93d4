"""Personal adapters: launched, registered, measured, and switched on and off. training.services.adapter_deletion deletes them."""

import hashlib
from typing import Any

from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from core.audit.entries import record
from core.errors import Conflict, Refused
from core.models import Artifact, Membership, Project, Role, Run, User
from core.runs.control import launch_run
from training.actions import TrainingAction
from training.corrections import Chosen, choose, owned_by, unsupported
from training.methods.base import as_values
from training.methods.lora import LoRARecipe
from training.models import CorrectionSplit, ModelVersion, PersonalAdapter, Team
from training.personal import KIND, RANK, OfferVerdict
from training.serving import Serving


def recipe_of_adapter() -> LoRARecipe:
    """The settings of every personal adapter: a small rank, a few passes over few rows."""
    return LoRARecipe(rank=RANK, alpha=2 * RANK, epochs=3.0, batch_size=4, rows_at_once=4, warmup=0.1)


def owner_of(adapter: PersonalAdapter) -> User | Team:
    owner = adapter.owner or adapter.team
    assert owner is not None  # the database holds it
    return owner


@transaction.atomic
def launch_adapter(
    *,
    by: User,
    project: Project,
    owner: User | Team,
    shared: ModelVersion,
    of_live: bool,
    most_rank: int,
) -> PersonalAdapter:
    """Queues the training of an adapter on top of `shared`, with the corrections of a person, or of a team's members.

    The conversations' split into rows that train and rows that are held out is decided here, once. `of_live`: the shared version is
    live now. `most_rank`: the largest rank that the engines load. Refused for a shared version without adapters on top, and when
    there are too few corrections; Conflict while another adapter of this owner is trained.
    """
    _must_belong(project, owner)
    refuse_shared(project, shared, most_rank=most_rank)
    # The lock: splits and numbers are given out one after the other.
    Project.objects.select_for_update(no_key=True, of=("self",)).get(pk=project.pk)
    own = PersonalAdapter.objects.filter(project=project, **owned_by(owner))
    if own.filter(run__status__in=Run.ACTIVE).exists():
        raise Conflict("An adapter is being trained already.", "Wait for its result on this page.")
    chosen = choose(project, owner, shared)
    if chosen.shortage:
        raise Refused(chosen.shortage, "Correct answers in Chat and in comparisons.")
    CorrectionSplit.objects.bulk_create(
        CorrectionSplit(project=project, group=group, held_out=held_out)
        for group, held_out in chosen.decided.items()
    )
    return _queue(by, project, owner, shared, chosen, of_live=of_live, tries=_tries(own, chosen))


def _must_belong(project: Project, owner: User | Team) -> None:
    if isinstance(owner, Team):
        if owner.project_id != project.pk:
            raise Refused("This team belongs to another project.")
        return
    membership = Membership.objects.filter(project=project, user=owner).first()
    if membership is None or membership.roles == [Role.PARTNER]:
        raise Refused("Only a member of the project can have an adapter.")


def refuse_shared(project: Project, shared: ModelVersion, *, most_rank: int) -> None:
    """Refused when no adapter can be trained on top of this version."""
    if shared.project_id != project.pk or shared.personal:
        raise Refused("This model version belongs to another project.")
    if shared.status != ModelVersion.Status.READY:
        raise Refused(f"{shared} is not ready.", "Choose a version that passed its token check.")
    if reason := unsupported(shared):
        raise Refused(reason, "Choose another version.")
    rank = (shared.adapter_rank or 0) + RANK
    if rank > most_rank:
        raise Refused(
            f"{shared} has rank {shared.adapter_rank}, and with an adapter on top {rank}: more than the engines load "
            f"({most_rank}).",
            "Ask an operator to raise GUILDHALL_ENGINE_MAX_LORA_RANK.",
        )


def _tries(own: QuerySet[PersonalAdapter], chosen: Chosen) -> int:
    """How many adapters of this owner were measured on some of these held-out rows, with the one to come."""
    held = {row["hash"] for row in chosen.rows if row["held_out"]}
    earlier = own.filter(better__isnull=False).values_list("rows", flat=True)
    return 1 + sum(any(row["held_out"] and row["hash"] in held for row in rows) for rows in earlier)


def _queue(
    by: User,
    project: Project,
    owner: User | Team,
    shared: ModelVersion,
    chosen: Chosen,
    *,
    of_live: bool,
    tries: int,
) -> PersonalAdapter:
    highest = PersonalAdapter.objects.filter(project=project).aggregate(highest=Max("number"))["highest"]
    used = ModelVersion.with_personal.filter(project=project, personal=True).aggregate(most=Max("number"))[
        "most"
    ]
    number = max(highest or 0, used or 0) + 1
    adapter = PersonalAdapter.objects.create(
        project=project,
        number=number,
        **owned_by(owner),
        shared=shared,
        of_live=of_live,
        run=launch_run(
            by=by,
            project=project,
            kind=KIND,
            title=f"Personal adapter {number} on top of {shared}",
        ),
        recipe=as_values(recipe_of_adapter()),
        rows=chosen.rows,
        left_out=chosen.left_out,
        tries=tries,
        launched_by=by,
    )
    record(
        by=by,
        project=project,
        action=TrainingAction.PERSONAL_LAUNCHED,
        obj=adapter,
        owner=str(owner),
        shared=str(shared),
    )
    return adapter


def again(run: Run, by: User) -> None:
    """It is trained again from its rows (core.runs.kinds.RunKind.on_again). Conflict when it was deleted, or another is trained."""
    adapter = PersonalAdapter.objects.select_related("owner", "team").filter(run=run).first()
    if adapter is None:
        raise Conflict("This adapter was deleted.", "Train a new one.")
    Project.objects.select_for_update(no_key=True, of=("self",)).get(pk=adapter.project_id)
    others = PersonalAdapter.objects.filter(project=adapter.project_id, **owned_by(owner_of(adapter)))
    if others.filter(number__gt=adapter.number).exists():
        raise Conflict("A later adapter exists.", "See the page of the adapters.")


# --- what the runner found -----------------------------------------------------------------------------------
@transaction.atomic
def register_adapter(*, adapter: PersonalAdapter, artifact: Artifact, rank: int) -> ModelVersion:
    """The version that engines load. Repeated calls return the first one. Conflict when the adapter was deleted meanwhile."""
    locked = PersonalAdapter.objects.select_for_update(of=("self",)).filter(pk=adapter.pk).first()
    if locked is None:
        raise Conflict("This adapter was deleted.", "Train a new one.")
    if locked.version is not None:
        return locked.version
    shared = adapter.shared
    digits = hashlib.sha256(f"{artifact.sha256}/{adapter.project_id}/{adapter.pk}".encode()).hexdigest()[:12]
    version = ModelVersion.with_personal.create(
        project_id=adapter.project_id,
        number=adapter.number,
        personal=True,
        kind=ModelVersion.Kind.ADAPTER,
        serving=Serving.ADAPTER,
        base_model=shared.base_model,
        artifact=artifact,
        # Without the person's name: engines write it into their logs.
        served_name=f"{adapter.project.slug[:80]}-own-{digits}",
        adapter_rank=rank,
        parity_prompts=shared.parity_prompts,
    )
    PersonalAdapter.objects.filter(pk=adapter.pk).update(version=version)
    adapter.version = version
    return version


@transaction.atomic
def note_measured(
    *, adapter: PersonalAdapter, losses: list[dict[str, Any]], verdict: OfferVerdict, figures: dict[str, Any]
) -> None:
    """Stores the comparison with the shared version."""
    adapter.losses, adapter.better, adapter.measured_at = losses, verdict.better, timezone.now()
    adapter.figures = figures | {"verdict": verdict.as_values()}
    adapter.save(update_fields=["losses", "better", "measured_at", "figures"])
    record(
        by=None,
        project=adapter.project,
        action=TrainingAction.PERSONAL_MEASURED,
        obj=adapter,
        owner=str(owner_of(adapter)),
        shared=str(adapter.shared),
        rows=verdict.n,
    )


# --- the switch ----------------------------------------------------------------------------------------------
@transaction.atomic
def turn_on(*, by: User, adapter: PersonalAdapter) -> PersonalAdapter:
    """From the next request on, its owner's requests are answered with it. Another adapter of the owner is turned off.

    Refused unless it was measured to be better than its shared version.
    """
    Project.objects.select_for_update(no_key=True, of=("self",)).get(pk=adapter.project_id)
    adapter = PersonalAdapter.objects.select_related("owner", "team", "project").get(pk=adapter.pk)
    if not adapter.better or adapter.version_id is None:
        raise Refused(
            "This adapter was not measured to be better than its shared version.",
            "Correct more answers, then train again.",
        )
    owner = owner_of(adapter)
    PersonalAdapter.objects.filter(
        ~Q(pk=adapter.pk), project=adapter.project_id, on=True, **owned_by(owner)
    ).update(on=False)
    PersonalAdapter.objects.filter(pk=adapter.pk).update(on=True)
    adapter.on = True
    record(by=by, project=adapter.project, action=TrainingAction.PERSONAL_ON, obj=adapter, owner=str(owner))
    return adapter


@transaction.atomic
def turn_off(*, by: User, adapter: PersonalAdapter) -> None:
    """From the next request on the shared version answers. Does nothing when it is off."""
    if PersonalAdapter.objects.filter(pk=adapter.pk, on=True).update(on=False):
        record(
            by=by,
            project=adapter.project,
            action=TrainingAction.PERSONAL_OFF,
            obj=adapter,
            owner=str(owner_of(adapter)),
        )
    adapter.on = False
