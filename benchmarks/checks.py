"""How often the checks are right, and how long they take, on real rows.

    python benchmarks/checks.py [--json] [--data ../shared/data]

Precision and recall of invented facts on the labelled rows (tests/annotation/labels), for rows used to make the rules
and for test rows; how often each check marks a row; how well the facts check
separates answers that people rated good from those rated bad; seconds per 1,000 rows. The check against other examples needs a database and does not run here.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.labelled_facts import DATA, FILES, content_of, judged, rows_of


def auc(bad: Iterable[float], good: Iterable[float]) -> float:
    """How often a bad answer scores above a good one, ties counting half (Mann-Whitney U over its largest value)."""
    counts_bad, counts_good = Counter(bad), Counter(good)
    above = sum(
        n * m * ((b > g) + (b == g) / 2) for b, n in counts_bad.items() for g, m in counts_good.items()
    )
    return above / max(1, sum(counts_bad.values()) * sum(counts_good.values()))


def spoken(data: Path) -> tuple[list[list[Any]], dict[str, float], dict[str, float]]:
    """The number of rows of each file that each check marks, seconds per 1,000 rows, and the AUC of the rated ones."""
    from annotation.checks import CHECKS
    from annotation.checks.base import UNLIMITED, Pair
    from core.models import Project

    project, table = Project(system_prompt=""), []
    seconds: dict[str, float] = {}
    scores: dict[str, tuple[list[float], list[float]]] = {}
    for name, check in CHECKS.items():
        if check.asks_database:
            continue
        took, rows_seen = 0.0, 0
        for file in FILES:
            counts: Counter[str] = Counter()
            for row in rows_of(data, file):
                pair = Pair.of(content_of(row))
                started = time.thread_time()
                levels = {finding.level for finding in check.run(pair, project, UNLIMITED)}
                took += time.thread_time() - started
                worst = "bad" if "bad" in levels else "warn" if "warn" in levels else "ok"
                counts[worst] += 1
                if "reward" in row:
                    bad, good = scores.setdefault(name, ([], []))
                    (good if row["reward"] else bad).append({"ok": 0, "warn": 1, "bad": 2}[worst])
            rows_seen += sum(counts.values())
            table.append([name, file, sum(counts.values()), counts["bad"], counts["warn"]])
        seconds[name] = 1000 * took / rows_seen
    return table, seconds, {name: auc(*halves) for name, halves in scores.items()}


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
    verdicts = judged(options.data)
    print(
        f"{'labelled rows':<14}{'rows':>6}{'right':>7}{'false':>7}{'missed':>8}{'precision':>11}{'recall':>8}"
    )
    for part, v in verdicts.items():
        print(
            f"{part:<14}{v.rows:>6}{v.right:>7}{v.false:>7}{v.missed:>8}{v.precision:>11.3f}{v.recall:>8.3f}"
        )
    table, seconds, aucs = spoken(options.data)
    print(f"\n{'check':<10}{'file':<20}{'rows':>6}{'bad':>6}{'warn':>6}")
    for name, file, rows, bad, warn in table:
        print(f"{name:<10}{file:<20}{rows:>6}{bad:>6}{warn:>6}")
    print(f"\n{'check':<10}{'seconds per 1,000 rows':>24}{'AUC of bad answers':>24}")
    for name in seconds:
        print(f"{name:<10}{seconds[name]:>24.2f}{aucs[name]:>24.3f}")
    if options.json:
        everything, held = verdicts["all"], verdicts["held out"]
        figures = {
            "facts_precision": round(everything.precision, 4),
            "facts_recall": round(everything.recall, 4),
            "rows": everything.rows,
            "facts_precision_held_out": round(held.precision, 4),
            "facts_recall_held_out": round(held.recall, 4),
            "rows_held_out": held.rows,
            "seconds_per_1000_rows": {name: round(value, 3) for name, value in seconds.items()},
            "auc": {name: round(value, 3) for name, value in aucs.items()},
        }
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
