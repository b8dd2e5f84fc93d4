"""Freezing approved examples into numbered, immutable dataset versions."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max

from annotation.text.cleaning import clean_text
from core.audit.entries import record
from core.database.transitions import transition
from core.errors import Invalid
from core.marks import known_marks
from core.models import Project, Run, User
from core.runs.control import launch_run
from core.seen import must_be_as_seen
from core.text import one_line
from dataset.actions import DatasetAction
from dataset.models import DatasetVersion, Source
from dataset.queries.preview import what_a_freeze_takes
from dataset.queries.rules import with_rules
from dataset.queries.versions import approved
from dataset.splits import DEFAULT_SHARES, TEST, VALIDATION

MAX_SHARE = 0.5
SEED = 1
FREEZE_DEFAULTS: dict[str, Any] = {
    **DEFAULT_SHARES,
    "seed": SEED,
    "separate_near_duplicates": True,
    "slices": [],
    "sources": [],
}


@transaction.atomic
def start_freeze(
    *,
    by: User | None,
    project: Project,
    validation: float = DEFAULT_SHARES[VALIDATION],
    test: float = DEFAULT_SHARES[TEST],
    slices: Sequence[str] = (),
    sources: Sequence[str] = (),
    seed: int = SEED,
    separate_near_duplicates: bool = True,
    note: str = "",
    seen: str = "",
) -> DatasetVersion:
    """Takes the project's next version number and launches the run that freezes all examples approved at its start.

    Shares are fractions of one, at most 0.5 each. With `separate_near_duplicates`, new prompts that are nearly the same
    stay in one split, and training or validation rows that nearly repeat a test row are withheld. Raises Invalid for
    wrong shares, an unknown source, or when no approved example matches, and Conflict when the examples to freeze are
    not those that the preview showed (`seen`).
    """
    refuse_wrong_shares(project, validation=validation, test=test, sources=sources)
    refuse_marks(project)
    if not approved(project, slices=slices, sources=sources).exists():
        raise Invalid(
            "No approved example matches. There is nothing to freeze.",
            "Approve examples first, or choose other slices and sources.",
        )
    # The lock on the project's row makes two freezes at the same moment get two numbers.
    project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if seen:
        takes = what_a_freeze_takes(project, slices=slices, sources=sources)
        must_be_as_seen(seen, *takes, label="The data to freeze")
    return new_version(
        by=by,
        project=project,
        kind=DatasetVersion.Kind.SUPERVISED,
        run_kind="freeze",
        note=note,
        settings={
            "validation": validation,
            "test": test,
            "seed": seed,
            "separate_near_duplicates": separate_near_duplicates,
            "slices": sorted(set(slices)),
            "sources": sorted(set(sources)),
            "system_prompt": project.system_prompt,
        },
    )


def new_version(
    *, by: User | None, project: Project, kind: str, run_kind: str, note: str, settings: dict[str, Any]
) -> DatasetVersion:
    """The next version of the (locked) project, with its run. The data rules of the project are added to `settings`."""
    newest = DatasetVersion.objects.filter(project=project).aggregate(newest=Max("number"))["newest"]
    number = (newest or 0) + 1
    dataset = DatasetVersion.objects.create(
        project=project,
        number=number,
        kind=kind,
        note=one_line(clean_text(note), most=300),
        run=launch_run(by=by, project=project, kind=run_kind, title=f"Freeze dataset {number}"),
        settings=with_rules(project, settings),
        created_by=by,
    )
    record(by=by, project=project, action=DatasetAction.DATASET_STARTED, obj=dataset)
    return dataset


def refuse_wrong_shares(
    project: Project, *, validation: float, test: float, sources: Sequence[str] = ()
) -> None:
    """Raises Invalid with the messages of all fields that are wrong."""
    wrong: dict[str, list[str]] = {}
    for name, share in ((VALIDATION, validation), (TEST, test)):
        if not 0 <= share <= MAX_SHARE:
            wrong[name] = ["Choose a share between 0% and 50%."]
    if not wrong and validation + test > MAX_SHARE:
        wrong[TEST] = ["Validation and test together can be at most 50%."]
    known = set(Source.objects.filter(project=project, name__in=sources).values_list("name", flat=True))
    if unknown := [name for name in sources if name not in known]:
        wrong["sources"] = [f"There is no source named {unknown[0]}."]
    if wrong:
        raise Invalid("The settings are not valid.", "See the messages below the fields.", fields=wrong)


def refuse_marks(project: Project) -> None:
    if mark := known_marks().in_text(project.system_prompt):
        raise Invalid(
            f"The project's system prompt contains “{mark}”, a control mark of chat templates.",
            "Remove it in the project's settings, then freeze.",
        )


def freeze_ended(run: Run) -> None:
    """A version whose freeze failed or was cancelled is marked so (core.runs.kinds.RunKind.on_end)."""
    DatasetVersion.objects.filter(run=run, status=DatasetVersion.Status.FREEZING).update(
        status=DatasetVersion.Status.FAILED
    )


def again(run: Run, by: User) -> None:
    """The version is frozen again, from the examples approved at that time (core.runs.kinds.RunKind.on_again)."""
    transition(DatasetVersion.objects.get(run=run), DatasetVersion.Status.FREEZING)
