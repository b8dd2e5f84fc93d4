"""How often the checks are right, and how long they take, on real rows.

    python benchmarks/checks.py [--json] [--data ../shared/data]

Precision and recall of invented facts on the labelled rows (tests/annotation/labels), for rows used to make the rules
and for test rows; how often each check marks a row, by kind; how well the checks
separate answers that people rated good from those rated bad; milliseconds of processor time per row, alone and all together; how
often faults that are planted into 200 real rows are found. The check against other examples needs a database and does not run here.
"""

import argparse
import json
import os
import sys
import time
from bisect import bisect
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not this folder: its statistics.py would hide the standard library's

TIMED = 1500  # service rows

from tests.support.labelled_facts import DATA, FILES, content_of, judged, rows_of


def auc(bad: Iterable[float], good: Iterable[float]) -> float:
    """How often a bad answer scores above a good one, ties counting half (Mann-Whitney U over its largest value)."""
    counts_bad, counts_good = Counter(bad), Counter(good)
    above = sum(
        n * m * ((b > g) + (b == g) / 2) for b, n in counts_bad.items() for g, m in counts_good.items()
    )
    return above / max(1, sum(counts_bad.values()) * sum(counts_good.values()))


@dataclass
class RowFindings:
    """What the checks said of the real rows."""

    rows: Counter[str] = field(default_factory=Counter)  # by file
    kinds: Counter[tuple[str, str, str, str]] = field(
        default_factory=Counter
    )  # rows by (check, kind, level, file)
    milliseconds: dict[str, float] = field(default_factory=dict)  # of a service row, by check
    together: float = 0.0
    largest: float = 0.0  # milliseconds of rows with 20 kB, 95th percentile
    scores: dict[str, tuple[list[float], list[float]]] = field(default_factory=dict)


def spoken(data: Path) -> RowFindings:
    from annotation.checks import CHECKS, TEXT_CHECKS
    from annotation.checks.base import UNLIMITED, Pair
    from core.models import Project

    project, said = Project(system_prompt=""), RowFindings()
    for file in FILES:
        rows = rows_of(data, file)
        said.rows[file] = len(rows)
        for row in rows:
            pair = Pair.of(content_of(row))
            for name in TEXT_CHECKS:
                findings = [one for one in CHECKS[name].run(pair, project, UNLIMITED) if one.level != "ok"]
                for key in {(name, one.kind, one.level, file) for one in findings}:
                    said.kinds[key] += 1
                if "reward" in row:
                    bad, good = said.scores.setdefault(name, ([], []))
                    worst = max(({"warn": 1.0, "bad": 2.0}[one.level] for one in findings), default=0.0)
                    (good if row["reward"] else bad).append(worst)
    contents = [content_of(row) for row in rows_of(data, FILES[0])[:TIMED]]
    said.milliseconds = {name: _milliseconds([name], contents, project) for name in TEXT_CHECKS}
    said.together = _milliseconds(TEXT_CHECKS, contents, project)
    said.largest = _largest(contents, project)
    return said


def _forget() -> None:
    from annotation.checks import languages, prose
    from annotation.checks.english import harper

    for cache in (languages.language_of, prose.other_places):
        cache.cache_clear()
    harper.forget()


def _milliseconds(names: list[str], contents: list[dict[str, Any]], project: Any) -> float:
    """Of one row, as a run over the project checks it: everything is loaded, nothing is remembered of an earlier run."""
    from annotation.checks import CHECKS
    from annotation.checks.base import UNLIMITED, Pair

    _forget()
    started = time.thread_time()
    for content in contents:
        pair = Pair.of(content)
        for name in names:
            CHECKS[name].run(pair, project, UNLIMITED)
    return 1000 * (time.thread_time() - started) / len(contents)


def _largest(contents: list[dict[str, Any]], project: Any) -> float:
    """Rows of 20 kB: half of it records, a quarter conversation, a quarter completion."""
    from annotation.checks import TEXT_CHECKS

    took = []
    for first in range(0, 800, 20):
        some = contents[first:] + contents[:first]
        said = " ".join(row["completion"] for row in some)[:5000]
        asked = " ".join(row["messages"][-1]["content"] for row in some)[:5000]
        records = [record for row in some for record in row["context"]]
        sizes = [sum(map(len, records[:count])) for count in range(len(records))]
        content = {
            "messages": [{"role": "user", "content": asked}],
            "context": records[: bisect(sizes, 10_000)],
            "completion": said,
        }
        took.append(_milliseconds(TEXT_CHECKS, [content], project))
    return sorted(took)[int(0.95 * len(took))]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    if not options.data.is_dir():
        sys.exit(f"{options.data} does not exist: this benchmark needs the real rows.")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from annotation.checks.base import Pair
    from benchmarks.planted_faults import planted

    verdicts = judged(options.data)
    print(
        f"{'labelled rows':<14}{'rows':>6}{'right':>7}{'false':>7}{'missed':>8}{'precision':>11}{'recall':>8}"
    )
    for part, v in verdicts.items():
        print(
            f"{part:<14}{v.rows:>6}{v.right:>7}{v.false:>7}{v.missed:>8}{v.precision:>11.3f}{v.recall:>8.3f}"
        )
    said = spoken(options.data)
    print(f"\n{'check':<13}{'kind':<19}{'level':<7}" + "".join(f"{file:>20}" for file in FILES))
    for check, kind, level in dict.fromkeys(key[:3] for key in sorted(said.kinds)):
        counts = "".join(f"{said.kinds[check, kind, level, file]:>20}" for file in FILES)
        print(f"{check:<13}{kind:<19}{level:<7}{counts}")
    print("rows".ljust(39) + "".join(f"{said.rows[file]:>20}" for file in FILES))
    aucs = {name: auc(*halves) for name, halves in said.scores.items()}
    print(f"\n{'check':<13}{'ms of a service row':>20}{'AUC of bad answers':>20}")
    for name, took in said.milliseconds.items():
        print(f"{name:<13}{took:>20.3f}{aucs[name]:>20.3f}")
    print(f"{'together':<13}{said.together:>20.3f}\nrows of 20 kB, p95: {said.largest:.0f} ms")
    faults = planted([Pair.of(content_of(row)) for row in rows_of(options.data, FILES[0])])
    print(f"\n{'planted':<22}{'rows':>6}{'found':>7}{'recall':>8}")
    for fault in faults:
        print(f"{fault.name:<22}{fault.rows:>6}{fault.found:>7}{fault.found / max(1, fault.rows):>8.2f}")
    if options.json:
        everything, held = verdicts["all"], verdicts["held out"]
        figures = {
            "facts_precision": round(everything.precision, 4),
            "facts_recall": round(everything.recall, 4),
            "rows": everything.rows,
            "facts_precision_held_out": round(held.precision, 4),
            "facts_recall_held_out": round(held.recall, 4),
            "rows_held_out": held.rows,
            "milliseconds_per_row": {name: round(value, 4) for name, value in said.milliseconds.items()},
            "milliseconds_together": round(said.together, 4),
            "milliseconds_20_kb_p95": round(said.largest, 1),
            "auc": {name: round(value, 3) for name, value in aucs.items()},
            "planted_recall": {fault.name: round(fault.found / max(1, fault.rows), 3) for fault in faults},
        }
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
