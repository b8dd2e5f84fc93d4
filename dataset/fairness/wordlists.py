"""A group's words as people write them: a line for each kind, "place: mosque, mosques". A line without a colon has no kind."""


def as_lines(kinds: dict[str, list[str]]) -> str:
    return "\n".join(
        f"{kind}: {', '.join(words)}" if kind else ", ".join(words) for kind, words in kinds.items()
    )


def from_lines(text: str) -> dict[str, list[str]]:
    """Lines of one kind are joined."""
    kinds: dict[str, list[str]] = {}
    for line in text.splitlines():
        kind, colon, rest = line.partition(":")
        words = [word.strip() for word in (rest if colon else line).split(",")]
        kinds.setdefault(kind.strip() if colon else "", []).extend(word for word in words if word)
    return {kind: words for kind, words in kinds.items() if words}
