"""People at work over HTTP, for benchmarks/faults.py: they annotate, rate and chat, and remember what was confirmed."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx

# --- the load ---------------------------------------------------------------------------------------------------
SLUG = "under-fire"
AT = f"projects/{SLUG}/"
LINES = 20  # of one import
NOTHING_WAITS = 204


@dataclass
class Ledger:
    """The writes that the program acknowledged."""

    texts: list[tuple[int, str]] = field(default_factory=list)  # example, completion: written or submitted
    drafts: dict[tuple[str, int], str] = field(
        default_factory=dict
    )  # a person's last one; removed by a submit
    accepted: list[int] = field(default_factory=list)
    imports: list[int] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    holders: dict[tuple[str, int], str] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    last: float = field(default_factory=time.monotonic)
    longest_pause: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledged(self, kind: str) -> None:
        """The caller has the lock."""
        now = time.monotonic()
        self.longest_pause = max(self.longest_pause, now - self.last)
        self.last = now
        self.kinds[kind] += 1

    @property
    def total(self) -> int:
        with self.lock:
            return sum(self.kinds.values())

    def handed_out(self, line: str, item: int, person: str) -> None:
        """A person got an example as their next one. With another one, they no longer have the earlier one."""
        with self.lock:
            for held in [key for key, who in self.holders.items() if who == person and key[0] == line]:
                del self.holders[held]
            other = self.holders.get((line, item))
            if other is not None:
                self.twice.append(f"{line} #{item}: {other} and {person}")
            self.holders[line, item] = person

    def done(self, line: str, item: int) -> None:
        self.holders.pop((line, item), None)


class SimulatedUser(threading.Thread):
    """Repeats one action with a personal key, for any response of the program."""

    serial = count(1)

    def __init__(self, name: str, url: str, secret: str, ledger: Ledger, stop: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self.ledger, self.stop = ledger, stop
        self.client = httpx.Client(
            base_url=f"{url}/api/v1/{AT}", headers={"Authorization": f"Bearer {secret}"}, timeout=20
        )

    def run(self) -> None:
        work: Callable[[], None] = getattr(self, self.name.split()[0])
        while not self.stop.is_set():
            try:
                work()
            except (httpx.HTTPError, RequestRefused) as error:
                with self.ledger.lock:
                    self.ledger.failures[
                        str(error) if isinstance(error, RequestRefused) else type(error).__name__
                    ] += 1
                self.stop.wait(0.2)
        self.client.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        files: dict[str, tuple[str, bytes]] | None = None,
    ) -> Any:
        answer = self.client.request(method, path, json=json, files=files)
        if answer.status_code >= 300:
            raise RequestRefused(f"{answer.status_code} {self.name.split()[0]}")
        return answer.json() if answer.status_code != NOTHING_WAITS else None

    def next_of(self, line: str, path: str) -> dict[str, Any] | None:
        lease = self.call("POST", path, json={})
        if lease is None:
            self.stop.wait(0.5)
            return None
        example: dict[str, Any] = lease["example"]
        self.ledger.handed_out(line, example["id"], self.name)
        return example

    def text(self) -> str:
        return f"Your freight is at sea, says {self.name}, note {next(self.serial)}."

    def annotator(self) -> None:
        item = self.next_of("queue", "queue/next/")
        if item is None:
            return
        pk, text = item["id"], self.text()
        pair = {name: item[name] for name in ("messages", "context", "slice", "edge", "tags")}
        pair |= {"completion": text, "base_revision": item["revision"]}
        self.call("PUT", f"queue/{pk}/draft/", json=pair)
        with self.ledger.lock:
            self.ledger.drafts[self.name, pk] = text
            self.ledger.acknowledged("draft")
        try:
            self.call("POST", f"queue/{pk}/submit/", json=pair | {"reason": "as agreed"})
        except httpx.HTTPError:
            with self.ledger.lock:  # it may have been stored anyway, and the draft removed with it
                self.ledger.drafts.pop((self.name, pk))
            raise
        with self.ledger.lock:
            self.ledger.drafts.pop((self.name, pk))
            self.ledger.texts.append((pk, text))
            self.ledger.acknowledged("submit")
            self.ledger.done("queue", pk)

    def reviewer(self) -> None:
        item = self.next_of("reviews", "reviews/next/")
        if item is None:
            return
        self.call("POST", f"reviews/{item['id']}/accept/", json={"revision": item["revision"]})
        with self.ledger.lock:
            self.ledger.accepted.append(item["id"])
            self.ledger.acknowledged("review")
            self.ledger.done("reviews", item["id"])

    def writer(self) -> None:
        text = self.text()
        question = [{"role": "user", "content": f"Where is it? Case {text}"}]
        made = self.call(
            "POST", "examples/", json={"messages": question, "completion": text, "reason": "as agreed"}
        )
        with self.ledger.lock:
            self.ledger.texts.append((made["id"], text))
            self.ledger.acknowledged("written example")

    def importer(self) -> None:
        lines = "".join(import_line(self.text()) for _ in range(LINES))
        made = self.call("POST", "imports/", files={"file": ("more.jsonl", lines.encode())})
        with self.ledger.lock:
            self.ledger.imports.append(made["id"])
            self.ledger.acknowledged("import")
        self.stop.wait(1.0)


class RequestRefused(Exception):
    """The program responded with an error."""


def import_line(text: str) -> str:
    pair = {"messages": [{"role": "user", "content": f"Where? {text}"}], "completion": f"Soon. {text}"}
    return json.dumps(pair) + "\n"
