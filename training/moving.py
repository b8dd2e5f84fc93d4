"""What of training belongs to an archive of a project (core.moving)."""

import secrets
from typing import Any

from django.utils import timezone

from core.models import Artifact
from core.moving.own import register_run_params
from core.moving.parts import Arrival, Part, Row, plain, register_left_out, register_part
from training.forgetting import TaskFigures, verdicts
from training.interpolation import is_figures
from training.models import (
    ApiCaller,
    BaseModel,
    CorrectionSplit,
    CurvePoint,
    DeletionReceipt,
    ForgettingItem,
    ForgettingMeasurement,
    GeneralAnswer,
    Interpolation,
    KnowledgeAnswer,
    LearningCurve,
    LossMeasurement,
    MetricPoint,
    ModelVersion,
    PersonalAdapter,
    ReplayedRow,
    RowLoss,
    SampleAnswer,
    Team,
    TeamMember,
    TokenCount,
    TrainingRun,
)


def another_name(old: str) -> str:
    return f"{old[:100]} {secrets.token_hex(4)}"


def another_slug(old: str) -> str:
    return f"{old[:50]}-{secrets.token_hex(4)}"


def _same_base(row: Row) -> int | None:
    """The base model of this installation with the same files: base models belong to no project."""
    bases = BaseModel.objects.filter(artifact=row["artifact_id"], status=BaseModel.Status.READY)
    return bases.order_by("pk").values_list("pk", flat=True).first()


def _wrong_base(row: Row) -> str:
    if row["status"] != BaseModel.Status.READY or row["artifact_id"] is None:
        return "it is not ready"
    return ""


def _base_arrives(row: Row, arrival: Arrival) -> None:
    """Without its files a base model cannot be used. An operator can prepare it again from where it was taken."""
    if row["artifact_id"] in arrival.missing:
        row["status"], row["artifact_id"] = BaseModel.Status.FAILED, None
        row["run_id"] = arrival.failed_run(
            kind="base_model",
            title=f"Prepare {row['name']}",
            message="The weights of this base model did not come with the project.",
            advice="An operator can prepare it here.",
        )


def _version_arrives(row: Row, arrival: Arrival) -> None:
    """The engines here have not compared its token ids yet. Files that stayed behind are reported as missing."""
    if row["status"] == ModelVersion.Status.READY:
        row["status"], row["ready_at"] = ModelVersion.Status.REGISTERED, None
    if row["artifact_id"] in arrival.missing:
        manifest: list[dict[str, Any]] = Artifact.objects.values_list("manifest", flat=True).get(
            pk=row["artifact_id"]
        )
        row["files_report"] = {
            "at": timezone.now().isoformat(),
            "wrong": [entry["path"] for entry in manifest],
        }


def _wrong_answer(row: Row) -> str:
    facts, answers = row["facts"], row["answers"]
    fits = (
        isinstance(facts, list)
        and all(
            isinstance(fact, dict) and {"text", "start", "end", "answers"} <= fact.keys() for fact in facts
        )
        and isinstance(answers, list)
        and all(isinstance(answer, str) for answer in answers)
    )
    return "" if fits else "its facts or answers are not ones"


def _wrong_figures(row: Row) -> str:
    try:
        verdicts([TaskFigures.from_values(values) for values in row["figures"]])
    except (TypeError, KeyError, AttributeError, ValueError):
        return "its figures are not ones"
    return ""


def _wrong_shares(row: Row) -> str:
    figures = row["figures"]
    fits = isinstance(figures, list) and all(map(is_figures, figures))
    return "" if fits else "its figures are not ones"


def register_moving() -> None:
    base = ("architecture", "control_tokens", "parity_prompts")
    register_part(
        Part(
            BaseModel,
            json=dict.fromkeys(base, plain),
            reset={"run_id": (None, "Its preparation was work of its installation.")},
            fresh={"name": another_name, "slug": another_slug},
            check=_wrong_base,
            reuse=_same_base,
            arrive=_base_arrives,
        )
    )
    training = ("recipe", "resumes", "environment", "estimate", "data_facts", "measured", "counted")
    register_part(
        Part(
            TrainingRun,
            "project",
            json=dict.fromkeys(training, plain),
            reset={"checkpoint_step": (None, "Checkpoints stay on the host that trained.")},
        )
    )
    register_part(
        Part(
            ModelVersion,
            "project",
            json=dict.fromkeys(("parity_prompts", "parity_report", "files_report"), plain),
            fresh={"served_name": another_slug},
            arrive=_version_arrives,
        )
    )
    register_part(Part(ReplayedRow, "training_run__project"))
    register_part(Part(MetricPoint, "training_run__project", json={"figures": plain}))
    register_part(Part(SampleAnswer, "training_run__project"))
    register_part(Part(RowLoss, "version__project"))
    register_part(
        Part(LossMeasurement, "version__project", json=dict.fromkeys(("rows", "left_out", "prompts"), plain))
    )
    register_part(
        Part(
            KnowledgeAnswer,
            "project",
            json={"facts": plain, "answers": plain},
            check=_wrong_answer,
        )
    )
    curve = ("recipe", "held_out", "environment", "forecast")
    register_part(Part(LearningCurve, "project", json=dict.fromkeys(curve, plain)))
    register_part(Part(CurvePoint, "curve__project", json={"losses": plain}))
    register_run_params(
        dataset="datasets.DatasetVersion", base_model="training.BaseModel", version="training.ModelVersion"
    )
    _register_forgetting()
    _register_personal()
    register_left_out(TokenCount, "Tokens are counted again when they are needed.")
    register_left_out(
        "checkpoints", "A training run that had not ended starts from its beginning.", words="Checkpoints"
    )


def _register_forgetting() -> None:
    register_part(
        Part(ForgettingMeasurement, "version__project", json={"figures": plain}, check=_wrong_figures)
    )
    register_part(Part(Interpolation, "version__project", json={"figures": plain}, check=_wrong_shares))
    register_part(Part(ForgettingItem, "measurement__version__project"))
    register_left_out(GeneralAnswer, "Base models are asked again when a version is measured.")


def _register_personal() -> None:
    """The split of conversations is permanent, so it comes along."""
    register_part(Part(CorrectionSplit, "project"))
    why = "They belong to one person or team, who train them again there."
    register_left_out(PersonalAdapter, why, words="Personal adapters, teams and their deletion receipts")
    for model in (Team, TeamMember, ApiCaller, DeletionReceipt):
        register_left_out(model, why)
