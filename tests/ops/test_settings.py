"""Settings that must not start do not start, and say in one sentence what to change."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = "k3Vq9-Tz7Lm2Xw8Rb5Yn4Hc6Jd1Fg0Ps"
GOOD = {
    "GUILDHALL_ENV": "production",
    "GUILDHALL_SECRET_KEY": SECRET,
    "GUILDHALL_ALLOWED_HOSTS": "guildhall.example.org",
    "DATABASE_URL": "postgresql://guildhall@db.example.org/guildhall",
    "REDIS_URL": "redis://cache.example.org:6379/0",
}
SHOW = "import config.settings as s; print({expression})"
SHOW_ALONE = "print({expression})"


def load(
    tmp_path: Path, expression: str = "'loaded'", *, show: str = SHOW, **variables: str
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
        [sys.executable, "-c", show.format(expression=expression)],
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
        ({"GUILDHALL_ALLOWED_HOSTS": "*"}, "GUILDHALL_ALLOWED_HOSTS must list the hosts"),
        ({"GUILDHALL_ALLOWED_HOSTS": "a.example.org, *"}, "GUILDHALL_ALLOWED_HOSTS must list the hosts"),
        ({"GUILDHALL_ALLOWED_HOSTS": "*.example.org"}, "GUILDHALL_ALLOWED_HOSTS must list the hosts"),
        ({"GUILDHALL_ALLOWED_HOSTS": ".example.org"}, "GUILDHALL_ALLOWED_HOSTS must list the hosts"),
        ({"GUILDHALL_ALLOWED_HOSTS": ""}, "GUILDHALL_ALLOWED_HOSTS must list the hosts"),
        ({"GUILDHALL_ALLOWED_HOSTS": " , "}, "GUILDHALL_ALLOWED_HOSTS must list the hosts"),
        ({"GUILDHALL_ENV": "prod"}, "is not one of development, production, test"),
        ({"GUILDHALL_ENV": "Production"}, "is not one of development, production, test"),
        ({"GUILDHALL_PORT": "eighty"}, "is not a whole number"),
        ({"GUILDHALL_PORT": "70000"}, "is not"),
        ({"GUILDHALL_DEBUG": "perhaps"}, "is not a yes or no"),
        ({"DATABASE_URL": "mysql://somewhere/db"}, "PostgreSQL is the only database"),
        ({"DATABASE_URL": "postgresql://[broken"}, "DATABASE_URL"),
        ({"REDIS_URL": "amqp://somewhere"}, "REDIS_URL must start with"),
        ({"GUILDHALL_BEHIND_PROXY": "1"}, "GUILDHALL_TRUSTED_PROXIES"),
    ],
)
def test_what_would_be_unsafe_or_meaningless_is_refused(tmp_path, changes, words):
    done = load(tmp_path, **{**GOOD, **changes})
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stderr.startswith("guildhall: ")
    assert words in done.stderr
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


# --- every setting -------------------------------------------------------------------------------------------

NUMBER = ("x", "-1", "1.5", "1e3", "1_0", "٣", "99999999999999999999")
FLAG = ("perhaps", "2", "ja")
FOLDER = ("/dev/null/x", "/proc/no/such", "/etc/hostname")
ADDRESS = (
    "junk",
    "ftp://host",
    "http://",
    "http://a b",
    "http://host:notaport",
    "http://host:70000",
    "http://[::1",
)
# What each variable refuses. A variable that is read and not listed here fails the test below.
JUNK: dict[str, tuple[str, ...]] = {
    "DATABASE_URL": (
        "junk",
        "mysql://a/b",
        "postgresql://[broken",
        "postgresql://a:notaport/b",
        "postgresql://a:0/b",
        "postgresql://a/b?nonsense=1",
        "postgresql://a/b?sslmode=maybe",
    ),
    "REDIS_URL": (
        "junk",
        "amqp://a",
        "redis://",
        "redis://a:notaport/0",
        "redis://a/zero",
        "redis://[::1",
        "unix://",
    ),
    "GUILDHALL_STATE": (*FOLDER, "/tmp"),
    "GUILDHALL_STATIC": FOLDER,
    "GUILDHALL_MODEL_FOLDERS": ("/no/such/folder", "/etc/hostname", "/dev/null/x"),
    "GUILDHALL_ENV": ("prod", "Production", "1"),
    "GUILDHALL_DEBUG": FLAG,
    "GUILDHALL_HTTPS": FLAG,
    "GUILDHALL_DEMO": FLAG,
    "GUILDHALL_COLLECTED": FLAG,
    "GUILDHALL_MEASURE_FORGETTING": FLAG,
    "GUILDHALL_BEHIND_PROXY": ("1", "yes", "junk"),
    "GUILDHALL_SECRET_KEY": ("short", "a" * 40, "ab" * 20, "0123456789" * 4, "k3" * 20),
    "GUILDHALL_HOST": ("a b", "http://127.0.0.1", "256.1.1.1", "127.0.0.1:8000", "-"),
    "GUILDHALL_PORT": (*NUMBER, "0", "65536"),
    "GUILDHALL_ALLOWED_HOSTS": ("https://a.example.org", "a.example.org:8000", "a.example.org/x", "a b"),
    "GUILDHALL_TRUSTED_ORIGINS": (
        "a.example.org",
        "https://",
        "ftp://a.example.org",
        "https://a.example.org/path",
        "https://a:b",
        "https://me@a.example.org",
    ),
    "GUILDHALL_TRUSTED_PROXIES": (
        "junk",
        "*",
        "10.0.0.0/33",
        "10.0.0.1/24",
        "0.0.0.0/0",
        "proxy.example.org",
    ),
    "GUILDHALL_DB_POOL": (*NUMBER, "0"),
    "GUILDHALL_DB_STATEMENT_SECONDS": (*NUMBER, "3601"),
    "GUILDHALL_RUN_HEARTBEAT": (*NUMBER, "0", "3601"),
    # The last two are numbers below twice the heartbeat of 5 seconds.
    "GUILDHALL_RUN_STALE": (*NUMBER, "4", "9"),
    "GUILDHALL_HASHES_AT_ONCE": (*NUMBER, "0"),
    "GUILDHALL_SIGN_IN_TRIES": (*NUMBER, "0"),
    "GUILDHALL_SIGN_IN_TRIES_PER_NETWORK": (*NUMBER, "0"),
    "GUILDHALL_IMPORT_MAX_MB": (*NUMBER, "0"),
    "GUILDHALL_ARCHIVE_MAX_MB": (*NUMBER, "0"),
    "GUILDHALL_ARTIFACTS": ("S3", "disk", "s3"),  # s3 without a bucket
    "GUILDHALL_S3_BUCKET": ("a", "UPPER", "a/b", "a b"),
    "GUILDHALL_S3_ENDPOINT": ADDRESS,
    "GUILDHALL_S3_PREFIX": ("/a/", "a", "../a/", "a b/"),
    "GUILDHALL_ENGINE_URLS": (*ADDRESS, "http://127.0.0.1:8101, junk"),
    "GUILDHALL_ENGINE_HOST": ("a b", "http://engines", "256.1.1.1"),
    "GUILDHALL_ENGINE_PORTS_FROM": (*NUMBER, "80", "65536"),
    "GUILDHALL_ENGINE_KV_GIB": (*NUMBER, "0"),
    "GUILDHALL_ENGINE_GPU_PERCENT": (*NUMBER, "4", "100"),
    "GUILDHALL_ENGINE_MAX_LORAS": (*NUMBER, "0"),
    "GUILDHALL_ENGINE_MAX_LORA_RANK": (*NUMBER, "0"),
    "GUILDHALL_ENGINE_MAX_MODEL_LEN": (*NUMBER, "127"),
    "GUILDHALL_ENGINE_MAX_FULL": NUMBER,
    "GUILDHALL_ENGINE_MAX_TRANSFORMERS": NUMBER,
    "GUILDHALL_TRAINING_THREADS": NUMBER,
    "GUILDHALL_TRAINING_PROCESSES": (*NUMBER, "65"),
    "GUILDHALL_TRAINING_HOSTS": (*NUMBER, "0", "65"),
    "GUILDHALL_TRAINING_RENDEZVOUS": (
        "10.0.0.4",
        "10.0.0.4:80",
        "10.0.0.4:65000",
        "a b:29400",
        "http://a:29400",
    ),
    "GUILDHALL_WEB_PROCESSES": (*NUMBER, "0"),
    "GUILDHALL_WORKER_CONCURRENCY": (*NUMBER, "0"),
    "GUILDHALL_TIME_ZONE": ("Mars/Base", "../etc/passwd", "/etc/hostname", "Europe", "junk"),
    "GUILDHALL_LOG_LEVEL": ("loud", "debug", "10"),
}
# Read before Django is there, by a script each; the tests further down try those.
ELSEWHERE = {"GUILDHALL_PROCFILE", "GUILDHALL_ACCELERATOR"}

# Loads the settings once for each case, in a process of its own that starts with everything imported.
DRIVER = """
import importlib, json, os, sys
import django.conf, psycopg.conninfo, zoneinfo  # what settings need, so that each case is quick
from core.host import env
from launcher import embedded
for case in json.load(sys.stdin):
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(into, 2)
        os.environ.update(case)
        try:
            importlib.import_module("config.settings")
        except SystemExit as error:
            os.write(2, (str(error.code) + "\\n").encode()); os._exit(1)
        except BaseException as error:
            os.write(2, ("TRACEBACK " + repr(error)).encode()); os._exit(2)
        os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as pipe:
        told = pipe.read().decode()
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), told]))
"""


def load_each(tmp_path: Path, cases: list[dict[str, str]]) -> list[tuple[int, str]]:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("GUILDHALL_", "DJANGO_"))
    }
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        cwd=ROOT,
        env={**clean, **GOOD, "GUILDHALL_STATE": str(tmp_path)},
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )
    return [(code, told) for code, told in map(json.loads, done.stdout.splitlines())]


def test_every_wrong_value_gives_one_sentence_that_names_its_variable(tmp_path):
    cases = [(name, value) for name, values in JUNK.items() for value in values]
    answers = load_each(tmp_path, [{name: value} for name, value in cases])
    assert len(answers) == len(cases)
    wrong = []
    for (name, value), (code, told) in zip(cases, answers, strict=True):
        lines = told.strip().splitlines()
        if code != 1 or len(lines) != 1 or not lines[0].startswith("guildhall: ") or name not in lines[0]:
            wrong.append((name, value, code, told))
    assert wrong == []


def test_the_good_values_of_these_tests_are_good(tmp_path):
    good = {
        "GUILDHALL_TRUSTED_PROXIES": "10.0.0.5, 10.1.0.0/16, fd00::/8",
        "GUILDHALL_TRUSTED_ORIGINS": "https://a.example.org, http://127.0.0.1:8000, https://*.example.org",
        "GUILDHALL_ENGINE_URLS": "http://127.0.0.1:8101/, https://engine.example.org",
        "GUILDHALL_S3_BUCKET": "our-bucket.1",
        "GUILDHALL_S3_ENDPOINT": "http://minio:9000",
        "GUILDHALL_ARTIFACTS": "s3",
        "GUILDHALL_HOST": "::",
        "GUILDHALL_TIME_ZONE": "Europe/Berlin",
        "GUILDHALL_LOG_LEVEL": "WARNING",
        "GUILDHALL_MODEL_FOLDERS": str(tmp_path),
        "GUILDHALL_BEHIND_PROXY": "0",
        "REDIS_URL": "redis://:pass@valkey:6379/1",
        "DATABASE_URL": "postgresql://a@h1:5432,h2:5433/db?target_session_attrs=read-write",
    }
    assert load_each(
        tmp_path, [{name: value} for name, value in good.items() if name != "GUILDHALL_ARTIFACTS"]
    ) == [(0, "")] * (len(good) - 1)
    assert load_each(tmp_path, [good]) == [(0, "")]


def test_every_variable_that_is_read_is_tried_with_wrong_values():
    assert read_variables() - ELSEWHERE == set(JUNK)


def test_only_the_web_process_limits_statements_unasked(tmp_path):
    seconds = "s.DB_STATEMENT_SECONDS, s.DATABASES['default']['OPTIONS'].get('options')"
    assert load(tmp_path, seconds, **GOOD).stdout.strip() == "0 None"
    asked = {**GOOD, "GUILDHALL_DB_STATEMENT_SECONDS": "7"}
    assert load(tmp_path, seconds, **asked).stdout.strip() == "7 -c statement_timeout=7s"
    # What uvicorn imports reads the settings itself, so it comes before them here.
    web = "__import__('config.asgi') and __import__('django.conf').conf.settings.DB_STATEMENT_SECONDS"
    for variables, wanted in ((GOOD, "60"), ({**GOOD, "GUILDHALL_DB_STATEMENT_SECONDS": "0"}, "0")):
        done = load(tmp_path, web, show=SHOW_ALONE, **variables)
        assert done.stdout.strip() == wanted, done.stderr


def test_every_program_stops_with_the_sentence_alone(tmp_path):
    """Django, uvicorn and celery each have a way of their own to show an error while settings are read."""
    python = [sys.executable]
    programs = [
        [*python, "manage.py", "check"],
        [*python, "-m", "uvicorn", "config.asgi:application", "--lifespan", "off", "--no-proxy-headers"],
        [*python, "-m", "celery", "-A", "config", "worker"],
        [*python, "-m", "config.prepare"],
        [*python, "-m", "launcher.alive", "worker"],
    ]
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("GUILDHALL_", "DJANGO_"))
    }
    for program in programs:
        done = subprocess.run(
            program,
            cwd=ROOT,
            env={**clean, **GOOD, "GUILDHALL_STATE": str(tmp_path), "GUILDHALL_RUN_STALE": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
        told = (done.stdout + done.stderr).strip()
        assert done.returncode == 1, program
        assert told.startswith("guildhall: GUILDHALL_RUN_STALE=3 is less than twice"), (program, told)
        assert len(told.splitlines()) == 1, (program, told)


@pytest.mark.parametrize("name", ["GUILDHALL_PROCFILE", "GUILDHALL_STATE", "GUILDHALL_PORT"])
def test_make_run_says_it_in_one_sentence(tmp_path, name):
    done = subprocess.run(
        [sys.executable, "-m", "launcher.supervise", "--inner"],
        cwd=ROOT,
        env={**os.environ, "GUILDHALL_STATE": str(tmp_path), name: "/dev/null/x²"},
        capture_output=True,
        text=True,
        check=False,
    )
    told = (done.stdout + done.stderr).strip()
    assert done.returncode == 1
    assert len(told.splitlines()) == 1, told
    assert name in told


def test_the_set_up_refuses_an_unknown_accelerator(monkeypatch):
    spec = importlib.util.spec_from_file_location("setup_script", ROOT / "bin" / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    setup = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(setup)
    monkeypatch.setenv("GUILDHALL_ACCELERATOR", "tpu")
    with pytest.raises(setup.SetupError, match="GUILDHALL_ACCELERATOR"):
        setup.accelerator()


# --- what is written is for its owner alone ------------------------------------------------------------------


def test_the_state_folder_is_closed_to_others(tmp_path):
    state = tmp_path / "state"
    state.mkdir(mode=0o755)
    # Reading the settings makes no folder for uploads; starting Django does.
    made = "__import__('django').setup(), (s.STATE_DIR / 'tmp' / 'a').write_text('x')"
    done = load(tmp_path, made, GUILDHALL_STATE=str(state), DJANGO_SETTINGS_MODULE="config.settings")
    assert done.returncode == 0, done.stderr
    for path in [state, *state.rglob("*")]:
        wanted = 0o700 if path.is_dir() else 0o600
        if path == state / "static":  # holds what every visitor gets
            continue
        assert path.stat().st_mode & 0o777 == wanted, path


def test_static_files_collected_by_root_can_be_read_by_others(tmp_path):
    collected = tmp_path / "collected"
    done = load(
        tmp_path,
        "oct(s.FILE_UPLOAD_DIRECTORY_PERMISSIONS), oct(s.STATIC_ROOT.stat().st_mode & 0o777)",
        GUILDHALL_STATIC=str(collected),
    )
    assert done.stdout.strip() == "0o755 0o755", done.stderr


# --- the lists of settings -----------------------------------------------------------------------------------

NAME = r"\b(GUILDHALL_[A-Z0-9_]+|DATABASE_URL|REDIS_URL)\b"


def read_variables() -> set[str]:
    sources = [
        "config/settings.py",
        "launcher/supervise.py",
        "config/prepare.py",
        "launcher/embedded.py",
        "Procfile",
        "bin/setup.py",
    ]
    return {name for source in sources for name in re.findall(NAME, (ROOT / source).read_text())}


def test_the_reference_lists_every_variable_and_no_other():
    listed = set(re.findall(NAME, (ROOT / "docs" / "reference" / "settings.md").read_text()))
    assert listed == read_variables()


def test_the_readme_lists_every_variable_and_no_other():
    assert set(re.findall(NAME, (ROOT / "README.md").read_text())) == read_variables()


def test_settings_are_read_in_one_place():
    """A variable read elsewhere would not be looked at when the program starts."""
    allowed = {"core/host/env.py", "launcher/embedded.py", "launcher/supervise.py"}
    found = set()
    for folder in ("annotation", "config", "core", "evaluation", "inference", "release", "training"):
        for path in (ROOT / folder).rglob("*.py"):
            if re.search(r"os\.(environ|getenv)[^\n]*(GUILDHALL_|DATABASE_URL|REDIS_URL)", path.read_text()):
                found.add(str(path.relative_to(ROOT)))
    assert found <= allowed


def test_the_example_for_containers_names_only_what_exists():
    text = (ROOT / ".env.example").read_text()
    names = set(re.findall(r"\b(GUILDHALL_[A-Z0-9_]+)\b", text))
    of_compose = {"GUILDHALL_PUBLISH", "GUILDHALL_TAG", "GUILDHALL_KIND", "GUILDHALL_SUBNET"}
    assert names - of_compose <= read_variables()
    for path in re.findall(r"\b[\w./-]+\.(?:md|yml|py)\b", text):
        assert (ROOT / path).exists(), path
