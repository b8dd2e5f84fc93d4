"""Whether the program answers while parts of it are killed, and which process to kill."""

import contextlib
import socket
from datetime import datetime
from typing import Any

import httpx
import psutil
import psycopg

from tests.support.program import Program

# --- the program's processes ------------------------------------------------------------------------------------
# Parts of each process's command line; all must match.
PROCESSES: dict[str, tuple[str, ...]] = {
    "web": ("config.asgi:application",),
    "worker": ("celery", "worker@"),
    "gpu": ("celery", "gpu@"),
    "beat": ("celery", "beat"),
    "engines": ("manage.py", "engines"),
    "valkey": ("valkey-server",),
    "valkey keeper": ("launcher/embedded.py", "valkey"),
    "postgres": ("bin/postgres",),
    "postgres keeper": ("launcher/embedded.py", "postgres"),
}


def find(program: Program, name: str) -> psutil.Process | None:
    """The leading process of that name: in a group, the one with its parent outside the group."""
    words = PROCESSES[name]
    processes = []
    assert program.process is not None
    # The supervisor adopts orphans. Celery writes its title over its environment, so the environment cannot be used.
    for process in psutil.Process(program.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            line = process.cmdline()
            if line and line[0] != "/bin/sh" and all(any(word in part for part in line) for word in words):
                processes.append(process)
    pids = {process.pid for process in processes}
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if process.ppid() not in pids and process.status() != psutil.STATUS_ZOMBIE:
                return process
    return None


class ServerWatch:
    """Checks when a killed process works again."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def again(self, name: str, before: int, killed: datetime) -> bool:
        process = find(self.program, name)
        if process is None or process.pid == before:
            return False
        with contextlib.suppress(Exception):  # any error of an offline part
            return bool(getattr(self, "_" + name.split(maxsplit=1)[0])(killed))
        return False

    def _web(self, killed: datetime) -> bool:
        return httpx.get(f"{self.program.url}/sign-in/", timeout=2).status_code == 200

    def _answers(self, which: str) -> bool:
        from config.celery import app

        return bool(app.control.ping(destination=[f"{which}@{socket.gethostname()}"], timeout=1.0))

    def _worker(self, killed: datetime) -> bool:
        return self._answers("worker")

    def _gpu(self, killed: datetime) -> bool:
        return self._answers("gpu")

    def _beat(self, killed: datetime) -> bool:
        from django.core.cache import cache

        noted = cache.get("alive:beat")
        return noted is not None and datetime.fromisoformat(noted) > killed

    def _engines(self, killed: datetime) -> bool:
        held = (
            "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) "
            "WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND backend_start > %s"
        )
        return bool(self._asked(held, killed))

    def _valkey(self, killed: datetime) -> bool:
        from django.core.cache import cache

        cache.set("faults", killed.isoformat(), 60)
        return bool(cache.get("faults") == killed.isoformat())

    def _postgres(self, killed: datetime) -> bool:
        return bool(self._asked("SELECT 1"))

    def _asked(self, query: str, *values: object) -> Any:
        from django.conf import settings

        with psycopg.connect(settings.DATABASE_URL, connect_timeout=2) as link:
            return link.execute(query, values or None).fetchone()
