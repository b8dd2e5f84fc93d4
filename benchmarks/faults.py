"""Eight people work while every process of the program is killed, one after the other: is anything lost, how fast is
the recovery?

    python benchmarks/faults.py [--rounds 3] [--only web,postgres] [--json]

The program runs as with `make run`, with its own PostgreSQL and Valkey in its own state folder. Three annotators take,
draft and submit, two reviewers accept, two people write examples, one imports files. Every acknowledged write is noted
and later checked in the database. `--json` prints one JSON object as the last line.
"""

import sys
from pathlib import Path

# The project's folder instead of this one, in which `statistics` is a benchmark and not the standard library.
HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent), *(path for path in sys.path if Path(path).resolve() != HERE)]

import argparse
import contextlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import psutil

from benchmarks.server_watch import PROCESSES, ServerWatch, find
from benchmarks.simulated_users import AT, LINES, SLUG, Ledger, SimulatedUser, import_line
from tests.support.program import Program
from tests.support.waiting import wait_for

QUEUED = 3000
BETWEEN = 25  # acknowledged writes between a recovery and the next kill
RECOVERS_WITHIN = 240.0


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


ROLES = {"annotator": 3, "reviewer": 2, "writer": 2, "importer": 1}


def set_up(program: Program) -> dict[str, str]:
    """The project, a person and a key for each thread, and work for them. Django runs here on the program's database."""
    os.environ.update(program.environment)
    import django

    django.setup()
    from core.models import Membership, Role, User
    from core.services.keys import create_api_key
    from core.services.projects import create_project

    admin = User.objects.create_user(email="admin@faults.test", password=os.urandom(16).hex(), name="Admin")
    project = create_project(by=admin, name="Under fire", slug=SLUG)
    tokens = {}
    for role, number in ROLES.items():
        for n in range(number):
            name = f"{role} {n + 1}"
            user = User.objects.create_user(
                email=f"{role}{n}@faults.test", password=os.urandom(16).hex(), name=name
            )
            held = {"annotator": [Role.ANNOTATOR], "reviewer": [Role.REVIEWER], "writer": [Role.ANNOTATOR]}
            Membership.objects.create(
                project=project,
                user=user,
                roles=[str(held_role) for held_role in held.get(role, [Role.ADMIN])],
            )
            tokens[name] = create_api_key(by=user, name="load")[1]
    return tokens


def fill(program: Program, tokens: dict[str, str], rows: int) -> None:
    """Fills the queue by an import, which also tests the worker."""
    lines = "".join(import_line(f"First lot, {n}.") for n in range(rows))
    headers = {"Authorization": f"Bearer {tokens['importer 1']}"}
    with httpx.Client(base_url=f"{program.url}/api/v1/{AT}", headers=headers, timeout=120) as client:
        made = (
            client.post("imports/", files={"file": ("first.jsonl", lines.encode())}).raise_for_status().json()
        )

        def ended() -> bool:
            run = client.get(f"imports/{made['id']}/").raise_for_status().json()["run"]
            if run["status"] in {"failed", "cancelled"}:
                raise RuntimeError(f"the first import {run['status']}: {run}")
            return bool(run["status"] == "succeeded")

        wait_for(ended, seconds=RECOVERS_WITHIN, what="the first import")


# --- checking acknowledged writes --------------------------------------------------------------------------
def answered(question: Callable[[], Any]) -> Any:
    """The database may have been killed just now, with this process's connections."""
    from django.db import InterfaceError, OperationalError, connection

    for _ in range(60):
        try:
            return question()
        except (OperationalError, InterfaceError):
            connection.close()
            time.sleep(0.5)
    return question()


def settle(ledger: Ledger) -> None:
    """Waits until no acknowledged import is unfinished: another worker resumes a killed worker's import."""
    from core.models import Run
    from dataset.models import DataImport

    def ended() -> bool:
        active = DataImport.objects.filter(pk__in=ledger.imports, run__status__in=Run.ACTIVE)
        return not answered(active.exists)

    with contextlib.suppress(AssertionError):
        wait_for(ended, seconds=RECOVERS_WITHIN, what="the end of all imports")


def lost(ledger: Ledger) -> list[str]:
    """Every acknowledged write that is not in the database."""
    from annotation.models import Draft, Review, Revision
    from dataset.models import DataImport

    def stored() -> tuple[set[Any], ...]:
        revisions = Revision.objects.filter(example__in=[pk for pk, _ in ledger.texts])
        texts = {
            (row[0], row[1]["completion"])
            for row in revisions.values_list("example_id", "content").iterator()
        }
        reviews = Review.objects.filter(verdict="accepted", undone_at=None)
        drafts = {
            (row[0], row[1], row[2]["completion"])
            for row in Draft.objects.values_list("user__name", "example_id", "content")
        }
        done = DataImport.objects.filter(run__status="succeeded", accepted=LINES)
        return (
            texts,
            set(reviews.values_list("example_id", flat=True)),
            drafts,
            set(done.values_list("pk", flat=True)),
        )

    texts, reviewed, drafts, done = answered(stored)
    return [
        *(f"text of #{pk}: {text}" for pk, text in ledger.texts if (pk, text) not in texts),
        *(f"review of #{pk}" for pk in ledger.accepted if pk not in reviewed),
        *(
            f"draft of {who} on #{pk}"
            for (who, pk), text in ledger.drafts.items()
            if (who, pk, text) not in drafts
        ),
        *(f"import {pk}" for pk in ledger.imports if pk not in done),
    ]


# --- the benchmark ----------------------------------------------------------------------------------------------
def kill(program: Program, watch: ServerWatch, name: str) -> float:
    """SIGKILL, and the seconds until the process works again."""
    process: psutil.Process = wait_for(
        lambda: find(program, name), seconds=RECOVERS_WITHIN, what=f"a process {name}", every=0.2
    )
    killed, began = datetime.now(UTC), time.monotonic()
    process.kill()
    wait_for(
        lambda: watch.again(name, process.pid, killed),
        seconds=RECOVERS_WITHIN,
        what=f"the recovery of {name}",
        every=0.1,
    )
    return time.monotonic() - began


def run(program: Program, names: list[str], *, rounds: int, queued: int) -> dict[str, Any]:
    tokens = set_up(program)
    fill(program, tokens, queued)
    ledger, stop, watch = Ledger(), threading.Event(), ServerWatch(program)
    people = [SimulatedUser(name, program.url, secret, ledger, stop) for name, secret in tokens.items()]
    for person in people:
        person.start()
    began = time.monotonic()
    recovery: dict[str, list[float]] = {name: [] for name in names}

    def more(number: int) -> None:
        goal = ledger.total + number
        wait_for(
            lambda: ledger.total >= goal, seconds=RECOVERS_WITHIN, what=f"{number} more writes", every=0.1
        )

    try:
        more(BETWEEN)
        for _ in range(rounds):
            for name in names:
                recovery[name].append(round(kill(program, watch, name), 1))
                say(f"{name}: back after {recovery[name][-1]} s; {ledger.total} writes acknowledged")
                more(BETWEEN)
    finally:
        stop.set()
        for person in people:
            person.join(60)
    seconds = time.monotonic() - began
    settle(ledger)
    missing = lost(ledger)
    return {
        "writes_acknowledged": ledger.total,
        "writes_lost": len(missing),
        "items_given_twice": len(ledger.twice),
        "recovery_seconds": {name: max(seconds) for name, seconds in recovery.items() if seconds},
        "recoveries": recovery,
        "by_kind": dict(ledger.kinds),
        "not_acknowledged": dict(ledger.failures),
        "longest_pause_seconds": round(ledger.longest_pause, 1),
        "seconds": round(seconds, 1),
        "lost": missing[:20],
        "twice": ledger.twice[:20],
    }


def table(figures: dict[str, Any]) -> str:
    rows = [f"{'process killed':<18}{'times':>6}{'longest recovery, s':>22}"]
    rows += [
        f"{name:<18}{len(seconds):>6}{max(seconds):>22.1f}"
        for name, seconds in figures["recoveries"].items()
        if seconds
    ]
    kinds = ", ".join(f"{number:,} {kind}s" for kind, number in sorted(figures["by_kind"].items()))
    rows += [
        "",
        f"{figures['writes_acknowledged']:,} writes acknowledged in {figures['seconds']:.0f} s ({kinds})",
        f"{figures['writes_lost']} lost, {figures['items_given_twice']} examples given twice",
        f"longest time without an acknowledged write: {figures['longest_pause_seconds']:.1f} s",
        f"not acknowledged: {figures['not_acknowledged']}",
        *(f"LOST {entry}" for entry in figures["lost"]),
        *(f"TWICE {entry}" for entry in figures["twice"]),
    ]
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each process is killed")
    parser.add_argument("--only", default="", help=f"some of: {', '.join(PROCESSES)}")
    parser.add_argument("--queued", type=int, default=QUEUED, help="examples in the queue at the start")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    arguments = parser.parse_args()
    names = [name.strip() for name in arguments.only.split(",") if name.strip()] or list(PROCESSES)
    if unknown := set(names) - set(PROCESSES):
        parser.error(f"no such process: {', '.join(sorted(unknown))}")
    with (
        tempfile.TemporaryDirectory(prefix="gh-faults-", ignore_cleanup_errors=True) as folder,
        Program(Path(folder) / "state", environment={"GUILDHALL_DEMO": "0"}) as program,
    ):
        figures = run(program, names, rounds=arguments.rounds, queued=arguments.queued)
    print(table(figures))
    if arguments.json:
        print(json.dumps(figures))
    return 1 if figures["writes_lost"] or figures["items_given_twice"] else 0


if __name__ == "__main__":
    sys.exit(main())
