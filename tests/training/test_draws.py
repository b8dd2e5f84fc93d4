"""The rows that a page says a run used are the rows that the worker uses."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.models import Example
from core.models import Run
from dataset.models import DatasetRow
from tests.support.factories import make_dataset, make_example, make_training, make_version
from tests.support.reading import text_of
from training import queries
from training.draws import draw, trained_on
from training.estimates import steps_of
from training.runner.data import plan_order


@settings(max_examples=80, deadline=None)
@given(
    rows=st.integers(1, 60),
    most=st.integers(0, 70),
    batch_size=st.integers(1, 9),
    epochs=st.sampled_from([0.1, 0.5, 1.0, 1.5, 3.0]),
    seed=st.integers(0, 5),
)
def test_pages_name_the_rows_that_the_loop_visits(
    rows: int, most: int, batch_size: int, epochs: float, seed: int
) -> None:
    drawn = [100 + at for at in draw(rows, most, seed)]
    steps = steps_of(len(drawn), batch_size, epochs)
    # Whatever the rows' lengths are: they change the order only.
    order = plan_order([1 + row % 7 for row in drawn], batch_size=batch_size, steps=steps, seed=seed)
    visited = sorted({drawn[number] for number in order})
    named = trained_on(list(range(100, 100 + rows)), most=most, seed=seed, places=steps * batch_size)
    assert named == visited


def _dataset(world: Any, rows: int = 12) -> Any:
    dataset = make_dataset(world.project)
    for position in range(rows):
        example = make_example(
            world.project, f"Question {position}?", status=Example.Status.APPROVED, created_by=world.admin
        )
        split = "validation" if position % 4 == 3 else "train"
        revision = example.revisions.get()
        DatasetRow.objects.create(
            dataset=dataset,
            example=example,
            revision=revision,
            position=position,
            split=split,
            row_hash="0" * 64,
        )
    dataset.counts = {"train": 9, "validation": 3, "test": 0, "total": 12}
    dataset.save(update_fields=["counts"])
    return dataset


def _training(world: Any, **recipe: Any) -> Any:
    steps = recipe.pop("steps", 100)
    training = make_training(
        world.project, world.admin, dataset=_dataset(world), status=Run.Status.SUCCEEDED, planned_steps=steps
    )
    training.recipe = training.recipe | recipe
    training.save(update_fields=["recipe"])
    return training


@pytest.mark.django_db
def test_all_training_rows_cost_no_query(world: Any, django_assert_num_queries: Any) -> None:
    training = _training(world)
    with django_assert_num_queries(0):
        assert queries.trained_positions(training) is None
    assert [row.position for row in queries.trained_rows(training)] == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    assert queries.rows_words(training) == "all 9 training rows used, 3 for validation"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "recipe", [{"most_rows": 4}, {"steps": 1, "batch_size": 4}, {"most_rows": 4, "steps": 0}]
)
def test_a_run_that_used_fewer_names_them(world: Any, recipe: dict[str, int]) -> None:
    training = _training(world, seed=3, **recipe)
    positions = queries.trained_positions(training)
    assert positions is not None
    assert len(positions) == 4 and set(positions) < {0, 1, 2, 4, 5, 6, 8, 9, 10}
    assert [row.position for row in queries.trained_rows(training)] == positions
    assert queries.people_trained_on(training).rows == 4
    assert queries.rows_words(training).startswith("4 of 9 training rows used (drawn by seed 3)")


@pytest.mark.django_db
def test_a_base_was_trained_on_nothing(world: Any) -> None:
    assert not queries.trained_rows(None).exists()
    assert queries.people_trained_on(None).rows == 0


@pytest.mark.django_db
def test_the_version_page_counts_people_over_the_rows_used(world: Any, as_user: Any) -> None:
    from django.urls import reverse

    version = make_version(world.project, world.admin, training_run=_training(world, most_rows=4))
    words = text_of(
        as_user(world.viewer).get(reverse("training:version", args=[world.project.slug, version.pk]))
    )
    assert "4 of 9 training rows used" in words
    assert "None of the 4 rows was reviewed." in words
    assert "Imported by Admin Member 4" in words


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["²", "v²", "9" * 25, "v3", "3"])
def test_odd_numbers_find_nothing_and_break_nothing(world: Any, as_user: Any, text: str) -> None:
    from django.urls import reverse

    client = as_user(world.admin)
    for name, asked in (("training:home", "q"), ("training:versions", "q"), ("training:launch", "like")):
        assert client.get(reverse(name, args=[world.project.slug]), {asked: text}).status_code == 200
