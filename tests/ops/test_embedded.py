"""The embedded servers: one keeper each, gone when nobody uses them, whole after whatever was killed."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from core.host.sockets import socket_dir
from launcher import embedded, servers
from tests.support.processes import alive, command, only
from tests.support.waiting import wait_for

ROOT = Path(embedded.__file__).resolve().parent.parent
BOTH = ["postgres", "valkey"]
HOLD = """
import sys, time
from pathlib import Path
from launcher import embedded
with embedded.services(Path(sys.argv[1]), ["postgres", "valkey"], durable=False):
    print("up", flush=True)
    sys.stdin.read()
"""


def processes_of(state: Path) -> list[psutil.Process]:
    """Keepers and servers of this state folder; servers are known by it, too (data or socket folder)."""
    marks = {str(state), str(socket_dir(state))}
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline())
            if alive(process) and any(mark in line for mark in marks):
                found.append(process)
    return found


def server(state: Path, name: str) -> psutil.Process:
    program = {"postgres": "bin/postgres", "valkey": "valkey-server"}[name]
    return only(lambda: [each for each in processes_of(state) if program in "".join(command(each)[:1])])


def keeper(state: Path, name: str) -> psutil.Process:
    def fits(line: list[str]) -> bool:
        return "launcher/embedded.py" in " ".join(line) and name in line

    return only(lambda: [each for each in processes_of(state) if fits(command(each))])


def database(state: Path) -> psycopg.Connection:
    return psycopg.connect(embedded.database_url(state), autocommit=True)


def answers(state: Path) -> bool:
    try:
        with database(state) as db:
            return db.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


@pytest.fixture
def state() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gh-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "state"


@contextlib.contextmanager
def holder(state: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that uses the servers until its standard input closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
    finally:
        process.communicate(timeout=60)


def test_data_is_there_at_the_next_start_and_nothing_runs_in_between(state: Path):
    with embedded.services(state, BOTH):
        with database(state) as db:
            db.execute("CREATE TABLE kept (n int)")
            db.execute("INSERT INTO kept VALUES (7)")
        redis.Redis.from_url(embedded.redis_url(state)).set("kept", "seven")
    assert processes_of(state) == []
    with embedded.services(state, BOTH):
        with database(state) as db:
            assert db.execute("SELECT n FROM kept").fetchall() == [(7,)]
        assert redis.Redis.from_url(embedded.redis_url(state)).get("kept") == b"seven"


def test_it_brings_the_extensions_that_the_program_needs(state: Path):
    with embedded.services(state, ["postgres"], durable=False), database(state) as db:
        for name in ("vector", "pg_trgm", "unaccent", "btree_gin"):
            db.execute(f"CREATE EXTENSION {name}")
        assert db.execute("SELECT '[1,2]'::vector <-> '[1,4]'::vector").fetchone() == (2.0,)


def test_only_what_the_environment_does_not_replace_is_started(state: Path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/db")
    monkeypatch.delenv("REDIS_URL", raising=False)
    with embedded.services(state, durable=False):
        assert server(state, "valkey")
        assert not (state / "postgres").exists()


def test_a_second_user_shares_the_servers_and_the_last_one_stops_them(state: Path):
    with holder(state) as other:
        first = server(state, "postgres").pid
        with embedded.services(state, BOTH, durable=False):
            assert server(state, "postgres").pid == first
            other.communicate(timeout=60)  # the one that started them leaves first
            time.sleep(0.5)
            assert answers(state)
            assert server(state, "postgres").pid == first
        wait_for(lambda: not processes_of(state), seconds=5)


def test_many_that_start_at_once_get_one_server(state: Path):
    with contextlib.ExitStack() as stack:
        commands = [[sys.executable, "-c", HOLD, str(state)]] * 4
        started = [
            stack.enter_context(
                subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for command in commands
        ]
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
        assert server(state, "postgres")
        assert server(state, "valkey")
        for process in started:
            process.communicate(timeout=60)
    wait_for(lambda: not processes_of(state), seconds=5)


@pytest.mark.parametrize("name", BOTH)
def test_a_killed_server_comes_back_with_its_data(state: Path, name: str):
    with embedded.services(state, BOTH):
        with database(state) as db:
            db.execute("CREATE TABLE kept (n int)")
            db.execute("INSERT INTO kept VALUES (7)")
        client = redis.Redis.from_url(embedded.redis_url(state))
        client.set("kept", "seven")
        old = server(state, name)
        old.kill()
        wait_for(lambda: not alive(old))
        wait_for(lambda: answers(state))
        with database(state) as db:
            assert db.execute("SELECT n FROM kept").fetchall() == [(7,)]
        wait_for((state / "run" / "valkey.sock").exists)

        def read() -> bool:
            try:
                return client.get("kept") == b"seven"
            except redis.ConnectionError:
                return False

        wait_for(read)
        assert server(state, name).pid != old.pid
    assert processes_of(state) == []


def test_servers_end_when_their_only_user_is_killed(state: Path):
    with holder(state) as user:
        assert len(processes_of(state)) >= 3
        user.kill()
        wait_for(lambda: not processes_of(state))


@pytest.mark.parametrize("name", BOTH)
def test_a_server_ends_with_its_killed_keeper_and_the_next_user_gets_a_new_one(state: Path, name: str):
    with holder(state):
        old = server(state, name)
        victim = keeper(state, name)
        victim.kill()
        wait_for(lambda: not alive(victim))
        with embedded.services(state, BOTH, durable=False):
            assert answers(state)
            assert server(state, name).pid != old.pid


def test_a_pid_file_that_names_somebody_else_does_not_stop_the_start(state: Path):
    with embedded.services(state, ["postgres"], durable=False):
        pass
    stale = state / "postgres" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{state / 'postgres'}\n1700000000\n5432\n\n\n")
    with embedded.services(state, ["postgres"], durable=False):
        assert answers(state)


def test_a_first_start_that_was_cut_short_begins_anew(state: Path):
    (state / "postgres.new" / "base").mkdir(parents=True)
    (state / "postgres.new" / "PG_VERSION").write_text("18\n")
    with embedded.services(state, ["postgres"], durable=False):
        assert answers(state)


@pytest.mark.parametrize("folder", ["d" * 120 + "/" + "e" * 60, "with space % and ü"])
def test_any_folder_will_do(state: Path, folder: str):
    deep = state / folder
    assert len(os.fsencode(socket_dir(deep) / "pg" / ".s.PGSQL.5432.lock")) <= 107
    with embedded.services(deep, BOTH, durable=False):
        assert answers(deep)
        assert redis.Redis.from_url(embedded.redis_url(deep)).ping()
    assert processes_of(deep) == []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: (data / "PG_VERSION").write_text("19\n"), "was written by PostgreSQL 19"),
        (lambda data: (data / "global" / "pg_control").unlink(), "is not a complete PostgreSQL database"),
        (lambda data: (data / "global" / "pg_control").write_bytes(b"\0" * 8192), "did not start"),
    ],
    ids=["newer", "incomplete", "corrupted"],
)
def test_data_that_it_cannot_read_is_refused_in_one_sentence_and_left_alone(state: Path, spoil, words: str):
    with embedded.services(state, ["postgres"], durable=False):
        pass
    spoil(state / "postgres")
    before = sorted(path.relative_to(state) for path in (state / "postgres" / "base").rglob("*"))
    with pytest.raises(servers.EmbeddedError, match=words) as error, embedded.services(state, ["postgres"]):
        pass
    assert "\n" not in str(error.value)
    assert sorted(path.relative_to(state) for path in (state / "postgres" / "base").rglob("*")) == before
    assert processes_of(state) == []


def test_the_sockets_are_for_this_user_alone(state: Path):
    with embedded.services(state, BOTH, durable=False):
        folder = socket_dir(state)
        assert folder.stat().st_mode & 0o077 == 0
        assert (folder / "pg").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder of somebody else's")
def test_a_socket_folder_of_somebody_else_is_refused(state: Path):
    deep = state / ("d" * 150)
    trap = socket_dir(deep)
    trap.mkdir(mode=0o777)
    try:
        os.chown(trap, 12345, 12345)
        held = embedded.services(deep, ["valkey"], durable=False)
        with pytest.raises(servers.EmbeddedError, match="belongs to another user"):
            held.__enter__()
    finally:
        trap.rmdir()


def test_a_terminated_user_leaves_nothing(state: Path):
    with holder(state) as user:
        user.send_signal(signal.SIGTERM)
        wait_for(lambda: not processes_of(state))
