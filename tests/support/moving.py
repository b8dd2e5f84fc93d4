"""A project with one row of everything, archives of it, and what is compared after a move."""

import io
import json
import tempfile
import uuid
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from core.audit.entries import record
from core.models import Project, User
from core.moving.container import Container
from core.moving.manifest import NAME, Manifest
from core.moving.reading import ImportedProject, import_archive
from core.moving.writing import write_archive
from dataset.preferences import Choice, Take
from tests.support.factories import (
    FULL_SCORES,
    World,
    join,
    make_answer_row,
    make_base_model,
    make_campaign,
    make_example,
    make_forgetting,
    make_frozen,
    make_learning_curve,
    make_losses,
    make_preferences,
    make_run,
    make_training,
    make_user,
    make_version,
    quiet,
    rate_all,
    spelled,
)


@transaction.atomic
def rich(world: World) -> Project:
    """The world's project with examples and their history, an import, sources, datasets, a trained adapter, a chat, a campaign with
    ratings and a correction, releases, and an audit."""
    project = world.project
    _examples(world)
    _mapping(world)
    _plans(world)
    dataset = make_frozen(project, by=world.admin, test=0.3, validation=0.2)
    again = make_frozen(project, by=world.admin, test=0.3, validation=0.2)
    assert again.same_as == dataset
    _withhold(again)
    _duplicates(world)
    base, trained = _versions(world, dataset)
    _chain(world, dataset, again, trained)
    _sources(world, dataset, trained)
    _evaluation(world, dataset, (base, trained))
    _chat(world, trained)
    _releases(world, base, trained)
    _audits(world, dataset)
    return project


def _audits(world: World, dataset: Any) -> None:
    """A bias audit of the version with a decided finding, a lexicon of the project, and an accepted twin."""
    from annotation.models import Example
    from annotation.text.hashes import content_hash
    from dataset.models import AuditDecision, AuditFinding
    from dataset.queries.audits import decision_hash, last_hash
    from dataset.runner.audit import make_audit
    from dataset.services.audits import decide, start_audit
    from dataset.services.lexicons import change_lexicon
    from dataset.services.twins import accept_twin, make_twins

    groups = [{"label": "Ships", "terms": {"": ["ship"]}}, {"label": "Trains", "terms": {"": ["train"]}}]
    change_lexicon(by=world.admin, project=world.project, characteristic="status", groups=groups)
    audit = start_audit(by=world.admin, project=world.project, dataset=dataset)
    make_audit(audit, tell=quiet)
    example = Example.objects.filter(project=world.project, status="approved").earliest("pk")
    finding = AuditFinding.objects.create(
        audit=audit, characteristic="status", group="ships", outcome="refusal", says="They differ.",
        figures={"difference": 0.1}, examples=[example.pk],
    )  # fmt: skip
    decide(by=world.admin, finding=finding, decision="accepted", reason="Known.")
    taken_over = AuditDecision(
        finding=finding, decision="answered", reason="By chance.", by=world.admin, by_name="Admin", at=timezone.now(), carried_from=1
    )  # fmt: skip
    taken_over.record_hash = decision_hash(last_hash(audit), taken_over)
    taken_over.save()
    longer = example.content() | {"completion": f"{example.completion} By ship."}
    Example.objects.filter(pk=example.pk).update(
        completion=longer["completion"], content_hash=content_hash(**longer)
    )
    swap = {"characteristic": "status", "one": "ships", "other": "trains", "examples": [example.pk]}
    (twin,) = make_twins(by=world.admin, project=world.project, finding=finding, **swap)
    accept_twin(by=world.admin, twin=twin, reason="It is a test.")


def _examples(world: World) -> None:
    from annotation.actions import AnnotationAction
    from annotation.models import Example, ExampleFinding, Lease, Review, Revision
    from core.storage import storage
    from dataset.models import DataImport, ImportIssue, Source

    project = world.project
    for name in ("desk", "handbook"):
        Source.objects.create(project=project, name=name, license="internal")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.jsonl"
        path.write_text('{"prompt": "Where?"}\n')
        upload = storage().put(path, kind="upload")
    data_import = DataImport.objects.create(
        project=project,
        run=make_run(
            project, kind="import", status="succeeded", finished_at=timezone.now(), params={"n": 1.5}
        ),
        upload=upload,
        file_name="pairs.jsonl",
        created_by=world.admin,
        keys=[{"key": "weight", "what": "ignored", "count": 2, "line": 1, "says": ""}],
        stored_at=timezone.now(),
    )
    for at in range(40):
        example = make_example(
            project,
            question=f"Where is the shipment {spelled(at * 7919)}? “Ünïcode” \u2028 line",
            context=[f"FD-{at} | 12.50 €"],
            status=Example.Status.APPROVED if at % 8 else Example.Status.QUEUED,
            source="desk" if at % 2 else None,
            import_id=data_import.pk,
            rejected="I do not know." if at % 3 == 0 else "",
            tags=["eta", "späť"],
            slice=("customs", "delay")[at % 2],
            created_by=world.admin,
            origin_detail={"label": "pairs.jsonl, line 1", "line": at},
        )
        if at % 5 == 1:
            second = Revision.objects.create(
                example=example,
                number=2,
                reason="submitted",
                by=world.annotator,
                content=example.content() | {"slice": "", "edge": "", "tags": []},
            )
            Example.objects.filter(pk=example.pk).update(revision=2, submitted_by=world.annotator)
            Review.objects.create(
                example=example, revision=second, verdict="returned", comment="No.", by=world.reviewer,
                in_bulk=True, batch=uuid.uuid4(), undone_at=timezone.now(),
            )  # fmt: skip
            record(by=world.reviewer, project=project, action=AnnotationAction.EXAMPLE_APPROVED, obj=example)
    for outcome in ("skipped", "open"):
        Lease.objects.create(
            example=example,
            project=project,
            user=world.annotator,
            purpose="annotate",
            outcome=outcome,
            expires_at=timezone.now(),
            note="too long" if outcome == "skipped" else "",
        )
    ExampleFinding.objects.create(
        project=project, example=example, other=Example.objects.filter(project=project).first(), check_name="privacy", kind="email",
        level="warn", says="An address.", spans=[["completion", 0, 0, 3, "warn"]], fixes=[["completion", 0, 0, 3, "x"]],
        fingerprint="a" * 32, content_hash=example.content_hash, status="dismissed", reason="It is public.",
        decided_by=world.reviewer, decided_at=timezone.now(), batch=uuid.uuid4(),
    )  # fmt: skip
    ImportIssue.objects.create(
        data_import=data_import, kind="repeated", line=3, reason="Repeats line 1.", repeats=example
    )


def _plans(world: World) -> None:
    """The project's lists, with an old name, a target, and an authoring task with an example."""
    from annotation.models import AuthoringTask, Category, CoverageTarget, Example
    from annotation.services.adopting import adopt_slices

    adopt_slices(world.project, origin=Category.Origin.IMPORT)
    customs = Category.objects.get(project=world.project, kind="slice", key="customs")
    Category.objects.create(
        project=world.project, kind="slice", key="Zoll", name="Zoll", active=False, merged_into=customs
    )
    CoverageTarget.objects.create(
        project=world.project, slice="customs", edge="other", amount=80, owner=world.admin, set_by=world.admin
    )
    CoverageTarget.objects.create(
        project=world.project, length="long", amount=20, unit="share", set_by=world.admin
    )
    for alone in ({"language": "de"}, {"mood": "angry"}):
        CoverageTarget.objects.create(project=world.project, amount=9, set_by=world.admin, **alone)
    AuthoringTask.objects.create(
        project=world.project, edge="other", language="de", mood="angry", wanted="Odd ones", quota=1, status="done", due_on=timezone.localdate(),
        ended_at=timezone.now(), ended_by=world.admin, created_by=world.admin,
    )  # fmt: skip
    task = AuthoringTask.objects.create(
        project=world.project,
        slice="customs",
        wanted="Duties",
        quota=3,
        owner=world.annotator,
        created_by=world.admin,
    )
    Example.objects.filter(pk=Example.objects.filter(project=world.project).latest("pk").pk).update(task=task)


def _mapping(world: World) -> None:
    from dataset.models import ImportMapping

    ImportMapping.objects.create(
        project=world.project,
        fingerprint="0" * 64,
        mapping={"columns": {"Frage": "prompt"}, "tool_turns": "refuse"},
        file_name="pairs.csv",
        by=world.admin,
        at=timezone.now(),
    )


def _sources(world: World, dataset: Any, version: Any) -> None:
    """A partner, rules, a withdrawn source with what was decided about its uses, and answers of a datasheet."""
    from annotation.models import Example
    from dataset.models import (
        DatasheetAnswer,
        ProjectRules,
        Source,
        SourcePartner,
        Withdrawal,
        WithdrawalDecision,
        WithdrawnExample,
    )

    source = Source.objects.get(project=world.project, name="handbook")
    Source.objects.filter(pk=source.pk).update(
        withdrawn_at=timezone.now(), withdrawn_by=world.admin, withdrawn_reason="The owner asked for it."
    )
    partner = join(world.project, make_user("Partner Outside"), "partner")
    SourcePartner.objects.create(source=source, membership=partner, added_by=world.admin)
    ProjectRules.objects.create(
        project=world.project, rules=["commercial", "expired"], changed_by=world.admin
    )
    withdrawal = Withdrawal.objects.create(
        source=source,
        reason="The owner asked for it.",
        run=make_run(world.project, kind="withdraw", status="succeeded", params={"source": source.pk}),
        by=world.admin,
    )
    example = Example.objects.filter(project=world.project, status="queued").earliest("pk")
    WithdrawnExample.objects.create(withdrawal=withdrawal, example=example, status="queued")
    for use in (f"dataset:{dataset.pk}", f"model:{version.pk}"):
        WithdrawalDecision.objects.create(withdrawal=withdrawal, use=use, reason="Kept.", by=world.admin)
    DatasheetAnswer.objects.create(
        project=world.project, dataset=dataset, question="purpose", text="To answer.", by=world.admin
    )


def _withhold(dataset: Any) -> None:
    from annotation.models import Example
    from dataset.models import WithheldRow

    examples = Example.objects.filter(project=dataset.project, status="queued").order_by("pk")
    WithheldRow.objects.create(
        dataset=dataset,
        example=examples[1],
        revision=examples[1].revisions.get(),
        reason="control_mark",
        mark="<|im_end|>",
    )
    WithheldRow.objects.create(
        dataset=dataset,
        example=examples[3],
        revision=examples[3].revisions.get(),
        reason="rule",
        rule="expired",
    )
    WithheldRow.objects.create(
        dataset=dataset,
        example=examples[0],
        revision=examples[0].revisions.get(),
        split="train",
        reason="near_test",
        repeats=Example.objects.filter(dataset_rows__split="test").earliest("pk"),
        similarity=0.9,
    )


def _duplicates(world: World) -> None:
    from annotation.models import Example
    from dataset.models import DuplicateCluster

    kept, retired = Example.objects.filter(project=world.project, status="queued").order_by("pk")[1:3]
    cluster = DuplicateCluster.objects.create(
        project=world.project, kind="prompt", first=kept, size=2, in_use=2, found_at=timezone.now(), status="settled",
        outcome="wanted", reason="Both are asked.", settled_by=world.admin, settled_at=timezone.now(), likeness=0.7,
        disagreement="values", says="3 December against 4 December", exact=True, tested=True,
    )  # fmt: skip
    cluster.members.create(example=kept, similarity=1.0, kept=True, part=1)
    cluster.members.create(example=retired, similarity=0.9, kept=False, part=1, was="queued")


def _versions(world: World, dataset: Any) -> tuple[Any, Any]:
    from core.storage import storage
    from training.models import MetricPoint, SampleAnswer

    base_model = make_base_model()
    base = make_version(world.project, base_model=base_model)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "adapter_model.safetensors").write_bytes(b"adapter" * 10)
        (Path(folder) / "adapter_config.json").write_text("{}")
        adapter = storage().put(Path(folder), kind="model")
    training = make_training(
        world.project, world.admin, base_model=base_model, dataset=dataset, status="succeeded", loss_before=3.07,
        checkpoint_step=4,
    )  # fmt: skip
    trained = make_version(
        world.project, world.admin, base_model=base_model, training_run=training, artifact=adapter, number=1,
        status="ready", ready_at=timezone.now(),
    )  # fmt: skip
    MetricPoint.objects.create(
        training_run=training, series="train", step=1, epoch=0.1, loss=1 / 3, learning_rate=2e-4
    )
    SampleAnswer.objects.create(training_run=training, step=1, question="Where?", answer="At sea.")
    make_losses(base, trained, [(1.0, 0.9), (1.2, 1.1)])
    make_forgetting(trained, lost=10)
    _asked(world, base_model)
    make_learning_curve(world.project, world.admin, base_model=base_model, dataset=dataset)
    return base, trained


def _chain(world: World, dataset: Any, later: Any, trained: Any) -> None:
    """A version that continues from the trained one with replayed rows of the earlier dataset, one that continues from that one, and one
    part of the way from the base model to the first; and what was decided about corrections."""
    from dataset.models import DatasetRow
    from training.general import TASKS
    from training.interpolation import PERCENTS, BlendFigures
    from training.models import CorrectionSplit, Interpolation, ReplayedRow

    project, before = world.project, trained
    rows = DatasetRow.objects.filter(dataset=dataset, split="train").order_by("-pk")[:2]
    for number in (2, 3):
        training = make_training(
            project, world.admin, base_model=trained.base_model, dataset=later, status="succeeded", continued_from=before
        )  # fmt: skip
        for row in rows:
            ReplayedRow.objects.create(training_run=training, row=row)
        before = make_version(
            project, world.admin, base_model=trained.base_model, training_run=training, artifact=trained.artifact,
            number=number, parent=before,
        )  # fmt: skip
    figures = [BlendFigures(at, 3 - at / 300, dict.fromkeys(TASKS, 1 + at / 700)) for at in PERCENTS]
    Interpolation.objects.create(
        version=trained, run=make_run(project, kind="interpolation", status="succeeded", params={"version": trained.pk}),
        set_version="e" * 64, precision="float32", rows=6, figures=[one.as_values() for one in figures],
        measured_at=timezone.now(),
    )  # fmt: skip
    part = make_training(
        project, world.admin, base_model=trained.base_model, dataset=dataset, status="succeeded", continued_from=trained,
        percent=50,
    )  # fmt: skip
    make_version(
        project, world.admin, base_model=trained.base_model, training_run=part, artifact=trained.artifact, number=4,
        parent=trained,
    )  # fmt: skip
    for group, held_out in (("chat-1", True), ("chat-2", False)):
        CorrectionSplit.objects.create(project=project, group=group, held_out=held_out)


def _asked(world: World, base_model: Any) -> None:
    """What the base model answered about an example with a fact without support, and the finding."""
    from annotation.models import Example
    from training.services.knowledge import AskedExample, AskedFact, note_asked

    example = Example.objects.filter(project=world.project, status="approved").latest("pk")
    facts = [AskedFact(example.completion[:4], 0, 4, 0)]
    asked = AskedExample(
        example.pk, example.content_hash, example.content(), "d" * 64, facts, ["I do not know.", ""]
    )
    note_asked(project=world.project, base_model=base_model, asked=[asked])


def _evaluation(world: World, dataset: Any, versions: tuple[Any, Any]) -> None:
    from evaluation import services
    from evaluation.models import Rating

    campaign = make_campaign(
        world.project, world.admin, dataset=dataset, versions=versions, prompts=4, ratings_per_prompt=1
    )
    first, *_ = rate_all(campaign, world.rater, ["candidate", "tie"], FULL_SCORES)
    Rating.objects.filter(pk=first.pk).update(
        set_aside_at=timezone.now(), set_aside_by=world.admin, set_aside_reason="in doubt", seconds=0.1 + 0.2
    )
    comparison = services.next_comparison(by=world.rater, campaign=campaign)
    assert comparison is not None
    services.rate(
        by=world.rater,
        comparison=comparison,
        choice="both_bad",
        scores=None,
        corrections={"a": "A better answer. Your next step: none."},
    )
    services.close_campaign(by=world.admin, campaign=campaign)
    preferences = make_preferences(world.project, world.admin, Choice(take=(Take.COMPARISONS, Take.EXAMPLES)))
    assert preferences.counts["preferences"]["disliked"] == 2
    services.reopen_campaign(by=world.admin, campaign=campaign)


def _chat(world: World, version: Any) -> None:
    from core.services.keys import create_api_key
    from inference.models import Conversation
    from inference.services.conversations import correct
    from inference.services.marks import mark_answer

    key, _ = create_api_key(by=world.admin, project=world.project, name="app")
    conversation = Conversation.objects.create(project=world.project, user=world.rater, version=version)
    answer = make_answer_row(
        version, conversation=conversation, user=world.rater, turn=1, params={"temperature": 0.2}
    )
    correct(by=world.rater, answer=answer, completion="It arrives on Monday.")
    mark_answer(by=world.rater, answer=answer, good=False, reason="It names no day.")
    make_answer_row(version, purpose="application", api_key=key, status="streaming")


def _releases(world: World, base: Any, trained: Any) -> None:
    from inference.models import Route
    from release.actions import ReleaseAction
    from release.models import ForgettingBudget, Release

    for version, replaced in ((base, None), (trained, base)):
        release = Release.objects.create(
            project=world.project,
            action="live",
            version=version,
            replaced=replaced,
            gate=[{"name": "files", "result": "pass", "says": "All files are there."}],
            signed_off_by=world.admin,
        )
        record(
            by=world.admin,
            project=world.project,
            action=ReleaseAction.RELEASE_MADE_LIVE,
            obj=version,
            release=release.pk,
            gate="1 of 1 passed",
        )
    Route.objects.create(project=world.project, version=trained)
    ForgettingBudget.objects.create(
        project=world.project, answers=12.5, refusals=5, loss=0.2, changed_by=world.admin
    )


# --- moving ------------------------------------------------------------------------------------------------


def archive_of(
    project: Project, path: Path, *, with_weights: bool = True, by: User | None = None
) -> Manifest:
    return write_archive(project, path, with_weights=with_weights, by=by, report=quiet)


def bring(path: Path, slug: str, by: User | None = None) -> ImportedProject:
    with Container(path) as container:
        return import_archive(container, slug=slug, by=by, report=quiet)


# --- changed archives --------------------------------------------------------------------------------------

Change = Callable[[dict[str, bytes]], None]


def rewritten(path: Path, change: Change, *, fix: bool = True) -> Path:
    """A copy of an archive after `change` has changed its files in place; `fix` brings hashes and lengths of the list of contents up
    to date, as an attacker would."""
    with zipfile.ZipFile(path) as archive:
        files = {info.filename: archive.read(info) for info in archive.infolist()}
    change(files)
    if fix and NAME in files:
        manifest = json.loads(files[NAME])
        for entry in [*manifest["rows"], *manifest["files"]]:
            data = files.get(entry["file"])
            if data is not None:
                entry.update(size=len(data), sha256=sha256(data).hexdigest())
                if "rows" in entry:
                    entry["rows"] = data.count(b"\n")
        files[NAME] = json.dumps(manifest).encode()
    target = path.with_name(f"{uuid.uuid4().hex}.zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target


def change_rows(label: str, change: Callable[[list[dict[str, Any]]], None]) -> Change:
    """A change of the rows of one table."""

    def apply(files: dict[str, bytes]) -> None:
        name = f"rows/{label}.jsonl"
        rows = [json.loads(line) for line in io.BytesIO(files[name])]
        change(rows)
        files[name] = "".join(json.dumps(row) + "\n" for row in rows).encode()

    return apply


def change_manifest(change: Callable[[dict[str, Any]], None]) -> Change:
    def apply(files: dict[str, bytes]) -> None:
        manifest = json.loads(files[NAME])
        change(manifest)
        files[NAME] = json.dumps(manifest).encode()

    return apply
