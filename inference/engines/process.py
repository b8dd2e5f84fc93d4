"""A local engine's process: started in its own process group, watched, found again, ended with all its child processes.

An engine starts child processes that keep running when it is killed, so its whole group is ended. One file per engine
shows the next engines process what the last one left.
"""

import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from core.host.processes import as_child
from core.host.sockets import private_dir
from core.text import storable

log = logging.getLogger(__name__)

# Secrets and addresses that an engine does not need.
_WITHHELD = ("GUILDHALL_", "DATABASE_URL", "REDIS_URL", "AWS_", "DJANGO_")
_ERROR_LINE = re.compile(r"\b\w*(Error|Exception|Killed|Failure)\b.*")
PORTS_TRIED = 500


@dataclass
class EngineProcess:
    """`created` (seconds since the epoch) distinguishes the process from a later one with the same pid.

    `scratch` is its own folder for sockets and similar files; it is removed when the engine has ended.
    """

    pid: int
    created: float
    port: int
    note: Path
    log: Path
    scratch: Path
    child: "subprocess.Popen[bytes] | None" = None
    details: dict[str, Any] = field(default_factory=dict)

    def alive(self) -> bool:
        if self.child is not None:
            return self.child.poll() is None
        return _is_same(self.pid, self.created)

    def ask_to_stop(self) -> None:
        """Sends SIGTERM to the engine itself, which then ends its child processes."""
        if self.alive():
            _signal(self.pid, signal.SIGTERM)

    def stop(self, *, grace: float = 8.0) -> None:
        """Ends the whole group: asks, waits up to `grace` seconds, then kills the rest."""
        self.ask_to_stop()
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline and (self.alive() or self._members()):
            time.sleep(0.05)
        self.kill_rest()
        self.note.unlink(missing_ok=True)

    def kill_rest(self) -> None:
        """Kills the rest of the group and removes its files; does nothing when none are left."""
        deadline = time.monotonic() + 5.0
        while members := self._members():
            for pid in members:
                _signal(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                log.error("Processes %s of engine %s do not end", members, self.pid)
                break
            time.sleep(0.05)
        if self.child is not None:
            self.child.poll()  # reaps it
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _members(self) -> list[int]:
        """Running processes of the group. Empty when its number belongs to another program now."""
        if psutil.pid_exists(self.pid) and not _is_same(self.pid, self.created) and not _is_zombie(self.pid):
            return []
        members = []
        for pid in psutil.pids():
            try:
                if os.getpgid(pid) == self.pid and not _is_zombie(pid):
                    members.append(pid)
            except (ProcessLookupError, PermissionError):
                continue
        return members

    def last_words(self) -> str:
        """Why it ended, from its log: the last line with an error, else the last line."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 60_000))
                lines = [
                    line.strip()
                    for line in storable(file.read().decode(errors="replace")).split("\n")
                    if line.strip()
                ]
        except OSError:
            return "It has no log."
        for line in reversed(lines):
            if match := _ERROR_LINE.search(line):
                return match.group(0)[:500]
        return lines[-1][:500] if lines else "Its log is empty."


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def _is_same(pid: int, created: float) -> bool:
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - created) < 0.5 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def free_port(first: int, taken: Iterable[int | None]) -> int:
    """The first free loopback port from `first` on that is not in `taken`."""
    used = set(taken)
    for port in range(first, min(first + PORTS_TRIED, 65_536)):
        if port in used:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # Without this a port cannot be used for a minute after its last owner closed a connection.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError(f"No free port from {first} on. Set GUILDHALL_ENGINE_PORTS_FROM to another range.")


def start(
    *,
    name: str,
    command: list[str],
    variables: dict[str, str],
    port: int,
    folder: Path,
    scratch: Path,
    details: dict[str, Any],
) -> EngineProcess:
    """Starts an engine. The kernel sends it SIGTERM when this process ends in any way.

    `folder` has its note and its log (the previous log is kept as `.1`); `details` are stored in the note.
    `scratch` becomes its temporary folder, emptied first; its path is short enough for sockets.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log_path, note = folder / f"{name}.log", folder / f"{name}.json"
    if log_path.exists():
        log_path.replace(folder / f"{name}.log.1")
    # vLLM keeps its sockets in the temporary folder and does not remove them when it is killed.
    private_dir(scratch.parent)
    shutil.rmtree(scratch, ignore_errors=True)
    private_dir(scratch)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(_WITHHELD)}
    environment = inherited | variables | {"TMPDIR": str(scratch)}
    with log_path.open("wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,  # `python -m` puts the folder it runs in before its libraries: not ours
            start_new_session=True,
            preexec_fn=as_child(os.getpid(), death_signal=signal.SIGTERM),
        )
    created = psutil.Process(child.pid).create_time()
    noted = {
        "pid": child.pid,
        "created": created,
        "port": port,
        "scratch": str(scratch),
        "details": details,
    }
    staged = note.with_suffix(".tmp")
    staged.write_text(json.dumps(noted))
    staged.replace(note)
    return EngineProcess(child.pid, created, port, note, log_path, scratch, child, details)


def left_behind(folder: Path) -> dict[str, EngineProcess]:
    """Engines that an earlier engines process noted, by name, running or not."""
    processes = {}
    for note in sorted(folder.glob("*.json")):
        try:
            noted = json.loads(note.read_text())
            processes[note.stem] = EngineProcess(
                int(noted["pid"]),
                float(noted["created"]),
                int(noted["port"]),
                note,
                folder / f"{note.stem}.log",
                Path(noted["scratch"]),
                details=dict(noted["details"]),
            )
        except (ValueError, KeyError, TypeError):
            log.warning("Unreadable engine note %s removed", note.name)
            note.unlink(missing_ok=True)
    return processes
