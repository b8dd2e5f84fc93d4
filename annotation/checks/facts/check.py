"""Facts: every reference, date, time and number of the completion must be in the records or the conversation.

The project's system prompt counts as known too. Not checked: names, places, negation, and whether a known value is used
for the right thing.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from annotation.checks.base import UNLIMITED, Check, Finding, Level, Pair, Span, TimeBudget
from annotation.checks.facts.derived import list_lengths
from annotation.checks.facts.fact import Fact
from annotation.checks.facts.known import Known, weekday_of
from annotation.checks.facts.scan import facts_of
from core.models import Project
from core.wording import listed, noun

_NAMED = 5  # values named in one sentence; more are hard to read
_MOST_SPANS = 400  # marks in one example
_BESIDE = re.compile(r"[\s,(]{0,4}(?:the\s)?")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass
class _Outcome:
    missing: dict[Level, dict[str, list[Span]]] = field(default_factory=lambda: {"bad": {}, "warn": {}})
    supported: dict[Span, None] = field(default_factory=dict)
    days: list[Fact] = field(default_factory=list)  # weekdays and dates, at most _MOST_SPANS

    def lacks(self, fact: Fact) -> None:
        level: Level = "bad" if fact.serious else "warn"
        spans = self.missing[level].setdefault(fact.text, [])
        if len(spans) < _MOST_SPANS:
            spans.append(Span("completion", 0, fact.start, fact.end, level))

    def has(self, spans: Iterable[Span]) -> None:
        if len(self.supported) < _MOST_SPANS:
            self.supported.update(dict.fromkeys(spans))


def run(pair: Pair, project: Project, budget: TimeBudget = UNLIMITED) -> list[Finding]:
    facts = list(facts_of(pair.completion, budget))
    if not any(fact.claims for fact in facts):  # many answers: then it does not matter what the sources say
        return [Finding("ok", "No numbers, dates or references.")]
    known = _known(pair, project.system_prompt, budget)
    outcome = _compare(pair, facts, known)
    findings = [_missing(level, spans) for level, spans in outcome.missing.items() if spans]
    findings += _wrong_weekdays(pair.completion, outcome.days, known)
    if not findings:
        says = (
            "All numbers, dates and references are in the records or the conversation, or follow from them."
        )
        findings = [Finding("ok", says)]
    last = findings[-1]
    findings[-1] = replace(last, spans=(*last.spans, *outcome.supported))
    return findings


def _known(pair: Pair, system_prompt: str, budget: TimeBudget) -> Known:
    known = Known()
    for source, text in enumerate([*pair.messages, *pair.context, system_prompt]):
        known.add(source, text, budget)
    known.own_lengths = list_lengths(pair.completion)  # "we have three: tea, coffee and milk" counts itself
    return known


def facts_by_support(
    pair: Pair, system_prompt: str, budget: TimeBudget = UNLIMITED
) -> tuple[list[Fact], list[Fact]]:
    """(facts of the completion with support in records, conversation or system prompt, facts without), each in order.

    Without support are those that the check calls `invented`.
    """
    known = _known(pair, system_prompt, budget)
    stated = [fact for fact in facts_of(pair.completion, budget) if fact.claims]
    lacking = [fact for fact in stated if known.where(fact) is None]
    without = {fact.start for fact in lacking}
    return [fact for fact in stated if fact.start not in without], lacking


def _compare(pair: Pair, facts: Iterable[Fact], known: Known) -> _Outcome:
    outcome = _Outcome()
    shown = len(pair.messages) + len(pair.context)  # the system prompt is not on the page
    for fact in facts:
        if fact.kind in ("weekday", "date") and len(outcome.days) < _MOST_SPANS:
            outcome.days.append(fact)
        if not fact.claims:
            continue
        places = known.where(fact)
        if places is None:
            outcome.lacks(fact)
            continue
        outcome.has([Span("completion", 0, fact.start, fact.end)])
        outcome.has(_span(pair, *place) for place in places if place[0] < shown)
    return outcome


def _missing(level: Level, spans: dict[str, list[Span]]) -> Finding:
    marks = tuple(span for places in spans.values() for span in places)[:_MOST_SPANS]
    verb = noun(len(spans), "is", "are")
    return Finding(
        level, f"{_list(list(spans))} {verb} not in the records or the conversation.", marks, kind="invented"
    )


def _wrong_weekdays(text: str, facts: list[Fact], known: Known) -> Iterator[Finding]:
    """Weekdays beside a date that is another weekday: "Monday, 14 November" where that is a Saturday.

    A date without a year uses the year of the sources; when they have several years, there is no finding.
    """
    for first, second in pairwise(facts):
        if {first.kind, second.kind} != {"weekday", "date"} or not _BESIDE.fullmatch(
            text, first.end, second.start
        ):
            continue
        weekday, day = (first, second) if first.kind == "weekday" else (second, first)
        right = _weekdays_of(day, known)
        if right and weekday.keys[0][1] not in right:
            names = " or ".join(_DAYS[number] for number in sorted(right))
            mark = Span("completion", 0, weekday.start, weekday.end, "bad")
            yield Finding("bad", f"{day.text} is a {names}, not a {weekday.text}.", (mark,), kind="weekday")


def _weekdays_of(day: Fact, known: Known) -> set[int]:
    """The possible weekdays of a date, one for each way to read it; none when the year is unknown."""
    weekdays: set[int] = set()
    for key in day.keys:
        if key[0] != "date":
            continue
        _, year, month, number = key
        years = [year] if year else list(known.years)
        weekday = weekday_of(years[0], month, number) if len(years) == 1 else None
        if weekday is not None:
            weekdays.add(weekday)
    return weekdays


def _span(pair: Pair, source: int, start: int, end: int) -> Span:
    if source < len(pair.messages):
        return Span("messages", source, start, end)
    return Span("context", source - len(pair.messages), start, end)


def _list(names: list[str]) -> str:
    names = [name if len(name) <= 60 else f"{name[:57]}…" for name in names]
    if len(names) > _NAMED:
        return ", ".join(names[:_NAMED]) + f" and {len(names) - _NAMED:,} more"
    return listed(names)


CHECK = Check("facts", "References, dates, times and numbers are in the records or the conversation", run)
