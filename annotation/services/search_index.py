"""Keeps the search index (ExampleSearch) in step with the examples.

A service that writes the texts of one example calls `index_example` in its transaction. A bulk load stores its examples and then
calls `index_soon`: few are indexed at once, many by a worker afterwards, because the index costs several times what the
rows cost. A lost message loses nothing: beat sweeps what waits. What people write in the meantime is newer and stays.
"""

import time
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Exists, Max, Min, OuterRef, Q, QuerySet
from django.utils import timezone

from annotation.models import QUESTION_LETTERS, Example, ExampleSearch, SearchBacklog
from annotation.text.hashes import loosely, search_text
from core.database.statistics import analyze
from core.runs.messages import send

INDEX_EXAMPLES = "annotation.tasks.index_examples"
# Up to this number of examples are indexed in the transaction that stores them.
AT_ONCE = 2000
_BATCH = 1000
# A worker's turn, so that a long backlog does not keep it from other work, and when a silent worker counts as lost.
_TURN_SECONDS, _LOST_AFTER = 20.0, timedelta(seconds=90)
# Larger portions of new entries are merged into the index, which costs much less in sum.
_SETTINGS = "SET LOCAL work_mem = '64MB'; SET LOCAL gin_pending_list_limit = '16MB'"
# Locked like for a foreign key: the examples can be edited meanwhile, but not be deleted.
_INSERT = """
INSERT INTO annotation_examplesearch (example_id, project_id, text, question)
SELECT e.id, e.project_id, n.text, n.question
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS n (id, text, question) JOIN annotation_example e USING (id)
FOR KEY SHARE OF e
ON CONFLICT (example_id)
"""


def _words(content: Mapping[str, Any]) -> tuple[str, str]:
    """The columns `text` and `question`."""
    messages = content["messages"]
    question = loosely(messages[-1]["content"])[:QUESTION_LETTERS] if messages else ""
    text = search_text(messages=messages, context=content["context"], completion=content["completion"])
    return text, question


def index_example(example: Example, content: Mapping[str, Any]) -> None:
    """Search finds the example by these texts: {"messages", "context", "completion"}. In the caller's transaction."""
    text, question = _words(content)
    with connection.cursor() as cursor:
        cursor.execute(
            f"{_INSERT} DO UPDATE SET text = EXCLUDED.text, question = EXCLUDED.question",
            [[example.pk], [text], [question]],
        )


def index_soon(examples: QuerySet[Example]) -> int:
    """Call it in the transaction of a bulk load, with the new examples (of one project), after they are stored.

    Up to AT_ONCE are indexed now; more of them by a worker after the commit. Returns how many wait for it.
    """
    ends = examples.order_by().aggregate(
        first=Min("pk"), last=Max("pk"), count=Count("pk"), project=Min("project")
    )
    if not ends["count"]:
        return 0
    if ends["count"] <= AT_ONCE:
        index_now(examples)
        return 0
    backlog = SearchBacklog.objects.create(
        project_id=ends["project"], after=ends["first"] - 1, last=ends["last"], left=ends["count"]
    )
    transaction.on_commit(lambda: send(INDEX_EXAMPLES, backlog.pk))
    return backlog.left


@transaction.atomic
def index_now(examples: QuerySet[Example], most: int | None = None) -> list[int]:
    """Indexes those of the examples that search does not know, or the first `most` of these; returns their ids.

    A text that was read here and edited since then is not stored over the newer one: the edit has stored its own row, or waits
    for this one and then changes it.
    """
    missing = ~Exists(ExampleSearch.objects.filter(example=OuterRef("pk")))
    unknown = examples.filter(missing).order_by("pk")
    rows = list(unknown.values("pk", "messages", "context", "completion")[:most])
    words = [_words(row) for row in rows]
    with connection.cursor() as cursor:
        cursor.execute(
            f"{_INSERT} DO NOTHING",
            [[row["pk"] for row in rows], [text for text, _ in words], [question for _, question in words]],
        )
    return [row["pk"] for row in rows]


# --- the backlog -------------------------------------------------------------------------------------------
def sweep_backlogs() -> None:
    """Sends a message for each backlog that no worker has: its message or its worker was lost."""
    for pk in SearchBacklog.objects.filter(_free()).order_by("pk").values_list("pk", flat=True)[:100]:
        send(INDEX_EXAMPLES, pk)


def _free() -> Q:
    return Q(claim=None) | Q(touched_at__lt=timezone.now() - _LOST_AFTER)


def index_backlog(pk: int, *, seconds: float = _TURN_SECONDS) -> None:
    """One turn of a worker on a backlog: it stores batch after batch, each with the place where the next one starts.

    Does nothing when another worker has it. After `seconds` it gives the backlog back and sends it again.
    """
    claim, ends = uuid.uuid4(), time.monotonic() + seconds
    taken = SearchBacklog.objects.filter(_free(), pk=pk).update(claim=claim, touched_at=timezone.now())
    if not taken:
        return
    mine = SearchBacklog.objects.filter(pk=pk, claim=claim)
    while _index_batch(mine):
        if time.monotonic() > ends:
            mine.update(claim=None)
            send(INDEX_EXAMPLES, pk)
            return
    if not SearchBacklog.objects.filter(pk=pk).exists():
        analyze(ExampleSearch)


@transaction.atomic
def _index_batch(mine: QuerySet[SearchBacklog]) -> bool:
    """Indexes the next examples of a claimed backlog. False at its end, where it is removed, and when the claim was lost."""
    backlog = mine.select_for_update().first()
    if backlog is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(_SETTINGS)
    examples = Example.objects.filter(
        project=backlog.project_id, pk__gt=backlog.after, pk__lte=backlog.last
    ).order_by("pk")
    done = index_now(examples, most=_BATCH)
    if len(done) < _BATCH:
        backlog.delete()
        return False
    backlog.after, backlog.left = done[-1], max(0, backlog.left - len(done))
    backlog.touched_at = timezone.now()
    backlog.save(update_fields=["after", "left", "touched_at"])
    return True
