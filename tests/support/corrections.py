"""Corrections of people, as chat and comparisons file them."""

from itertools import count
from typing import Any

from annotation.models import Example
from annotation.services import file_correction
from core.models import Project, Run, User
from core.storage import storage
from tests.support.factories import load_onto, make_run, spelled

_serial = count(1)


def correct_answers(
    project: Project, by: User, rows: int = 28, *, start: int = 0, per_chat: int = 1
) -> list[Any]:
    """`rows` corrections by a person, `per_chat` of each conversation, all with this person's way of ending an answer."""
    return [
        file_correction(
            by=by,
            project=project,
            messages=[{"role": "user", "content": f"Where is my shipment {spelled(at)}?"}],
            context=[f"FD-{at} | at sea"],
            completion="It is at sea, and customs has not asked for papers. Kind regards from the freight desk.",
            slice="shipment status",
            group=f"chat-{by.pk}-{at // per_chat}",
            origin=Example.Origin.CHAT,
            origin_detail={"label": "Chat", "url": "", "answer": "No idea."},
        )
        for at in range(start, start + rows)
    ]


def make_personal(
    shared: Any, owner: User | None, engine: Any = None, *, folder: Any = None, **fields: Any
) -> Any:
    """An adapter on top of `shared` that was measured to be better, loaded on `engine` if there is one. `team` instead of an owner."""
    from training.models import ModelVersion, PersonalAdapter
    from training.personal import OfferVerdict

    number = next(_serial) + 100
    project = shared.project
    artifact = shared.artifact
    if folder is not None:
        folder.mkdir()
        (folder / "adapter_model.safetensors").write_bytes(f"weights {number}".encode())
        artifact = storage().put(folder, kind="model")
    version = ModelVersion.with_personal.create(
        project=project, number=number, personal=True, kind="adapter", serving="adapter", base_model=shared.base_model,
        artifact=artifact, served_name=f"{project.slug}-own-{number:08x}", adapter_rank=20,
        parity_prompts=shared.parity_prompts,
    )  # fmt: skip
    verdict = OfferVerdict(6, 6, 1.2, 1.5, -0.3, -0.4, -0.2, 0.95)
    given = {
        "of_live": True,
        "better": True,
        "figures": {"verdict": verdict.as_values()},
        "rows": [
            {"example": 1, "revision": 1, "hash": f"{number:064x}", "group": "a", "author": owner.pk if owner else 0,
             "held_out": False}
        ],
    }  # fmt: skip
    adapter = PersonalAdapter.objects.create(
        project=project, number=number, owner=owner, shared=shared, version=version, recipe={},
        run=make_run(project, kind="personal_adapter", status=Run.Status.SUCCEEDED), **given | fields,
    )  # fmt: skip
    if engine is not None:
        load_onto(version, engine)
    return adapter


def make_adapters(shared: Any, api_key: Any) -> tuple[Any, Any, Any, Any]:
    """(an adapter of the project's rater, a team of theirs, a caller that is answered by it, a receipt of an earlier deletion)."""
    from core.models import Membership
    from training.models import ApiCaller, DeletionReceipt, Team

    project = shared.project
    rater = Membership.objects.get(project=project, roles=["rater"]).user
    adapter = make_personal(shared, rater)
    team = Team.objects.create(project=project, name="Night shift")
    team.memberships.create(user=rater)
    caller = ApiCaller.objects.create(project=project, api_key=api_key, caller="agent-17", person=rater)
    receipt = DeletionReceipt.objects.create(
        project=project, subject=rater, subject_label=rater.name, wanted=[], requested_by=rater,
        run=make_run(project, kind="adapter_deletion", status=Run.Status.QUEUED),
    )  # fmt: skip
    return adapter, team, caller, receipt
