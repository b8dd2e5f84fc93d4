"""Counterfactual twins: made from examples, then accepted, edited or discarded by a person who has read them."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from annotation.models import Example
from annotation.services.derived import add_derived
from core.audit.entries import record
from core.database.transitions import transition
from core.errors import Conflict, Invalid
from core.models import Project, User
from dataset.actions import DatasetAction
from dataset.fairness.twins import Swapper
from dataset.fairness.words import Characteristic
from dataset.models import AuditFinding, Twin
from dataset.queries.lexicons import lexicon_of

MOST_TWINS = 50  # at once: a person reads each


@transaction.atomic
def make_twins(
    *,
    by: User,
    project: Project,
    characteristic: str,
    one: str,
    other: str,
    examples: Sequence[int],
    finding: AuditFinding | None = None,
    most: int = MOST_TWINS,
) -> list[Twin]:
    """Makes twins of the first `most` of these examples that have a word to swap between the groups `one` and `other` and no such
    twin yet. Retired examples are left out.

    Raises Invalid for groups that are not in the project's lexicon, for an example of another project, and when no twin was made.
    """
    lexicon, labels = _groups(project, characteristic, one, other)
    found = Example.objects.filter(project=project, pk__in=list(examples)).exclude(
        status=Example.Status.RETIRED
    )
    by_key = found.exclude(completion="").in_bulk()
    if finding is None and (missing := [pk for pk in examples if pk not in by_key]):
        message = f"#{missing[0]} is not an example with a completion in this project, or it is retired."
        raise Invalid("No twin was made.", message, fields={"examples": [message]})
    swapper = Swapper(lexicon, one, other)
    twins: list[Twin] = []
    taken = set(
        Twin.objects.filter(
            example__in=by_key, characteristic=characteristic, one__in=labels, other__in=labels
        )
        .exclude(status=Twin.Status.DISCARDED)
        .values_list("example_id", flat=True)
    )
    for pk in dict.fromkeys(examples):
        if len(twins) == most:
            break
        if pk in by_key and pk not in taken and (twin := _twin(by_key[pk], swapper, characteristic, labels)):
            twin.created_by, twin.finding = by, finding
            twins.append(twin)
    if not twins:
        raise Invalid(
            "No twin was made.",
            "No example has a word that both groups have a counterpart for, or each has its twin already. "
            "Add words of the same kind to both groups of the lexicon.",
        )
    Twin.objects.bulk_create(twins)
    swap = f"{lexicon.label}: {labels[0]} and {labels[1]}"
    record(by=by, project=project, action=DatasetAction.TWINS_MADE, obj=project, twins=len(twins), swap=swap)
    return twins


def _groups(project: Project, characteristic: str, one: str, other: str) -> tuple[Characteristic, list[str]]:
    found = lexicon_of(project, characteristic)
    groups = [found.characteristic.group(key) if found else None for key in (one, other)]
    if found is None or groups[0] is None or groups[1] is None or one == other:
        message = "Choose two different groups of one characteristic."
        raise Invalid("No twin was made.", message, fields={"other": [message]})
    return found.characteristic, [groups[0].label, groups[1].label]


def _twin(example: Example, swapper: Swapper, characteristic: str, labels: list[str]) -> Twin | None:
    made = swapper.twin(messages=example.messages, context=example.context, completion=example.completion)
    content = {"messages": made.messages, "context": made.context, "completion": made.completion}
    if content == example.content():
        return None
    return Twin(
        project_id=example.project_id,
        example=example,
        revision=example.revision,
        characteristic=characteristic,
        one=labels[0],
        other=labels[1],
        swaps=made.stored_swaps(),
        doubts=made.doubts,
        **content,
    )


@transaction.atomic
def accept_twin(
    *, by: User, twin: Twin, content: Mapping[str, Any] | None = None, reason: str = ""
) -> Example:
    """The twin, edited where `content` (messages, context, completion) differs, becomes an example in review, in the original's group.

    Raises Conflict when it was decided already or its example was retired, Invalid for a text that is not complete or not different
    from the original, NeedsReason when a check fails and `reason` is empty.
    """
    twin = _locked(twin)
    if twin.status != Twin.Status.WAITING:
        raise Conflict(f"{twin} was decided already.", "Reload the page.")
    if twin.example.status == Example.Status.RETIRED:
        raise Conflict(f"#{twin.example_id} was retired, so its twin is not added.", "Discard the twin.")
    texts = {"messages": twin.messages, "context": twin.context, "completion": twin.completion}
    texts |= dict(content or {})
    if texts == twin.example.content():
        raise Invalid("This is the original, word for word.", "Change it, or discard the twin.")
    label = f"Twin of #{twin.example_id}: {twin.one} and {twin.other} swapped"
    url = reverse("annotation:example", args=[twin.project.slug, twin.example_id])
    example = add_derived(
        by=by, original=twin.example, content=texts, origin_detail={"label": label, "url": url}, reason=reason
    )
    transition(twin, Twin.Status.ACCEPTED, made=example, decided_by=by, decided_at=timezone.now(), **texts)
    record(by=by, project=twin.project, action=DatasetAction.TWIN_ACCEPTED, obj=twin, example=example.pk)
    return example


@transaction.atomic
def discard_twin(*, by: User, twin: Twin) -> Twin:
    """The twin is not added. Conflict when it was decided already."""
    twin = _locked(twin)
    transition(twin, Twin.Status.DISCARDED, decided_by=by, decided_at=timezone.now())
    record(by=by, project=twin.project, action=DatasetAction.TWIN_DISCARDED, obj=twin)
    return twin


@transaction.atomic
def bring_back_twin(*, by: User, twin: Twin) -> Twin:
    """Undoes `discard_twin`. Conflict when there is another such twin by now."""
    twin = _locked(twin)
    same = Twin.objects.filter(
        example=twin.example_id, characteristic=twin.characteristic, one=twin.one, other=twin.other
    )
    if same.exclude(pk=twin.pk).exclude(status=Twin.Status.DISCARDED).exists():
        raise Conflict("There is another such twin by now.", "Read that one.")
    transition(twin, Twin.Status.WAITING, decided_by=None, decided_at=None)
    record(by=by, project=twin.project, action=DatasetAction.TWIN_BROUGHT_BACK, obj=twin)
    return twin


def _locked(twin: Twin) -> Twin:
    return Twin.objects.select_for_update(of=("self",)).select_related("project", "example").get(pk=twin.pk)
