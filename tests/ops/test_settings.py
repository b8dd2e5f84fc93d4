"""Settings that must not start do not start, and say in one sentence what to change."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = "k3" * 20
GOOD = {
    "GUILDHALL_ENV": "production",
    "GUILDHALL_SECRET_KEY": SECRET,
    "GUILDHALL_ALLOWED_HOSTS": "guildhall.example.org",
    "DATABASE_URL": "postgresql://guildhall@db.example.org/guildhall",
    "REDIS_URL": "redis://cache.example.org:6379/0",
}
SHOW = "import config.settings as s; print({expression})"


def load(
    tmp_path: Path, expression: str = "'loaded'", **variables: str
) -> "subprocess.CompletedProcess[str]":
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("GUILDHALL_", "DJANGO_"))
    }
    environment = {
        **clean,
        "GUILDHALL_STATE": str(tmp_path),
        "DATABASE_URL": "",
        "REDIS_URL": "",
        **variables,
    }
    return subprocess.run(
        [sys.executable, "-c", SHOW.format(expression=expression)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_production_starts_with_its_own_secret_hosts_and_servers(tmp_path):
    done = load(
        tmp_path, "s.DEBUG, s.SESSION_COOKIE_SECURE, s.SECURE_SSL_REDIRECT, s.SECURE_HSTS_SECONDS > 0", **GOOD
    )
    assert done.stdout.strip() == "False True True True", done.stderr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"GUILDHALL_SECRET_KEY": ""}, "GUILDHALL_SECRET_KEY must be set"),
        ({"GUILDHALL_SECRET_KEY": "short"}, "GUILDHALL_SECRET_KEY must be set"),
        (
            {"GUILDHALL_SECRET_KEY": "development-only-secret-never-for-production"},
            "GUILDHALL_SECRET_KEY must be set",
        ),
        ({"GUILDHALL_DEBUG": "1"}, "GUILDHALL_DEBUG must be off"),
        ({"GUILDHALL_ALLOWED_HOSTS": "*"}, "GUILDHALL_ALLOWED_HOSTS must name the hosts"),
        ({"GUILDHALL_ALLOWED_HOSTS": "a.example.org, *"}, "GUILDHALL_ALLOWED_HOSTS must name the hosts"),
        ({"GUILDHALL_ALLOWED_HOSTS": "*.example.org"}, "GUILDHALL_ALLOWED_HOSTS must name the hosts"),
        ({"GUILDHALL_ALLOWED_HOSTS": ".example.org"}, "GUILDHALL_ALLOWED_HOSTS must name the hosts"),
        ({"GUILDHALL_ALLOWED_HOSTS": ""}, "GUILDHALL_ALLOWED_HOSTS must name the hosts"),
        ({"GUILDHALL_ALLOWED_HOSTS": " , "}, "GUILDHALL_ALLOWED_HOSTS must name the hosts"),
        ({"GUILDHALL_ENV": "prod"}, "is not one of development, production, test"),
        ({"GUILDHALL_ENV": "Production"}, "is not one of development, production, test"),
        ({"GUILDHALL_PORT": "eighty"}, "is not a whole number"),
        ({"GUILDHALL_PORT": "70000"}, "is not"),
        ({"GUILDHALL_DEBUG": "perhaps"}, "is not a yes or no"),
        ({"DATABASE_URL": "mysql://somewhere/db"}, "PostgreSQL is the only database"),
        ({"DATABASE_URL": "postgresql://[broken"}, "DATABASE_URL"),
        ({"REDIS_URL": "amqp://somewhere"}, "REDIS_URL must start with"),
    ],
)
def test_what_would_be_unsafe_or_meaningless_is_refused(tmp_path, changes, words):
    done = load(tmp_path, **{**GOOD, **changes})
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "ImproperlyConfigured" in last
    assert words in last
    assert SECRET not in done.stderr


def test_a_password_in_a_wrong_address_is_not_shown(tmp_path):
    done = load(tmp_path, **{**GOOD, "DATABASE_URL": "postgresql://guild:hunter2secret@db:notaport/x y"})
    assert "hunter2secret" not in done.stdout + done.stderr.splitlines()[-1]


def test_development_listens_beyond_this_machine_only_with_a_secret_of_its_own(tmp_path):
    refused = load(tmp_path, GUILDHALL_HOST="0.0.0.0")
    assert "set GUILDHALL_SECRET_KEY" in refused.stderr
    assert load(tmp_path, GUILDHALL_HOST="0.0.0.0", GUILDHALL_SECRET_KEY=SECRET).returncode == 0
    assert load(tmp_path).returncode == 0


def test_a_database_address_becomes_its_parts(tmp_path):
    done = load(
        tmp_path,
        "[s.DATABASES['default'][k] for k in ('NAME', 'USER', 'PASSWORD', 'HOST', 'PORT')],"
        " s.DATABASES['default']['OPTIONS']['sslmode']",
        **{**GOOD, "DATABASE_URL": "postgresql://me:p%40ss@db.example.org:6543/house?sslmode=require"},
    )
    assert done.stdout.strip() == "['house', 'me', 'p@ss', 'db.example.org', '6543'] require", done.stderr


def test_celery_gets_the_same_broker_in_its_own_words(tmp_path):
    done = load(tmp_path, "s.CELERY_BROKER_URL", REDIS_URL="unix:///run/valkey.sock?db=3")
    assert done.stdout.strip() == "redis+socket:///run/valkey.sock?virtual_host=3"
    done = load(tmp_path, "s.CELERY_BROKER_URL", REDIS_URL="rediss://user:pass@cache:6380/1")
    assert done.stdout.strip() == "rediss://user:pass@cache:6380/1"


def test_the_readme_lists_every_variable_and_no_other():
    sources = [
        "config/settings.py",
        "config/supervise.py",
        "config/prepare.py",
        "config/embedded.py",
        "Procfile",
        "bin/setup.py",
    ]
    pattern = r"\b(GUILDHALL_[A-Z0-9_]+|DATABASE_URL|REDIS_URL)\b"
    read = {name for source in sources for name in re.findall(pattern, (ROOT / source).read_text())}
    readme = (ROOT / "README.md").read_text()
    listed = set(re.findall(pattern, readme))
    assert read - listed == set()
    assert listed - read == set()
