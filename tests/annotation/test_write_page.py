"""Writing."""

import pytest

from annotation.models import Example
from tests.annotation.pages import SignIn, url
from tests.support.factories import World

pytestmark = pytest.mark.django_db


def test_writing_a_new_example_keeps_its_draft_until_it_is_submitted(world: World, as_user: SignIn) -> None:
    client = as_user(world.annotator)
    pair = {
        "role": ["user"],
        "message": ["Do you ship pianos?"],
        "completion": "Yes, in a crate.",
        "group": "conv-9",
    }
    client.post(url(world, "write-draft"), pair)
    page = client.get(url(world, "write")).content.decode()
    assert "Do you ship pianos?" in page and "conv-9" in page and "your draft of" in page
    assert client.post(url(world, "write"), {**pair, "completion": ""}).status_code == 422
    assert client.post(url(world, "write"), pair).url == url(world, "overview")
    example = Example.objects.get()
    assert (example.group, example.status, example.submitted_by) == ("conv-9", "in_review", world.annotator)
    assert "Do you ship pianos?" not in client.get(url(world, "write")).content.decode()
