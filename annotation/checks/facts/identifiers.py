"""References: tokens with letters and figures, long figures, e-mail and web addresses."""

import re
from decimal import Decimal

from annotation.checks.facts.dates import Read
from annotation.checks.facts.fact import BARE, Fact, Key, number_key, squeeze
from annotation.checks.facts.numbers import joined_names
from annotation.checks.facts.words import CODES, COMMON, LEAST_DIGITS

# A full stop joins only where no sentence can begin after it.
TOKEN = re.compile(r"[^\W_]++(?:(?:[-_/#]{1,2}|\.(?=[0-9a-z]))[^\W_]++)*+")
_EMAIL = re.compile(r"[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[\w-]{2,24}")
_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"')]{1,2000}", re.IGNORECASE)
# "GHLU 204418-7": a code in capitals with its number after a space.
_SPACED = re.compile(
    r"[A-Z]{2,5}[ ](?!(?:19|20)[0-9]{2}[-/][0-9]{1,2}[-/])[0-9]{4,}+(?:[-/][0-9]++)*+(?![\w]|[.,][0-9])"
)
# "06 1234 5678": groups of figures that are one phone number or reference.
_GROUPED = re.compile(r"[0-9]{2,6}(?:[ -][0-9]{2,6}){2,6}(?![\w]|[-.,:/][0-9])")
_IS_KEY = re.compile(r"\"\s{0,3}:")
_LONGEST = 200  # characters of a reference; longer ones are compared by their start and their length


def address(text: str, at: int) -> Read | None:
    match = (_EMAIL.match(text, at) if "@" in text[at : at + 66] else None) or _URL.match(text, at)
    if not match:
        return None
    written = match.group().rstrip(".,;:!?")
    name = re.sub(r"^(?:https?://)?(?:www\.)?", "", written.lower()).rstrip("/")
    end = at + len(written)
    return [Fact("reference", written, at, end, (("address", name),), serious=True)], end


def spaced(text: str, at: int) -> Read | None:
    """A code in capitals and its number: known when the whole or the number alone is known."""
    match = _SPACED.match(text, at)
    if not match or match.group()[:3].lower() in CODES:
        return None
    number = squeeze(match.group().partition(" ")[2])
    return [_reference(text, match.start(), match.end(), parts=((("id", number),),))], match.end()


def grouped(text: str, at: int) -> Read | None:
    match = _GROUPED.match(text, at)
    if not match or len(squeeze(match.group())) < 8:
        return None
    pieces = re.split(r"[ -]", match.group())
    parts: tuple[tuple[Key, ...], ...] = tuple(
        (("id", piece), number_key(Decimal(piece), BARE)) for piece in pieces
    )
    return [_reference(text, *match.span(), parts=parts)], match.end()


def token(text: str, match: re.Match[str]) -> Fact | None:
    """The reference in a token with a figure; None when it is not a reference."""
    word = match.group()
    if word.lower() in COMMON:
        return None
    parts: tuple[tuple[Key, ...], ...] = ()
    pieces = word.split("/")
    if len(pieces) > 1 and all(_has_figure(piece) for piece in pieces):
        parts = tuple((("id", squeeze(piece)),) for piece in pieces)
    return _reference(text, *match.span(), parts=parts)


def _has_figure(word: str) -> bool:
    return any(letter.isdigit() for letter in word)


def _reference(text: str, start: int, end: int, *, parts: tuple[tuple[Key, ...], ...] = ()) -> Fact:
    written = text[start:end]
    name = squeeze(written)
    if len(name) > _LONGEST:
        name = f"{name[:_LONGEST]}+{len(name)}:{hash(name)}"
    figures = sum(letter.isdigit() for letter in name[:_LONGEST])
    keys: list[Key] = [("id", name)]
    keys += [("id", joined) for joined in joined_names(text, start, name)]
    claims = not _IS_KEY.match(text, end)
    return Fact("reference", written, start, end, tuple(keys), len(name) >= 4 and figures >= 2, claims, parts)


_PREFIXED = re.compile(r"[^\W\d_]{1,12}[-_/# ]?(?P<number>[0-9]+)")


def bare_number(written: str) -> str:
    """The figures of "FD-41007", because people also write 41007; "" with letters in several places or few figures."""
    match = _PREFIXED.fullmatch(written[:_LONGEST])
    return match["number"] if match and len(match["number"]) >= LEAST_DIGITS else ""
