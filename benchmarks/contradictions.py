"""Answers that contradict each other: which pairs are named on the real files, to be read, and how many planted ones are found.

    python benchmarks/contradictions.py [--data ../shared/data] [--read] [--json]

The same functions as a search for duplicates, without a database; but each pair of answers is named here, not only the first of a cluster.
`--read` prints the pairs. Planted are changes of real service answers: another number, no for yes, a "not".
"""

import sys
from pathlib import Path

# The project's folder instead of this one, in which `statistics` is a benchmark and not the standard library.
HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent), *(path for path in sys.path if Path(path).resolve() != HERE)]

import argparse
import json
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

ROWS = 100  # of each planted kind
_NUMBER = re.compile(r"(?<![\w.,:-])\d{1,4}(?![\w.,:%-])")
_VERB = re.compile(r"\b(is|are|was|were|will|can|has|have|should|could)\b(?! not\b)", re.IGNORECASE)
_YES = re.compile(r"^yes\b", re.IGNORECASE)
Row = dict[str, Any]


def pairs_of(rows: list[Row]) -> list[tuple[int, int]]:
    """The pairs of different answers to one question, as numbers of rows."""
    from annotation.checks.base import is_call
    from dataset.duplicates import Duplicates, asked_of, questions

    duplicates = Duplicates()
    for at, row in enumerate(rows):
        duplicates.add(
            example=at,
            group=row["group"],
            messages=row["messages"],
            completion=row["completion"],
            may_leak=False,
        )
    clusters, _ = duplicates.find()
    asked = {at: asked_of(row["messages"], row["context"]) for at, row in enumerate(rows)}
    found: dict[tuple[int, int], None] = {}
    for question in questions(clusters, asked):
        spoken = [at for at in question.answers if not is_call(rows[at]["completion"])]
        found |= dict.fromkeys(combinations(spoken, 2))
    return list(found)


def disagreements(texts: dict[int, str], pairs: list[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """The pairs that are named, and as what."""
    from annotation.checks.repeated import against, stance_of
    from dataset.duplicates import denier_of
    from dataset.runner.embedding import embed

    used = sorted({at for pair in pairs for at in pair})
    vectors = embed([texts[at] for at in used])
    place = {at: number for number, at in enumerate(used)}
    stances = {at: stance_of(texts[at]) for at in used}
    named = {}
    for mine, theirs in pairs:
        kind = against(stances[mine], stances[theirs])[0]
        share = float(vectors[place[mine]] @ vectors[place[theirs]])
        if not kind and denier_of(texts, mine, theirs, share) is not None:
            kind = "denial"
        if kind:
            named[mine, theirs] = kind
    return named


def _number(text: str, dice: random.Random) -> str | None:
    found = list(_NUMBER.finditer(text))
    if not found:
        return None
    one = dice.choice(found)
    return text[: one.start()] + str(int(one[0]) + dice.randrange(1, 9)) + text[one.end() :]


def _no(text: str, dice: random.Random) -> str | None:
    return _YES.sub("No", text) if _YES.match(text) else None


def _not(text: str, dice: random.Random) -> str | None:
    found = [one for one in _VERB.finditer(text) if one.start()]
    if not found:
        return None
    one = dice.choice(found)
    return f"{text[: one.end()]} not{text[one.end() :]}"


PLANTS: dict[str, Callable[[str, random.Random], str | None]] = {
    "another number": _number, "no for yes": _no, "a not in a sentence": _not,
}  # fmt: skip


def planted(answers: list[str]) -> Iterator[tuple[str, int, int]]:
    """(kind, planted, found)."""
    for name, plant in PLANTS.items():
        dice = random.Random(11)
        dice.shuffle(order := list(dict.fromkeys(answers)))
        changed = [(text, new) for text in order if (new := plant(text, dice)) and new != text][:ROWS]
        texts = dict(enumerate(text for pair in changed for text in pair))
        pairs = [(at, at + 1) for at in range(0, len(texts), 2)]
        yield name, len(pairs), len(disagreements(texts, pairs))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data")
    parser.add_argument("--read", action="store_true", help="print the pairs that are named")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    if not options.data.is_dir():
        sys.exit(f"{options.data} does not exist: this benchmark needs the real rows.")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from annotation.checks.base import is_call
    from tests.support.labelled_facts import FILES, content_of, rows_of

    figures: dict[str, Any] = {}
    answers: list[str] = []
    for name in FILES:
        rows = [content_of(row) | {"group": row["conversation_id"]} for row in rows_of(options.data, name)]
        answers += [row["completion"] for row in rows if not is_call(row["completion"])]
        pairs = pairs_of(rows)
        named = disagreements({at: row["completion"] for at, row in enumerate(rows)}, pairs)
        print(f"{name}: {len(pairs)} pairs of answers, {len(named)} named: {dict(Counter(named.values()))}")
        figures[name] = {"pairs": len(pairs), "named": len(named)}
        for (mine, theirs), kind in named.items() if options.read else ():
            print(f"  {kind}: {rows[mine]['messages'][-1]['content'][-100:]!r}")
            print("".join(f"      {rows[at]['completion'][:220]!r}\n" for at in (mine, theirs)), end="")
    for name, count, found in planted(answers):
        print(f"planted {name:<22} {found} of {count}")
        figures[name] = round(found / max(count, 1), 3)
    if options.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
