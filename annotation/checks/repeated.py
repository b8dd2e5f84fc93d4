"""Repeated: the same example elsewhere, or nearly the same question with a different answer."""

from dataclasses import dataclass
from typing import Literal

from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet, Value
from django.db.models.functions import MD5, Lower
from rapidfuzz.distance import Indel

from annotation.checks.base import UNLIMITED, Check, Finding, Pair, TimeBudget
from annotation.checks.facts import facts_of
from annotation.checks.facts.fact import BARE
from annotation.models import QUESTION_LETTERS, SAID, Example
from annotation.text.hashes import loosely
from core.models import Project

ALIKE = 0.85  # equal share of two questions: 1 minus the letters added and removed over all letters
_TRIGRAMS = 0.6  # share of trigrams from which the index returns an example; ALIKE decides
_LEAST_QUESTION, _LEAST_ANSWER = 12, 25  # characters; shorter ones are often equal ("yes please")
_MOST = 25  # examples that are compared
_PATIENCE_MS = 1500
_YES = ("yes", "yeah", "yep", "sure", "of course", "certainly", "absolutely")
_NO = ("no", "nope", "not", "never", "unfortunately", "sorry", "i'm sorry", "i am sorry")

# Beginnings that are not what their first word says.
_NEITHER = (
    "no problem", "no worries", "no doubt", "no trouble", "not a problem", "not at all", "not sure", "not quite",
    "never mind", "yes or no", "yes and no", "sorry about", "sorry for", "sorry to hear", "sorry you",
    "i'm sorry about", "i'm sorry for", "i'm sorry to hear", "i am sorry about", "i am sorry for", "i am sorry to hear",
)  # fmt: skip
_STILL_NO = ("of course not", "certainly not", "absolutely not", "sure not")


def run(pair: Pair, project: Project, budget: TimeBudget = UNLIMITED) -> list[Finding]:
    try:
        # The page must not wait for this help: a query over a very large project is stopped.
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {_PATIENCE_MS}")
                cursor.execute(f"SET LOCAL pg_trgm.similarity_threshold = {_TRIGRAMS}")
            findings = _same_question(pair, project, budget) or _same_answer(pair, project)
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = DEFAULT")
    except OperationalError:
        return [Finding("ok", "Not compared with other examples: it took too long.")]
    return findings or [Finding("ok", "No other example has nearly the same question or the same answer.")]


def _others(pair: Pair, project: Project) -> QuerySet[Example]:
    others = Example.objects.filter(project=project).exclude(status=Example.Status.RETIRED)
    return others.exclude(pk=pair.example) if pair.example else others


def _same_question(pair: Pair, project: Project, budget: TimeBudget) -> list[Finding]:
    """Examples with the same records: with other records the same question can have another answer."""
    question = loosely(pair.question)[:QUESTION_LETTERS]
    if len(question) < _LEAST_QUESTION:
        return []
    records = [record.strip() for record in pair.context if record.strip()]
    near = _others(pair, project).filter(search__question__trigram_similar=question, context=records)
    worded_otherwise: Example | None = None
    for other in near.exclude(completion="").order_by("id")[:_MOST]:
        budget.spend(64)
        if not _alike(question, loosely(other.question)[:QUESTION_LETTERS]):
            continue
        if loosely(other.completion) == loosely(pair.completion):
            return [
                _finding(
                    "warn",
                    "#{} is the same example: the same question, records and answer.",
                    other,
                    "same-example",
                )
            ]
        if against := contradiction(pair.completion, other.completion):
            return [
                _finding(
                    "warn",
                    f"#{{}} has nearly the same question and the same records, but another answer: {against}.",
                    other,
                    "contradiction",
                )
            ]
        worded_otherwise = worded_otherwise or other
    if worded_otherwise is None or not pair.completion.strip():
        return []
    return [
        _finding(
            "ok",
            "#{} has nearly the same question and the same records. Its answer uses other words.",
            worded_otherwise,
        )
    ]


def _finding(level: str, says: str, other: Example, kind: str = "") -> Finding:
    return Finding("warn" if level == "warn" else "ok", says.format(other.pk), example=other.pk, kind=kind)


def _alike(text: str, other: str) -> bool:
    # Bit-parallel: at most QUESTION_LETTERS squared over 64 steps, for any text.
    return Indel.normalized_similarity(text, other) >= ALIKE


@dataclass(frozen=True)
class Stance:
    """What an answer says that another one can contradict: yes or no, and its values by kind, each with its words."""

    yes_or_no: str
    values: dict[str, dict[object, str]]


def stance_of(answer: str) -> Stance:
    return Stance(_yes_or_no(answer), _values(answer))


def against(mine: Stance, theirs: Stance) -> tuple[Literal["", "yes_no", "values"], str]:
    """Where two answers disagree, as its kind and in words: yes and no, or values of one kind with none in common. Empty when they
    do not."""
    if {mine.yes_or_no, theirs.yes_or_no} == {"yes", "no"}:
        return "yes_no", "yes against no"
    for kind in mine.values.keys() & theirs.values.keys():
        if not mine.values[kind].keys() & theirs.values[kind].keys():
            here, there = next(iter(mine.values[kind].values())), next(iter(theirs.values[kind].values()))
            return "values", f"“{here}” against “{there}”"
    return "", ""


def contradiction(answer: str, other: str) -> str:
    """Where two answers disagree, in words (see `against`). Empty when they do not."""
    return against(stance_of(answer), stance_of(other))[1]


def _yes_or_no(answer: str) -> str:
    words = " ".join(answer[:60].lower().replace("’", "'").replace(",", " ").replace(".", " ").split()) + " "
    if words.startswith(_NEITHER):
        return ""
    if words.startswith(_STILL_NO):
        return "no"
    if words.startswith(tuple(f"{word} " for word in _YES)):
        return "yes"
    return "no" if words.startswith(tuple(f"{word} " for word in _NO)) else ""


def _values(answer: str) -> dict[str, dict[object, str]]:
    """The facts of an answer, by kind: dates, times, and numbers by their unit, each value with its words."""
    values: dict[str, dict[object, str]] = {}
    for fact in facts_of(answer[:5000]):
        if not fact.claims or fact.kind == "reference":
            continue
        for key in fact.keys:
            kind = f"number of {key[2]}" if key[0] == "number" else str(key[0])
            if key[0] in ("number", "date", "time", "weekday") and key[-1] != BARE:
                values.setdefault(kind, {}).setdefault(key[2:] if key[0] == "date" else key, fact.text)
    return values


def _same_answer(pair: Pair, project: Project) -> list[Finding]:
    answer = pair.completion.strip()
    if len(answer) < _LEAST_ANSWER:
        return []
    # The database lowercases both sides: its rules are not Python's.
    others = _others(pair, project).alias(said=SAID).filter(said=MD5(Lower(Value(answer))))
    same = list(others.order_by("id").values_list("pk", flat=True)[: _MOST + 1])
    if not same:
        return []
    if len(same) == 1:
        says = f"#{same[0]} has the same answer to another question."
    else:
        count = f"{_MOST} and more" if len(same) > _MOST else str(len(same))
        says = f"A standard reply: {count} other examples have this answer, the first is #{same[0]}."
    return [Finding("ok", says, example=same[0])]


CHECK = Check("repeated", "No other example contradicts it or is the same", run, asks_database=True)
