"""Data in and out, and a project with a million examples: one table beside Label Studio's figures.

    python benchmarks/data.py [--rows 100000] [--million 1000000] [--pairs ../shared/data/service_pairs.jsonl] [--json]

Starts the program (web, worker, beat, PostgreSQL, Valkey) with its own state folder. Everything that is timed goes over HTTP;
times are wall-clock times of the client or of the run. The file of 147 MB is made (benchmarks/made_rows.py), the million rows are
loaded by SQL and not timed (benchmarks/million.py). Label Studio's figures are of 1.23.2 on the same kind of machine, two cores,
PostgreSQL. With `--json` the last line is one JSON object. With `--million 0` the second part is left out.
"""

import sys
from pathlib import Path

# The project's folder instead of this one, in which `statistics` is a benchmark and not the standard library.
HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent), *(path for path in sys.path if Path(path).resolve() != HERE)]

import argparse
import json
import time
from typing import Any

import psycopg

from benchmarks import made_rows
from benchmarks.million import OLD_WORD, Loader
from benchmarks.pages import percentile
from benchmarks.real_loop import (
    ADMIN,
    DEMO_PASSWORD,
    measured,
    say,
    seconds_between,
    wait,
)
from benchmarks.worker_memory import WorkerMemory
from core.text import whole_lines_of
from launcher.embedded import database_url
from tests.support.program import ROOT, Api, Program
from tests.support.waiting import wait_for

PEERS = {
    "import_100k_seconds": "18.4", "import_100k_peak_mb": "1,150", "export_10k_seconds": "12.8", "next_after_import_p95_ms": "463 (p50)",
}  # fmt: skip
LIMITS = {
    "import_100k_seconds": 12, "import_100k_peak_mb": 250, "export_10k_seconds": 1, "list_p95_ms": 150, "search_p95_ms": 150,
    "home_p95_ms": 150, "freeze_100k_seconds": 8, "download_100k_seconds": 4, "next_after_import_p95_ms": 60,
    "search_100k_p95_ms": 100,
}  # fmt: skip
ROUNDS = 20
WARM = 2


def wait_until_idle(api: Api) -> None:
    """Waits for the runs of all projects. The first start prepares the demo's base model: a worker with torch, on one core."""

    def idle() -> bool:
        slugs = [project["slug"] for project in api.get("projects/")["results"]]
        runs = [run for slug in slugs for run in api.get(f"projects/{slug}/runs/")["results"]]
        return not any(run["status"] in ("queued", "running") for run in runs)

    wait_for(idle, seconds=3600, what="the end of all runs", every=1)


class Session:
    """The program, signed in as its admin; `figures` is filled step by step."""

    def __init__(self, program: Program, api: Api, figures: dict[str, Any]) -> None:
        self.program, self.api, self.figures = program, api, figures

    def project(self, name: str, slug: str) -> None:
        self.api.post("projects/", {"name": name, "slug": slug})
        me = self.api.get(f"projects/{slug}/people/")["results"][0]
        roles = {"roles": ["admin", "annotator", "reviewer"]}
        self.api.call("PATCH", f"projects/{slug}/people/{me['id']}/", json=roles)

    def bring_in(self, slug: str, path: Path, destination: str) -> tuple[dict[str, Any], float]:
        """The stored import, and the seconds that its run took."""
        at = f"projects/{slug}/imports/"
        with path.open("rb") as file:
            files, data = {"file": (path.name, file)}, {"destination": destination}
            made = self.api.post(at, files=files, data=data, timeout=600)
        made = wait(self.api, f"{at}{made['id']}/", seconds=3600)
        return made, seconds_between(made["run"]["started_at"], made["run"]["finished_at"])

    def page_ms(self, path: str) -> list[float]:
        """Milliseconds of ROUNDS requests for a page, after WARM that do not count."""
        times = []
        for turn in range(ROUNDS + WARM):
            began = time.perf_counter()
            self.api.client.get(f"/p/{path}").raise_for_status()
            if turn >= WARM:
                times.append(1000 * (time.perf_counter() - began))
        return times

    def slowest_p95(self, name: str, paths: dict[str, str]) -> None:
        """The figure is the highest p95 of these pages; each page is noted too."""
        each = {label: percentile(self.page_ms(path), 0.95) for label, path in paths.items()}
        self.figures[name] = max(each.values())
        self.figures.setdefault("pages", {}).update(each)

    def download(self, path: str) -> tuple[float, int]:
        """Seconds until the last byte, and the bytes."""
        began, size = time.perf_counter(), 0
        with self.api.client.stream("GET", path, timeout=600) as answer:
            answer.raise_for_status()
            for piece in answer.iter_raw():
                size += len(piece)
        return time.perf_counter() - began, size


class ImportedFiles(Session):
    """100,000 rows into the queue, out again, and into a dataset version."""

    def __init__(self, program: Program, api: Api, figures: dict[str, Any], rows: int) -> None:
        super().__init__(program, api, figures)
        self.rows = rows

    def run(self) -> None:
        self.bring_in_rows()
        self.next_items()
        for step in (self.search, self.export, self.freeze):
            # An import's rows are checked after it, on both cores.
            wait_until_idle(self.api)
            step()

    def bring_in_rows(self) -> None:
        say(f"Making {self.rows:,} rows ...")
        self.file = self.program.state / "rows.jsonl"
        self.figures["file_mb"] = made_rows.write(self.file, self.rows) / 1e6
        self.project("Files", "files")
        say("Importing ...")
        with WorkerMemory(self.program, "worker") as memory:
            made, seconds = self.bring_in("files", self.file, "queued")
        self.stored = time.monotonic()
        self.figures |= {
            "import_100k_seconds": seconds,
            "import_100k_peak_mb": memory.peak_mb,
            "import_100k_rest_mb": memory.before_mb,
            "imported": made["accepted"],
        }

    def next_items(self) -> None:
        """Directly after the import, as people who wait for it would ask."""
        say("Taking examples ...")
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            item = self.api.post("projects/files/queue/next/")
            times.append(1000 * (time.perf_counter() - began))
            self.api.post(f"projects/files/queue/{item['example']['id']}/skip/")
        self.figures["next_after_import_p95_ms"] = percentile(times, 0.95)

    def indexed(self, slug: str) -> None:
        """Waits until search finds all examples of the project."""
        page = f"/p/{slug}/annotate/examples/?q=nothing-has-this"
        wait_for(
            lambda: "cannot be found" not in self.api.client.get(page).text,
            seconds=3600, what="the search index", every=0.5,
        )  # fmt: skip

    def search(self) -> None:
        say("Waiting until search finds all ...")
        self.indexed("files")
        self.figures["index_100k_seconds"] = time.monotonic() - self.stored
        at = "files/annotate/examples/?q="
        self.slowest_p95("search_100k_p95_ms", {"100k: a common word": f"{at}{made_rows.COMMON}"})
        self.slowest_p95("search_100k_others_p95_ms", {
            "100k: a seldom word": f"{at}{made_rows.SELDOM}", "100k: one example": f"{at}FD-0000042",
            "100k: no example": f"{at}nothing-has-this",
        })  # fmt: skip

    def export(self) -> None:
        say("Exporting 10,000 ...")
        self.project("Small", "small")
        few = self.program.state / "few.jsonl"
        made_rows.write(few, min(10_000, self.rows), seed=9)
        self.bring_in("small", few, "queued")
        took = [self.download("/p/small/annotate/examples/download/")[0] for _ in range(3)]
        self.figures["export_10k_seconds"] = sorted(took)[1]

    def freeze(self) -> None:
        say("Freezing ...")
        self.project("Frozen", "frozen")
        self.bring_in("frozen", self.file, "approved")
        self.indexed("frozen")  # workers do that, and check the rows, beside the freeze otherwise
        wait_until_idle(self.api)
        number = self.api.post("projects/frozen/datasets/", {})["number"]
        dataset = wait(self.api, f"projects/frozen/datasets/{number}/", seconds=3600)
        run = dataset["run"]
        self.figures["freeze_100k_seconds"] = seconds_between(run["started_at"], run["finished_at"])
        self.figures["frozen_rows"] = dataset["counts"]["total"]
        say("Downloading it ...")
        seconds, size = self.download(f"/p/frozen/data/datasets/{number}/download/")
        self.figures |= {"download_100k_seconds": seconds, "download_mb": size / 1e6}


class LargeProject(Session):
    """A project with very many examples and ten dataset versions."""

    def __init__(
        self, program: Program, api: Api, figures: dict[str, Any], rows: int, pairs: Path | None
    ) -> None:
        super().__init__(program, api, figures)
        self.rows, self.pairs = rows, pairs

    def load(self) -> None:
        say(f"Loading {self.rows:,} rows ...")
        self.project("At scale", "at-scale")
        # The sources of the rows, made by the program itself.
        few = self.program.state / "sources.jsonl"
        few.write_text(
            "".join(
                json.dumps({"prompt": f"Hello {n}?", "completion": f"Yes, {n}.", "source": f"source {n}"})
                + "\n"
                for n in range(5)
            )
        )
        self.bring_in("at-scale", few, "queued")
        url = database_url(self.program.state)
        with psycopg.connect(url, autocommit=True) as db:
            ids = db.execute(
                "SELECT p.id, u.id FROM core_project p, core_user u WHERE p.slug = 'at-scale' AND u.email = %s",
                [ADMIN],
            ).fetchone()
        assert ids is not None
        loader = Loader(url, project=ids[0], person=ids[1], file=self.pairs, rows=self.rows)
        for done in loader.load():
            if done % 100_000 == 0:
                say(f"  {done:,}")
        approved = loader.approved()
        for number in range(1, 11):
            loader.dataset(number, approved * 9 * number // 100)
        loader.finish()
        self.figures["million_rows"] = self.rows
        self.words = loader.words()

    def run(self) -> None:
        self.load()
        wait_until_idle(self.api)
        say("Loading pages ...")
        at = "at-scale/"
        self.slowest_p95("home_p95_ms", {"Home": at, "the queue's overview": f"{at}annotate/"})
        examples = f"{at}annotate/examples/"
        self.slowest_p95("list_p95_ms", {
            "examples": examples, "examples, page 200": f"{examples}?page=200",
            "examples, approved": f"{examples}?status=approved", "examples of a source": f"{examples}?source=source+2",
            "edge cases": f"{examples}?edge=any", "reviews": f"{at}annotate/review/", "datasets": f"{at}data/datasets/",
        })  # fmt: skip
        common, medium = self.words
        self.slowest_p95("search_p95_ms", {
            f"search: {common}": f"{examples}?q={common}", f"search: {medium}": f"{examples}?q={medium}",
            "search: one example": f"{examples}?q=case+{self.rows // 3}", "search: no example": f"{examples}?q=absentword",
            "search: only the oldest": f"{examples}?q={OLD_WORD}",
            f"search: {common}, sent back": f"{examples}?q={common}&status=returned",
            f"search: {medium}, two filters": f"{examples}?q={medium}&status=approved&source=source+2",
        })  # fmt: skip


LABELS = {
    "import_100k_seconds": "import of 100,000 rows into the queue, seconds",
    "import_100k_peak_mb": "its worker's memory at the highest, MB",
    "export_10k_seconds": "export of 10,000 examples, seconds",
    "next_after_import_p95_ms": "next example directly after the import, p95 ms",
    "index_100k_seconds": "until search finds all of the import, seconds",
    "search_100k_p95_ms": "search for a common word among 100,000, p95 ms",
    "freeze_100k_seconds": "freezing 100,000, seconds",
    "download_100k_seconds": "downloading that dataset, seconds",
    "home_p95_ms": "Home at 1,000,000 examples, p95 ms",
    "list_p95_ms": "lists at 1,000,000 examples, p95 ms",
    "search_p95_ms": "search at 1,000,000 examples, p95 ms",
}


def table(figures: dict[str, Any]) -> str:
    lines = [f"{'':<52} {'Guildhall':>10} {'limit':>7} {'Label Studio':>13}"]
    for name, label in LABELS.items():
        ours = f"{figures[name]:,.1f}" if name in figures else "not run"
        limit = f"< {LIMITS[name]}" if name in LIMITS else ""
        lines.append(f"{label:<52} {ours:>10} {limit:>7} {PEERS.get(name, ''):>13}")
    lines += [
        f"  page {label:<45} {figure:>10,.0f}" for label, figure in sorted(figures.get("pages", {}).items())
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000, help="of the imported file")
    parser.add_argument("--million", type=int, default=1_000_000, help="examples of the large project")
    parser.add_argument(
        "--pairs", type=Path, help="JSONL of real examples for the large project (made ones without it)"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object at the end")
    arguments = parser.parse_args()
    pairs = arguments.pairs or ROOT.parent / "shared/data/service_pairs.jsonl"
    if arguments.pairs and not pairs.is_file():
        say(f"{pairs} does not exist; give the path of a JSONL file.")
        return 2
    figures: dict[str, Any] = {}
    with measured("data", figures, lambda found: output(found, as_json=arguments.json), False) as state:
        processes = state / "Procfile"
        kept = ("web:", "worker:", "beat:")
        lines = whole_lines_of((ROOT / "Procfile").read_text())
        processes.write_text("".join(line for line in lines if line.startswith(kept)))
        environment = {"GUILDHALL_PROCFILE": str(processes)}
        with (
            Program(state, environment=environment) as program,
            program.signed_in(ADMIN, DEMO_PASSWORD) as api,
        ):
            wait_until_idle(api)
            ImportedFiles(program, api, figures, arguments.rows).run()
            if arguments.million:
                LargeProject(
                    program, api, figures, arguments.million, pairs if pairs.is_file() else None
                ).run()
    return 0


def output(figures: dict[str, Any], *, as_json: bool) -> str:
    return f"{table(figures)}\n{json.dumps(figures)}" if as_json else table(figures)


if __name__ == "__main__":
    sys.exit(main())
