"""A database of an older version is refused before anything is written to it."""

import pytest
from django.db.migrations.recorder import MigrationRecorder

from config import prepare
from core.database.origin import unknown_migrations

pytestmark = pytest.mark.django_db


def test_a_database_of_this_version_is_taken():
    assert unknown_migrations() == []


def test_migrations_of_other_packages_are_their_own_business():
    MigrationRecorder.Migration.objects.create(app="axes", name="0999_from_a_newer_axes")
    assert unknown_migrations() == []


def test_an_older_database_is_refused_with_one_sentence(capsys, monkeypatch):
    MigrationRecorder.Migration.objects.create(app="annotation", name="0002_versions")
    MigrationRecorder.Migration.objects.create(app="core", name="0007_first_password")
    assert unknown_migrations() == ["annotation.0002_versions", "core.0007_first_password"]
    called = []
    monkeypatch.setattr("django.core.management.call_command", lambda *args, **options: called.append(args))
    assert prepare.main() == 1
    assert called == []
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "made by an older version" in said and "move the folder" in said and "DATABASE_URL" in said
