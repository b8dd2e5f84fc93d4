"""Boilerplate: phrases that stand for an answer without being one, and what was left to fill in."""

import re

from annotation.checks.base import UNLIMITED, Budget, Check, Finding, Pair, Span
from core.models import Project

_HOLLOW = re.compile(
    r"""apologi[sz]e\ for\ (?:any|the)\ (?:inconvenience|confusion|delay|trouble)
      | sorry\ for\ (?:any|the)\ (?:inconvenience|confusion)
      | (?:we|i)\ (?:fully\ |completely\ )?understand\ (?:your|how)\ (?:frustrat\w+|concern\w*|upset)
      | valued\ customer | your\ (?:call|business|feedback|patience)\ is\ (?:very\ )?(?:important|appreciated)
      | thank\ you\ for\ (?:your\ patience|reaching\ out|contacting\ us)
      | (?:please\ )?(?:do\ not|don'?t)\ hesitate\ to\ (?:contact|reach)
      | (?:i'?m|we'?re|i\ am|we\ are)\ (?:more\ than\ )?happy\ to\ (?:help|assist)
      | rest\ assured | at\ your\ earliest\ convenience""",
    re.IGNORECASE | re.VERBOSE,
)
_UNFINISHED = re.compile(
    r"""\[(?:your|the|insert|customer|name|date|number|order|company|agent|tracking)\b[^\]\n]{0,40}\]
      | <(?:name|date|number|company|insert)[^>\n]{0,40}> | \{\{[^}\n]{1,40}\}\}
      | \bX{4,}\b | \blorem\ ipsum\b | \bTODO\b | \b[Aa]s\ an?\ (?:AI|artificial)\b""",
    re.VERBOSE,
)


def run(pair: Pair, project: Project, budget: Budget = UNLIMITED) -> list[Finding]:
    findings = []
    for pattern, level, says in (
        (_UNFINISHED, "bad", "Something was left to fill in: {}."),
        (_HOLLOW, "warn", "Empty phrase: {}. Say what happened or what comes next instead."),
    ):
        found = list(pattern.finditer(pair.completion))
        if found:
            words = list(dict.fromkeys(f"“{match.group()}”" for match in found))
            spans = tuple(
                Span("completion", 0, match.start(), match.end(), "bad" if level == "bad" else "warn")
                for match in found
            )
            findings.append(
                Finding("bad" if level == "bad" else "warn", says.format(", ".join(words[:4])), spans)
            )
    return findings or [Finding("ok", "No empty phrases, nothing left to fill in.")]


CHECK = Check("phrases", "No boilerplate, nothing left to fill in", run)
