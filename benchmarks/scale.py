"""Speed with many examples: a large file imported, imported again, queued, listed, frozen, downloaded.

    python benchmarks/scale.py ../shared/data/service_pairs.jsonl [--rows 200000] [--json]

The rows are the given real examples, repeated with a unique case number in the question, half of them approved and half
queued. The program runs with its own state folder; all times are wall-clock times over HTTP.
"""

import sys
from pathlib import Path

# The project's folder instead of this one, in which `statistics` is a benchmark and not the standard library.
HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent), *(path for path in sys.path if Path(path).resolve() != HERE)]

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

from benchmarks.pages import percentile
from benchmarks.real_loop import ADMIN, DEMO_PASSWORD, measured, ready_dataset, say, seconds_between, wait
from core.text import lines_of
from tests.support.program import Api, Program
from tests.support.waiting import wait_for

PROJECT = "at-scale"
AT = f"projects/{PROJECT}/"
ROUNDS = 15
PAGES = {
    "Home": "",
    "the queue's overview": "annotate/",
    "examples, newest first": "annotate/examples/",
    "examples, the last page offered": "annotate/examples/?page=200",
    "examples of one slice": "annotate/examples/?slice={slice}",
    "examples with a word": "annotate/examples/?q=latte",
    "examples with a number only one has": "annotate/examples/?q=case+{number}",
    "reviews": "annotate/review/",
    "a new dataset, with its preview": "data/datasets/new/",
    "a dataset's rows": "data/datasets/1/rows/",
}


def numbered(file: Path, first: int, count: int) -> Iterator[dict[str, Any]]:
    """`count` of the file's examples, repeated, each question with a unique number, in digits and in letters: for a
    freeze, prompts that differ only in digits are the same text."""
    pairs = [json.loads(line) for line in lines_of(file.read_text())]
    for number, pair in enumerate(islice(cycle(pairs), count), first):
        *before, last = pair["messages"]
        letters = "".join(chr(ord("a") + int(digit)) for digit in str(number))
        yield {
            "messages": [*before, last | {"content": f"{last['content']} (case {number}, {letters})"}],
            "completion": pair["completion"],
            "context": pair.get("context") or [],
            "slice": pair.get("slice") or "",
            "group": f"case-{number}",
        }


class Scale:
    def __init__(self, program: Program, api: Api, file: Path, rows: int, figures: dict[str, Any]) -> None:
        self.program, self.api, self.file, self.rows, self.figures = program, api, file, rows, figures

    def prepare(self) -> None:
        self.api.post("projects/", {"name": "At scale", "slug": PROJECT})
        me = self.api.get(f"{AT}people/")["results"][0]
        roles = ["admin", "annotator", "reviewer"]
        self.api.call("PATCH", f"{AT}people/{me['id']}/", json={"roles": roles})

    def write(self, first: int, count: int) -> Path:
        path = self.program.state / f"rows-{first}.jsonl"
        with path.open("w") as out:
            for row in numbered(self.file, first, count):
                out.write(json.dumps(row) + "\n")
        return path

    def bring_in(self, path: Path, destination: str) -> dict[str, Any]:
        with path.open("rb") as file:
            data_import = self.api.post(
                f"{AT}imports/",
                files={"file": (path.name, file)},
                data={"destination": destination},
                timeout=600,
            )
        data_import = wait(self.api, f"{AT}imports/{data_import['id']}/", seconds=3600)
        data_import["seconds"] = seconds_between(
            data_import["run"]["started_at"], data_import["run"]["finished_at"]
        )
        return data_import

    def import_files(self) -> None:
        half = self.rows // 2
        approved, queued = self.write(0, half), self.write(half, self.rows - half)
        say(f"Importing {self.rows:,} rows ...")
        first, second = self.bring_in(approved, "approved"), self.bring_in(queued, "queued")
        self.queued = second["id"]
        self.figures |= {
            "rows": first["accepted"] + second["accepted"],
            "megabytes": (approved.stat().st_size + queued.stat().st_size) / 1e6,
            "import_first_half": first["lines"] / first["seconds"],
            "import_second_half": second["lines"] / second["seconds"],
        }
        again = self.bring_in(queued, "queued")
        self.figures |= {"again_accepted": again["accepted"], "again": again["lines"] / again["seconds"]}

    def freeze(self, name: str) -> None:
        say("Freezing ...")
        began = time.monotonic()
        number = self.api.post(f"{AT}datasets/", {})["number"]
        dataset = wait_for(
            lambda: ready_dataset(self.api, AT, number), seconds=3600, what="the frozen dataset", every=0.5
        )
        self.figures[f"{name}_seconds"] = time.monotonic() - began
        self.figures[f"{name}_rows"] = dataset["counts"]["total"]

    def freeze_twice(self) -> None:
        self.freeze("freeze")
        self.bring_in(self.write(self.rows, 1000), "approved")
        self.freeze("second_freeze")

    def take(self) -> None:
        """The next example of the queue, taken and released, like on an annotator's page."""
        say("Taking examples ...")
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            item = self.api.post(f"{AT}queue/next/")
            times.append(1000 * (time.perf_counter() - began))
            self.api.post(f"{AT}queue/{item['example']['id']}/skip/")
        self.figures["next_median_ms"] = statistics.median(times)
        self.figures["next_p95_ms"] = percentile(times, 0.95)

    def look(self) -> None:
        say("Loading pages ...")
        example = self.api.get(f"{AT}examples/", page_size=1)["results"][0]
        values = {"slice": example["slice"], "number": self.rows // 3}
        for name, path in PAGES.items():
            times = []
            for turn in range(ROUNDS + 2):
                began = time.perf_counter()
                answer = self.api.client.get(f"/p/{PROJECT}/{path.format(**values)}")
                if turn >= 2:
                    times.append(1000 * (time.perf_counter() - began))
                answer.raise_for_status()
            self.figures[f"page: {name}"] = (statistics.median(times), percentile(times, 0.95))

    def download(self) -> None:
        say("Downloading ...")
        began, size, first = time.perf_counter(), 0, 0.0
        with self.api.client.stream("GET", f"/p/{PROJECT}/data/datasets/1/download/") as answer:
            answer.raise_for_status()
            for piece in answer.iter_bytes():
                first = first or time.perf_counter() - began
                size += len(piece)
        took = time.perf_counter() - began
        self.figures |= {"download_first_ms": 1000 * first, "download_mb_per_second": size / 1e6 / took}

    def take_out(self) -> None:
        """Removes an import that nobody has worked on."""
        say("Removing an import ...")
        data_import = self.bring_in(self.write(self.rows + 1000, self.rows // 4), "queued")
        began = time.monotonic()
        self.api.post(f"{AT}imports/{data_import['id']}/remove/", timeout=600)
        self.figures |= {"removed_rows": data_import["accepted"], "remove_seconds": time.monotonic() - began}


TABLE = [
    ("rows; megabytes of JSONL", "{rows:,}; {megabytes:,.0f}"),
    ("import, rows a second: first half, second half", "{import_first_half:,.0f}; {import_second_half:,.0f}"),
    ("the second half again, rows a second; added", "{again:,.0f}; {again_accepted:,}"),
    ("freezing, rows; seconds", "{freeze_rows:,}; {freeze_seconds:.1f}"),
    ("freezing with 1,000 more, seconds", "{second_freeze_seconds:.1f}"),
    (
        "downloading it: first byte, ms; MB a second",
        "{download_first_ms:,.0f}; {download_mb_per_second:,.0f}",
    ),
    ("next example of the queue, median and p95, ms", "{next_median_ms:.0f}; {next_p95_ms:.0f}"),
    ("removing an import: rows; seconds", "{removed_rows:,}; {remove_seconds:.1f}"),
]


def table(figures: dict[str, Any]) -> str:
    lines = []
    for label, form in TABLE:
        try:
            lines.append((label, form.format(**figures)))
        except KeyError:
            lines.append((label, "not measured"))
    for name, times in figures.items():
        if name.startswith("page: "):
            lines.append((f"{name}, median and p95, ms", f"{times[0]:.0f}; {times[1]:.0f}"))
    return "\n".join(f"{label:<62} {figure:>20}" for label, figure in lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="JSONL, one example per line")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    arguments = parser.parse_args()
    if not arguments.file.is_file():
        say(f"{arguments.file} does not exist; give the path of a JSONL file.")
        return 2
    figures: dict[str, Any] = {}
    with (
        measured("scale", figures, table, arguments.json) as state,
        Program(state) as program,
        program.signed_in(ADMIN, DEMO_PASSWORD) as api,
    ):
        scale = Scale(program, api, arguments.file, arguments.rows, figures)
        for step in (
            scale.prepare, scale.import_files, scale.freeze_twice, scale.take, scale.look, scale.download, scale.take_out,
        ):  # fmt: skip
            step()
    return 0


if __name__ == "__main__":
    sys.exit(main())
