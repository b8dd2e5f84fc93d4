"""The speed of Quality: the checks over a project, and in the editor.

    python benchmarks/quality.py [--rows 20000] [--duplicates 100000] [--data ../shared/data] [--json]

* `check_all_rows_per_second`: the run over a project, with reading, checking on two cores and storing. Rows are real ones, repeated with
  other words until there are enough. `check_cpu_seconds` is the processor time of the worker and the processes beside it (without
  PostgreSQL): on a busy machine it says more than the time by the clock.
* `editor_p95_ms`: all checks of one text, as the editor asks for them while somebody types; texts of up to 20 kB.
* `audit_10k_seconds`: the run of a bias audit over 10,000 approved examples with all lexicons, from its first query to its last.
* `near_duplicates_100k_seconds`: the run that searches 100,000 examples for duplicates, in the whole program (benchmarks/duplicates.py);
  left out with `--duplicates 0`.

Starts PostgreSQL and Valkey in a folder of their own. With `--json` the last line is one JSON object.
"""

import sys
from pathlib import Path

# The project's folder instead of this one, in which `statistics` is a benchmark and not the standard library.
HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent), *(path for path in sys.path if Path(path).resolve() != HERE)]

import argparse
import itertools
import json
import os
import random
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.pages import percentile

Figures = dict[str, float]
LIMITS = {
    "check_all_rows_per_second": "> 1,500",
    "editor_p95_ms": "< 100",
    "audit_10k_seconds": "< 60",
    "near_duplicates_100k_seconds": "< 60",
}
_LARGEST = 20_000  # bytes of a text in the editor
AUDITED = 10_000


def real_rows(data: Path) -> list[dict[str, Any]]:
    with (data / "service_pairs.jsonl").open() as file:
        return [json.loads(line) for line in file]


def many_rows(rows: list[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    """The real rows, and then the same again with some numbers and words changed, so that no two are equal."""
    chance = random.Random(7)
    for at in range(count):
        row = rows[at % len(rows)]
        if at < len(rows):
            yield row
            continue
        words = row["completion"].split(" ")
        words.insert(chance.randrange(len(words) + 1), chance.choice(("today", "again", f"{at}", "please")))
        yield {**row, "completion": " ".join(words)}


def check_project(rows: list[dict[str, Any]], count: int) -> Figures:
    from annotation.models import Example, ExampleFinding
    from annotation.services.quality import start_check
    from annotation.text.hashes import content_hash
    from tests.support.factories import make_project, make_user

    project, admin = make_project(), make_user()
    pairs = (
        {"messages": row["messages"], "context": row["context"], "completion": row["completion"]}
        for row in many_rows(rows, count)
    )
    examples = (
        Example(project=project, group=str(at), content_hash=content_hash(**pair), **pair)
        for at, pair in enumerate(pairs)
    )
    while batch := list(itertools.islice(examples, 1000)):
        Example.objects.bulk_create(batch)
    run = start_check(by=admin, project=project)
    before = cpu_seconds()
    seconds = run_seconds(run.pk)
    spent = cpu_seconds() - before
    findings = ExampleFinding.objects.filter(project=project).count()
    print(f"{count:,} examples in {seconds:.1f} s ({spent:.1f} s of processor time), {findings:,} findings")
    return {"check_all_rows_per_second": count / seconds, "check_cpu_seconds": spent}


def cpu_seconds() -> float:
    """Of this process and its children that have ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def run_seconds(pk: int) -> float:
    """How long a run takes here, by the clock."""
    from core.models import Run
    from core.runs.execution import execute

    started = time.perf_counter()
    execute(pk)
    seconds = time.perf_counter() - started
    run = Run.objects.get(pk=pk)
    if run.status != Run.Status.SUCCEEDED:
        sys.exit(f"The run {run.kind} did not end: {run.error_message}")
    return seconds


def editor(rows: list[dict[str, Any]]) -> Figures:
    from annotation.checks import run_checks
    from core.models import Project

    project = Project.objects.latest("pk")
    chance = random.Random(7)
    times = []
    for _ in range(200):
        row, size = chance.choice(rows), chance.randrange(200, _LARGEST)
        texts = [row["completion"]]
        while sum(map(len, texts)) < size:
            texts.append(chance.choice(rows)["completion"])
        content = {**row, "completion": " ".join(texts)[:size]}
        started = time.perf_counter()
        run_checks(content, project)
        times.append(time.perf_counter() - started)
    return {"editor_p95_ms": 1000 * percentile(times, 0.95)}


def audit() -> Figures:
    from annotation.models import Example
    from annotation.text.hashes import content_hash
    from benchmarks.bias_audit import made_rows
    from dataset.services.audits import start_audit
    from tests.support.factories import make_project, make_user

    project, admin = make_project(), make_user()
    examples = (
        Example(
            project=project,
            group=group,
            status=Example.Status.APPROVED,
            content_hash=content_hash(**pair),
            **pair,
        )
        for group, pair in made_rows(AUDITED)
    )
    while batch := list(itertools.islice(examples, 1000)):
        Example.objects.bulk_create(batch)
    made = start_audit(by=admin, project=project)
    assert made.run_id is not None
    return {"audit_10k_seconds": run_seconds(made.run_id)}


def duplicates(rows: int) -> Figures:
    """In a program of its own: it starts web, worker and servers."""
    command = [sys.executable, str(HERE / "duplicates.py"), "--rows", str(rows), "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.strip().split("\n")[-1])
    names = ("near_duplicates_100k_seconds", "near_duplicates_peak_mb")
    return {name: float(found[name]) for name in names}


def measure(options: argparse.Namespace) -> Figures:
    rows = real_rows(options.data)
    parts: list[Callable[[], Figures]] = [
        lambda: check_project(rows, options.rows),
        lambda: editor(rows),
        audit,
    ]
    figures: Figures = {}
    for part in parts:
        figures |= part()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--duplicates", type=int, default=100_000, help="examples to search for duplicates")
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    if not options.data.is_dir():
        sys.exit(f"{options.data} does not exist: this benchmark needs the real rows.")
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    from launcher import embedded
    from tests import settings

    try:
        with embedded.services(settings.TEST_STATE, ["postgres", "valkey"], durable=True):
            import django
            from django.db import connection

            django.setup()
            connection.creation.create_test_db(verbosity=0, autoclobber=True)
            figures = measure(options)
            connection.close()
    finally:
        shutil.rmtree(settings.TEST_STATE, ignore_errors=True)
    if options.duplicates:
        figures |= duplicates(options.duplicates)
    for name, value in figures.items():
        print(f"{name:32} {value:12,.1f}   limit {LIMITS.get(name, '–')}")
    if options.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
