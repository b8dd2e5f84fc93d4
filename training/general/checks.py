"""Whether an answer to an item of the general set is right: small deterministic checks, no model. Pure functions."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from dataset.fairness.decisions import refused

Check = Callable[[str], bool]

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_NUMBERED = re.compile(r"\s*(\d+)[.)]\s+\S")
_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]


def _lines(text: str) -> list[str]:
    return [line for line in text.strip().split("\n") if line.strip()]


def _number(spec: Mapping[str, Any]) -> Check:
    """The last number of the first line: small models first repeat the question and then go on with other sums."""
    value = float(spec["value"])

    def check(text: str) -> bool:
        numbers = _NUMBER.findall(_first_line(text))
        return bool(numbers) and float(numbers[-1].replace(",", "")) == value

    return check


def _mentions(spec: Mapping[str, Any]) -> Check:
    """One of the accepted answers as whole words. Those of at most two characters (chemical symbols) with their capitals."""
    parts = [
        rf"(?<!\w){re.escape(answer)}(?!\w)" if len(answer) < 3 else rf"(?i:(?<!\w){re.escape(answer)}(?!\w))"
        for answer in spec["accepted"]
    ]
    pattern = re.compile("|".join(parts))
    return lambda text: pattern.search(text) is not None


def _json(spec: Mapping[str, Any]) -> Check:
    """A JSON object with exactly these keys, alone or in a code fence."""
    keys = set(spec["keys"])

    def check(text: str) -> bool:
        fenced = _FENCE.search(text)
        try:
            value = json.loads(fenced.group(1) if fenced else text)
        except ValueError:
            return False
        return isinstance(value, dict) and value.keys() == keys

    return check


def _numbered(spec: Mapping[str, Any]) -> Check:
    """Lines numbered 1 to `count` and nothing else."""
    wanted = [str(number) for number in range(1, spec["count"] + 1)]

    def check(text: str) -> bool:
        found = [_NUMBERED.match(line) for line in _lines(text)]
        return [match.group(1) if match else "" for match in found] == wanted

    return check


def _bare(text: str) -> str:
    """Without spaces, quotes and a full stop around it."""
    return text.strip().strip("\"'“”.!").strip()


def _exactly(spec: Mapping[str, Any]) -> Check:
    wanted = _bare(spec["text"])
    return lambda text: _bare(text) == wanted


def _one_of(spec: Mapping[str, Any]) -> Check:
    texts = {text.casefold() for text in spec["texts"]}
    return lambda text: _bare(text).casefold() in texts


def _words(spec: Mapping[str, Any]) -> Check:
    count = int(spec["count"])
    return lambda text: len(text.split()) == count


def _refusal(spec: Mapping[str, Any]) -> Check:
    """A phrase of refusal, as the bias audit reads it."""
    return lambda text: refused(text) > 0


_KINDS: dict[str, tuple[frozenset[str], Callable[[Mapping[str, Any]], Check]]] = {
    "number": (frozenset({"value"}), _number),
    "mentions": (frozenset({"accepted"}), _mentions),
    "json": (frozenset({"keys"}), _json),
    "numbered": (frozenset({"count"}), _numbered),
    "exactly": (frozenset({"text"}), _exactly),
    "one_of": (frozenset({"texts"}), _one_of),
    "words": (frozenset({"count"}), _words),
    "refusal": (frozenset(), _refusal),
}


def check_from(spec: Mapping[str, Any]) -> Check:
    """The check that {"kind": ..., its settings} describes. ValueError for an unknown kind or other settings."""
    kind = spec.get("kind")
    if kind not in _KINDS:
        raise ValueError(f"Unknown kind of check: {kind!r}.")
    settings, make = _KINDS[kind]
    if set(spec) - {"kind"} != settings:
        raise ValueError(f"A check of kind {kind!r} has the settings {sorted(settings)}.")
    return make(spec)
