"""Length: nothing written, a nod instead of an answer, more than anybody reads, or the question said back."""

from annotation.checks.base import UNLIMITED, Check, Finding, Pair, TimeBudget
from core.models import Project

LONG = 220  # words
_ECHO = 3  # words; a greeting is rightly answered with a greeting
# Short answers are often the right ones ("Cappuccino.", "Is that correct?"); these say nothing by themselves.
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
        return [Finding("warn", "Nothing is written yet.")]
    if words >= _ECHO and _plain(pair.completion) == _plain(pair.question):
        return [Finding("bad", "The completion only repeats what the customer said.")]
    if pair.completion.lower().strip(" .,!?\n") in _NODS:
        return [Finding("warn", f"Only “{pair.completion.strip()}”: does it answer the question?")]
    if words > LONG:
        return [Finding("warn", f"{words:,} words are long for an answer; {LONG} is where readers stop.")]
    return [Finding("ok", f"{words} {'word' if words == 1 else 'words'}.")]


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


CHECK = Check("length", "Neither empty nor endless, and not the question said back", run)
