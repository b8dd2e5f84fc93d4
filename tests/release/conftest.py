"""What release's tests share."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import reverse

from tests.support.factories import (
    make_base_model,
    make_forgetting,
    make_losses,
    make_served,
    make_version,
    spread_losses,
)


@dataclass
class Versions:
    base: Any
    v1: Any
    v2: Any
    v3: Any


def make_versions(world) -> Versions:
    base = make_base_model()
    found = [make_version(world.project, person, base_model=base) for person in (None, *[world.admin] * 3)]
    versions = Versions(*(make_served(version) for version in found))
    for version in (versions.v1, versions.v2, versions.v3):
        make_losses(version, versions.base, spread_losses(1.8, 3.0))
        make_forgetting(version)
    return versions


@pytest.fixture
def versions(world) -> Versions:
    return make_versions(world)


@pytest.fixture
def page_of(world):
    return lambda name, *args: reverse(name, args=[world.project.slug, *args])
