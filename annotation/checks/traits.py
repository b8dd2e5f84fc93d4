"""What is read from an example for coverage: the language of its conversation, and the customer's mood."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from annotation.checks.languages import language_of
from annotation.checks.mood import mood_of


@dataclass(frozen=True)
class Traits:
    """`language` is a code of annotation.checks.languages, `mood` a key of annotation.moods; empty where the text does not tell."""

    language: str
    mood: str


def traits_of(content: Mapping[str, Any]) -> Traits:
    """From {"messages", "context", "completion"}. The language is that of the last question; for one that is too short to tell, that of
    the conversation, then with the completion. The mood is read in English only."""
    turns = [
        (message.get("role"), str(message.get("content") or "")) for message in content.get("messages") or []
    ]
    said = [text for role, text in turns if role == "user"]
    asked = said[-1] if said else ""
    together = "\n".join(text for role, text in turns if role != "system")
    language = (
        language_of(asked)
        or language_of(together)
        or language_of(f"{together}\n{content.get('completion') or ''}")
    )
    return Traits(language, mood_of(said) if language == "en" and said else "")
