"""What evaluation's tests share."""

import pytest

from tests.support.factories import make_campaign


@pytest.fixture
def campaign(world):
    return make_campaign(world.project, world.admin, prompts=4)


@pytest.fixture
def page_of(world):
    """page_of("evaluation:home") is the address of a page in the world's project."""
    from django.urls import reverse

    return lambda name, *args: reverse(name, args=[world.project.slug, *args])
