"""Privacy: e-mail addresses, phone numbers, bank accounts and cards that have no place in training data."""

import re
from collections.abc import Iterator

from annotation.checks.base import UNLIMITED, Budget, Check, Finding, Level, Pair, Span
from core.models import Project

_EMAIL = re.compile(r"\b[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}\b")
# Names that RFC 2606 keeps free for examples are nobody's.
_NOBODY = re.compile(
    r"(?:^|[@.])(?:example\.(?:com|org|net)|[\w-]+\.(?:example|test|invalid))$", re.IGNORECASE
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"(?<![\d-])[3-6]\d{3}(?:([ -]?)\d{4}\1\d{4}\1\d{4}|[ -]?\d{6}[ -]?\d{5})(?![\d-])")
# International with +, or spoken of as a phone number. A bare row of digits is more often a reference.
_PHONE = re.compile(
    r"""(?<![\w+])\+\d{1,3}[ .-]?(?:\(0\)[ .-]?)?(?:\(?\d{1,5}\)?[ .-]?){2,5}\d{2,4}(?!\w)
      | (?:\b(?:phone|telephone|tel\.?|mobile|cell|call|ring|whatsapp|text)\b[^\n\d+]{0,20})
        (?P<local>\(?0?\d{2,4}\)?[ ./-]\d{3,4}[ .-]?\d{2,4}(?:[ .-]?\d{2,4})?|0\d{8,11})(?![\w-])""",
    re.IGNORECASE | re.VERBOSE,
)


def iban_is_valid(text: str) -> bool:
    """ISO 13616: moved head to tail, letters as numbers, the rest by 97 is 1."""
    code = text.replace(" ", "")
    if not 15 <= len(code) <= 34:
        return False
    turned = "".join(str(int(letter, 36)) for letter in code[4:] + code[:4])
    return int(turned) % 97 == 1


def card_is_valid(text: str) -> bool:
    """The check digit of ISO/IEC 7812 (Luhn)."""
    digits = [int(letter) for letter in text if letter.isdigit()]
    doubled = [
        digit if at % 2 == 0 else sum(divmod(digit * 2, 10)) for at, digit in enumerate(reversed(digits))
    ]
    return 13 <= len(digits) <= 19 and sum(doubled) % 10 == 0


def _found(text: str) -> Iterator[tuple[str, Level, int, int]]:
    for match in _EMAIL.finditer(text):
        if not _NOBODY.search(match.group()):
            yield "an e-mail address", "warn", *match.span()
    for match in _IBAN.finditer(text):
        if iban_is_valid(match.group()):
            yield "a bank account", "bad", *match.span()
    for match in _CARD.finditer(text):
        if card_is_valid(match.group()):
            yield "a card number", "bad", *match.span()
    for match in _PHONE.finditer(text):
        group = "local" if match.group("local") else 0
        digits = sum(letter.isdigit() for letter in match.group(group))
        if 8 <= digits <= 15:
            yield "a phone number", "warn", *match.span(group)


def run(pair: Pair, project: Project, budget: Budget = UNLIMITED) -> list[Finding]:
    ours = project.system_prompt  # the desk's own address stands in what every model of the project is told
    findings = []
    for field, name, texts in (
        ("completion", "The completion", [pair.completion]),
        ("messages", "The conversation", pair.messages),
        ("context", "A record", pair.context),
    ):
        by_kind: dict[tuple[str, Level], list[Span]] = {}
        for index, text in enumerate(texts):
            for kind, level, start, end in _found(text):
                if text[start:end] not in ours:
                    by_kind.setdefault((kind, level), []).append(Span(field, index, start, end, level))
        findings += [
            Finding(level, f"{name} holds {kind}. Replace it with a made-up one.", tuple(spans))
            for (kind, level), spans in by_kind.items()
        ]
    return findings or [Finding("ok", "Nothing personal found.")]


CHECK = Check("privacy", "No e-mail addresses, phone numbers, bank accounts or cards", run)
