"""The preflight of a learning curve: that of a training run with its recipe, and what the curve needs besides."""

from dataclasses import dataclass, replace

from core.models import Project
from core.wording import counted
from dataset.models import DatasetVersion
from training import preflight
from training.estimates import curve_seconds
from training.extrapolation import LEAST_GROUPS, LEAST_ROWS, SHARES
from training.held_out import MOST_ROWS
from training.losses import count_test_groups
from training.methods import Recipe
from training.models import BaseModel
from training.preflight import Preflight
from training.preflight.findings import PreflightFinding
from training.queries import split_rows


@dataclass(frozen=True)
class CurvePreflight:
    """`run` is the preflight of the recipe on all rows, with the curve's own findings; `seconds` are those of all points. `rows` are
    about the training rows of each share."""

    run: Preflight
    points: int
    rows: list[int]
    held_out_rows: int
    seconds: float | None


def check(
    *,
    project: Project,
    base_model: BaseModel | None,
    dataset: DatasetVersion | None,
    method: str,
    recipe: Recipe,
    repeats: int,
) -> CurvePreflight:
    """All problems and the estimate. A constant number of queries."""
    found = preflight.check(
        project=project, base_model=base_model, dataset=dataset, method=method, recipe=recipe
    )
    if dataset is None or dataset.project_id != project.pk or dataset.status != DatasetVersion.Status.READY:
        return CurvePreflight(found, len(SHARES) * repeats, [], 0, None)
    split = split_rows(dataset)
    rows = min(split["train"], recipe.most_rows) if recipe.most_rows else split["train"]
    held_out = min(split["test"], MOST_ROWS)
    found = replace(found, findings=[*_findings(dataset, rows, split["train"]), *found.findings])
    seconds = None
    if found.estimate is not None and found.data is not None:
        seconds = curve_seconds(
            units=found.estimate.unit_seconds,
            tokens=found.estimate.tokens,
            validation_rows=found.estimate.measuring["rows"],
            held_out_rows=held_out,
            shares=SHARES,
            repeats=repeats,
        )
    return CurvePreflight(
        found, len(SHARES) * repeats, [round(rows * share / 100) for share in SHARES], held_out, seconds
    )


def _findings(dataset: DatasetVersion, rows: int, all_rows: int) -> list[PreflightFinding]:
    findings = []
    if rows < LEAST_ROWS:
        limited = rows < all_rows
        findings.append(
            PreflightFinding(
                "stop",
                f"{counted(rows, 'training row')}: a learning curve needs at least {LEAST_ROWS}, so that a quarter of them still "
                "makes a few steps.",
                "Raise “Training rows”." if limited else "Approve more examples and freeze a new version.",
                "most_rows" if limited else "dataset",
            )
        )
    groups = count_test_groups(dataset)
    if groups < LEAST_GROUPS:
        findings.append(
            PreflightFinding(
                "stop",
                (
                    f"The test rows of {dataset} are of {counted(groups, 'group')}"
                    if groups
                    else f"{dataset} has no test rows"
                )
                + f": a learning curve needs at least {LEAST_GROUPS} groups, since with fewer its intervals would be too narrow.",
                "Freeze a version with more test rows.",
                "dataset",
            )
        )
    return findings
