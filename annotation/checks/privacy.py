"""Privacy: data that identifies a person and must not be in training data.

E-mail addresses, phone numbers, bank accounts, cards, national ids, IP addresses and postal addresses. Names are not
checked: a list of names cannot separate a person from a product or a place.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping

import phonenumbers
from stdnum import iban, luhn
from stdnum.ca import sin
from stdnum.es import dni
from stdnum.gb import nhs
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.us import ssn

from annotation.checks.base import UNLIMITED, Check, Finding, Fix, Level, Pair, Span, TimeBudget
from annotation.checks.prose import has_any
from annotation.checks.pseudonyms import invented, is_invented
from annotation.checks.remembered import Remembered
from core.models import Project
from core.wording import listed, noun

Place = tuple[int, int]
_MOST_SPANS = 100
_LEAST_DIGITS = 7  # of a phone number

_EMAIL = re.compile(r"\b[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b")
# Domain names that RFC 2606 reserves for examples belong to no one.
_NOBODY = re.compile(
    r"(?:^|[@.])(?:example\.(?:com|org|net)|[\w-]+\.(?:example|test|invalid))$", re.IGNORECASE
)


def _emails(text: str) -> Iterator[Place]:
    if "@" not in text:
        return
    for match in _EMAIL.finditer(text):
        if not _NOBODY.search(match.group()):
            yield match.span()


# --- phone numbers ------------------------------------------------------------------------------------------
# Plain digits are more often a reference, so a number must look like a phone number: international with +, written
# as (555) 123-4567 or 555-123-4567, in the national form of a numbering plan, or called a phone number.
_PHONE = re.compile(
    r"(?<![\w+])(?<![\w][-/.#])\+?\(?[0-9]{1,5}\)?(?:[ ./-]{0,2}\(?[0-9]{1,9}\)?){1,6}(?![\w]|[-/.,:][0-9])"
)
_NORTH_AMERICAN = re.compile(
    r"(?:1[ .-])?(?:\([2-9][0-9]{2}\)[ -]?|[2-9][0-9]{2}([.-]))[0-9]{3}(?(1)\1|[ .-])[0-9]{4}"
)
_IBAN = re.compile(r"\b[A-Z]{2}[0-9]{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,3})?\b")
_SPOKEN = re.compile(
    r"\b(?:phone|telephone|tel\.?|mobile|cell|call|ring|whatsapp|text|fax)\b[^\n\d+]{0,20}$", re.IGNORECASE
)
_SPOKEN_FORM = re.compile(r"\(?0?[0-9]{2,4}\)?[ ./-][0-9]{3,4}(?:[ .-]?[0-9]{2,4}){0,3}|0[0-9]{8,11}")
_REFERENCE = re.compile(
    r"\b(?:order|invoice|booking|reference|ref|item|article|part|serial|ticket|case|id)\b[^\n\d]{0,12}$",
    re.IGNORECASE,
)
# Countries to try for numbers that begin with a trunk 0.
_REGIONS = ("GB", "DE", "FR", "NL", "BE", "IT", "CH", "AT", "SE", "AU", "NZ", "JP", "IN", "ZA", "IE")


def _phones(text: str) -> Iterator[Place]:
    accounts = [
        match.span() for match in _IBAN.finditer(text)
    ]  # valid or not, its groups of figures are not a phone number
    for match in _PHONE.finditer(text):
        written = match.group()
        if any(start < match.end() and match.start() < end for start, end in accounts[:_MOST_SPANS]):
            continue
        digits = sum(letter.isdigit() for letter in written)
        if _LEAST_DIGITS <= digits <= 15 and _is_phone(
            written, digits, text[max(0, match.start() - 40) : match.start()]
        ):
            yield match.span()


def _is_phone(written: str, digits: int, before: str) -> bool:
    if written.startswith("+"):
        return digits >= 8 and _parses(written.replace("(0)", ""), None, phonenumbers.is_possible_number)
    if _NORTH_AMERICAN.fullmatch(written):
        return _parses(written, "US", phonenumbers.is_possible_number)
    if _SPOKEN.search(before) and _SPOKEN_FORM.fullmatch(written):
        return digits >= 8
    grouped = len(re.findall(r"[0-9]+", written)) >= 3
    if _REFERENCE.search(before) or _SSN.fullmatch(written):
        return False
    return (
        grouped
        and written.startswith("0")
        and any(_parses(written, region, phonenumbers.is_valid_number) for region in _REGIONS)
    )


def _parses(written: str, region: str | None, holds: Callable[[phonenumbers.PhoneNumber], bool]) -> bool:
    try:
        return holds(phonenumbers.parse(written, region))
    except phonenumbers.NumberParseException:
        return False


# --- accounts, cards, national ids --------------------------------------------------------------------------
_CARD = re.compile(
    r"(?<![\d-])[2-6][0-9]{3}(?:([ -]?)[0-9]{4}\1[0-9]{4}\1[0-9]{4}|[ -]?[0-9]{6}[ -]?[0-9]{5})(?![\d-])"
)
_SSN = re.compile(r"(?<![\w-])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![\w-])")
# National ids are only digits, so the text must name them.
_NATIONAL = re.compile(
    r"\b(?P<name>ssn|social\s+security(?:\s+(?:number|no\.?))?|bsn|burgerservicenummer|nhs(?:\s+number)?|pesel|dni|nie|sin|social\s+insurance(?:\s+number)?)"
    r"\b[^\w\n]{0,4}(?:is|number|no\.?)?[^\w\n]{0,4}(?P<id>[0-9XYZ][0-9A-Z -]{6,13}[0-9A-Z])(?!\w)",
    re.IGNORECASE,
)
_NATIONAL_NAMES = ("ssn", "social", "bsn", "burgerservice", "nhs", "pesel", "dni", "nie", "sin")
_VALID: dict[str, Callable[[str], bool]] = {
    "ssn": ssn.is_valid, "soc": ssn.is_valid, "bsn": bsn.is_valid, "bur": bsn.is_valid, "nhs": nhs.is_valid,
    "pes": pesel.is_valid, "dni": dni.is_valid, "sin": sin.is_valid,
}  # fmt: skip


def _accounts(text: str) -> Iterator[Place]:
    for match in _IBAN.finditer(text):
        # The match may contain words in capitals after it: the longest valid start counts.
        for end in range(match.end(), match.start() + 14, -1):
            if text[end - 1] != " " and iban.is_valid(text[match.start() : end]):
                yield match.start(), end
                break


def _cards(text: str) -> Iterator[Place]:
    for match in _CARD.finditer(text):
        if luhn.is_valid(re.sub(r"[ -]", "", match.group())):
            yield match.span()


def _national_ids(text: str) -> Iterator[Place]:
    for match in _SSN.finditer(text) if text.count("-") > 1 else ():
        if ssn.is_valid(match.group()):
            yield match.span()
    for match in _NATIONAL.finditer(text) if has_any(text, _NATIONAL_NAMES) else ():
        holds = _VALID.get(match["name"][:3].lower())
        if holds and not _SSN.fullmatch(match["id"]) and holds(match["id"].strip()):
            yield match.span("id")


# --- addresses ----------------------------------------------------------------------------------------------
_IP = re.compile(
    r"(?<![\w.:-])(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|(?:[0-9a-fA-F]{1,4}:){2,7}[0-9a-fA-F:]{1,20})(?![\w:]|\.[0-9])"
)
_VERSION = re.compile(r"(?:\bv|version|release|firmware|build)\s?$", re.IGNORECASE)
_STREET = re.compile(
    r"""\b[0-9]{1,5}[A-Za-z]?,?\ (?:[NSEW]\.?\ )?(?:[A-Z][\w'’-]{1,24}\.?\ ){1,3}
        (?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Square|Terrace|Highway|Hwy|Parkway|Pkwy|Crescent|Way)\b
      | \b[A-ZÄÖÜ][\w-]{2,30}(?:straße|strasse|str\.|weg|platz|allee|gasse|straat|laan|gracht|plein|kade)\ [0-9]{1,4}[a-z]?\b
      | \b[0-9]{1,4},?\ (?:bis\ |ter\ )?(?:rue|avenue|boulevard|chemin|place)\ (?:de\ |du\ |des\ |la\ |le\ |l['’]){0,3}[A-ZÉÈ][\w-]{1,30}
      | \bP\.?\ ?O\.?\ ?Box\ [0-9]{1,6}\b""",
    re.VERBOSE,
)


def _ips(text: str) -> Iterator[Place]:
    if text.count(".") < 3 and text.count(":") < 2:
        return
    for match in _IP.finditer(text):
        try:
            address = ipaddress.ip_address(match.group())
        except ValueError:
            continue
        # Private, local and documentation addresses belong to no one; "version 1.2.3.4" is not an address.
        if address.is_global and not _VERSION.search(text, max(0, match.start() - 12), match.start()):
            yield match.span()


def _streets(text: str) -> Iterator[Place]:
    return (match.span() for match in _STREET.finditer(text))


_KINDS: tuple[tuple[str, str, Level, Callable[[str], Iterator[Place]]], ...] = (
    ("iban", "a bank account", "bad", _accounts),
    ("card", "a card number", "bad", _cards),
    ("national-id", "a national id", "bad", _national_ids),
    ("email", "an e-mail address", "warn", _emails),
    ("phone", "a phone number", "warn", _phones),
    ("ip", "an IP address", "warn", _ips),
    ("address", "a postal address", "warn", _streets),
)
# So many digits does a text have at least that has one of these.
_LEAST_OF = {"card": 13, "phone": _LEAST_DIGITS, "email": 0, "ip": 0}
_WORDS = {kind: words for kind, words, _, _ in _KINDS}
_found: Remembered[list[tuple[str, Level, int, int]]] = Remembered()
_FIELDS = {"completion": "the completion", "messages": "the conversation", "context": "a record"}


def personal_data(text: str, budget: TimeBudget = UNLIMITED) -> Iterator[tuple[str, Level, int, int]]:
    """(kind, level, start, end) of all personal data in a text; no place twice, the worst kind first."""
    taken: list[Place] = []
    digits = sum(map(text.count, "0123456789"))
    for kind, _, level, finder in _KINDS if digits or "@" in text else ():
        if digits < _LEAST_OF.get(kind, 1):
            continue
        for start, end in finder(text):
            budget.spend()
            if len(taken) < _MOST_SPANS and not any(start < there and at < end for at, there in taken):
                taken.append((start, end))
                if not is_invented(kind, text[start:end]):
                    yield kind, level, start, end


def run(pair: Pair, project: Project, budget: TimeBudget = UNLIMITED) -> list[Finding]:
    ours = project.system_prompt  # the project's own address can be in its system prompt
    by_kind: dict[tuple[str, Level], list[Span]] = {}
    texts = {"completion": (pair.completion,), "messages": pair.messages, "context": pair.context}
    for field, parts in texts.items():
        for index, text in enumerate(parts):
            for kind, level, start, end in _found.of(text, lambda: [*personal_data(text, budget)]):  # noqa: B023 - called at once
                if text[start:end] not in ours:
                    by_kind.setdefault((kind, level), []).append(Span(field, index, start, end, level))
    findings = []
    for (kind, level), spans in by_kind.items():
        fixes = _pseudonyms(kind, spans, texts)
        findings.append(Finding(level, _says(kind, spans), tuple(spans), kind=kind, fixes=fixes))
    return findings or [Finding("ok", "No personal data found.")]


def _says(kind: str, spans: list[Span]) -> str:
    places = [words for field, words in _FIELDS.items() if any(span.field == field for span in spans)]
    where = listed(places)
    contains = noun(len(places), "contains", "contain")
    return f"{where[:1].upper()}{where[1:]} {contains} {_WORDS[kind]}. Replace it with an invented one."


def _pseudonyms(kind: str, spans: list[Span], texts: Mapping[str, tuple[str, ...]]) -> tuple[Fix, ...]:
    """All places of the example at once, so that the same value becomes the same invented one everywhere."""
    words = [texts[span.field][span.index][span.start : span.end] for span in spans]
    beside = "\n".join(text for parts in texts.values() for text in parts)
    names = invented(kind, list(dict.fromkeys(words)), beside)
    if len(names) < len(set(words)):
        return ()
    return tuple(
        Fix(span.field, span.index, span.start, span.end, names[word])
        for span, word in zip(spans, words, strict=True)
    )


CHECK = Check("privacy", "No contact data, accounts, cards or national ids of people", run)
