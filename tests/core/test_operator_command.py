"""The first account of a deployment, made on the command line."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from core.models import AuditEntry, User
from core.services.keys import create_api_key
from tests.support.factories import PASSWORD, make_user

ROOT = Path(__file__).resolve().parent.parent.parent
GOOD = "a harbour pilot 77"


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text(GOOD + "\n")
    return str(path)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("command", ["create_operator", "createsuperuser"])
def test_in_production_it_makes_an_operator_who_can_sign_in(tmp_path: Path, command: str) -> None:
    database = settings.DATABASES["default"]
    url = f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}"
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("GUILDHALL_", "DJANGO_"))
    }
    done = subprocess.run(
        [
            sys.executable,
            "manage.py",
            command,
            "--email",
            "Ops@Example.org",
            "--name",
            "Ops",
            "--password-file",
            "-",
        ],
        cwd=ROOT,
        env={
            **clean,
            "GUILDHALL_ENV": "production",
            "GUILDHALL_SECRET_KEY": "k3Vq9-Tz7Lm2Xw8Rb5Yn4Hc6Jd1Fg0Ps",
            "GUILDHALL_ALLOWED_HOSTS": "guildhall.example.org",
            "GUILDHALL_STATE": str(tmp_path),
            "DATABASE_URL": url,
            "REDIS_URL": settings.REDIS_URL,
        },
        input=GOOD + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert GOOD not in done.stdout + done.stderr
    user = User.objects.get(email="ops@example.org")
    assert (user.is_operator, user.is_active, user.must_change_password) == (True, True, False)
    assert user.password.startswith("argon2")
    entry = AuditEntry.objects.get(action="operator.created")
    assert (entry.object_id, entry.actor) == (str(user.pk), "Guildhall")


@pytest.mark.django_db
def test_the_operator_signs_in_and_creates_a_project(password_file: str) -> None:
    call_command(
        "create_operator",
        email="ops@example.org",
        name="Ops",
        password_file=password_file,
        stdout=io.StringIO(),
    )
    client = Client()
    client.post(reverse("core:sign-in"), {"username": "ops@example.org", "password": GOOD})
    assert client.get(reverse("core:project-new")).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("email", "name", "password", "words"),
    [
        ("ops@example.org", "Ops", "short", "too short"),
        ("ops@example.org", "Ops", "12345678901234", "entirely numeric"),
        ("harbourmaster@example.org", "Ops", "harbourmaster", "too similar"),
        ("ops@example.org", "Ops", "", "empty"),
        ("nonsense", "Ops", GOOD, "not an e-mail address"),
        ("ops@example.org", "  ", GOOD, "name"),
    ],
)
def test_what_will_not_do_is_refused_in_words(
    tmp_path: Path, email: str, name: str, password: str, words: str
) -> None:
    path = tmp_path / "password"
    path.write_text(password)
    with pytest.raises(CommandError, match=words):
        call_command("create_operator", email=email, name=name, password_file=str(path))
    assert not User.objects.exists()


@pytest.mark.django_db
def test_an_existing_address_is_refused_and_stays_as_it_is(password_file: str) -> None:
    person = make_user("Ops")
    with pytest.raises(CommandError, match="has an account"):
        call_command("create_operator", email=person.email.upper(), name="Ops", password_file=password_file)
    person.refresh_from_db()
    assert not person.is_operator
    assert person.check_password(PASSWORD)


@pytest.mark.django_db
def test_without_a_terminal_it_says_what_to_give(monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(CommandError, match="--password-file"):
        call_command("create_operator", email="ops@example.org", name="Ops")
    with pytest.raises(CommandError, match="--email"):
        call_command("create_operator")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("create_operator", email="ops@example.org", name="Ops", password_file="/no/such/file")


@pytest.mark.django_db
def test_a_password_set_at_the_machine_ends_keys_and_is_on_record(password_file: str) -> None:
    person = make_user("Ops", is_operator=True)
    api_key, _ = create_api_key(by=person, name="old")
    call_command("changepassword", person.email, password_file=password_file, stdout=io.StringIO())
    person.refresh_from_db()
    api_key.refresh_from_db()
    assert person.check_password(GOOD)
    assert person.session_round == 1
    assert api_key.revoked_at
    assert AuditEntry.objects.filter(action="password.set").count() == 1
    with pytest.raises(CommandError, match="no account"):
        call_command("changepassword", "nobody@example.org", password_file=password_file)
