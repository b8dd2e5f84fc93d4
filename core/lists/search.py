"""Words as search compares them: what looks the same is the same, in every script. Pure functions but `contains`.

The index is PostgreSQL's over trigrams (pg_trgm). It serves a piece of three letters or more. In scripts written without
spaces, and in Korean, words of one and two letters are the rule: these stand a second time at the end of the searched text,
each letter and each pair between marks that nobody types. pg_trgm pads what stands between two marks like a word of its own,
so the same index serves them.
"""

import re
import unicodedata

from django.db.models import Q

LEAST = 3
_MARK = "\x1f"
# Han with its radicals and extensions, Kana, Bopomofo, Hangul, Thai, Lao, Myanmar, Khmer. Combining letters belong to them.
_CLOSE = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u3130-\u318f"
    "\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN = re.compile(f"[{_CLOSE}]+")
_SHORT = re.compile(f"[{_CLOSE}]{{1,2}}")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


def folded(text: str) -> str:
    """The text without what is no difference to a reader: case, composed or not, full width, ligatures (Unicode's NFKC_Casefold,
    but for letters that are not seen)."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", text) if not text.isascii() else text


def searchable(text: str) -> str:
    """What is stored for search: the text folded, and after it the short words of scripts that need them."""
    text = _CONTROL.sub(" ", folded(text))
    short = {run[at : at + size] for run in _RUN.findall(text) for at in range(len(run)) for size in (1, 2)}
    return f"{text}\n{_MARK}{_MARK.join(sorted(short))}{_MARK}" if short else text


def pattern(typed: str) -> str:
    """What to look for in a searchable text; "" for what is too short to be looked for."""
    text = _CONTROL.sub(" ", folded(typed)).strip()
    if _SHORT.fullmatch(text):
        return f"{_MARK}{text}{_MARK}"
    return text if len(text) >= LEAST or _RUN.search(text) else ""


def either_form(field: str, typed: str) -> Q:
    """For columns that are kept as they were written: finds composed and decomposed letters alike."""
    forms = {unicodedata.normalize(form, typed) for form in ("NFC", "NFD")}
    found = Q()
    for text in sorted(forms):
        found |= Q(**{f"{field}__icontains": text})
    return found
