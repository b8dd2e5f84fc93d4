"""What release's tests share."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import reverse

from tests.factories import make_base_model, make_served, make_version


@dataclass
class Versions:
    base: Any
    v1: Any
    v2: Any
    v3: Any


def make_versions(world) -> Versions:
    base = make_base_model()
    found = [make_version(world.project, base_model=base)]
    for _ in range(3):
        version = make_version(world.project, world.admin, base_model=base)
        training = version.training
        training.loss_before, training.loss_after = 3.0, 1.8
        training.save()
        found.append(version)
    return Versions(*(make_served(version) for version in found))


@pytest.fixture
def versions(world) -> Versions:
    return make_versions(world)


@pytest.fixture
def page_of(world):
    return lambda name, *args: reverse(name, args=[world.project.slug, *args])
