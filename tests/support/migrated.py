"""A database with all migrations applied, made once and then copied: to migrate takes a quarter of a minute of a core.

The first test process that finds no dump migrates a template database on the tests' own server, and keeps a dump of it under
`build/`. Every other process, and every later run with the same migrations and packages, takes that. Django still runs `migrate` on
its copy of the template, so what a dump lacks is applied.
"""

import fcntl
import hashlib
import os
import subprocess
from pathlib import Path

import psycopg
from django.core.management import call_command
from django.db import connection

from launcher import embedded
from launcher.servers import Postgres

ROOT = Path(__file__).resolve().parent.parent.parent
NAME, UNFINISHED = "guildhall_migrated", "guildhall_migrating"


def migrated_template(state: Path) -> str:
    """The name of a database with all migrations on the server of `state`, which must be up. To be used as a template."""
    address = embedded.database_url(state)
    with (state / "migrated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with psycopg.connect(address, autocommit=True) as link:
            if link.execute("SELECT FROM pg_database WHERE datname = %s", [NAME]).fetchone() is None:
                link.execute(f"DROP DATABASE IF EXISTS {UNFINISHED}")
                link.execute(f"CREATE DATABASE {UNFINISHED}")
                _fill(address.replace("/guildhall?", f"/{UNFINISHED}?"))
                link.execute(f"ALTER DATABASE {UNFINISHED} RENAME TO {NAME}")
    return NAME


def _fill(address: str) -> None:
    dump = ROOT / "build" / "migrated" / f"{_key()}.dump"
    if dump.exists() and _program("pg_restore", f"--dbname={address}", "--no-owner", "--exit-on-error", dump):
        return
    _migrate()
    for older in dump.parent.glob("*.dump"):
        older.unlink(missing_ok=True)
    dump.parent.mkdir(parents=True, exist_ok=True)
    unfinished = dump.with_suffix(f".{os.getpid()}")
    if _program("pg_dump", f"--dbname={address}", "--format=custom", f"--file={unfinished}"):
        unfinished.replace(dump)


def _migrate() -> None:
    connection.close()
    name, connection.settings_dict["NAME"] = connection.settings_dict["NAME"], UNFINISHED
    try:
        call_command("migrate", verbosity=0, interactive=False)
    finally:
        connection.close()
        connection.settings_dict["NAME"] = name


def _program(name: str, *arguments: object) -> bool:
    """Runs one of PostgreSQL's own programs; whether it succeeded."""
    folder = Postgres(Path(os.environ["GUILDHALL_TEST_STATE"])).bin
    done = subprocess.run([folder / name, *map(str, arguments)], capture_output=True, check=False)
    return done.returncode == 0


def _key() -> str:
    """Changes with every migration, what a migration imports, and the versions of the packages."""
    files = sorted(
        path
        for pattern in ("*/migrations/*.py", "requirements/*.lock", "annotation/text/hashes.py")
        for path in ROOT.glob(pattern)
    )
    parts = [path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() for path in files]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:32]
