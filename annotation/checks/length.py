"""Length: no text, an empty answer, too many words, or the question repeated."""

from annotation.checks.base import UNLIMITED, Check, Finding, Pair, TimeBudget
from core.models import Project
from core.wording import counted

LONG = 220  # words
_ECHO = 3  # words; a greeting can be answered with a greeting
# Short answers are often right ("Cappuccino.", "Is that correct?"); these are empty.
_NODS = frozenset(
    {
        "yes", "no", "ok", "okay", "sure", "thanks", "thank you", "you're welcome", "youre welcome", "of course", "right", "done",
        "noted", "understood", "hello", "hi", "no problem", "great", "perfect",
    }
)  # fmt: skip


def run(pair: Pair, project: Project, budget: TimeBudget = UNLIMITED) -> list[Finding]:
    if pair.is_call:
        return [Finding("ok", f"A structured call, {len(pair.completion):,} characters.")]
    words = len(pair.completion.split())
    if not words:
        return [Finding("warn", "No completion yet.", kind="empty")]
    if words >= _ECHO and _repeats(pair.completion, pair.question):
        return [Finding("bad", "The completion only repeats the customer's words.", kind="repeats-question")]
    if pair.completion.lower().strip(" .,!?\n") in _NODS:
        return [
            Finding("warn", f"Only “{pair.completion.strip()}”. Does it answer the question?", kind="short")
        ]
    if words > LONG:
        return [
            Finding(
                "warn", f"{words:,} words are long for an answer. Most readers stop at {LONG}.", kind="long"
            )
        ]
    return [Finding("ok", f"{counted(words, 'word')}.")]


def _repeats(text: str, other: str) -> bool:
    return _first(text) == _first(other) and _plain(text) == _plain(other)


def _first(text: str) -> str:
    return next(filter(str.isalnum, text.casefold()), "")


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


CHECK = Check("length", "Not empty, not too long, and not the question repeated", run)
