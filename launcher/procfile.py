"""The Procfile's processes: started, watched, started again when they die, stopped together."""

import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from core.host.processes import adopt_orphans, as_child
from launcher.leftovers import sweep

ROOT = Path(__file__).resolve().parent.parent
# Seconds between SIGTERM and SIGKILL; make run must end within about 15.
PATIENCE = 10.0
LONGEST_PAUSE = 30.0
HEAD_START = 10.0
TEND_EVERY = 2.0
# After this much time up, a process restarts with the shortest pause.
STEADY_AFTER = 60.0
LOG_LIMIT = 20 * 1024 * 1024
COLOURS = (36, 33, 32, 35, 34, 31)
_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_-]*$")


class StartError(Exception):
    """One sentence for the person who typed `make run`."""


def say(words: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be closed
        print(f"guildhall: {words}", flush=True)


def read_procfile(path: Path) -> dict[str, str]:
    """Name and shell command of each process, in order. Raises StartError for any other line."""
    commands = {}
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        raise StartError(
            f"The Procfile {path} cannot be read; correct GUILDHALL_PROCFILE, or leave it out."
        ) from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, command = line.partition(":")
        if not colon or not _NAME.match(name) or not command.strip() or name in commands:
            raise StartError(f"{path} line {number} is not a valid unique process (name: command).")
        commands[name] = command.strip()
    if not commands:
        raise StartError(f"{path} has no processes.")
    return commands


@dataclass
class Process:
    """One line of the Procfile and its process."""

    name: str
    command: str
    log: Path
    popen: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    pause: float = 0.0
    due: float = 0.0
    partial: bytes = b""
    pipe: int = -1
    log_fails: bool = False

    def start(self, environment: dict[str, str]) -> None:
        with contextlib.suppress(OSError):  # reported when the log is written
            self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.started = time.monotonic()
        self.popen = subprocess.Popen(
            ["/bin/sh", "-c", self.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=ROOT,
            env=environment,
            preexec_fn=as_child(os.getpid(), death_signal=signal.SIGTERM),
        )
        assert self.popen.stdout is not None
        self.pipe = self.popen.stdout.fileno()
        os.set_blocking(self.pipe, False)

    def signal(self, number: int) -> None:
        """Signals the whole group of the process, which leads its own session."""
        if self.popen is not None and self.popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, number)

    def wait_longer(self) -> float:
        """The pause before the next start."""
        if time.monotonic() - self.started > STEADY_AFTER:
            self.pause = 0.0
        self.pause = min(max(1.0, self.pause * 2), LONGEST_PAUSE)
        self.due = time.monotonic() + self.pause
        return self.pause


@dataclass
class Supervisor:
    """Runs the processes. Single-threaded: children are started with a hook that is unsafe with threads."""

    state: Path
    environment: dict[str, str]
    processes: list[Process]
    url: str
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    stopping: bool = False
    welcomed: bool = False
    next_look: float = 0.0
    # Called every few seconds; it checks the embedded servers.
    tend: Callable[[], None] = lambda: None
    next_tending: float = 0.0

    def run(self) -> None:
        """The first process (web) has the machine alone until it responds, so that users wait least."""
        first, *others = self.processes
        self._start(first)
        for process in others:
            process.due = time.monotonic() + HEAD_START
        while not self.stopping:
            self._read(0.25)
            self._look_after()
            self._welcome()
            if time.monotonic() >= self.next_tending:
                self.next_tending = time.monotonic() + TEND_EVERY
                self.tend()

    def ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def stop(self) -> None:
        """SIGTERM first, then SIGKILL; also ends processes that they left behind."""
        adopt_orphans()
        running = [
            process
            for process in self.processes
            if process.popen is not None and process.popen.poll() is None
        ]
        if running:
            say("Stopping " + ", ".join(process.name for process in running) + ".")
        for process in running:
            process.signal(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and any(
            process.popen and process.popen.poll() is None for process in running
        ):
            self._read(0.1)
        sweep(patience=2.0)
        for process in self.processes:
            process.signal(signal.SIGKILL)
        self._read(0.0)

    def _start(self, process: Process) -> None:
        process.start(self.environment)
        self.selector.register(process.pipe, selectors.EVENT_READ, process)

    def _look_after(self) -> None:
        now = time.monotonic()
        for process in self.processes:
            if process.popen is None:
                if now >= process.due or (self.welcomed and not process.started):
                    self._start(process)
            elif (code := process.popen.poll()) is not None and process.pipe == -1:
                # Its child processes end too: two engines on one port would fail.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.popen.pid, signal.SIGKILL)
                process.popen = None
                pause = process.wait_longer()
                say(
                    f"{process.name} ended ({_manner(code)}); starting it again in {pause:.0f} s. Its log: {process.log}"
                )

    def _read(self, seconds: float) -> None:
        for key, _ in self.selector.select(seconds):
            process: Process = key.data
            try:
                chunk = os.read(key.fd, 65536)
            except BlockingIOError:
                continue
            if chunk:
                self._print(process, chunk)
                continue
            self.selector.unregister(key.fd)
            if process.popen is not None and process.popen.stdout is not None:
                process.popen.stdout.close()
            process.pipe = -1
        # A grandchild may keep a dead process's pipe open; stop listening to it.
        for process in self.processes:
            if process.pipe != -1 and process.popen is not None and process.popen.poll() is not None:
                self._drain(process)

    def _drain(self, process: Process) -> None:
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(process.pipe, 65536):
                self._print(process, chunk)
        self.selector.unregister(process.pipe)
        if process.popen is not None and process.popen.stdout is not None:
            process.popen.stdout.close()
        process.pipe = -1

    def _print(self, process: Process, chunk: bytes) -> None:
        try:
            if process.log.exists() and process.log.stat().st_size > LOG_LIMIT:
                process.log.replace(process.log.with_suffix(".old.log"))
            with process.log.open("ab") as log:
                log.write(chunk)
            process.log_fails = False
        except OSError as error:  # a full disk must not stop the rest
            if not process.log_fails:
                say(
                    f"The log {process.log} cannot be written ({error.strerror}). Free some space; it then continues automatically."
                )
            process.log_fails = True
        *lines, process.partial = (process.partial + chunk).split(b"\n")
        if len(process.partial) > 65536:
            lines, process.partial = [*lines, process.partial], b""
        width = max(len(other.name) for other in self.processes)
        prefix = f"{process.name:<{width}} | "
        if sys.stdout.isatty():
            colour = COLOURS[self.processes.index(process) % len(COLOURS)]
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        with contextlib.suppress(OSError):
            for line in lines:
                print(prefix + line.decode(errors="replace"))
            sys.stdout.flush()

    def _welcome(self) -> None:
        """Once, when the web process responds: prints the URL and the demo accounts."""
        now = time.monotonic()
        if self.welcomed or now < self.next_look:
            return
        self.next_look = now + 0.5
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as answer:  # noqa: S310 - our own http address
                self.welcomed = answer.status == 200
        except urllib.error.HTTPError as error:
            self.welcomed = error.code < 500  # production may need HTTPS or its own host name; it responds
        except (OSError, ValueError):
            return
        if self.welcomed:
            sign_ins = self.state / "run" / "welcome.txt"
            welcome = sign_ins.read_text().rstrip() if sign_ins.exists() else ""
            say(f"Ready. Open {self.url}/ in a browser. Ctrl-C stops everything.")
            for line in welcome.splitlines():
                say(line)


def _manner(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
