"""Audit entries are added and never changed, whatever the code above tries."""

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from core.audit.entries import record
from core.models import AuditEntry, Role
from core.services.projects import remove_member, update_project
from tests.support.factories import join, make_project, make_user

pytestmark = pytest.mark.django_db


def test_entries_cannot_be_changed_or_removed(world):
    entry = record(by=world.admin, project=world.project, action="thing.done", obj=world.project)
    for change in (
        lambda: AuditEntry.objects.filter(pk=entry.pk).update(actor="somebody else"),
        lambda: AuditEntry.objects.filter(pk=entry.pk).delete(),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()
    assert AuditEntry.objects.get(pk=entry.pk).actor.startswith("Admin Member")


def test_entries_outlive_what_they_describe(world):
    project = make_project(name="Short-lived")
    record(by=world.admin, project=project, action="project.created", obj=project)
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


def test_people_who_left_and_acted_are_found(world, as_user):
    """On the page, in its download and in the API; who never acted here is not named to anybody."""
    left = join(world.project, make_user("Gone Away"), Role.REVIEWER)
    record(by=left.user, project=world.project, action="example.approved", obj=world.project)
    record(by=world.neighbour, project=world.other, action="example.approved", obj=world.other)
    remove_member(by=world.admin, membership=left)
    record(by=world.operator, project=world.project, action="member.password_reset", obj=world.viewer)

    admin, pages = as_user(world.admin), f"/p/{world.project.slug}/audit/"
    page = admin.get(pages).content.decode()
    assert f'<option value="{left.user.pk}">Gone Away (not a member now)</option>' in page
    assert f'value="{world.operator.pk}"' in page
    assert f'value="{world.neighbour.pk}"' not in page and "(not a member now)</option>" in page
    asked = {"who": left.user.pk}
    found = admin.get(pages, asked)
    assert found.status_code == 200 and found.content.count(b"example.approved") == 1
    assert b"member.removed" not in found.content
    told = admin.get(f"/api/v1/projects/{world.project.slug}/audit/", asked).json()
    assert [entry["action"] for entry in told["results"]] == ["example.approved"]
    lines = b"".join(admin.get(f"/p/{world.project.slug}/audit.csv", asked)).decode().splitlines()
    assert len(lines) == 2 and "example.approved" in lines[1]
    for stranger in (world.neighbour, world.stranger):
        assert admin.get(pages, {"who": stranger.pk}).status_code == 422
    # Back in the project, a person is named once.
    join(world.project, left.user, Role.VIEWER)
    assert "Gone Away (not a member now)" not in admin.get(pages).content.decode()


def test_finding_them_costs_one_query_however_many_there_are(world, as_user, django_assert_num_queries):
    def leave(count):
        for _ in range(count):
            gone = join(world.project, make_user(), Role.RATER)
            record(by=gone.user, project=world.project, action="comparison.rated", obj=world.project)
            remove_member(by=world.admin, membership=gone)

    leave(1)
    with CaptureQueriesContext(connection) as few:
        as_user(world.admin).get(f"/p/{world.project.slug}/audit/")
    leave(8)
    with django_assert_num_queries(len(few)):
        as_user(world.admin).get(f"/p/{world.project.slug}/audit/")
