"""A project that moves is the same afterwards: every field, every reference, every hash."""

from pathlib import Path

import pytest

from tests.support.factories import World
from tests.support.moving import archive_of, bring, rich

pytestmark = pytest.mark.django_db


def test_first(world: World, tmp_path: Path):
    project = rich(world)
    archive_of(project, tmp_path / "a.zip", by=world.admin)
    result = bring(tmp_path / "a.zip", "moved", world.operator)
    print(result)
