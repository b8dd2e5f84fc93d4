"""Text as search compares it: texts that look the same are equal, in every script. Pure functions except `contains`.

The index is PostgreSQL's over trigrams (pg_trgm). It serves a piece of three letters or more. In scripts written without
spaces, and in Korean, words of one and two letters are normal: they are added again at the end of the searched text, each
letter and each pair between marks that nobody types. pg_trgm treats the text between two marks as a separate word, so the
same index finds them.
"""

import re
import unicodedata

from django.db.models import Q

LEAST = 3
_MARK = "\x1f"
# Han with its radicals and extensions, Kana, Bopomofo, Hangul, Thai, Lao, Myanmar, Khmer. With combining letters.
_CLOSE = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u3130-\u318f"
    "\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN = re.compile(f"[{_CLOSE}]+")
_SHORT = re.compile(f"[{_CLOSE}]{{1,2}}")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


def folded(text: str) -> str:
    """The text without differences that readers do not see: case, composition, full width, ligatures (Unicode's NFKC_Casefold,
    without invisible letters)."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", text) if not text.isascii() else text


def searchable(text: str) -> str:
    """The stored search text: the folded text, and after it the short words of scripts that need them."""
    text = _CONTROL.sub(" ", folded(text))
    short = {run[at : at + size] for run in _RUN.findall(text) for at in range(len(run)) for size in (1, 2)}
    return f"{text}\n{_MARK}{_MARK.join(sorted(short))}{_MARK}" if short else text


def pattern(typed: str) -> str:
    """The text to find in a search text; "" when it is too short."""
    text = _CONTROL.sub(" ", folded(typed)).strip()
    if _SHORT.fullmatch(text):
        return f"{_MARK}{text}{_MARK}"
    return text if len(text) >= LEAST or _RUN.search(text) else ""


def either_form(field: str, typed: str) -> Q:
    """For columns with unchanged text: finds composed and decomposed letters."""
    forms = {unicodedata.normalize(form, typed) for form in ("NFC", "NFD")}
    query = Q()
    for text in sorted(forms):
        query |= Q(**{f"{field}__icontains": text})
    return query
