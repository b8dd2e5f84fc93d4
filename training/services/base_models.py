"""Base models: registered once for the installation, used by every project."""

import re
import uuid
from pathlib import Path

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from core.audit.entries import record
from core.database.transitions import transition
from core.errors import Conflict, Invalid, Refused
from core.models import Project, Run, User
from core.runs.control import launch_run, start_again
from core.text import one_line
from training.actions import TrainingAction
from training.host.packages import PACKAGES, inside_model_folders
from training.models import BaseModel, ModelVersion
from training.services.results import make_base_version

_HUB_NAME = re.compile(r"^[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}$")
_COMMIT = re.compile(r"^[0-9a-f]{40}$")


def slug_for(name: str) -> str:
    """The slug of a base model: its name in engines."""
    return slugify(name)[:60].strip("-_")


def _checked(kind: str, location: str, revision: str) -> tuple[str, str]:
    """(location, revision) normalised, or Invalid."""
    if kind == BaseModel.Kind.PACKAGE:
        if location not in PACKAGES:
            raise Invalid(
                "This package does not contain a known model.",
                fields={"location": ["Choose one of " + ", ".join(PACKAGES) + "."]},
            )
        return location, ""
    if kind == BaseModel.Kind.FOLDER:
        if not inside_model_folders(Path(location)):
            raise Invalid(
                "This folder is not in a model folder of this installation.",
                fields={"location": ["Only folders below GUILDHALL_MODEL_FOLDERS can be used."]},
            )
        return str(Path(location).resolve()), ""
    if kind == BaseModel.Kind.HUB:
        wrong: dict[str, list[str]] = {}
        if not _HUB_NAME.match(location) or ".." in location:
            wrong["location"] = ["Give it as owner/name."]
        if not _COMMIT.match(revision):
            wrong["revision"] = [
                "Give the full commit hash, 40 digits 0-9 and a-f. A branch can change later."
            ]
        if wrong:
            raise Invalid("The name or revision of the hub model is not complete.", fields=wrong)
        return location, revision
    raise Invalid("No such kind of base model.", fields={"kind": ["Choose package, folder or hub."]})


def _operators_in_words() -> str:
    names = list(
        User.objects.filter(is_operator=True, is_active=True)
        .order_by("name")
        .values_list("name", flat=True)[:3]
    )
    return (
        f"Ask {' or '.join(names)}."
        if names
        else "There is no operator yet. See the documentation on running Guildhall."
    )


def _taken(name: str, slug: str) -> str:
    """The base model that conflicts with a name. Another name can give the same slug."""
    other = BaseModel.objects.filter(slug=slug).first()
    if other is None or other.name == name:
        return f"A base model named {name} exists already."
    return f"The name gives the same short name as the base model {other.name} ({slug})."


@transaction.atomic
def register_base_model(
    *,
    by: User | None,
    name: str,
    kind: str,
    location: str,
    revision: str = "",
    license: str = "",  # noqa: A002 (the field's name)
    slug: str = "",
    project: Project | None = None,
) -> BaseModel:
    """Adds a base model and starts preparing it. Every project can use it. `project` is the project of the request: it
    shows the background job, and the base model becomes a version there (number 0) when it is ready.

    Refused unless `by` is an operator (or the system itself). Invalid for a source that is not allowed.
    """
    if by is not None and not by.is_operator:
        raise Refused(
            "Only operators add base models.",
            _operators_in_words(),
        )
    name = one_line(name)
    slug = slug_for(slug or name)
    if not name:
        raise Invalid("A base model needs a name.", fields={"name": ["Give it a name."]})
    # A name without any letter for a slug (東京).
    slug = slug or f"b-{uuid.uuid4().hex[:8]}"
    location, revision = _checked(kind, location.strip(), revision.strip().lower())
    try:
        with transaction.atomic():
            base = BaseModel.objects.create(
                name=name,
                slug=slug,
                kind=kind,
                location=location,
                revision=revision,
                license=license or (PACKAGES[location].license if kind == BaseModel.Kind.PACKAGE else ""),
                created_by=by,
            )
    except IntegrityError:
        message = _taken(name, slug)
        raise Invalid(
            message, "Choose another name.", fields={"name": [f"{message} Choose another name."]}
        ) from None
    base.run = launch_run(by=by, project=project, kind="base_model", title=f"Prepare {base.name}")
    base.save(update_fields=["run"])
    action = TrainingAction.BASE_MODEL_ADDED
    record(by=by, project=project, action=action, obj=base, location=location, revision=revision)
    return base


def prepare_again(*, by: User, base_model: BaseModel) -> BaseModel:
    """Starts a failed or cancelled preparation again. Refused to all but operators; Conflict otherwise."""
    if not by.is_operator:
        raise Refused("Only operators prepare base models.", _operators_in_words())
    if base_model.run is None:
        raise Conflict(
            f"{base_model.name} has no preparation to start again.",
            "Add the base model again if it is missing.",
        )
    base_model.run = start_again(by=by, run=base_model.run)
    base_model.refresh_from_db(fields=["status"])
    return base_model


def preparation_ended(run: Run) -> None:
    """A base model that could not be prepared is marked so (core.runs.kinds.RunKind.on_end)."""
    if run.status != Run.Status.SUCCEEDED:
        BaseModel.objects.filter(run=run, status=BaseModel.Status.PREPARING).update(
            status=BaseModel.Status.FAILED
        )


def again(run: Run, by: User) -> None:
    """The base model is being prepared again (core.runs.kinds.RunKind.on_again)."""
    transition(BaseModel.objects.get(run=run), BaseModel.Status.PREPARING)


@transaction.atomic
def ensure_base_version(*, by: User | None, project: Project, base_model: BaseModel) -> ModelVersion:
    """The project's model version of the base model (number 0); created if needed."""
    if base_model.status != BaseModel.Status.READY or base_model.artifact is None:
        raise Conflict(f"{base_model} is not ready.", "Wait until it is prepared.")
    return make_base_version(by=by, project=project, base_model=base_model)
