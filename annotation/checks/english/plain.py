"""Texts in which harper's rules (those of annotation.checks.english.harper) can see nothing, so that it need not be asked.

harper tags every sentence with a neural network before the first rule looks at it: a millisecond for a short answer, of which most
have no fault. Each rule needs something that can be seen without it: a word that harper does not know, a small letter after a full
stop, "a" before a vowel, one of a few words. A text with none of these is plain. Whatever is not certain is not plain: the rules here
are wider than harper's. Words are known when harper found no fault with them in an earlier text, or when they stand in known_words.txt, which
tools/known_words.py makes with the installed harper: without it each process would ask about thousands of common words once.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

# Signs and joints that harper may split, join or correct: everything but words, numbers, spaces and plain punctuation.
_ODD = re.compile(
    r"""[^A-Za-z0-9\s.,!?;:()"'’$€£%-]             # other letters and signs
      | [^\W_][.,;:!?()"\$€£][A-Za-z]              # "word,word", "v2.x"
      | [A-Za-z][.,;:!?$€£][^\W_]
      | [0-9][A-Za-z] | [A-Za-z][0-9]              # "22th", "B2"
      | [A-Za-z0-9]- | -[A-Za-z]
      | \s[.,;:!?)] | \s\s | [^\S ]                # a space before a comma, two spaces, tabs and lines
      | [.!?:"(]['"’)(]*\s*['"’(-]*\s*[a-z]        # perhaps a sentence that begins with a small letter
      | (?<![A-Za-z])['’] | ['’](?![A-Za-z])""",
    re.VERBOSE,
)
_MODAL = r"(?:could|would|should|might|must|may|can|shall|will|ought|better)"
_GRAMMAR = re.compile(
    rf"""\b(?: did(?!\ (?:i|you|we|they)\ (?:get|mean|want|have|need|like|say|see|order|try)\b) | didn['’]?t | dint | cold | conform\w* | article | their | then | than | where | were | we['’]re | quite | quiet
      | suppose\ to | used?\ to | it['’]s | one\ of | r | i\ (?:are|is)
      | {_MODAL}(?:n['’]?t|['’]?ve)?\s+(?:of|{_MODAL})
      | (?:i|we|you|they)['’]?(?:ve|\ have)\s+\w+ing )\b""",
    re.VERBOSE,
)
# "to" before a form of a verb.
_AFTER_TO = re.compile(r"\bto\s+\w+(?:ed|s)\b")
# "you" before a word that may be a noun and nothing else: "you order" can be right, "you combination" cannot.
_NO_NOUNS = (
    "a about able add after again all also already always an and any are as ask at be because been before both bring but buy by call "
    "came can carry certainly change check choose collect come confirm could decide did do does doing don['’]t down either enjoy ever "
    "every expect feel find first for from get give go going got had happen has have hear help here how if immediately in instead into "
    "just keep know later let like look looking made make may maybe mean meant mention might mind must need never not now of off ok okay "
    "on once one only or order ordered our out over pay perhaps pick place please possibly prefer pretty promptly provide put rather "
    "ready really receive request requested review right said save say see seem seen sell send serve shall share shortly should show so "
    "some soon speak still sure take tell than thank that the then there these they think thinking this those through to today together "
    "tomorrow told too try until up use verify very wait want wanted was we went were what when where which while will wish with without "
    "would write yet your"
)
_AFTER_YOU = re.compile(rf"\byou\s+(?!(?:{'|'.join(_NO_NOUNS.split())})(?![\w'’]))[a-z]")
# "a" before small letters that stand for a consonant, "an" before a vowel, either before a number: anything else is for harper.
_A = re.compile(
    r"""\ba(?!\s+(?:(?!sos\b)[bcdfgjklmpqstvwyz][a-z]+|n[a-fh-uw-z][a-z]*|r[a-y][a-z]*|h(?:[iau]|e[a-hj-qs-z]|o[a-mo-tv-z])[a-z]*)\b
        |\s+[0-9$€£]|['’.,;!?:]|\Z)(?![a-z])
      | \ban(?!\s+(?:a[a-z]+|e[a-tv-z][a-z]*|i[a-z]+|o[a-mo-z][a-z]*)\b)(?![a-z])""",
    re.VERBOSE,
)
_TWICE = re.compile(r"\b(\w+)\W+\1\b")
_WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)*")
# The pronoun "i"; a letter or an abbreviation after "a"; capitals inside a word.
_CAPITALS = re.compile(r"\bi\b|\b[Aa]n?\s+[A-Z](?![a-z])|[a-z][A-Z]")
_MOST_WORDS = 200_000  # known ones; more than the words of English in use
KNOWN_WORDS = Path(__file__).with_name("known_words.txt")
# Where one sentence ends and the next begins, beyond doubt. harper tags and judges each sentence alone.
_BETWEEN_SENTENCES = re.compile(r"(?<=[a-z]{2}[.!?]) (?=[A-Z])")


@lru_cache(maxsize=1)
def common_words() -> frozenset[str]:
    """The commonest words that harper knows: those in small letters also with a capital one. Empty when the list was made with
    another harper than the installed one."""
    made_with, *words = KNOWN_WORDS.read_text().split("\n")
    if made_with != f"harper-py {version('harper-py')}":
        return frozenset()
    return frozenset(words) | {word[0].upper() + word[1:] for word in words if word}


def parts_of(text: str) -> Iterator[tuple[int, str]]:
    """The sentences with their places, where the text can be cut without doubt. What harper says of the parts is what it says of the
    text. A sentence with a small first letter stays with the next one: alone, it would be taken as a label."""
    first = 0
    for match in _BETWEEN_SENTENCES.finditer(text):
        if first or not text.lstrip()[:1].islower():
            yield first, text[first : match.start()]
            first = match.end()
    yield first, text[first:]


Word = TypeVar("Word")  # what harper says of a word it does not know


class PlainTexts(Generic[Word]):
    """What harper would say of plain texts, by what it has said so far and the words `known` before. For several threads."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = set(known)
        self._unknown: dict[str, Word] = {}
        self._lock = Lock()

    def unknown_in(self, text: str) -> list[tuple[int, int, Word]] | None:
        """All that harper sees in a plain text: the places [start, end) of words that it does not know. None when the text is not
        plain. A small letter at the very beginning of the text is not seen."""
        text_only = text.strip(" ")
        if _ODD.search(text_only) or _CAPITALS.search(text_only):
            return None
        lower = text_only.lower()
        if any(rule.search(lower) for rule in (_GRAMMAR, _A, _AFTER_YOU, _AFTER_TO, _TWICE)):
            return None
        new = set(_WORD.findall(text)) - self._known
        if not new:
            return []
        # The first word can be unknown and begin with a small letter: harper then says one of the two.
        if not new <= self._unknown.keys() or text_only[0].islower():
            return None
        return [
            (*match.span(), self._unknown[match.group()])
            for match in _WORD.finditer(text)
            if match.group() in new
        ]

    def learn(
        self, text: str, marked: Iterable[tuple[int, int]], unknown: Mapping[tuple[int, int], Word]
    ) -> None:
        """harper has seen `text` and said something of the places `marked` only, of some of them that the word is `unknown`."""
        if _ODD.search(text):
            return
        places = list(marked)
        with self._lock:
            if len(self._known) + len(self._unknown) > _MOST_WORDS:
                return
            for match in _WORD.finditer(text):
                touching = [place for place in places if place[0] < match.end() and match.start() < place[1]]
                if not touching:
                    self._known.add(match.group())
                elif touching == [match.span()] and match.span() in unknown:
                    self._unknown[match.group()] = unknown[match.span()]
