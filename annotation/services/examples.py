"""Creates examples, changes them, retires them and brings them back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.actions import AnnotationAction
from annotation.checks import Finding, text_findings
from annotation.errors import NeedsReason
from annotation.models import Example, Lease, Revision
from annotation.queries.categories import known_categories
from annotation.registry import must_stay_retired
from annotation.services.adopting import list_slice
from annotation.services.coverage import settle_tasks
from annotation.services.found import check_and_store
from annotation.services.leaving_out import reopen_left_out
from annotation.services.search_index import index_example
from annotation.text.cleaning import MAX_TEXT, clean_pair, clean_text
from annotation.text.hashes import content_hash, group_of_prompt, prompt_hash
from core.audit.entries import record
from core.database.transitions import transition
from core.errors import Conflict, Invalid
from core.models import Project, User
from core.seen import must_be_as_seen, stamp
from core.text import one_line


def clean_for(project: Project, content: Mapping[str, Any], *, answered: bool = True) -> dict[str, Any]:
    """Content that can be reviewed (`clean_pair`), with the project's present slice and kind of edge case in the place of an old
    name. Call it in the transaction that stores the content: a slice that the project does not have comes onto its list."""
    known = known_categories(project)
    clean = clean_pair(content, edges=known.edges, answered=answered)
    clean["slice"] = known.slices.get(clean["slice"], clean["slice"])
    clean["edge"] = known.edges.get(clean["edge"], "")
    if clean["slice"] and clean["slice"] not in known.slices:
        list_slice(project, clean["slice"])
    return clean


def fields_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of an Example that cleaned content fills, its hashes included."""
    pair = {
        "messages": content["messages"],
        "context": content["context"],
        "completion": content["completion"],
    }
    prompt = prompt_hash(messages=content["messages"], context=content["context"])
    return {**content, "content_hash": content_hash(**pair), "prompt_hash": prompt}


def content_of(example: Example) -> dict[str, Any]:
    """The content of a revision, as the example has it now."""
    return {
        **example.content(),
        "slice": example.slice,
        "edge": example.edge,
        "tags": example.tags,
    }


@dataclass(frozen=True)
class Reasoned:
    """A content that was checked: all findings of the text checks, and the reason why it is submitted with bad ones ("" without)."""

    note: str
    findings: Sequence[Finding]


def add_revision(
    example: Example,
    *,
    by: User | None,
    reason: str,
    content: Mapping[str, Any],
    note: str = "",
    checked: Reasoned | None = None,
) -> Revision:
    """Writes the revision number `example.revision`; search finds these texts from now on, and the checks' findings in them are
    stored: those of `checked`, whose note is the revision's, when this content was checked already. The caller has stored the texts
    and set that number in the same transaction."""
    index_example(example, content)
    check_and_store(example, content, example.project, checked.findings if checked else None)
    return Revision.objects.create(
        example=example,
        number=example.revision,
        reason=reason,
        content=dict(content),
        note=checked.note if checked else note,
        by=by,
    )


def lock(example: Example) -> Example:
    """The example as it is now, locked until the transaction ends. Every change of an example's status starts here."""
    return Example.objects.select_for_update(no_key=True).select_related("project").get(pk=example.pk)


def move_to(example: Example, to: Example.Status, **updates: object) -> None:
    """Moves the (locked) example to `to`, where it waits from now on; `updates` are set in the same statement."""
    now = timezone.now()
    transition(example, to, field="status", waiting_since=now, changed_at=now, **updates)


def reason_for_bad(
    *, project: Project, content: Mapping[str, Any], example: Example | None, reason: str
) -> Reasoned:
    """The reason is cut to the length that a revision stores. NeedsReason when a check failed and no reason is given."""
    reason = one_line(clean_text(reason), most=300)
    found = text_findings(content, project, example_id=example.pk if example else None)
    bad = [finding for finding in found if finding.level == "bad"]
    if example and example.worse_answer and content["completion"].strip() == example.worse_answer.strip():
        bad = [Finding("bad", "The completion is the answer that was marked as the worse one."), *bad]
    if bad and not reason:
        raise NeedsReason(bad)
    return Reasoned(reason if bad else "", found)


@transaction.atomic
def file_correction(
    *,
    by: User | None,
    project: Project,
    messages: list[dict[str, str]],
    context: list[str],
    completion: str,
    slice: str,  # noqa: A002
    edge: str = "",
    group: str = "",
    origin: Example.Origin,
    origin_detail: Mapping[str, Any],
) -> Example:
    """Feedback becomes an example at the front of the queue, with its origin.

    `completion` may be empty (a complaint without a better answer). `origin_detail` is {"label", "url",
    "answer", ...}, shown to people and not used in joins; `answer` is what the model said. Without a `group` equal prompts share one,
    as in imports.
    """
    if origin not in (Example.Origin.RATING, Example.Origin.CHAT):
        raise ValueError("A correction comes from a rating or a chat.")
    clean = clean_for(
        project,
        {
            "messages": messages,
            "context": context,
            "completion": completion,
            "slice": slice,
            "edge": edge,
        },
        answered=False,
    )
    example = Example.objects.create(
        project=project,
        status=Example.Status.QUEUED,
        group=group or group_of_prompt(messages=clean["messages"], context=clean["context"]),
        origin=origin,
        origin_detail=dict(origin_detail),
        # What the model said is the worse answer of a pair: a training on preferences can use it.
        rejected=clean_text(origin_detail.get("answer"))[:MAX_TEXT],
        created_by=by,
        **fields_of(clean),
    )
    add_revision(example, by=by, reason=Revision.Reason.ARRIVED, content=clean)
    record(
        by=by,
        project=project,
        action=AnnotationAction.EXAMPLE_CORRECTED,
        obj=example,
        origin=str(origin),
        **{key: value for key, value in origin_detail.items() if key in ("label", "url")},
    )
    return example


def _standing(example: Example) -> tuple[str, int]:
    return str(example.status), example.revision


def example_stamp(example: Example) -> str:
    """The stamp that a page sends when the example is retired or put back into the queue."""
    return stamp(*_standing(example))


def _end_leases(example: Example) -> None:
    """Ends the lease of the person who has it open; their text stays as their draft."""
    Lease.objects.filter(example=example, outcome=Lease.Outcome.OPEN).update(
        outcome=Lease.Outcome.RELEASED, finished_at=timezone.now()
    )


@transaction.atomic
def retire(*, by: User, example: Example, reason: str, seen: str = "") -> Example:
    """Retires an example: new dataset versions do not contain it. Existing dataset versions keep their rows.

    Conflict when it changed after the person saw it (`seen`, see `example_stamp`).
    """
    reason = one_line(reason, most=300)
    if not reason:
        raise Invalid(
            "Give a reason.",
            "Other people will want to know it later.",
            fields={"reason": ["Give a reason."]},
        )
    example = lock(example)
    must_be_as_seen(seen, *_standing(example), label=f"#{example.pk}")
    was = example.status
    transition(example, Example.Status.RETIRED)
    _end_leases(example)
    record(
        by=by,
        project=example.project,
        action=AnnotationAction.EXAMPLE_RETIRED,
        obj=example,
        reason=reason,
        was=was,
    )
    settle_tasks([example.task_id])
    return example


@transaction.atomic
def requeue(*, by: User, example: Example, reason: str = "", seen: str = "") -> Example:
    """Puts an approved or retired example back into the annotators' queue. Conflict as for `retire`."""
    example = lock(example)
    must_be_as_seen(seen, *_standing(example), label=f"#{example.pk}")
    was = example.status
    if was == Example.Status.RETIRED and (why := must_stay_retired(example)):
        raise Conflict(f"#{example.pk} stays retired. {why}", "An admin can restore the source.")
    if was == Example.Status.IN_REVIEW:
        _end_leases(example)
    transition(example, Example.Status.QUEUED, waiting_since=timezone.now())
    reopen_left_out([example.pk])
    record(
        by=by,
        project=example.project,
        action=AnnotationAction.EXAMPLE_REQUEUED,
        obj=example,
        was=was,
        reason=one_line(reason, most=300),
    )
    settle_tasks([example.task_id])
    return example
