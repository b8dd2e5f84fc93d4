"""Repeated: nearly the same question answered differently elsewhere, or the same answer given before."""

from difflib import SequenceMatcher

from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet

from annotation.checks.base import UNLIMITED, Budget, Check, Finding, Pair
from annotation.content import loosely
from annotation.models import Example
from core.models import Project

ALIKE = 0.85  # share of the question that is the same, by difflib
_LEAST_QUESTION, _LEAST_ANSWER = 12, 25  # characters; shorter ones are rightly alike ("yes please")
_MOST = 600  # characters that are compared; the rest says little more
_PATIENCE_MS = 1500


def run(pair: Pair, project: Project, budget: Budget = UNLIMITED) -> list[Finding]:
    try:
        # Help at the side must not make the page wait: a query over a very large project is given up.
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {_PATIENCE_MS}")
                cursor.execute(f"SET LOCAL pg_trgm.strict_word_similarity_threshold = {ALIKE - 0.1}")
            findings = _same_question(pair, project) + _same_answer(pair, project)
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = DEFAULT")
    except OperationalError:
        return [Finding("ok", "Not compared with other pairs: it took too long.")]
    return findings or [Finding("ok", "No other pair asks nearly the same or answers in these words.")]


def _others(pair: Pair, project: Project) -> QuerySet[Example]:
    others = Example.objects.filter(project=project).exclude(status=Example.Status.RETIRED)
    return others.exclude(pk=pair.example) if pair.example else others


def _same_question(pair: Pair, project: Project) -> list[Finding]:
    question = loosely(pair.question)[:_MOST]
    if len(question) < _LEAST_QUESTION:
        return []
    near = _others(pair, project).filter(search_text__trigram_strict_word_similar=question)
    for other in near.exclude(completion="").order_by("id")[:25]:
        theirs = loosely(other.question)[:_MOST]
        same_records = loosely(" ".join(pair.context)) == loosely(" ".join(map(str, other.context)))
        alike = SequenceMatcher(a=question, b=theirs, autojunk=False).ratio() >= ALIKE
        if alike and same_records and loosely(other.completion) != loosely(pair.completion):
            return [
                Finding(
                    "warn",
                    f"#{other.pk} asks nearly the same with the same records and is answered differently.",
                    example=other.pk,
                )
            ]
    return []


def _same_answer(pair: Pair, project: Project) -> list[Finding]:
    answer = pair.completion.strip().lower()
    if len(answer) < _LEAST_ANSWER:
        return []
    # The lower-case substring is what the trigram index serves; equality is settled here.
    for other in _others(pair, project).filter(search_text__contains=answer).order_by("id")[:25]:
        if loosely(other.completion) == loosely(pair.completion):
            return [Finding("warn", f"#{other.pk} is answered in the same words.", example=other.pk)]
    return []


CHECK = Check("repeated", "No other pair contradicts it or says the same", run, asks_database=True)
