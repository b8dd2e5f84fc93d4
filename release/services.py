"""Changes of the live version: one decision, one transaction, one row that never changes."""

from collections.abc import Mapping
from dataclasses import asdict

from django.db import transaction

from core.audit.entries import record
from core.errors import Conflict, Invalid, Refused
from core.models import Project, User
from inference.models import Deployment
from inference.queries import deployment_of, live_version, way_back
from inference.services import point_route, request_load
from release import queries
from release.actions import ReleaseAction
from release.forgetting import Budget
from release.gate import Gate
from release.models import ForgettingBudget, Release
from training import services as training
from training.models import LossMeasurement, ModelVersion

LONGEST_NOTE = 2000


def make_live(
    *,
    by: User,
    version: ModelVersion,
    replaces: ModelVersion | None,
    sign_off: bool,
    note: str = "",
    gate_seen: Mapping[str, str] | None = None,
) -> Release:
    """Points the project's applications at `version` and stores the gate of this moment.

    `replaces` is the version that the person saw as live (None: nothing); if it has changed, this is a Conflict.
    `gate_seen` has the result of each criterion that the person read, by its name: if one is worse now, this is a
    Conflict too. `sign_off` is the person's own confirmation. A gate that is on hold or failed can be overridden with a
    note that gives the reason.
    Raises Invalid without sign-off or note, and Refused when the version is not ready or not served.
    """
    version = queries.version_of(version.project).get(pk=version.pk)
    files = queries.read_files(version, fresh=True)
    with transaction.atomic():
        return _make_live(by, version, replaces, sign_off, note, files, gate_seen)


def _make_live(
    by: User,
    version: ModelVersion,
    replaces: ModelVersion | None,
    sign_off: bool,
    note: str,
    files: queries.FilesRead,
    gate_seen: Mapping[str, str] | None,
) -> Release:
    project = version.project
    _lock(project)
    _must_still_be(project, replaces)
    candidate = queries.candidate(queries.version_of(project).get(pk=version.pk), files=files)
    _must_be_no_worse(candidate.gate, gate_seen)
    note = note.strip()
    fields: dict[str, list[str]] = {}
    if not sign_off:
        fields["sign_off"] = ["Confirm that you sign this off."]
    if candidate.gate.result != "pass" and not note:
        fields["note"] = [f"{candidate.gate.says} Give the reason for releasing it anyway."]
    if len(note) > LONGEST_NOTE:
        fields["note"] = [f"Keep the note under {LONGEST_NOTE:,} characters."]
    if fields:
        raise Invalid("It was not released.", fields=fields)
    release = _switch(by, project, version, replaces, Release.Action.LIVE, candidate.gate.stored(), note)
    record(
        by=by,
        project=project,
        action=ReleaseAction.RELEASE_MADE_LIVE,
        obj=version,
        release=release.pk,
        replaced=str(replaces) if replaces else "",
        gate=candidate.gate.says.rstrip("."),
        result=candidate.gate.result,
        overridden=[check.name for check in candidate.gate.open_points],
        note=note,
    )
    return release


def measure_loss(*, by: User, version: ModelVersion) -> LossMeasurement:
    """Measures the version and its opponent on the same test rows. Refused when it has no opponent."""
    measuring = queries.measuring(version)
    if measuring is None:
        raise Refused(
            f"{version} cannot be compared: nothing is live, and it is the base model itself.",
            "Measure a trained version, or release one first.",
        )
    return training.measure_loss(by=by, version=version, against=measuring.against)


@transaction.atomic
def set_forgetting_budget(*, by: User, project: Project, budget: Budget) -> ForgettingBudget:
    """How much the project's releases may forget, from now on: gates that were signed off stay as they are. Invalid outside 0 to 100
    points and 0 to 10 nats."""
    fields = {}
    for name, most in (("answers", 100), ("refusals", 100), ("loss", 10)):
        if not 0 <= getattr(budget, name) <= most:  # false for "not a number", too
            fields[name] = [f"Give a number from 0 to {most}."]
    if fields:
        raise Invalid("The budget was not changed.", fields=fields)
    values = asdict(budget)
    stored, _ = ForgettingBudget.objects.update_or_create(
        project=project, defaults={**values, "changed_by": by}
    )
    record(by=by, project=project, action=ReleaseAction.FORGETTING_BUDGET_CHANGED, obj=project, **values)
    return stored


def roll_back(*, by: User, project: Project, away_from: ModelVersion, reason: str) -> Release:
    """Rolls back to the version that was live before `away_from`, which the person saw as live; two rollbacks go back
    two steps.

    It does not need a passed gate (it was live before), only an engine that serves it, and a `reason`. Conflict when
    another version is live now; Invalid without a reason; Refused when there is no earlier version, or no engine serves
    it.
    """
    back = way_back(project).target
    files = (
        queries.read_files(queries.version_of(project).get(pk=back.pk), fresh=False)
        if back is not None
        else None
    )
    with transaction.atomic():
        return _roll_back(by, project, away_from, reason, files)


def _roll_back(
    by: User, project: Project, away_from: ModelVersion, reason: str, files: queries.FilesRead | None
) -> Release:
    _lock(project)
    # Still the same as when its files were read: the way back changes only with the live version.
    _must_still_be(project, away_from)
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_NOTE:
        missing = (
            "Give the reason for the rollback."
            if not reason
            else f"Keep it under {LONGEST_NOTE:,} characters."
        )
        raise Invalid(f"{away_from} is still live.", missing, fields={"reason": [missing]})
    standing = queries.standing(project)
    back = standing.previous
    if back is None:
        raise Refused(standing.no_way_back, "Release another version instead.")
    gate = queries.candidate(queries.version_of(project).get(pk=back.pk), files=files).gate
    release = _switch(by, project, back, away_from, Release.Action.ROLLBACK, gate.stored(), reason)
    record(
        by=by,
        project=project,
        action=ReleaseAction.RELEASE_ROLLED_BACK,
        obj=back,
        release=release.pk,
        replaced=str(away_from),
        gate=gate.says.rstrip("."),
        result=gate.result,
        reason=reason,
    )
    return release


def _lock(project: Project) -> None:
    """Two admins decide one after the other: the second sees the result of the first."""
    Project.objects.select_for_update(no_key=True, of=("self",)).get(pk=project.pk)


def _must_still_be(project: Project, expected: ModelVersion | None) -> None:
    live = live_version(project)
    if (live.pk if live else None) != (expected.pk if expected else None):
        raise Conflict(
            f"{live} went live meanwhile." if live else "No version is live now.",
            "Read the page again before you decide.",
        )


def _must_be_no_worse(gate: Gate, seen: Mapping[str, str] | None) -> None:
    """A criterion that passes now is fine; one that holds or fails now and did not before is a conflict."""
    if seen is None:
        return
    worse = [check.label for check in gate.open_points if seen.get(check.name) != check.result]
    if worse:
        raise Conflict(
            f"The gate changed since you read it: {', '.join(worse)}.",
            "Nothing was released. Read the gate again, then decide.",
        )


def _switch(
    by: User,
    project: Project,
    version: ModelVersion,
    replaced: ModelVersion | None,
    action: str,
    gate: list[dict[str, str]],
    note: str,
) -> Release:
    point_route(by=by, project=project, version=version, rolling_back=action == Release.Action.ROLLBACK)
    if replaced is not None:
        _keep_loaded(by, replaced)
    return Release.objects.create(
        project=project,
        action=action,
        version=version,
        replaced=replaced,
        gate=gate,
        note=note,
        signed_off_by=by,
    )


def _keep_loaded(by: User, version: ModelVersion) -> None:
    """The replaced version stays loaded, so that a rollback is possible. A rejected version is not loaded again."""
    if version.status == ModelVersion.Status.REJECTED:
        return
    deployment = deployment_of(version)
    if deployment is None or deployment.wanted == Deployment.Wanted.UNLOADED:
        request_load(by=by, version=version)
