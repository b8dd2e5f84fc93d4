"""Who may come in."""

import pytest

from core.models import AuditEntry, Role, Run
from tests.support.factories import make_training, make_version
from tests.training.pages import ADMIN_PAGES, PAGES, POSTS, url

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("name", "args"), PAGES)
def test_admins_and_viewers_read_everything_and_nobody_else(scene, as_user, name, args):
    address = url(scene, name, *args(scene))
    for role, person in scene.people().items():
        expected = {
            Role.ADMIN: 200,
            Role.VIEWER: 200,
            "neighbour": 404,
            "stranger": 404,
            "operator": 404,
        }.get(role, 403)
        assert as_user(person).get(address).status_code == expected, role
    assert as_user(None).get(address).status_code == 302
    assert as_user(scene.admin).post(address).status_code == 405


@pytest.mark.parametrize(("name", "args"), ADMIN_PAGES)
def test_only_admins_launch_and_download(scene, as_user, name, args):
    address = url(scene, name, *args(scene))
    assert as_user(scene.admin).get(address).status_code == 200
    for person in (scene.viewer, scene.annotator, scene.rater, scene.reviewer):
        assert as_user(person).get(address).status_code == 403
    assert as_user(scene.neighbour).get(address).status_code == 404


@pytest.mark.parametrize(("name", "args"), POSTS)
def test_what_changes_something_is_the_admins_alone_and_only_by_post(scene, as_user, name, args):
    address = url(scene, name, *args(scene))
    before = AuditEntry.objects.count()
    for person in (scene.viewer, scene.annotator, scene.rater, scene.reviewer):
        assert as_user(person).post(address).status_code == 403
    assert as_user(scene.neighbour).post(address).status_code == 404
    assert as_user(scene.admin).get(address).status_code == 405
    assert AuditEntry.objects.count() == before


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("run", 99_999),
        ("run-live", 99_999),
        ("version", 99_999),
        ("base", 99_999),
        ("version-download", 99_999),
    ],
)
def test_an_unknown_number_is_404(scene, as_user, name, bad):
    assert as_user(scene.admin).get(url(scene, name, bad)).status_code == 404


def test_another_projects_run_and_version_are_404(scene, as_user):
    other = make_training(scene.other, scene.neighbour, number=77, status=Run.Status.SUCCEEDED)
    version = make_version(scene.other, scene.neighbour, training_run=other, number=1)
    assert as_user(scene.admin).get(url(scene, "run", 77)).status_code == 404
    assert as_user(scene.admin).get(url(scene, "version", version.pk)).status_code == 404
    assert as_user(scene.admin).get(url(scene, "version-download", version.pk)).status_code == 404
    assert as_user(scene.admin).post(url(scene, "version-check-files", version.pk)).status_code == 404
