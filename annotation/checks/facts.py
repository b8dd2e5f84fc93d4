"""Facts: every reference, date, time and number of the completion must stand in the records or the conversation.

What the project tells every model (its system prompt) counts as known too.
"""

from annotation.checks.base import Check, Finding, Level, Pair, Span
from annotation.facts import Fact, Known, facts_of, wrong_weekdays
from core.models import Project

_NAMED = 5  # so many are named in a sentence; more only make it unreadable


def run(pair: Pair, project: Project) -> list[Finding]:
    known = Known()
    texts = [*pair.messages, *pair.context, project.system_prompt]
    for source, text in enumerate(texts):
        known.add(source, text)
    missing: dict[Level, list[Fact]] = {"bad": [], "warn": []}
    spans: list[Span] = []
    stated = facts_of(pair.completion)
    for fact in stated:
        places = known.where(fact)
        if not places:
            missing["bad" if fact.serious else "warn"].append(fact)
            continue
        spans.append(Span("completion", 0, fact.start, fact.end))
        spans += [_span(pair, *place) for place in places if place[0] < len(texts) - 1]
    findings = [
        Finding(
            level,
            f"{_list(facts)} {_stands(facts)} neither in the records nor in the conversation.",
            tuple(Span("completion", 0, fact.start, fact.end, level) for fact in facts),
        )
        for level, facts in missing.items()
        if facts
    ]
    findings += [
        Finding(
            "bad",
            f"{date.text} is a {right}, not a {weekday.text}.",
            (Span("completion", 0, weekday.start, weekday.end, "bad"),),
        )
        for weekday, date, right in wrong_weekdays(pair.completion, known)
    ]
    if spans and not findings:
        findings.append(
            Finding("ok", "Every number, date and reference stands in the records or the conversation.")
        )
    elif not findings:
        findings.append(Finding("ok", "It states no number, date or reference."))
    findings[-1] = Finding(
        findings[-1].level,
        findings[-1].says,
        (*findings[-1].spans, *dict.fromkeys(spans)),
    )
    return findings


def _span(pair: Pair, source: int, start: int, end: int) -> Span:
    if source < len(pair.messages):
        return Span("messages", source, start, end)
    return Span("context", source - len(pair.messages), start, end)


def _list(facts: list[Fact]) -> str:
    names = list(dict.fromkeys(fact.text for fact in facts))
    if len(names) > _NAMED:
        return ", ".join(names[:_NAMED]) + f" and {len(names) - _NAMED} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _stands(facts: list[Fact]) -> str:
    return "stands" if len({fact.text for fact in facts}) == 1 else "stand"


CHECK = Check("facts", "References, dates, times and numbers stand in the records or the conversation", run)
