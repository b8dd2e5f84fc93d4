"""Which language a text is in, by py3langid with the model inside its package: no network.

The model is loaded at the first use (half a second), not when the program starts.
"""

import re
from functools import lru_cache
from typing import Any

from annotation.checks.prose import other_places

LANGUAGES = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French",
    "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "ms": "Malay", "nl": "Dutch", "no": "Norwegian",
    "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian",
    "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian",
    "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
# Languages that an identifier confuses in short texts count as one.
_ALIKE = (
    {"da", "no", "sv"},
    {"hr", "sr", "sl"},
    {"id", "ms"},
    {"cs", "sk"},
    {"es", "pt", "ca"},
    {"ru", "uk", "bg"},
    {"hi", "ur"},
)
_LEAST_LETTERS, _LEAST_BYTES = 20, 24
_MOST_LETTERS = 4000
_SURE = 0.97
# No other language has several of these in one text.
_PLAINLY_ENGLISH = frozenset(
    {
        "the", "your", "you", "and", "with", "have", "this", "that", "would", "what", "please", "are", "there", "they", "our", "for",
        "can", "when", "which", "it's", "i'll", "we're", "about", "been", "could", "don't", "from", "get", "here's", "how", "i'm", "know",
        "more", "need", "right", "should", "some", "thank", "thanks", "that's", "these", "those", "very", "we'll", "were", "where",
        "you'll", "you're",
    }
)  # fmt: skip
_ENOUGH = 3  # different ones
_NOT_WORDS = re.compile(r"[^\W\d_]*[\d_][\w-]*|[^\w\s'’]+")


@lru_cache(maxsize=1)
def _identifier() -> Any:
    import numpy
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(LANGUAGES))
    # The type that the scores are computed in: converted once (9 MB more), and not again for each text.
    identifier.nb_ptc = numpy.ascontiguousarray(identifier.nb_ptc, dtype=numpy.float32)
    return identifier


def load_model() -> None:
    """Otherwise the first text that needs it waits for it."""
    _identifier()


@lru_cache(maxsize=2048)
def language_of(text: str) -> str:
    """The code of the language ("en"); empty when the text is too short or the model is not sure."""
    text = text[:_MOST_LETTERS]
    for start, end in reversed(other_places(text)):
        text = f"{text[:start]} {text[end:]}"
    words = " ".join(_NOT_WORDS.sub(" ", text).split())
    if len(words) < _LEAST_LETTERS and len(words.encode()) < _LEAST_BYTES:
        return ""
    if words.isascii() and len(_PLAINLY_ENGLISH & set(words.casefold().split())) >= _ENOUGH:
        return "en"  # most texts of most projects, without asking the model
    code, share = _identifier().classify(words)
    return str(code) if share >= _SURE else ""


def alike(one: str, other: str) -> bool:
    """Whether two codes are the same language, or languages that cannot be told apart reliably."""
    return one == other or any({one, other} <= group for group in _ALIKE)


def is_english(text: str, beside: str) -> bool:
    """Whether the text is English. A text too short to tell is taken as the language of `beside`, the conversation."""
    return (language_of(text) or language_of(f"{beside}\n{text}")) == "en"
