"""Measured test losses of versions, as facts for the gate."""

from collections.abc import Sequence

from core.models import Run
from release.held_out import HeldOut, MeasuredRow
from training.losses import Loss, losses_of, measurements_of, prompt_digest
from training.models import LossMeasurement, ModelVersion
from training.statistics.paired import PairedRow

Losses = dict[int, dict[str, Loss]]


def opponents(versions: Sequence[ModelVersion], live: ModelVersion | None) -> dict[int, ModelVersion | None]:
    """{version id: its opponent}: the live version; while nothing else is live, its base model.

    None for a base model while nothing is live. One query.
    """
    bases = {
        base.base_model_id: base
        for base in ModelVersion.objects.filter(
            project__in={version.project_id for version in versions}, kind=ModelVersion.Kind.BASE
        ).select_related("base_model", "project", "training_run__dataset")
    }
    by_version: dict[int, ModelVersion | None] = {}
    for version in versions:
        other = live or bases.get(version.base_model_id)
        by_version[version.pk] = None if other is None or other.pk == version.pk else other
    return by_version


def held_out_of(versions: Sequence[ModelVersion], live: ModelVersion | None) -> dict[int, HeldOut]:
    """{version id: facts of its loss and its opponent's}. Three queries for any number of versions."""
    against = opponents(versions, live)
    others = {other.pk: other for other in against.values() if other is not None}
    measurements = measurements_of(versions, others.values())
    losses = losses_of({pk for pair in measurements for pk in pair})
    by_version = {}
    for version in versions:
        other = against[version.pk]
        measurement = measurements.get((version.pk, other.pk)) if other else None
        by_version[version.pk] = _held_out(version, other, measurement, losses, is_live=live is not None)
    return by_version


def _held_out(
    version: ModelVersion,
    other: ModelVersion | None,
    measurement: LossMeasurement | None,
    losses: Losses,
    *,
    is_live: bool,
) -> HeldOut:
    if other is None:
        return HeldOut(state="no_opponent")
    name = str(other)
    if measurement is None or measurement.run.status == Run.Status.CANCELLED:
        return HeldOut(state="missing", opponent=name, live=is_live)
    if measurement.run.is_active:
        return HeldOut(state="running", opponent=name, live=is_live)
    if measurement.run.status == Run.Status.FAILED:
        return HeldOut(state="failed", opponent=name, live=is_live, says=measurement.run.error_message)
    own, its = losses.get(version.pk, {}), losses.get(other.pk, {})
    changed = _changed(version, other, measurement, own, its)
    if changed:
        return HeldOut(state="outdated", opponent=name, live=is_live, says=changed)
    pairs = [(row, own[row["hash"]], its[row["hash"]]) for row in measurement.rows]
    return HeldOut(
        state="measured",
        opponent=name,
        live=is_live,
        own_tokens=all(mine.tokens == other_loss.tokens for _, mine, other_loss in pairs),
        trained_on=int(measurement.left_out.get("trained_on", 0)),
        rows=[
            MeasuredRow(
                row["slice"],
                PairedRow(
                    group=row["group"],
                    loss=mine.loss,
                    other=other_loss.loss,
                    tokens=other_loss.tokens,
                    weight=row["weight"],
                ),
            )
            for row, mine, other_loss in pairs
        ],
    )


def _changed(
    version: ModelVersion,
    other: ModelVersion,
    measurement: LossMeasurement,
    own: dict[str, Loss],
    its: dict[str, Loss],
) -> str:
    """Why the stored losses can no longer be compared; empty when they can."""
    for model_version, side in ((version, "version"), (other, "against")):
        if measurement.prompts.get(side) != prompt_digest(model_version):
            return f"the system prompt of {model_version} was different"
    hashes = [row["hash"] for row in measurement.rows]
    if any(row_hash not in own or row_hash not in its for row_hash in hashes):
        return "some rows no longer have a loss"
    if any(own[row_hash].precision != its[row_hash].precision for row_hash in hashes):
        return "the two were measured with different precision"
    return ""
