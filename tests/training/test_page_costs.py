"""Queries."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.models import Run
from tests.support.factories import make_base_model, make_dataset, make_training, make_version
from tests.training.pages import url
from training.models import MetricPoint, SampleAnswer

pytestmark = pytest.mark.django_db


def queries_of(client, address):
    client.get(address)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


@pytest.mark.parametrize("name", ["home", "versions", "bases", "compare", "launch"])
def test_lists_make_the_same_number_of_queries_however_long_they_are(scene, as_user, name):
    client = as_user(scene.admin)
    few = queries_of(client, url(scene, name))
    for _ in range(6):
        base = make_base_model()
        training = make_training(
            scene.project,
            scene.admin,
            base_model=base,
            dataset=make_dataset(scene.project, 10),
            status=Run.Status.SUCCEEDED,
        )
        make_version(scene.project, scene.admin, training_run=training)
        make_training(scene.project, scene.admin, base_model=base, dataset=scene.dataset)
    assert queries_of(client, url(scene, name)) == few


def test_the_run_page_makes_the_same_number_of_queries_however_many_points_there_are(scene, as_user):
    client = as_user(scene.admin)
    few = queries_of(client, url(scene, "run", scene.done.number))
    MetricPoint.objects.bulk_create(
        MetricPoint(training_run=scene.done, series="train", step=step, epoch=1, loss=1.5)
        for step in range(101, 300)
    )
    for step in range(101, 120):
        SampleAnswer.objects.create(training_run=scene.done, step=step, question="Another?", answer="Yes.")
    assert queries_of(client, url(scene, "run", scene.done.number)) == few
