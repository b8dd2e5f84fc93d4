"""The keys of ordinary rows, decided once for all rows that have the same ones: nearly every row of a file."""

from functools import lru_cache

from dataset.runner.json_lines import Value, shown
from dataset.runner.shapes import KeyNote, key_facts, note_on

_MOST = 100  # keys of such a row


@lru_cache(maxsize=1024)
def plain_keys(keys: tuple[str, ...]) -> tuple[tuple[str, str | None, KeyNote | None], ...] | None:
    """For each key Guildhall's own key and the note on it, where these do not depend on the values; else None: then every
    key of the row must be looked at."""
    if len(keys) > _MOST:
        return None
    plain: list[tuple[str, str | None, KeyNote | None]] = []
    for key in keys:
        facts = key_facts(key)
        if facts.meaning or facts.judges or facts.may_be or facts.own == "rejected" or facts.name == "input":
            return None
        if facts.own == "messages" and key != "messages":
            return None
        if facts.own is None:
            note: KeyNote | None = note_on(key)
        else:
            note = None if key == facts.own else KeyNote(shown(key)[1:-1], "read_as", facts.own)
        plain.append((key, facts.own, note))
    names = [own for _, own, _ in plain if own]
    return tuple(plain) if len(set(names)) == len(names) else None


def are_plain(data: dict[str, Value]) -> bool:
    """Whether no value of the row is one that is looked into before it is read."""
    return not any(isinstance(value, dict) and "messages" in value for value in data.values())
