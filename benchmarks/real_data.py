"""Both real files from end to end: imported, checked, searched for duplicates and contradictions, audited.

    python benchmarks/real_data.py [--data ../shared/data] [--read folder] [--json]

Each file is imported into a project of its own by the services of the pages, as approved examples, and each step is the run that a
person starts there. Printed are the findings of the checks by kind, the clusters of duplicates and their disagreements, what the bias audit
names and accuses, and the seconds of each step: by the clock, and of processor time with its child processes. `--read` writes every
contradiction and finding of the audit with its texts into the folder, for reading. PostgreSQL and Valkey start in a folder of their own.
"""

import sys
from pathlib import Path

# The project's folder instead of this one, in which `statistics` is a benchmark and not the standard library.
HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent), *(path for path in sys.path if Path(path).resolve() != HERE)]

import argparse
import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

FILES = ("service_pairs", "rated_generations")


class Steps:
    """The seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, dict[str, float]] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        wall, used = time.perf_counter(), _used()
        yield
        self.seconds[name] = {
            "seconds": round(time.perf_counter() - wall, 1), "processor_seconds": round(_used() - used, 1),
        }  # fmt: skip


def _used() -> float:
    taken = os.times()
    return taken.user + taken.system + taken.children_user + taken.children_system


def as_lines(data: Path, name: str, folder: Path) -> Path:
    """The file as an import reads it: the service rows as they are, the rated answers as examples."""
    if name == FILES[0]:
        return data / f"{name}.jsonl"
    from tests.support.labelled_facts import content_of, rows_of

    path = folder / f"{name}.jsonl"
    with path.open("w", encoding="utf-8") as out:
        for row in rows_of(data, name):
            example = content_of(row) | {"group": row["conversation_id"]}
            out.write(json.dumps(example, ensure_ascii=False) + "\n")
    return path


def run_now(run: Any) -> None:
    """The background job, here instead of in a worker."""
    from core.models import Run
    from core.runs.execution import execute

    execute(run.pk)
    run.refresh_from_db()
    if run.status != Run.Status.SUCCEEDED:
        sys.exit(f"{run.title} ended as {run.status}: {run.error_message}")


def whole(file: Path, name: str, steps: Steps, read: Path | None) -> dict[str, Any]:
    """All steps over one file, and what they found."""
    from annotation.models import Example, ExampleFinding
    from annotation.services.quality import start_check
    from core.models import Role
    from dataset.models import ImportIssue
    from dataset.services.audits import start_audit
    from dataset.services.duplicate_searches import start_search
    from dataset.services.imports import start_import
    from tests.support.factories import join, make_project, make_user

    project, admin = make_project(name=name), make_user(name)
    join(project, admin, Role.ADMIN)
    with steps.step(f"import {name}"):
        data_import = start_import(
            by=admin, project=project, path=file, file_name=file.name, destination="approved"
        )
        run_now(data_import.run)
    with steps.step(f"check {name}"):
        run_now(start_check(by=admin, project=project))
    with steps.step(f"duplicates {name}"):
        search = start_search(by=admin, project=project)
        run_now(search.run)
    with steps.step(f"audit {name}"):
        audit = start_audit(by=admin, project=project)
        run_now(audit.run)
    search.refresh_from_db()
    audit.refresh_from_db()
    findings = ExampleFinding.objects.filter(project=project).values_list("check_name", "kind", "level")
    return {
        "examples": Example.objects.filter(project=project).count(),
        "import_issues": ImportIssue.objects.filter(data_import=data_import).count(),
        "findings": {" ".join(key): count for key, count in sorted(Counter(findings).items())},
        "duplicates": search.counts,
        "contradictions": contradictions(project, read and read / f"contradictions_{name}.txt"),
        "audit": audited(audit, read and read / f"audit_{name}.txt"),
    }  # fmt: skip


def contradictions(project: Any, read: Path | None) -> dict[str, int]:
    """Clusters whose answers disagree, by kind of disagreement; their texts go to `read`."""
    from dataset.models import DuplicateCluster

    clusters = DuplicateCluster.objects.filter(project=project).exclude(disagreement="").order_by("pk")
    if read:
        texts = []
        for cluster in clusters:
            texts.append(f"=== {cluster.kind}, {cluster.disagreement}: {cluster.says}")
            for member in cluster.members.select_related("example").order_by("example_id")[:12]:
                one = member.example
                texts.append(
                    f"#{one.pk} [{member.part}] {one.messages[-1]['content']}\n    -> {one.completion}"
                )
        read.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return dict(Counter(clusters.values_list("disagreement", flat=True)))


def audited(audit: Any, read: Path | None) -> dict[str, Any]:
    """Who is named, what is accused, and what was not judged."""
    from annotation.models import Example

    findings = list(audit.findings.order_by("pk"))
    if read:
        texts = []
        for finding in findings:
            texts.append(f"=== {finding.says}")
            texts.extend(
                f"#{one.pk} {one.messages[-1]['content']}\n    -> {one.completion}"
                for one in Example.objects.filter(pk__in=finding.examples[:60])
            )
        read.write_text("\n".join(texts) + "\n", encoding="utf-8")
    facts = audit.facts
    return {
        "comparisons": facts["comparisons"],
        "not_judged": facts["not_judged"],
        "outcomes": {key: round(one["mean"], 3) for key, one in facts["outcomes"].items() if one["mean"] is not None},
        "named": {
            f"{one['key']}/{group['key']}": group["rows"]
            for one in facts["characteristics"] for group in one["groups"] if group["rows"]
        },
        "findings": [finding.says for finding in findings],
    }  # fmt: skip


def told(found: dict[str, dict[str, Any]], steps: Steps) -> None:
    """Prints the tables."""
    kinds = sorted({kind for one in found.values() for kind in one["findings"]})
    print(f"{'finding (check, kind, level)':<40}" + "".join(f"{name:>20}" for name in found))
    for kind in kinds:
        print(f"{kind:<40}" + "".join(f"{one['findings'].get(kind, 0):>20,}" for one in found.values()))
    print(f"{'examples':<40}" + "".join(f"{one['examples']:>20,}" for one in found.values()))
    for name, one in found.items():
        print(f"\n{name}\n  duplicates     {one['duplicates']}\n  contradictions {one['contradictions']}")
        audit = one["audit"]
        print(
            f"  audit          {audit['comparisons']} comparisons, not judged {audit['not_judged']}, {audit['outcomes']}"
        )
        print(f"  named          {audit['named']}")
        print("  accused        " + ("\n                 ".join(audit["findings"]) or "nothing"))
    print(f"\n{'step':<40}{'seconds':>10}{'processor':>12}")
    for step, taken in steps.seconds.items():
        print(f"{step:<40}{taken['seconds']:>10}{taken['processor_seconds']:>12}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--read", type=Path, help="a folder for the texts of what was found")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    if not options.data.is_dir():
        sys.exit(f"{options.data} does not exist: this benchmark needs the real rows.")
    if options.read:
        options.read.mkdir(parents=True, exist_ok=True)
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    from launcher import embedded
    from tests import settings

    steps = Steps()
    try:
        with (
            embedded.services(settings.TEST_STATE, ["postgres", "valkey"], durable=True),
            tempfile.TemporaryDirectory() as folder,
        ):
            import django
            from django.db import connection

            django.setup()
            connection.creation.create_test_db(verbosity=0, autoclobber=True)
            found = {
                name: whole(as_lines(options.data, name, Path(folder)), name, steps, options.read)
                for name in FILES
            }
            connection.close()
    finally:
        shutil.rmtree(settings.TEST_STATE, ignore_errors=True)
    told(found, steps)
    if options.json:
        print(json.dumps({"files": found, "steps": steps.seconds}))


if __name__ == "__main__":
    main()
