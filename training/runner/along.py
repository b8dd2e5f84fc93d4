"""Several hosts: the worker leaves a call in the shared state folder, and the other hosts start their processes for it.

STATE_DIR/several-hosts/<training run>.json   the call, while the processes of this run are at work
"""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings

from training.distribution import Layout
from training.runner.torchrun import start

LOOK_EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class Call:
    """`token` is another one for each attempt; `rendezvous` is host:port."""

    token: str
    folder: str
    hosts: int
    per_host: int
    threads: int
    rendezvous: str

    @property
    def layout(self) -> Layout:
        return Layout(self.hosts, self.per_host)


def _folder() -> Path:
    return Path(settings.STATE_DIR) / "several-hosts"


@contextmanager
def called(training_run_id: int, folder: Path, layout: Layout, threads: int) -> Iterator[None]:
    """While the block runs, the other hosts of `layout` train along. Does nothing for one host."""
    if layout.hosts == 1:
        yield
        return
    call = Call(
        uuid.uuid4().hex, str(folder), layout.hosts, layout.per_host, threads, settings.TRAINING_RENDEZVOUS
    )
    path = _folder() / f"{training_run_id}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_suffix(f".{call.token}")
    staged.write_text(json.dumps(asdict(call)))
    staged.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def follow(host: int, stop: threading.Event) -> None:
    """Trains along with every call that needs host number `host`, one after the other, until `stop` is set."""
    joined: set[str] = set()
    while not stop.wait(LOOK_EVERY_SECONDS):
        for path in sorted(_folder().glob("*.json")):
            call = _read(path)
            if call is not None and call.token not in joined and host < call.hosts:
                joined.add(call.token)
                _train_along(path, call, host, stop)


def _train_along(path: Path, call: Call, host: int, stop: threading.Event) -> None:
    """Until the processes end, or the worker takes its call back: it was cancelled, or another attempt has begun."""
    process = start(
        Path(call.folder), call.layout, threads=call.threads, host=host, rendezvous=call.rendezvous
    )
    try:
        while process.poll() is None and _read(path) == call and not stop.wait(LOOK_EVERY_SECONDS):
            pass
    finally:
        process.kill()
        process.wait()


def _read(path: Path) -> Call | None:
    try:
        return Call(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
