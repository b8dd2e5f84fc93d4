"""Runs that continue from a model version: what the database holds about the chain."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import RestrictedError

from tests.support.factories import make_base_model, make_training, make_version
from training.models import ModelVersion


def _refused(project, user, **fields):
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        make_version(project, user, **fields)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return str(refusal.value)


class TestParents:
    def test_a_parent_is_a_version_of_the_same_project_and_base_model(self, world):
        base = make_base_model()
        make_version(world.project, base_model=base)
        first = make_version(world.project, world.admin, base_model=base)
        second = make_version(world.project, world.admin, base_model=base, parent=first)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        assert second.parent == first and list(first.children.all()) == [second]
        said = _refused(world.project, world.admin, base_model=make_base_model(), parent=first)
        assert "version_parent" in said
        foreign = make_version(world.other, world.neighbour, base_model=base, number=1)
        said = _refused(world.project, world.admin, base_model=base, parent=foreign, number=7)
        assert "version_parent" in said

    def test_no_version_is_its_own_ancestor(self, world):
        base = make_base_model()
        first = make_version(world.project, world.admin, base_model=base, number=4)
        assert "version_after_parent" in _refused(
            world.project, world.admin, base_model=base, parent=first, number=3
        )
        # Not by naming a smaller number than the parent's either.
        assert "version_parent" in _refused(
            world.project, world.admin, base_model=base, parent=first, parent_number=2, number=3
        )
        with pytest.raises(IntegrityError), transaction.atomic():
            ModelVersion.objects.filter(pk=first.pk).update(parent=first, parent_number=4)

    def test_a_base_model_is_no_parent(self, world):
        base = make_base_model()
        zero = make_version(world.project, base_model=base)
        assert "version_after_parent" in _refused(world.project, world.admin, base_model=base, parent=zero)

    def test_a_version_that_others_were_made_from_is_not_deleted(self, world):
        base = make_base_model()
        first = make_version(world.project, world.admin, base_model=base)
        make_version(world.project, world.admin, base_model=base, parent=first)
        with pytest.raises(RestrictedError), transaction.atomic():
            first.delete()

    def test_a_run_continues_from_a_version_of_its_project(self, world):
        base = make_base_model()
        foreign = make_version(world.other, world.neighbour, base_model=base)
        with pytest.raises(IntegrityError, match="run_continued_from"), transaction.atomic():
            make_training(world.project, world.admin, base_model=base, continued_from=foreign)
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
