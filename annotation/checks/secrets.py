"""Secrets: keys, tokens and passwords, by the patterns of detect-secrets. Nothing is sent anywhere to verify them.

Its detectors of random-looking text stay off: order numbers look random, too.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from annotation.checks.base import UNLIMITED, Check, Finding, Fix, Pair, Span, TimeBudget
from annotation.checks.prose import has_any, holds_any
from annotation.checks.remembered import Remembered
from core.models import Project

_MOST = 50
# Module of detect-secrets, the kind, and words that every such secret contains: a text without any of them is not searched.
_DETECTORS = (
    ("aws", "aws-key", ("AKIA", "ASIA", "ABIA", "ACCA", "A3T")),
    ("azure_storage_key", "azure-key", ("AccountKey=",)),
    ("basic_auth", "password", ("://",)),
    ("github_token", "token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")),
    (
        "gitlab_token",
        "token",
        (
            "glpat-",
            "gldt-",
            "glft-",
            "glsoat-",
            "glrt-",
            "glcbt-",
            "glimt-",
            "glptt-",
            "glagent-",
            "gloas-",
            "GR1348941",
        ),
    ),
    ("jwt", "token", ("eyJ",)),
    ("mailchimp", "token", ("-us",)),
    ("npm", "token", ("_authToken",)),
    ("openai", "api-key", ("T3BlbkFJ",)),
    ("private_key", "private-key", ("PRIVATE KEY", "PuTTY")),
    ("pypi_token", "token", ("pypi-",)),
    ("sendgrid", "api-key", ("SG.",)),
    ("slack", "token", ("xox", "hooks.slack.com")),
    ("square_oauth", "token", ("sq0csp-",)),
    ("stripe", "api-key", ("k_live_",)),
    ("telegram_token", "token", (":AA",)),
)
_WORDS = {
    "aws-key": "an AWS key", "azure-key": "an Azure key", "password": "a password", "token": "an access token", "api-key": "an API key",
    "private-key": "a private key",
}  # fmt: skip
# What people write: "password: hunter2!", "the API key is 4fd…". The value has a digit or a sign, so that "the password is wrong" is none.
_TOLD = re.compile(
    r"""\b(?P<name>pass\ ?word|passwd|passphrase|passwort|kennwort|mot\ de\ passe|contraseña|wachtwoord|api[ _-]?key|access[ _-]?token|secret[ _-]?key|client[ _-]?secret)
        [\"']?\s{0,3}(?:is|ist|es|est|now|=|:|→){1,2}\s{0,3}[\"'“‘«(]?(?P<value>[^\s\"'“”‘’«»(),;<>{}]{6,120})""",
    re.IGNORECASE | re.VERBOSE,
)
_ALL_WORDS = ("k-", *(word for *_, words in _DETECTORS for word in words))
# One is in each name of _TOLD.
_TOLD_NAMES = ("pass", "kennwort", "contrase", "wachtwoord", "key", "token", "secret")
_found: Remembered[list[tuple[str, int, int]]] = Remembered()
_GENERIC_KEY = re.compile(r"\b(?:sk|pk|rk)-(?:proj-|ant-|live-|or-)?[A-Za-z0-9_-]{20,200}")


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[tuple[str, ...], str, tuple[re.Pattern[str], ...]], ...]:
    """(words, kind, patterns) of each detector; they are loaded at the first use."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    found: dict[str, list[re.Pattern[str]]] = {}
    detectors: list[Any] = [*get_mapping_from_secret_type_to_class().values()]
    for detector in detectors:
        found.setdefault(detector.__module__.rpartition(".")[2], []).extend(getattr(detector, "denylist", ()))
    return tuple((words, kind, tuple(found[module])) for module, kind, words in _DETECTORS)


def secrets_in(text: str, budget: TimeBudget = UNLIMITED) -> Iterator[tuple[str, int, int]]:
    """(kind, start, end) of each secret; places can overlap."""
    for words, kind, patterns in _patterns():
        if not holds_any(text, words):
            continue
        for pattern in patterns:
            for match in pattern.finditer(text):
                budget.spend(4)
                # Where a pattern has one group, that is the secret; of prefixes in groups it is the whole.
                group = 1 if kind == "password" and match.re.groups == 1 else 0
                yield kind, *match.span(group)
    if "k-" in text:
        for match in _GENERIC_KEY.finditer(text):
            if any(letter.isdigit() for letter in match.group()) and any(
                letter.isalpha() for letter in match.group()[3:]
            ):
                yield "api-key", *match.span()
    if has_any(text, _TOLD_NAMES):
        for match in _TOLD.finditer(text):
            budget.spend(4)
            value = match["value"].rstrip(".!?:")
            if _looks_secret(value):
                kind = (
                    "password"
                    if "pass" in match["name"].lower() or match["name"][0].lower() in "kcmw"
                    else "api-key"
                )
                yield kind, match.start("value"), match.start("value") + len(value)


def _looks_secret(value: str) -> bool:
    if len(value) < 6 or "://" in value or value.casefold().startswith(("example", "xxx", "***", "•")):
        return False
    letters, digits = any(letter.isalpha() for letter in value), any(letter.isdigit() for letter in value)
    return letters and (digits or any(not letter.isalnum() and letter not in "-'’./_" for letter in value))


def run(pair: Pair, project: Project, budget: TimeBudget = UNLIMITED) -> list[Finding]:
    texts = {"completion": (pair.completion,), "messages": pair.messages, "context": pair.context}
    by_kind: dict[str, list[Span]] = {}
    everything = "\n".join((pair.completion, *pair.messages, *pair.context))
    if not holds_any(everything, _ALL_WORDS) and not has_any(everything, _TOLD_NAMES):
        return []
    for field, parts in texts.items():
        for index, text in enumerate(parts):
            taken: list[tuple[int, int]] = []
            for kind, start, end in _found.of(text, lambda: [*secrets_in(text, budget)]):  # noqa: B023 - called at once
                if (
                    len(taken) < _MOST
                    and not any(start < there and at < end for at, there in taken)
                    and "EXAMPLE" not in text[start:end]
                ):
                    taken.append((start, end))
                    by_kind.setdefault(kind, []).append(Span(field, index, start, end, "bad"))
    return [_finding(kind, spans, texts) for kind, spans in by_kind.items()]


def _finding(kind: str, spans: list[Span], texts: dict[str, tuple[str, ...]]) -> Finding:
    values = [texts[span.field][span.index][span.start : span.end] for span in spans]
    names = {
        value: f"EXAMPLE-{kind.upper()}-{number}" for number, value in enumerate(dict.fromkeys(values), 1)
    }
    says = f"The example contains {_WORDS[kind]}. Replace it, and change it where it is in use: it has been copied."
    if kind == "private-key":
        return Finding("bad", says, tuple(spans), kind=kind)  # only its first line is found
    fixes = tuple(
        Fix(span.field, span.index, span.start, span.end, names[value])
        for span, value in zip(spans, values, strict=True)
    )
    return Finding("bad", says, tuple(spans), kind=kind, fixes=fixes)


CHECK = Check("secrets", "No passwords, keys or access tokens", run)
