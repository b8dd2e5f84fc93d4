"""Sets what a project's data should contain, and makes tasks of what is missing."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.actions import AnnotationAction
from annotation.checks.languages import LANGUAGES
from annotation.lengths import BANDS
from annotation.models import AuthoringTask, Category, CoverageTarget
from annotation.moods import MOODS
from annotation.queries.authoring import possible_owners, progress_of
from annotation.queries.categories import edge_names
from annotation.text.cleaning import clean_text
from core.audit.entries import record
from core.database.transitions import transition
from core.errors import Invalid
from core.json_types import JsonLike
from core.models import Project, User
from core.seen import must_be_as_seen, stamp
from core.text import one_line

MOST_QUOTA = 100_000
MOST_NUMBER = 1_000_000
LONGEST_WANTED = 500
PART = ("slice", "edge", "length", "language", "mood")
Status = AuthoringTask.Status


# --- targets -----------------------------------------------------------------------------------------------
@transaction.atomic
def set_target(
    *,
    by: User,
    project: Project,
    amount: int,
    unit: str = CoverageTarget.Unit.NUMBER,
    slice: str = "",  # noqa: A002
    edge: str = "",
    length: str = "",
    language: str = "",
    mood: str = "",
    owner: User | None = None,
) -> CoverageTarget:
    """Sets the target of a part of the data, or changes the one that it has. Raises Invalid for a part that the project does not
    have, and for an amount that cannot be reached."""
    part = part_words(project, slice=slice, edge=edge, length=length, language=language, mood=mood)
    most = MOST_NUMBER if unit == CoverageTarget.Unit.NUMBER else 100
    if unit not in CoverageTarget.Unit.values or not 1 <= amount <= most:
        raise _wrong("amount", f"Give a number from 1 to {most:,}.")
    _must_be_member(project, owner)
    target, _ = CoverageTarget.objects.update_or_create(
        project=project,
        slice=slice,
        edge=edge,
        length=length,
        language=language,
        mood=mood,
        defaults={"amount": amount, "unit": unit, "owner": owner, "set_by": by},
    )
    words = (
        f"{amount:,} {target.get_unit_display()}"
        if unit == "number"
        else f"{amount}% of the approved examples"
    )
    record(by=by, project=project, action=AnnotationAction.TARGET_SET, obj=target, part=part, target=words)
    return target


@transaction.atomic
def remove_target(*, by: User, target: CoverageTarget) -> None:
    part = _words(target.project, *(getattr(target, name) for name in PART))
    record(by=by, project=target.project, action=AnnotationAction.TARGET_REMOVED, obj=target, part=part)
    target.delete()


def part_words(
    project: Project,
    *,
    slice: str = "",  # noqa: A002
    edge: str = "",
    length: str = "",
    language: str = "",
    mood: str = "",
) -> str:
    """The part that a target is for, in words: "Angry customer in customs". Invalid for one that the project does not have."""
    alone = [name for name, value in (("length", length), ("language", language), ("mood", mood)) if value]
    if alone and (len(alone) > 1 or slice or edge):
        raise _wrong(
            alone[0], "Choose a length, a language or a mood alone, without a slice or a kind of edge case."
        )
    if length and length not in BANDS:
        raise _wrong("length", "There is no such length.")
    if not alone and not slice and not edge:
        raise _wrong("slice", "Choose a slice, a kind of edge case, or both.")
    _must_exist(project, slice, edge, language, mood)
    return _words(project, slice, edge, length, language, mood)


def _must_exist(project: Project, slice_name: str, edge: str, language: str, mood: str) -> None:
    for field, kind, key, message in (
        ("edge", Category.Kind.EDGE, edge, "This kind of edge case does not exist."),
        ("slice", Category.Kind.SLICE, slice_name, "This slice is not on the project's list."),
    ):
        rows = Category.objects.filter(project=project, kind=kind, merged_into=None)
        if key and not rows.filter(key=key).exists():
            raise _wrong(field, message)
    if language and language not in LANGUAGES:
        raise _wrong("language", "Guildhall cannot recognise this language.")
    if mood and mood not in MOODS:
        raise _wrong("mood", f"The moods are {', '.join(MOODS)}.")


def _words(project: Project, slice_name: str, edge: str, length: str, language: str, mood: str) -> str:
    """ "Angry customer, refunds, in German"."""
    name = edge_names(project).get(edge, edge) if edge else ""
    parts = [
        f"{MOODS.get(mood, mood)} customer" if mood else "",
        f"{name} in {slice_name}" if name and slice_name else name or slice_name,
        f"in {LANGUAGES.get(language, language)}" if language else "",
        BANDS[length][0] if length else "",
    ]
    words = ", ".join(part for part in parts if part)
    return words[:1].upper() + words[1:] if words.startswith("in ") else words


def _must_be_member(project: Project, owner: User | None) -> None:
    if owner is not None and not project.members.filter(pk=owner.pk).exists():
        raise _wrong("owner", "This person is not in the project.")


# --- tasks -------------------------------------------------------------------------------------------------
def task_stamp(task: AuthoringTask) -> str:
    """The stamp that the form of a task sends."""
    return stamp(*_standing(task))


def _standing(task: AuthoringTask) -> list[str]:
    return [str(getattr(task, name)) for name in ("wanted", "quota", "owner_id", "due_on", "status")]


@transaction.atomic
def create_task(
    *,
    by: User,
    project: Project,
    quota: int,
    wanted: str = "",
    slice: str = "",  # noqa: A002
    edge: str = "",
    language: str = "",
    mood: str = "",
    owner: User | None = None,
    due_on: date | None = None,
) -> AuthoringTask:
    """A task to write `quota` examples for a slice, a kind of edge case, a language, a mood, or several of them together. Without
    `wanted` the part is named.

    Raises Invalid for a part that the project does not have, a quota that is none, and an owner who cannot write here.
    """
    if not (slice or edge or language or mood):
        raise _wrong("slice", "Choose a slice, a kind of edge case, a language or a mood.")
    _must_exist(project, slice, edge, language, mood)
    part = _words(project, slice, edge, "", language, mood)
    task = AuthoringTask.objects.create(
        project=project,
        slice=slice,
        edge=edge,
        language=language,
        mood=mood,
        wanted=one_line(clean_text(wanted), most=LONGEST_WANTED) or part,
        quota=_quota(quota),
        owner=_owner(project, owner),
        due_on=due_on,
        created_by=by,
    )
    record(by=by, project=project, action=AnnotationAction.TASK_CREATED, obj=task, quota=task.quota)
    return task


@transaction.atomic
def change_task(*, by: User, task: AuthoringTask, seen: str = "", **values: Any) -> AuthoringTask:
    """Changes wanted, quota, owner or due_on of an open task; one whose quota is reached then is done."""
    task = _locked(task, seen)
    if task.status != Status.OPEN:
        raise Invalid("Only an open task can be changed.", "Open it again first.")
    if "wanted" in values:
        values["wanted"] = one_line(clean_text(values["wanted"]), most=LONGEST_WANTED)
        if not values["wanted"]:
            raise _wrong("wanted", "Say what is to be written.")
    if "quota" in values:
        values["quota"] = _quota(values["quota"])
    if "owner" in values and values["owner"] != task.owner:
        values["owner"] = _owner(task.project, values["owner"])
    changed: dict[str, JsonLike] = {
        name: [str(old or ""), str(new or "")]
        for name, new in values.items()
        if (old := getattr(task, name)) != new
    }
    if not changed:
        return task
    for name in changed:
        setattr(task, name, values[name])
    task.save(update_fields=list(changed))
    record(by=by, project=task.project, action=AnnotationAction.TASK_CHANGED, obj=task, changed=changed)
    settle_tasks([task.pk])
    task.refresh_from_db()
    return task


@transaction.atomic
def end_task(*, by: User, task: AuthoringTask, status: str, seen: str = "") -> AuthoringTask:
    """Cancels an open task, or closes it as done before its quota is reached. Its examples stay."""
    task = _locked(task, seen)
    transition(task, status, ended_at=timezone.now(), ended_by=by)
    action = AnnotationAction.TASK_CANCELLED if status == Status.CANCELLED else AnnotationAction.TASK_CLOSED
    record(by=by, project=task.project, action=action, obj=task)
    return task


@transaction.atomic
def reopen_task(*, by: User, task: AuthoringTask, seen: str = "") -> AuthoringTask:
    """Opens a task again. One whose quota is reached needs a larger quota first: it would be done at once."""
    task = _locked(task, seen)
    (now,) = progress_of([task])
    if now.approved >= task.quota:
        raise Invalid(
            f"The task has all {task.quota:,} examples.",
            "Make a new task for more.",
            fields={"quota": ["Reached."]},
        )
    transition(task, Status.OPEN, ended_at=None, ended_by=None)
    record(by=by, project=task.project, action=AnnotationAction.TASK_REOPENED, obj=task)
    return task


def settle_tasks(tasks: Iterable[int | None]) -> None:
    """Call it after examples of these tasks got another status, in the same transaction: a task with enough approved examples is
    done, and one that a decision completed is open again when that is undone. The lock makes the second of two decisions at the same
    moment count the first."""
    for pk in sorted({pk for pk in tasks if pk is not None}):
        task = AuthoringTask.objects.select_for_update(of=("self",)).select_related("project").get(pk=pk)
        (now,) = progress_of([task])
        if task.status == Status.OPEN and now.approved >= task.quota:
            transition(task, Status.DONE, ended_at=timezone.now())
            record(
                by=None,
                project=task.project,
                action=AnnotationAction.TASK_DONE,
                obj=task,
                approved=now.approved,
            )
        elif task.status == Status.DONE and task.ended_by_id is None and now.approved < task.quota:
            transition(task, Status.OPEN, ended_at=None)
            record(by=None, project=task.project, action=AnnotationAction.TASK_REOPENED, obj=task)


def _locked(task: AuthoringTask, seen: str) -> AuthoringTask:
    locked = AuthoringTask.objects.select_for_update(of=("self",)).select_related("project", "owner")
    task = locked.get(pk=task.pk)
    must_be_as_seen(seen, *_standing(task), label="The task")
    return task


def _quota(quota: int) -> int:
    if not 1 <= quota <= MOST_QUOTA:
        raise _wrong("quota", f"Give a number from 1 to {MOST_QUOTA:,}.")
    return quota


def _owner(project: Project, owner: User | None) -> User | None:
    if owner is not None and not possible_owners(project).filter(pk=owner.pk).exists():
        raise _wrong("owner", "Choose somebody who is an annotator in this project.")
    return owner


def _wrong(field: str, message: str) -> Invalid:
    return Invalid("Nothing was changed.", fields={field: [message]})


def open_task(project: Project, pk: int) -> AuthoringTask:
    """The open task that an example is written for; Invalid when there is none (it was done or cancelled meanwhile)."""
    task = AuthoringTask.objects.filter(project=project, pk=pk, status=Status.OPEN).first()
    if task is None:
        raise Invalid(
            "The task is not open any more.",
            "Submit the example without it: choose “Not for a task”.",
            fields={"task": ["The task is not open any more. Choose “Not for a task”."]},
        )
    return task
