"""The whole loop over HTTP on real data: import, approve, freeze, train, serve, ask, rate.

    python benchmarks/real_loop.py ../shared/data/service_pairs.jsonl [--json] [--rows 400]

Starts the program with its own state folder, a real base model and a real engine, and prints one table (or with
`--json` one JSON object with the same figures). Nothing is simulated; times are wall-clock times.
"""

import sys
from pathlib import Path

# The project's folder instead of this one, in which `statistics` is a benchmark and not the standard library.
HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent), *(path for path in sys.path if Path(path).resolve() != HERE)]

import argparse
import json
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import httpx
from httpx_sse import EventSource

from tests.support.program import Api, Program
from tests.support.waiting import wait_for

DEMO_PASSWORD = "freight-desk-demo"
ADMIN, RATER = "ada@freight-desk.example", "kofi@freight-desk.example"
SYSTEM_PROMPT = "You are a customer service agent. Answer the customer briefly, from the records."
MUST_FALL = 0.30
QUESTIONS = 10


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def seconds_between(first: str, second: str) -> float:
    return (datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds()


def ended(api: Api, path: str, key: str = "run") -> dict[str, Any] | None:
    """The object at `path` after its run has ended; RuntimeError when the run failed."""
    answer = api.get(path)
    run = answer[key] if key else answer
    if run["status"] == "failed":
        raise RuntimeError(f"{path}: {run['error_message']} {run['error_advice']}")
    return answer if run["status"] in {"succeeded", "cancelled"} else None


def wait(api: Api, path: str, *, seconds: float, key: str = "run") -> dict[str, Any]:
    return wait_for(lambda: ended(api, path, key), seconds=seconds, what=path)  # type: ignore[no-any-return]


def ready_dataset(api: Api, at: str, number: int) -> dict[str, Any] | None:
    """The dataset version of the project at `at` after it is frozen; RuntimeError when it failed."""
    dataset: dict[str, Any] = api.get(f"{at}datasets/{number}/")
    if dataset["status"] == "failed":
        raise RuntimeError("The dataset could not be frozen.")
    return dataset if dataset["status"] == "ready" else None


@contextmanager
def measured(
    name: str, figures: dict[str, Any], table: Callable[[dict[str, Any]], str], as_json: bool
) -> Iterator[Path]:
    """A state folder for one benchmark. At the end it is removed and the figures are printed.

    Also after a failed step: the earlier measurements took minutes.
    """
    state = Path(tempfile.mkdtemp(prefix=f"guildhall-{name}-"))
    try:
        yield state
    finally:
        shutil.rmtree(state, ignore_errors=True)
        print(json.dumps(figures, indent=2) if as_json else table(figures), flush=True)


class MeasuredLoop:
    """One turn of the loop in a separate project; `figures` is filled step by step."""

    def __init__(self, program: Program, api: Api, file: Path, rows: int, figures: dict[str, Any]) -> None:
        self.program, self.api, self.file, self.rows, self.figures = program, api, file, rows, figures
        self.at = "projects/real-service/"

    def prepare(self) -> None:
        self.api.post("projects/", {"name": "Real service", "slug": "real-service"})
        self.api.call("PATCH", self.at, json={"system_prompt": SYSTEM_PROMPT})
        people = self.api.get(f"{self.at}people/")["results"]
        me = next(person for person in people if person["user"]["email"] == ADMIN)
        self.api.call("PATCH", f"{self.at}people/{me['id']}/", json={"roles": ["admin", "reviewer", "rater"]})

    def import_file(self) -> None:
        say(f"Importing {self.file.name} ...")
        with self.file.open("rb") as file:
            data_import = self.api.post(
                f"{self.at}imports/",
                files={"file": (self.file.name, file)},
                data={"destination": "in_review"},
            )
        data_import = wait(self.api, f"{self.at}imports/{data_import['id']}/", seconds=300)
        took = seconds_between(data_import["run"]["started_at"], data_import["run"]["finished_at"])
        self.figures |= {
            "lines": data_import["lines"],
            "accepted": data_import["accepted"],
            "exact_repeats": data_import["repeated"],
            "rejected": data_import["rejected"],
            "import_rows_per_second": data_import["lines"] / took,
        }

    def approve(self) -> None:
        say("Approving everything as a reviewer ...")
        began, approved = time.monotonic(), 0
        while True:
            page = self.api.get(f"{self.at}examples/", status="in_review", page_size=500)["results"]
            if not page:
                break
            listed = [{"example": example["id"], "revision": example["revision"]} for example in page]
            answer = self.api.post(f"{self.at}reviews/accept-many/", {"examples": listed})
            if not answer["accepted"]:
                raise RuntimeError(f"No more examples could be accepted: {answer['left'][:3]}")
            approved += len(answer["accepted"])
        self.figures["approved"] = approved
        self.figures["approve_rows_per_second"] = approved / (time.monotonic() - began)

    def freeze(self) -> None:
        say("Freezing ...")
        began = time.monotonic()
        dataset = self.api.post(f"{self.at}datasets/", {})
        self.dataset = wait_for(
            lambda: ready_dataset(self.api, self.at, dataset["number"]),
            seconds=300,
            what="the frozen dataset",
            every=0.2,
        )
        took = time.monotonic() - began
        self.figures |= {
            "frozen_rows": self.dataset["counts"]["total"],
            "freeze_seconds": took,
            "content_hash": self.dataset["content_hash"],
        }

    def train(self) -> None:
        base = wait_for(self._base, seconds=300, what="the base model")
        self.api.post(f"{self.at}base-models/{base['id']}/use/")
        say(f"Training LoRA on {self.rows} examples ...")
        values = {
            "method": "lora",
            "base_model": base["id"],
            "dataset": self.dataset["number"],
            "recipe": {
                "most_rows": self.rows,
                "most_validation_rows": 60,
                "epochs": 1.0,
                "evaluations": 2,
            },
        }
        # A worker counts the tokens of a large dataset on the first request.
        wait_for(
            lambda: not self.api.post(f"{self.at}training-preflight/", values)["counting"],
            seconds=600,
            what="the count of tokens",
        )
        launched = self.api.post(f"{self.at}training-runs/", values)
        path = f"{self.at}training-runs/{launched['number']}/"
        training = wait(self.api, path, seconds=2400)
        before, after = training["loss_before"], training["loss_after"]
        self.figures |= {
            "trained_pairs": training["train_rows"],
            "training_seconds": seconds_between(
                training["run"]["started_at"], training["run"]["finished_at"]
            ),
            "held_out_loss_before": before,
            "held_out_loss_after": after,
            "held_out_loss_fall": 1 - after / before,
            "training_tokens_per_second": training["tokens_per_second"],
            "training_peak_memory_bytes": training["peak_memory_bytes"],
        }
        self.tuned = training["model_version"]

    def _base(self) -> dict[str, Any] | None:
        ready = [
            base for base in self.api.get(f"{self.at}base-models/")["results"] if base["status"] == "ready"
        ]
        return ready[0] if ready else None

    def serve(self) -> None:
        say("Waiting until the new version is served ...")
        wait_for(
            lambda: self._served(self.tuned), seconds=300, what="the tuned version being served", every=0.2
        )
        versions = {
            version["id"]: version for version in self.api.get(f"{self.at}model-versions/")["results"]
        }
        # By the server's own clock, token check included: polling would be slower than loading.
        self.figures["trained_to_served_seconds"] = seconds_between(
            versions[self.tuned]["created_at"], self._deployment(self.tuned)["loaded_at"]
        )
        self.base = next(key for key, version in versions.items() if version["number"] == 0)
        wait_for(lambda: self._served(self.base), seconds=300, what="the base being served")

    def _deployment(self, version: int) -> dict[str, Any]:
        deployments = self.api.get(f"{self.at}deployments/")["results"]
        return next(
            (deployment for deployment in deployments if deployment["version"] == version), {"ready": False}
        )

    def _served(self, version: int) -> bool:
        return bool(self._deployment(version)["ready"])

    def ask(self) -> None:
        """Through the OpenAI-compatible API, like an application, with streaming."""
        say("Asking it as an application ...")
        self.api.post(
            f"{self.at}releases/",
            {"version": self.tuned, "replaces": None, "sign_off": True, "note": "Benchmark: no ratings yet."},
        )
        secret = self.api.post(f"{self.at}keys/", {"name": "benchmark"})["secret"]
        first, whole = [], []
        rows = self.api.get(
            f"{self.at}datasets/{self.dataset['number']}/rows/", split="test", page_size=QUESTIONS
        )
        with httpx.Client(base_url=self.program.url, headers={"Authorization": f"Bearer {secret}"}) as client:
            for row in rows["results"]:
                body = {
                    "model": "real-service",
                    "messages": row["content"]["messages"],
                    "max_tokens": 48,
                    "stream": True,
                }
                began = time.monotonic()
                with client.stream("POST", "/v1/chat/completions", json=body, timeout=120) as response:
                    if response.status_code != 200:
                        raise RuntimeError(f"/v1 returned {response.status_code}: {response.read()[:500]!r}")
                    seen = 0.0
                    for event in EventSource(response).iter_sse():
                        if not seen and event.data.startswith("{"):
                            choices = json.loads(event.data)["choices"]
                            seen = time.monotonic() if choices and choices[0]["delta"].get("content") else 0.0
                first.append((seen or time.monotonic()) - began)
                whole.append(time.monotonic() - began)
        self.figures |= {
            "questions": len(first),
            "first_token_ms_median": 1000 * statistics.median(first),
            "answer_ms_median": 1000 * statistics.median(whole),
        }

    def rate(self) -> None:
        say("Comparing it with the base, blind ...")
        campaign = self.api.post(
            f"{self.at}campaigns/",
            {
                "name": "Benchmark",
                "baseline": self.base,
                "candidate": self.tuned,
                "dataset": self.dataset["id"],
                "prompts": 12,
                "ratings_per_prompt": 1,
                "max_tokens": 48,
            },
        )
        wait_for(lambda: self._open(campaign["id"]), seconds=600, what="the campaign's answers")
        page, round_trip = f"/p/real-service/rate/campaigns/{campaign['id']}/compare/", []
        for _ in range(12):
            began = time.monotonic()
            shown = self.api.client.get(page)
            if shown.status_code != 200 or "/compare/" not in str(shown.url):
                break
            token = self._token(shown.text)
            if token is None:
                break
            self.api.post(f"{self.at}rating/{token}/", {"choice": "tie", "scores": None})
            round_trip.append(time.monotonic() - began)
        self.figures |= {
            "rated": len(round_trip),
            "rating_round_trip_ms_median": 1000 * statistics.median(round_trip),
        }

    def _open(self, campaign: int) -> bool:
        state = self.api.get(f"{self.at}campaigns/{campaign}/")
        if state["status"] == "failed":
            raise RuntimeError(f"The campaign failed: {state['run']['error_message']}")
        # It opens with its first answers; here all of them are rated at once.
        return bool(state["status"] == "open" and state["run"]["status"] not in ("queued", "running"))

    def _token(self, html: str) -> str | None:
        """The comparison in the page's form; None when none is left."""
        form = re.search(r'<form[^>]*id="rate-form"[^>]*>', html)
        token = re.search(r"/rate/compare/([0-9a-f-]{36})/", form[0]) if form else None
        return token[1] if token else None


TABLE = (
    ("Lines read", "lines", "{:,.0f}"),
    ("Exact repeats, reported and not imported", "exact_repeats", "{:,.0f}"),
    ("Import, rows a second", "import_rows_per_second", "{:,.0f}"),
    ("Approved by a reviewer, rows a second", "approve_rows_per_second", "{:,.0f}"),
    ("Frozen rows", "frozen_rows", "{:,.0f}"),
    ("Freezing, seconds", "freeze_seconds", "{:.1f}"),
    ("Examples trained on (LoRA)", "trained_pairs", "{:,.0f}"),
    ("Training, seconds", "training_seconds", "{:,.0f}"),
    ("Validation loss before", "held_out_loss_before", "{:.3f}"),
    ("Validation loss after", "held_out_loss_after", "{:.3f}"),
    ("It fell by", "held_out_loss_fall", "{:.0%}"),
    ("Training, tokens a second", "training_tokens_per_second", "{:,.0f}"),
    ("Training, peak memory, bytes", "training_peak_memory_bytes", "{:,.0f}"),
    ("From trained to served, seconds", "trained_to_served_seconds", "{:.1f}"),
    ("Time to first token through /v1, median ms", "first_token_ms_median", "{:,.0f}"),
    ("Whole answer (48 tokens at most), median ms", "answer_ms_median", "{:,.0f}"),
    ("Rating page: shown, rated, stored, median ms", "rating_round_trip_ms_median", "{:,.0f}"),
)


def table(figures: dict[str, Any]) -> str:
    rows = [
        (label, form.format(figures[key]) if key in figures else "not measured") for label, key, form in TABLE
    ]
    return "\n".join(f"{label:<52} {figure:>16}" for label, figure in rows)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="JSONL, one example per line")
    parser.add_argument("--rows", type=int, default=400, help="examples to train on")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    arguments = parser.parse_args()
    if not arguments.file.is_file():
        say(f"{arguments.file} does not exist; give the path of a JSONL file.")
        return 2
    figures: dict[str, Any] = {}
    with (
        measured("loop", figures, table, arguments.json) as state,
        Program(state) as program,
        program.signed_in(ADMIN, DEMO_PASSWORD) as api,
    ):
        loop = MeasuredLoop(program, api, arguments.file, arguments.rows, figures)
        for step in (
            loop.prepare, loop.import_file, loop.approve, loop.freeze, loop.train, loop.serve, loop.ask, loop.rate,
        ):  # fmt: skip
            step()
    if figures["held_out_loss_fall"] < MUST_FALL:
        say(f"The validation loss fell by less than {MUST_FALL:.0%}.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
