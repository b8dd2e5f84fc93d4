"""The embedded PostgreSQL and Valkey: real servers from Python packages, for machines without DATABASE_URL or REDIS_URL.

Each server has one keeper, a small process that starts the server, restarts it when it dies, and stops it when it has
no users. A user of a server has a shared lock on a file (`users.lock`) during its use; the keeper stops the server when
it can get the exclusive lock. The kernel releases a lock when its process ends, so a killed user leaves nothing
running, and the servers end with their last user.

    <state>/postgres      PostgreSQL's data
    <state>/valkey        Valkey's data
    <state>/logs          postgres.log, valkey.log
    <state>/run           locks and sockets (sockets under /tmp when this path is too long for one)

This module does not need Django. `config/settings.py` only reads the addresses; `manage.py` and the supervisor start
servers.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO
from urllib.parse import quote

if __package__ in {None, ""}:  # run as a file, so that a keeper does not import the whole project
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from core.host.sockets import socket_dir
from launcher.servers import STOP_TIMEOUT, EmbeddedError, Postgres, Server, Valkey, server_dir

# Seconds. Crash recovery of a large database can take long; everything else is much faster.
_START_TIMEOUT = 120.0


# Keepers started in a second attempt; kept so that Python does not warn about a process that is still running.
_orphaned: "list[subprocess.Popen[str] | None]" = []


def default_state_dir() -> Path:
    """The state folder from the environment, else `.state` in the checkout."""
    named = os.environ.get("GUILDHALL_STATE", "").strip()
    return Path(named or Path(__file__).resolve().parent.parent / ".state").resolve()


def database_url(state_dir: Path) -> str:
    """The address of the embedded PostgreSQL. Starts nothing."""
    return f"postgresql://guildhall@/guildhall?host={quote(str(socket_dir(state_dir) / 'pg'), safe='')}"


def redis_url(state_dir: Path) -> str:
    """The address of the embedded Valkey, in redis-py's form. Starts nothing."""
    return f"unix://{socket_dir(state_dir) / 'valkey.sock'}"


@contextlib.contextmanager
def services(
    state_dir: Path | None = None, names: Sequence[str] | None = None, *, durable: bool = True
) -> Iterator[None]:
    """Uses embedded servers while the block runs: `names`, or those that the environment does not replace.

    Starts servers that are not running and waits until they are ready. When the last user leaves, the servers stop, and
    it waits for that. `durable=False` trades safety against power loss for speed, for tests. Raises EmbeddedError.
    """
    state = (state_dir or default_state_dir()).resolve()
    with contextlib.ExitStack() as stack:
        for name in needed() if names is None else names:
            stack.enter_context(_use(name, state, durable=durable))
        yield


def needed() -> list[str]:
    """The embedded servers that this environment needs."""
    replaced_by = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL"}
    return [name for name, variable in replaced_by.items() if not os.environ.get(variable, "").strip()]


def revive(state_dir: Path, names: Sequence[str]) -> list[str]:
    """For a user inside `services`: restarts servers after their keeper was killed, and returns their names. Cheap when
    none was."""
    lost = [name for name in names if not _is_held(state_dir / "run" / f"{name}.keeper.lock")]
    for name in lost:
        _orphaned.append(_ensure(name, state_dir, durable=True))
    return lost


def lock_holder(path: Path) -> int | None:
    """The process id in a lock file that is locked; None when it is not locked."""
    if not path.exists() or not _is_held(path):
        return None
    text = path.read_text().strip()
    return int(text) if text.isdigit() else 0


# --- users ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _use(name: str, state: Path, *, durable: bool) -> Iterator[None]:
    run = server_dir(state / "run")
    keeper: subprocess.Popen[str] | None = None
    users = _open_lock(run / f"{name}.users.lock")
    try:
        fcntl.flock(users, fcntl.LOCK_SH)  # waits while a keeper is stopping its server
        keeper = _ensure(name, state, durable=durable)
        yield
    finally:
        users.close()
        _wait_while_last(name, run)
        if keeper is not None and not _is_held(run / f"{name}.keeper.lock"):
            keeper.wait(10)
        # Otherwise it continues for other users, and init adopts it.


def _ensure(name: str, state: Path, *, durable: bool) -> "subprocess.Popen[str] | None":
    """Waits for the server of a running keeper, or starts one. For users that have the lock already."""
    run = state / "run"
    deadline = time.monotonic() + _START_TIMEOUT
    with _open_lock(run / f"{name}.start.lock") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        # A keeper that was just killed may still have its lock, so check repeatedly.
        while _is_held(run / f"{name}.keeper.lock"):
            if _SERVERS[name](state).answers():
                return None
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"The embedded {name} is running but does not respond; see {state / 'logs'}."
                )
            time.sleep(0.1)
        return _start_keeper(name, state, durable=durable)


def _start_keeper(name: str, state: Path, *, durable: bool) -> "subprocess.Popen[str]":
    command = [sys.executable, "-P", str(Path(__file__).resolve()), name, str(state)]
    keeper = subprocess.Popen(
        command if durable else [*command, "--scratch"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C in the terminal is for the users; the keeper ends after them
        cwd="/",
    )
    assert keeper.stdout is not None
    with keeper.stdout:
        answer = keeper.stdout.readline().strip()
    if answer != "ready":
        keeper.wait()
        raise EmbeddedError(answer or f"The keeper of {name} ended without a message; see {state / 'logs'}.")
    return keeper


def _wait_while_last(name: str, run: Path) -> None:
    """For a user that has released its lock: if it was the last one, waits until the server has stopped."""
    deadline = time.monotonic() + STOP_TIMEOUT + 5
    while _is_held(run / f"{name}.keeper.lock") and time.monotonic() < deadline:
        with _open_lock(run / f"{name}.users.lock") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not _is_held(run / f"{name}.users.lock", shared=True):
                    return  # others still use it
        time.sleep(0.05)


def _is_held(path: Path, *, shared: bool = False) -> bool:
    """Whether the file is locked (with `shared`: locked exclusively)."""
    with _open_lock(path) as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _open_lock(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "rb")


# --- servers -------------------------------------------------------------------------------------------------


_SERVERS: dict[str, type[Server]] = {"postgres": Postgres, "valkey": Valkey}


# --- the keeper ----------------------------------------------------------------------------------------------


class _Keeper:
    """Runs one server until its `users.lock` is free."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.run = server.state / "run"
        self.reported = False
        self.leaving = False

    def main(self) -> int:
        signal.signal(signal.SIGTERM, self._leave)
        signal.signal(signal.SIGINT, self._leave)
        mine = _open_lock(self.run / f"{self.server.name}.keeper.lock")
        fcntl.flock(mine, fcntl.LOCK_EX)
        users = _open_lock(self.run / f"{self.server.name}.users.lock")
        try:
            self._serve(users)
        except (EmbeddedError, OSError) as error:
            self._tell(str(error).replace("\n", " "))
            return 1
        finally:
            # In this order: the next process with the `users` lock must find no keeper.
            mine.close()
            users.close()
        return 0

    def _leave(self, number: int, frame: FrameType | None) -> None:
        self.leaving = True

    def _tell(self, words: str) -> None:
        """Replies once to the user that started this keeper, and closes its pipe."""
        if not self.reported:
            self.reported = True
            with contextlib.suppress(OSError):
                os.write(1, words.encode() + b"\n")
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, 1)
            os.close(null)

    def _serve(self, users: IO[bytes]) -> None:
        failures = 0
        while True:
            self.server.prepare()
            child = self.server.start()
            try:
                answered = self._wait_until_answers(child)
                if answered:
                    failures = 0
                    self._tell("ready")
                    while child.poll() is None and not self._unused(users):
                        time.sleep(0.2)
            finally:
                over = child.poll() is None
                self._stop(child)
            if over and answered:
                return
            failures += 1
            if not self.reported or self.leaving:
                raise EmbeddedError(
                    f"The embedded {self.server.name} did not start ({self.server.last_words()}); the log is {self.server.log}."
                )
            if self._unused(users):
                return
            time.sleep(min(0.2 * 2**failures, 15))

    def _wait_until_answers(self, child: "subprocess.Popen[bytes]") -> bool:
        deadline = time.monotonic() + _START_TIMEOUT
        while child.poll() is None and time.monotonic() < deadline and not self.leaving:
            if self.server.answers():
                return True
            time.sleep(0.03)
        return False

    def _unused(self, users: IO[bytes]) -> bool:
        """True when no user is left; this keeper then has the lock, and a new user waits until it has ended."""
        if self.leaving:
            return True
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _stop(self, child: "subprocess.Popen[bytes]") -> None:
        for number, patience in (
            (self.server.stop_signal, STOP_TIMEOUT),
            (signal.SIGQUIT, 3.0),
            (signal.SIGKILL, 3.0),
        ):
            if child.poll() is not None:
                return
            child.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(patience)


if __name__ == "__main__":
    os.umask(0o077)
    _name, _state = sys.argv[1:3]
    sys.exit(_Keeper(_SERVERS[_name](Path(_state), durable="--scratch" not in sys.argv[3:])).main())
