"""Length: nothing written, hardly anything, more than anybody reads, or the question said back."""

from annotation.checks.base import UNLIMITED, Budget, Check, Finding, Pair
from core.models import Project

SHORT, LONG = 4, 220  # words


def run(pair: Pair, project: Project, budget: Budget = UNLIMITED) -> list[Finding]:
    words = len(pair.completion.split())
    if not words:
        return [Finding("warn", "Nothing is written yet.")]
    if _plain(pair.completion) == _plain(pair.question):
        return [Finding("bad", "The completion only repeats what the customer said.")]
    if words < SHORT:
        return [
            Finding("warn", f"Only {words} {'word' if words == 1 else 'words'}: does it answer the question?")
        ]
    if words > LONG:
        return [Finding("warn", f"{words} words are long for an answer; {LONG} is where readers stop.")]
    return [Finding("ok", f"{words} words.")]


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


CHECK = Check("length", "Neither empty nor endless, and not the question said back", run)
