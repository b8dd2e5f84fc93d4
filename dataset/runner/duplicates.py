"""Searches a project's examples for duplicates, in a worker. Nothing is stored before the end, so a killed search starts again from
the beginning, and a cancelled one leaves what the last one found."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from django.db import transaction

from annotation.checks.base import is_call
from annotation.checks.repeated import Stance, stance_of
from annotation.models import Example
from core.database.statistics import analyze
from core.runs.context import RunContext
from core.runs.outside import Report, still_ours
from dataset.duplicates import (
    COMPLETION,
    Asked,
    AskedQuestion,
    Cluster,
    Duplicates,
    asked_of,
    compare_meaning,
    disagree,
    questions,
)
from dataset.models import DuplicateCluster, DuplicateMember, DuplicateSearch, NearTest
from dataset.queries.duplicates import test_groups, test_prompts
from dataset.runner.bulk import copy_in
from dataset.runner.embedding import embed
from dataset.services.duplicate_searches import finish_search

BATCH = 2000
MOST_VALUES = 20_000  # answers whose values are compared, in all
MOST_EMBEDDED = (
    300  # answers whose meaning is compared, of the largest clusters first: at most 12 seconds of one core
)
_ALL, _READ, _FOUND, _COMPARED = 100, 45, 75, 80


def run(ctx: RunContext) -> None:
    """The runner of kind "find-duplicates"."""
    search = DuplicateSearch.objects.select_related("project", "run__created_by").get(run=ctx.run)
    if search.found_at is not None:
        return  # a worker died after the commit and before its report

    def keep(found: Sequence[Any], near: Sequence[Any], counts: dict[str, int]) -> None:
        with transaction.atomic():
            finish_search(search=search, clusters=found, near=near, counts=counts, store=_store)
            still_ours(ctx.run)

    found, near, counts = find_duplicates(search, tell=ctx.report)
    keep(found, near, counts)
    analyze(DuplicateCluster, DuplicateMember, NearTest)


def search_now(search: DuplicateSearch, *, tell: Report) -> None:
    """A search without a run of a worker."""
    found, near, counts = find_duplicates(search, tell=tell)
    finish_search(search=search, clusters=found, near=near, counts=counts, store=_store)


def _store(model: type[Any], rows: Any) -> None:
    copy_in(model, rows, leave_out=[] if model is DuplicateCluster else ["id"])


def find_duplicates(
    search: DuplicateSearch, *, tell: Report
) -> tuple[list[Cluster], Sequence[Any], dict[str, int]]:
    """What `finish_search` stores."""
    duplicates = _read(search, tell)
    total = len(duplicates)
    tell(done=_READ, message=f"Comparing {total:,} examples with each other.", now=True)
    clusters, near = duplicates.find(lambda share: tell(done=_READ + int((_FOUND - _READ) * share)))
    del duplicates
    tell(done=_FOUND, message="Comparing the answers to equal questions.", now=True)
    asked = questions(clusters, _asked(clusters, tell))
    compared = _compare(asked, tell)
    tell(done=_ALL - 1, message=f"Storing {len(clusters):,} clusters.", now=True)
    return clusters, near, {"examples": total, **compared}


def _read(search: DuplicateSearch, tell: Report) -> Duplicates:
    examples = Example.objects.filter(project=search.project_id).exclude(status=Example.Status.RETIRED)
    total = examples.count()
    tell(done=0, total=_ALL, message=f"Reading {total:,} examples.", now=True)
    held_out = test_groups(search.project)
    duplicates = Duplicates()
    rows = examples.order_by("pk").values_list("pk", "messages", "completion", "group")
    for done, (pk, messages, completion, group) in enumerate(rows.iterator(chunk_size=BATCH), start=1):
        duplicates.add(
            example=pk, group=group, messages=messages, completion=completion, may_leak=group not in held_out
        )
        if done % BATCH == 0:
            tell(done=_READ * done // max(total, done), message=f"Read {done:,} of {total:,} examples.")
    for row, messages in test_prompts(search.project):
        duplicates.hold_out(row=row, messages=messages)
    return duplicates


def _asked(clusters: Sequence[Cluster], tell: Report) -> dict[int, Asked]:
    ids = sorted(
        {example for cluster in clusters if cluster.kind != COMPLETION for example in cluster.examples}
    )
    asked: dict[int, Asked] = {}
    for portion in _portions(ids):
        rows = Example.objects.filter(pk__in=portion).values_list("pk", "messages", "context")
        asked.update({pk: asked_of(messages, context) for pk, messages, context in rows})
        tell(done=_FOUND)
    return asked


def _portions(ids: Sequence[int]) -> Iterator[list[int]]:
    left = iter(ids)
    while portion := list(islice(left, BATCH)):
        yield portion


def _compare(asked: Sequence[AskedQuestion], tell: Report) -> dict[str, int]:
    """Names the disagreements in the clusters; returns how many answers were compared, and how many were not."""
    wanted = list(dict.fromkeys(example for question in asked for example in question.answers))
    chosen = sorted(wanted[:MOST_VALUES])
    stances: dict[int, Stance] = {}
    read = 0
    for portion in _portions(chosen):
        texts = Example.objects.filter(pk__in=portion).values_list("pk", "completion")
        for done, (pk, text) in enumerate(texts):
            if not is_call(text):  # a call and a sentence do not disagree
                stances[pk] = stance_of(text)
            if done % 100 == 0:
                tell(done=_FOUND)
        read += len(portion)
        tell(done=_FOUND + (_COMPARED - _FOUND) * read // len(chosen))
    for question in asked:
        disagree(question, stances)
    open_still = [question for question in asked if not question.cluster.disagreement]
    open_still.sort(key=lambda question: -len(question.cluster.members))
    meant = list(
        dict.fromkeys(
            example for question in open_still for example in question.answers if example in stances
        )
    )
    if meant := meant[:MOST_EMBEDDED]:
        _compare_meaning(open_still, meant, tell)
    return {"answers": len(stances), "embedded": len(meant), "not_compared": len(wanted) - read}


def _compare_meaning(asked: Sequence[AskedQuestion], chosen: Sequence[int], tell: Report) -> None:
    texts = dict(Example.objects.filter(pk__in=chosen).values_list("pk", "completion"))
    tell(done=_COMPARED, message=f"Comparing what {len(texts):,} answers mean.", now=True)
    examples = list(texts)
    vectors = embed(
        [texts[pk] for pk in examples],
        lambda share: tell(done=_COMPARED + int((_ALL - 1 - _COMPARED) * share)),
    )
    at = {pk: number for number, pk in enumerate(examples)}
    for question in asked:
        compare_meaning(question, texts, lambda one, other: float(vectors[at[one]] @ vectors[at[other]]))
