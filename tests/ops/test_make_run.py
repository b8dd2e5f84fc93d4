"""`make run`: what it says when it cannot start, and that nothing is left behind however it ends."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.processes import alive, command, only
from tests.support.waiting import wait_for

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).resolve().parent.parent.parent
# The real web process, and beside it one that dies again and again.
PROCFILE = """
web: exec uvicorn config.asgi:application --host "$GUILDHALL_HOST" --port "$GUILDHALL_PORT" --http config.http:Http --lifespan off --no-access-log
dying: sleep 1; echo last words; exit 3
"""
# The real worker in the middle of a task that never ends by itself.
BUSY = """
worker: exec celery -A config worker -I tests.support.fakes.sleeping -Q default -c 1 --without-gossip --without-mingle -l warning
"""
# Deaf to polite signals, with a child in a session of its own.
DEAF = """
deaf: trap '' TERM INT HUP; sleep 600 & setsid sleep 601 & sleep 602
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Installation:
    """One `make run` with a state folder and a port of its own."""

    def __init__(self, state: Path, procfile: Path) -> None:
        self.state, self.port = state, free_port()
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("GUILDHALL_", "DJANGO_", "PYTEST_", "MAKE", "MFLAGS"))
            and name not in {"DATABASE_URL", "REDIS_URL"}
        }
        self.environment = {
            **clean,
            "GUILDHALL_STATE": str(state),
            "GUILDHALL_PORT": str(self.port),
            "GUILDHALL_PROCFILE": str(procfile),
            "GUILDHALL_DEMO": "0",
        }
        self.log = state.parent / "output.txt"
        self.make: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("wb") as log:
            self.make = subprocess.Popen(
                ["make", "run"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_ready(self, seconds: float = 90) -> None:
        def ready() -> bool:
            assert self.make is not None
            assert self.make.poll() is None, self.output()
            return "Ready. Open" in self.output()

        wait_for(ready, seconds=seconds)

    def processes(self) -> list[psutil.Process]:
        """Everything that carries this installation's state folder in its environment or on its command line."""
        mark = str(self.state)
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if alive(process) and (
                    process.environ().get("GUILDHALL_STATE") == mark
                    or any(mark in word for word in process.cmdline())
                ):
                    found.append(process)
        return found

    def one(self, *words: str) -> psutil.Process:
        def fitting() -> list[psutil.Process]:
            lines = [(process, command(process)) for process in self.processes()]
            return [
                process
                for process, line in lines
                if all(any(word in part for part in line) for word in words)
            ]

        return only(fitting)

    @property
    def supervisor(self) -> psutil.Process:
        return self.one("launcher.supervise", "--inner")

    @property
    def guard(self) -> psutil.Process:
        parent = self.supervisor.parent()
        assert parent is not None
        return parent

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=10)

    def up(self, *names: str) -> bool | None:
        """Whether these parts are up, as the program says; None while it says nothing."""
        try:
            parts = {part["name"]: part["up"] for part in self.get("/readyz").json()["parts"]}
        except httpx.HTTPError:
            return None
        return all(parts[name] for name in names)


@contextlib.contextmanager
def new_installation() -> Iterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="gh-run-", ignore_cleanup_errors=True) as folder:
        procfile = Path(folder) / "Procfile"
        procfile.write_text(PROCFILE)
        installation = Installation(Path(folder) / "state", procfile)
        try:
            yield installation
        finally:
            for process in installation.processes():
                with contextlib.suppress(psutil.Error):
                    process.kill()


@pytest.fixture
def installation() -> Iterator[Installation]:
    with new_installation() as installation:
        yield installation


@pytest.fixture(scope="session")
def prepared() -> Iterator[Path]:
    """A state folder as a first start and a clean end leave it: most of a first start is creating the database."""
    with new_installation() as first:
        first.start()
        first.wait_ready()
        ctrl_c(first)
        assert first.make is not None
        first.make.wait(40)
        assert not first.processes()
        yield first.state


@pytest.fixture
def used_installation(installation: Installation, prepared: Path) -> Installation:
    """A installation that was started before. `cp`, because owners must be kept: the servers have users of their own."""
    subprocess.run(["cp", "-a", str(prepared), str(installation.state)], check=True)
    return installation


# --- what it says when it cannot start ---------------------------------------------------------------------------


def one_sentence(installation: Installation, **changes: str) -> str:
    """What `make run` prints when it refuses; make's own last line is left out."""
    done = subprocess.run(
        ["make", "run"],
        cwd=ROOT,
        env={**installation.environment, **changes},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode != 0, done.stdout
    lines = [line for line in done.stdout.splitlines() if not line.startswith("make")]
    assert len(lines) == 1, done.stdout
    return lines[0]


def test_a_taken_port_is_said_in_one_sentence(installation: Installation):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", installation.port))
        taken.listen()
        assert f"Port {installation.port} on 127.0.0.1 is in use" in one_sentence(installation)
    assert not installation.state.exists()


@pytest.mark.parametrize("port", ["0", "70000", "eighty", "-1"])
def test_a_port_that_is_none_is_said_in_one_sentence(installation: Installation, port: str):
    assert "give it a number from 1 to 65535" in one_sentence(installation, GUILDHALL_PORT=port)


def test_a_host_of_another_machine_is_said_in_one_sentence(installation: Installation):
    assert "GUILDHALL_HOST" in one_sentence(installation, GUILDHALL_HOST="203.0.113.7")


def test_another_python_is_said_in_one_sentence():
    script = (
        "import sys; sys.path.insert(0, 'bin'); import setup\n"
        "sys.version_info = (3, 13, 1, 'final', 0)\n"
        "sys.exit(setup.main([]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout.count("\n") == 1
    assert "Guildhall needs Python 3.11 and this is 3.13" in done.stdout


def test_a_full_disk_is_said_before_anything_is_installed(tmp_path: Path):
    script = (
        "import collections, shutil, sys; sys.path.insert(0, 'bin'); import setup\n"
        "setup.VENV = __import__('pathlib').Path(sys.argv[1]); setup.PYTHON = setup.VENV / 'bin' / 'python'\n"
        "setup.STAMP = setup.VENV / 'stamp'; setup.LOG = setup.VENV / 'log'\n"
        "usage = collections.namedtuple('usage', 'total used free')\n"
        "setup.shutil.disk_usage = lambda path: usage(10**9, 9 * 10**8, 10**8)\n"
        "sys.exit(setup.main([]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "venv")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "free some space and start again" in done.stdout
    assert not (tmp_path / "venv" / "bin").exists()


def test_a_procfile_that_is_none_is_said_in_one_sentence(installation: Installation):
    Path(installation.environment["GUILDHALL_PROCFILE"]).write_text("this is no process\n")
    assert "is not a valid unique process" in one_sentence(installation)


# --- however it ends -----------------------------------------------------------------------------------------------


def ctrl_c(installation: Installation) -> None:
    """As the terminal does it: to the whole foreground group, make included."""
    assert installation.make is not None
    os.killpg(installation.make.pid, signal.SIGINT)


def hang_up(installation: Installation) -> None:
    assert installation.make is not None
    os.killpg(installation.make.pid, signal.SIGHUP)


def terminate_make(installation: Installation) -> None:
    assert installation.make is not None
    installation.make.terminate()


def kill_make(installation: Installation) -> None:
    assert installation.make is not None
    installation.make.kill()


def kill_guard(installation: Installation) -> None:
    installation.guard.kill()


def kill_supervisor(installation: Installation) -> None:
    installation.supervisor.kill()


def make_stop(installation: Installation) -> None:
    done = subprocess.run(
        ["make", "stop"], cwd=ROOT, env=installation.environment, capture_output=True, text=True, check=False
    )
    assert "Everything has stopped." in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.parametrize(
    "end",
    [ctrl_c, terminate_make, hang_up, kill_make, kill_guard, kill_supervisor, make_stop],
    ids=lambda end: end.__name__,
)
def test_nothing_is_left_however_it_ends(
    used_installation: Installation, end: Callable[[Installation], None]
):
    installation = used_installation
    Path(installation.environment["GUILDHALL_PROCFILE"]).write_text(PROCFILE + DEAF)
    installation.start()
    installation.wait_ready()
    assert installation.get("/healthz").status_code == 200
    # Pages may answer before the deaf ones have started their children.
    wait_for(lambda: len(installation.processes()) >= 10, seconds=20)
    before = installation.processes()
    end(installation)
    # About 15 s is promised; the machine may be busy.
    wait_for(
        lambda: not installation.processes() and not any(map(alive, before)), "the end of all", seconds=40
    )
    assert installation.make is not None
    installation.make.wait(10)


@pytest.mark.slow
@pytest.mark.heavy
def test_a_stop_while_it_is_still_starting_leaves_nothing(installation: Installation):
    installation.start()
    wait_for(lambda: "Starting PostgreSQL" in installation.output(), seconds=60)
    ctrl_c(installation)
    assert installation.make is not None
    installation.make.wait(40)
    wait_for(lambda: not installation.processes(), seconds=20)


@pytest.mark.slow
@pytest.mark.heavy
def test_the_second_start_keeps_the_data_and_one_runs_at_a_time(installation: Installation):
    installation.start()
    installation.wait_ready()
    assert "is running already" in one_sentence(installation, GUILDHALL_PORT=str(free_port()))
    command = [sys.executable, "manage.py", "shell", "-v0", "-c"]
    # A single command beside `make run` uses the servers that run already.
    subprocess.run(
        [*command, "from core.models import User; User.objects.create_user('kept@example.org', 'x')"],
        cwd=ROOT,
        env=installation.environment,
        check=True,
        timeout=60,
    )
    assert installation.get("/healthz").status_code == 200
    ctrl_c(installation)
    assert installation.make is not None
    installation.make.wait(40)
    assert "Everything has stopped." in installation.output()
    installation.start()
    installation.wait_ready()
    assert installation.get("/sign-in/").status_code == 200
    counted = subprocess.run(
        [
            *command,
            "from core.models import User; print(User.objects.filter(email='kept@example.org').count())",
        ],
        cwd=ROOT,
        env=installation.environment,
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert counted.stdout.strip().splitlines()[-1] == "1"


@pytest.mark.slow
@pytest.mark.heavy
def test_a_process_that_dies_is_started_again_and_its_words_are_kept(used_installation: Installation):
    installation = used_installation
    installation.start()
    installation.wait_ready()
    installation.one("uvicorn").kill()
    wait_for(
        lambda: re.search(r"web ended \(signal SIGKILL\); starting it again in 1 s", installation.output()),
        seconds=20,
    )

    def answers() -> bool:
        try:
            return installation.get("/healthz").status_code == 200
        except httpx.HTTPError:
            return False

    wait_for(answers, seconds=60)
    wait_for(lambda: installation.output().count("dying ended (exit code 3)") >= 2, seconds=30)
    wait_for(lambda: "starting it again in 2 s" in installation.output(), seconds=10)
    assert "dying | last words" in installation.output()
    assert "last words" in (installation.state / "logs" / "dying.log").read_text()


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.parametrize(("name", "program"), [("postgres", "bin/postgres"), ("broker", "valkey-server")])
def test_pages_come_back_by_themselves_after_a_server_was_killed(
    used_installation: Installation, name: str, program: str
):
    installation = used_installation
    installation.start()
    installation.wait_ready()

    wait_for(lambda: installation.up(name), seconds=20)
    # Its keeper first, stopped, so that the server stays away long enough to be looked at.
    keeper = installation.one("launcher/embedded.py", {"postgres": "postgres", "broker": "valkey"}[name])
    keeper.suspend()
    installation.one(program).kill()
    wait_for(lambda: installation.up(name) is False, seconds=30)
    assert installation.get("/healthz").status_code == 200
    keeper.resume()
    wait_for(lambda: installation.up(name), seconds=60)
    assert installation.get("/sign-in/").status_code == 200


@pytest.mark.slow
@pytest.mark.heavy
def test_a_killed_keeper_is_replaced(used_installation: Installation):
    installation = used_installation
    installation.start()
    installation.wait_ready()
    for name in ("postgres", "valkey"):
        installation.one("launcher/embedded.py", name).kill()
    wait_for(lambda: installation.output().count("it is running again") == 2, seconds=60)
    wait_for(lambda: installation.up("postgres", "broker"), seconds=60)


@pytest.mark.slow
@pytest.mark.heavy
def test_a_task_in_the_middle_of_long_work_is_not_waited_for(used_installation: Installation, tmp_path: Path):
    installation = used_installation
    Path(installation.environment["GUILDHALL_PROCFILE"]).write_text(PROCFILE + BUSY)
    installation.start()
    installation.wait_ready()
    began = tmp_path / "began"
    send = f"from config.celery import app; app.send_task('tests.sleep', [{str(began)!r}], queue='default')"
    subprocess.run(
        [sys.executable, "-c", send], cwd=ROOT, env=installation.environment, check=True, timeout=60
    )
    wait_for(began.exists, seconds=60)
    ctrl_c(installation)
    wait_for(lambda: not installation.processes(), seconds=40)
    assert "Everything has stopped." in installation.output()
