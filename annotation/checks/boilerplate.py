"""Boilerplate: empty phrases instead of an answer, and placeholders that were not filled in."""

import re
from collections.abc import Iterator

from annotation.checks.base import UNLIMITED, Check, Finding, Level, Pair, Span, TimeBudget
from annotation.checks.prose import has_any
from core.models import Project

# Only phrases that are always empty. "I am happy to help you with that" can begin an answer, so it is not here.
_HOLLOW = re.compile(
    r"""apologi[sz]e\ for\ (?:any|the)\ (?:inconvenience|confusion|delay|trouble)
      | sorry\ for\ (?:any|the)\ (?:inconvenience|confusion)
      | (?:we|i)\ (?:fully\ |completely\ )?understand\ (?:your|how)\ (?:frustrat\w{1,20}|concern\w{0,20}|upset)
      | valued\ customer | your\ (?:call|business|feedback|patience)\ is\ (?:very\ )?(?:important|appreciated)
      | thank\ you\ for\ (?:your\ patience|reaching\ out|contacting\ us)
      | (?:please\ )?(?:do\ not|don['’]?t)\ hesitate\ to\ (?:contact|reach)
      | rest\ assured | at\ your\ earliest\ convenience""",
    re.IGNORECASE | re.VERBOSE,
)
# Everything that _HOLLOW or _UNFINISHED finds has one of these, in any case.
_HOLLOW_WORDS = (
    "apologise for", "apologize for", "sorry for", "understand", "valued customer", "your call is", "your business is",
    "your feedback is", "your patience is", "thank you for", "hesitate to", "rest assured", "at your earliest",
)  # fmt: skip
_UNFINISHED_WORDS = ("{{", "${", "xxxx", "____", "lorem ipsum", "todo", "tbd", "fixme", "as a")
# Placeholders of templates. Brackets count only around words such as these: "[2]", "[sic]" and "[link](https://...)" do not.
_OPEN = frozenset(
    {
        "address", "agent", "amount", "city", "company", "contact", "country", "customer", "date", "day", "department", "email",
        "e-mail", "first", "firstname", "id", "insert", "last", "lastname", "link", "location", "month", "name", "number", "order",
        "phone", "placeholder", "price", "product", "recipient", "sender", "signature", "street", "time", "title", "tracking",
        "url", "username", "your", "zip",
    }
)  # fmt: skip
# Single words that are HTML elements when they are between < and >.
_ELEMENTS = frozenset({"address", "link", "time", "title", "data", "label", "number"})
_BRACKETS = re.compile(
    r"\[(?P<square>[^\[\]\n\"{}:]{1,60})\](?!\()|<(?P<angle>[^<>\n\"=/]{1,60})>|\{(?P<brace>[^{}\n\":]{1,60})\}"
)
_UNFINISHED = re.compile(
    r"""\{\{[^}\n]{1,40}\}\} | \$\{[^}\n]{1,40}\} | \b[xX]{4,}\b | (?<![\w_])_{4,}(?![\w_]) | \blorem\ ipsum\b
      | \b(?-i:TODO|TBD|FIXME)\b | \bas\ an?\ (?:AI|artificial\ intelligence|large\ language\ model|language\ model)\b""",
    re.VERBOSE | re.IGNORECASE,
)


def run(pair: Pair, project: Project, budget: TimeBudget = UNLIMITED) -> list[Finding]:
    findings = []
    checks: tuple[tuple[str, Iterator[re.Match[str]], Level, str], ...] = (
        ("placeholder", _left_open(pair, budget), "bad", "A placeholder is not filled in: {}."),
        (
            "empty-phrase",
            _hollow(pair, budget),
            "warn",
            "Empty phrase: {}. Say what happened or what happens next.",
        ),
    )
    for kind, matches, level, says in checks:
        places = list(matches)
        if places:
            words = list(dict.fromkeys(f"“{match.group()}”" for match in places))
            spans = tuple(Span("completion", 0, match.start(), match.end(), level) for match in places[:100])
            findings.append(Finding(level, says.format(", ".join(words[:4])), spans, kind=kind))
    return findings or [Finding("ok", "No empty phrases and no placeholders.")]


def _hollow(pair: Pair, budget: TimeBudget) -> Iterator[re.Match[str]]:
    if not has_any(pair.completion, _HOLLOW_WORDS):
        return
    for match in _HOLLOW.finditer(pair.completion):
        budget.spend()
        yield match


def _left_open(pair: Pair, budget: TimeBudget) -> Iterator[re.Match[str]]:
    for match in _UNFINISHED.finditer(pair.completion) if has_any(pair.completion, _UNFINISHED_WORDS) else ():
        budget.spend()
        yield match
    if pair.is_call:  # there brackets are syntax
        return
    for match in _BRACKETS.finditer(pair.completion):
        budget.spend()
        inside = match[match.lastgroup or 0].lower().strip(" #'’")
        words = re.split(r"[\s_/'’-]+", inside)
        if any(letter.isdigit() for letter in inside) or not _OPEN & {*words, inside}:
            continue
        if match.lastgroup != "angle" or inside not in _ELEMENTS:
            yield match


CHECK = Check("phrases", "No boilerplate and no placeholders", run)
