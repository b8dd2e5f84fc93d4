"""Audit entries are added and never changed, whatever the code above tries."""

import pytest
from django.db import DatabaseError, transaction

from core.audit import record
from core.models import AuditEntry
from core.services.projects import update_project
from tests.factories import make_project

pytestmark = pytest.mark.django_db


def test_entries_cannot_be_changed_or_removed(world):
    entry = record(by=world.admin, project=world.project, verb="thing.done", obj=world.project)
    for deed in (
        lambda: AuditEntry.objects.filter(pk=entry.pk).update(actor="somebody else"),
        lambda: AuditEntry.objects.filter(pk=entry.pk).delete(),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            deed()
    assert AuditEntry.objects.get(pk=entry.pk).actor.startswith("Admin Member")


def test_entries_outlive_what_they_describe(world):
    project = make_project(name="Short-lived")
    record(by=world.admin, project=project, verb="project.created", obj=project)
    project_id = project.pk
    project.delete()
    entry = AuditEntry.objects.get(project_id=project_id)
    assert entry.object_label == "Short-lived"


def test_a_failing_write_leaves_no_entry(world):
    with pytest.raises(ValueError, match="not a project setting"):
        update_project(by=world.admin, project=world.project, name="New", slug="stolen")
    world.project.refresh_from_db()
    assert world.project.name == "Freight desk"
    assert not AuditEntry.objects.exists()
