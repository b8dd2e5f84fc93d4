"""Core's own parts of an archive, and what of core is left out."""

import re
from typing import Any

from django.db.models import Q

from core.json_types import Json
from core.lists.numbers import whole_number
from core.models import (
    ApiKey,
    Artifact,
    AuditEntry,
    Delivery,
    Event,
    Membership,
    Project,
    ProjectArchive,
    ProjectImport,
    Role,
    Run,
)
from core.moving.files import wrong_artifact
from core.moving.parts import Arrival, Part, Renumber, Row, parts, plain, register_left_out, register_part

# Their runs make or read archives. They are never in one: an archive could start an import with them.
KINDS = ("project_archive", "project_import")
_ACTION = re.compile(r"[a-z_]+(?:\.[a-z_]+)+\Z")
_run_params: dict[str, str] = {}
_audit_ids: dict[str, dict[str, str]] = {}


def register_run_params(**labels: str) -> None:
    """Keys of Run.params that hold a primary key: dataset="datasets.DatasetVersion"."""
    _run_params.update(labels)


def register_audit_ids(action: str, **labels: str) -> None:
    """Keys of the details of this audited action that hold a primary key."""
    _audit_ids[str(action)] = labels


# --- background jobs -----------------------------------------------------------------------------------------


def _params(value: Json, new: Renumber) -> Json:
    return _renumbered(value, _run_params, new)


def _renumbered(value: Any, labels: dict[str, str], new: Renumber) -> Any:
    """An object with new numbers under the keys of `labels`; None for rows that the archive does not have."""
    if not isinstance(value, dict):
        return value
    return {
        key: new.id(labels[key], one) if key in labels and _is_number(one) else one
        for key, one in value.items()
    }


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _settle_run(row: Row) -> None:
    """A job that has not ended is cancelled there: its worker and its messages stay here."""
    if row["status"] in Run.ACTIVE:
        row.update(
            status=Run.Status.CANCELLED,
            message="It had not ended when the archive was made.",
            claim=None,
            eta_at=None,
            finished_at=row["heartbeat_at"] or row["queued_at"],
        )


def _wrong_run(row: Row) -> str:
    return "it is a job that archives cannot have" if row["kind"] in KINDS else ""


# --- the audit -----------------------------------------------------------------------------------------------


def _rewrite_entry(row: Row, new: Renumber) -> None:
    """An entry names people and objects without foreign keys. What did not come along keeps its name and loses its number."""
    if row["actor_id"] is not None:
        row["actor_id"] = new.id("core.User", row["actor_id"])
    label = next((part.label for part in parts() if part.label.lower() == row["object_type"]), "")
    label = label or {"core.user": "core.User"}.get(row["object_type"], "")
    old = row["object_id"]
    known = whole_number(old) if label else None
    number = new.id(label, known) if known is not None else None
    row["object_id"] = str(number) if number is not None else ""
    if row["object_label"] == f"#{old}" and number is not None:
        row["object_label"] = f"#{number}"
    row["detail"] = _renumbered(row["detail"], _audit_ids.get(row["action"], {}), new)


def _wrong_entry(row: Row) -> str:
    return "" if _ACTION.match(row["action"]) else "it is not an action"


def _arrived_entry(row: Row, arrival: Arrival) -> None:
    row["imported"] = True


# --- members -------------------------------------------------------------------------------------------------


def _wrong_roles(row: Row) -> str:
    roles = row["roles"]
    if not roles or not set(roles) <= set(Role.values) or len(set(roles)) != len(roles):
        return "it has a role that does not exist"
    return ""


def register_own() -> None:
    register_part(Part(Project))
    register_part(Part(Artifact, json={"manifest": plain}, check=wrong_artifact))
    register_part(Part(Membership, "project", check=_wrong_roles))
    register_part(
        Part(
            Run,
            "project",
            only=~Q(kind__in=KINDS),
            json={"params": _params},
            settle=_settle_run,
            check=_wrong_run,
        )
    )
    register_part(
        Part(
            AuditEntry,
            "project_id",
            refs={"project_id": "core.Project"},
            json={"detail": plain},
            rewrite=_rewrite_entry,
            check=_wrong_entry,
            arrive=_arrived_entry,
        )
    )
    register_left_out(
        "core.User",
        "Only names and e-mail addresses come along. People who have no account there get one without a password.",
        words="Passwords, sessions and rights of operators",
    )
    register_left_out(
        ApiKey, "Keys are secrets of one installation. Create new ones there.", words="API keys"
    )
    register_left_out(Event, "They are messages inside of one installation.")
    register_left_out(Delivery, "They are messages inside of one installation.")
    register_left_out(ProjectArchive, "An archive does not contain archives.", words="Earlier archives")
    register_left_out(ProjectImport, "It tells how a project came to this installation.")
    register_left_out(
        "running jobs",
        "They continue here. There they are shown as cancelled, and can be started again.",
        words="Background jobs that have not ended",
    )
