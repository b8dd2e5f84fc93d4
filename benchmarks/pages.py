"""Every page of the demo project: 95th percentile of the response time, and whether its number of queries is constant.

    python benchmarks/pages.py [--rounds 30] [--json]

The program's own web process (uvicorn) answers over HTTP, one request at a time; the times are the client's. Queries
are counted in this process on the same database, first with the demo and then with twice as many examples and audit
entries. The limit is 95% under 100 ms; a slower page, or one with growing queries, makes the exit code 1.
"""

import sys
from pathlib import Path

# The project's folder instead of this one, in which `statistics` is a benchmark and not the standard library.
HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent), *(path for path in sys.path if Path(path).resolve() != HERE)]

import argparse
import json
import math
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.program import ROOT, free_port
from tests.support.waiting import wait_for

BOUND_MS = 100
SLUG = "freight-desk"
PEOPLE = ("ada", "mo", "rhea", "kofi", "vera")


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of the values do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def pages() -> Iterator[tuple[str, str]]:
    """(who, path) of every page without an object, and of the newest object's page for each kind."""
    from annotation.models import Example
    from dataset.models import DataImport, DatasetVersion
    from training.models import BaseModel

    example, data_import = Example.objects.latest("id").pk, DataImport.objects.latest("id").pk
    dataset = DatasetVersion.objects.latest("id").number
    base = BaseModel.objects.latest("id").pk
    own = ["", "loop/", "menu/"]
    admin = [
        *own, "runs/", "people/", "keys/", "settings/", "audit/", "annotate/", "annotate/examples/",
        "annotate/examples/?q=customs", f"annotate/examples/{example}/", "data/imports/",
        "data/imports/new/", f"data/imports/{data_import}/", "data/datasets/", "data/datasets/new/",
        f"data/datasets/{dataset}/", f"data/datasets/{dataset}/rows/", "annotate/review/", "train/",
        "train/launch/", "train/versions/", "train/bases/", f"train/bases/{base}/", "serve/", "serve/chat/",
        "serve/answers/", "rate/", "rate/campaigns/new/", "release/",
    ]  # fmt: skip
    yield from (("ada", f"/p/{SLUG}/{path}") for path in admin)
    yield from (("ada", path) for path in ("/me/", "/status/"))
    yield from (
        ("mo", f"/p/{SLUG}/{path}") for path in ("", "annotate/", "annotate/write/", "annotate/review/")
    )
    yield from (("rhea", f"/p/{SLUG}/{path}") for path in ("", "annotate/", "annotate/review/"))
    yield from (("kofi", f"/p/{SLUG}/{path}") for path in ("", "rate/", "serve/chat/"))
    yield from (
        ("vera", f"/p/{SLUG}/{path}")
        for path in ("", "annotate/", "train/", "serve/", "rate/", "release/", "audit/")
    )


@contextmanager
def web(environment: dict[str, str]) -> Iterator[str]:
    """The program's web process on the prepared database."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "config.asgi:application", "--port", str(port), "--lifespan", "off",
               "--no-access-log", "--log-level", "warning"]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    import httpx

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_for(answers, seconds=60, what="the web process", every=0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def cookies_of(name: str) -> dict[str, str]:
    from django.test import Client

    from config.demo import email_of
    from core.models import User

    client = Client()
    client.force_login(
        User.objects.get(email=email_of(name)), backend="django.contrib.auth.backends.ModelBackend"
    )
    return {key: morsel.value for key, morsel in client.cookies.items()}


def count_queries(who: str, path: str) -> int:
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client()
    for key, value in cookies_of(who).items():
        client.cookies[key] = value
    client.get(path)  # fills caches of templates and charts, which are not counted
    with CaptureQueriesContext(
        connection,
    ) as captured:
        response = client.get(path)
    if response.status_code != 200:
        raise RuntimeError(f"{path} said {response.status_code} to {who}")
    return len(captured)


def freeze_once() -> None:
    """A dataset version, so that its pages have content."""
    from config.demo import email_of
    from core.models import Project, User
    from core.tasks import execute_run
    from dataset.services.versions import start_freeze

    dataset = start_freeze(by=User.objects.get(email=email_of("ada")), project=Project.objects.get(slug=SLUG))
    execute_run(dataset.run_id)


def double() -> None:
    """As many examples, revisions, imports and audit entries again."""
    from annotation.models import Example, Revision
    from core.audit.entries import record
    from core.models import Project, Run, User
    from dataset.models import DataImport

    project, by = Project.objects.get(slug=SLUG), User.objects.order_by("id").first()
    for example in list(Example.objects.filter(project=project)):
        example.pk, example.arrival_hash = None, None
        example.save(force_insert=True)
        Revision.objects.create(example=example, number=1, reason="arrived", content=example.content(), by=by)
    for data_import in list(DataImport.objects.filter(project=project)) * 10:
        run = Run.objects.create(
            project=project, kind="import", title="again", status="succeeded", created_by=by
        )
        data_import.pk, data_import.run = None, run
        data_import.save(force_insert=True)
    for _ in range(500):
        record(by=by, project=project, action="project.changed", obj=project)


def measure(rounds: int) -> list[dict[str, Any]]:
    import httpx
    from django.conf import settings
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
    call_command("demo")
    freeze_once()
    rows = [{"who": who, "path": path} for who, path in pages()]
    for row in rows:
        row["queries"] = count_queries(row["who"], row["path"])
    environment = {**os.environ, "DATABASE_URL": settings.DATABASE_URL, "REDIS_URL": settings.REDIS_URL}
    cookies = {name: cookies_of(name) for name in PEOPLE}
    with web(environment) as url:
        for row in rows:
            times = []
            with httpx.Client(base_url=url, cookies=cookies[row["who"]], timeout=30) as client:
                for turn in range(rounds + 3):
                    began = time.perf_counter()
                    response = client.get(row["path"])
                    if turn >= 3:  # the first ones fill caches and open connections
                        times.append(1000 * (time.perf_counter() - began))
                    if response.status_code != 200:
                        raise RuntimeError(f"{row['path']} said {response.status_code} to {row['who']}")
            row["median_ms"], row["p95_ms"] = percentile(times, 0.5), percentile(times, 0.95)
            row["bytes"] = len(response.content)
    double()
    for row in rows:
        row["queries_doubled"] = count_queries(row["who"], row["path"])
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30, help="requests for each page")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    state = Path(tempfile.mkdtemp(prefix="guildhall-pages-"))
    for name in [name for name in os.environ if name.startswith("GUILDHALL_")] + [
        "DATABASE_URL",
        "REDIS_URL",
    ]:
        os.environ.pop(name, None)
    os.environ |= {
        "GUILDHALL_STATE": str(state),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "GUILDHALL_LOG_LEVEL": "WARNING",
    }
    from launcher import embedded

    try:
        with embedded.services(state):
            import django

            django.setup()
            from django.test.utils import setup_test_environment

            setup_test_environment()
            rows = measure(arguments.rounds)
            from django.db import connections

            connections.close_all()
    finally:
        shutil.rmtree(state, ignore_errors=True)
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        print(f"{'who':<6}{'page':<52}{'median ms':>10}{'p95 ms':>8}{'queries':>9}{'doubled':>9}{'KiB':>7}")
        for row in rows:
            print(
                f"{row['who']:<6}{row['path']:<52}{row['median_ms']:>10.1f}{row['p95_ms']:>8.1f}"
                f"{row['queries']:>9}{row['queries_doubled']:>9}{row['bytes'] / 1024:>7.1f}"
            )
    slow = [row for row in rows if row["p95_ms"] >= BOUND_MS]
    grown = [row for row in rows if row["queries_doubled"] > row["queries"]]
    for row in slow:
        print(
            f"{row['path']} for {row['who']}: p95 is {row['p95_ms']:.0f} ms, not under {BOUND_MS}.",
            file=sys.stderr,
        )
    for row in grown:
        print(
            f"{row['path']} for {row['who']}: {row['queries']} queries became {row['queries_doubled']}.",
            file=sys.stderr,
        )
    return 1 if slow or grown else 0


if __name__ == "__main__":
    sys.exit(main())
