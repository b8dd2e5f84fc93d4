"""The pages of learning curves, what Coverage shows of them, and who sees which."""

import pytest
from django.urls import reverse

from core.models import Run
from tests.support.factories import make_base_model, make_dataset, make_learning_curve, make_user
from training.forms import LearningCurveForm
from training.models import LearningCurve

from .pages import url

pytestmark = pytest.mark.django_db


@pytest.fixture
def curve(world, sent):
    return make_learning_curve(world.project, world.admin)


def page_of(client, address):
    answer = client.get(address)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def test_the_page_says_what_more_examples_would_do_with_chart_and_table(world, as_user, curve):
    page = page_of(as_user(world.viewer), url(world, "learning-curve", curve.number))
    assert "500 more examples would lower held-out loss by 0." in page
    assert "too far to say" in page
    assert "Held-out loss by training rows of Learning curve 1" in page and "<svg" in page
    for share, rows in ((25, 200), (50, 400), (75, 600), (100, 800)):
        assert f'<th scope="row">{share}%</th>' in page and f">{rows}<" in page
    assert "60 of 60 groups" in page
    assert "Cancel" not in page


def test_the_list_and_an_empty_one(world, as_user, sent):
    address = url(world, "learning-curves")
    assert "No learning curves yet" in page_of(as_user(world.viewer), address)
    assert url(world, "learning-curve-new") in page_of(as_user(world.admin), address)
    make_learning_curve(world.project, world.admin)
    page = page_of(as_user(world.viewer), address)
    assert "500 more examples would lower held-out loss by" in page
    assert url(world, "learning-curve-new") not in page


def test_a_curve_that_is_being_measured_and_one_that_was_cancelled_early(world, as_user, sent):
    running = make_learning_curve(world.project, world.admin, {}, status=Run.Status.RUNNING)
    assert "first figures appear" in page_of(
        as_user(world.admin), url(world, "learning-curve", running.number)
    )
    early = make_learning_curve(world.project, world.admin, {25: 2.4, 50: 2.1}, status=Run.Status.CANCELLED)
    page = page_of(as_user(world.admin), url(world, "learning-curve", early.number))
    assert "3 of 4 shares must be finished" in page and "500 more examples" not in page


def test_coverage_says_what_the_newest_curve_says_or_how_to_start_one(world, as_user, sent):
    address = reverse("quality:coverage", args=[world.project.slug])
    start = url(world, "learning-curve-new")
    assert start in page_of(as_user(world.admin), address)
    for_annotators = page_of(as_user(world.annotator), address)
    assert "can be measured" in for_annotators and start not in for_annotators
    running = make_learning_curve(world.project, world.admin, {}, status=Run.Status.RUNNING)
    assert "A learning curve is being measured." in page_of(as_user(world.annotator), address)
    older = make_learning_curve(world.project, world.admin, {25: 1.8, 50: 1.8, 75: 1.8, 100: 1.8})
    newest = make_learning_curve(world.project, world.admin)
    page = page_of(as_user(world.viewer), address)
    assert "500 more examples would lower held-out loss by" in page
    assert url(world, "learning-curve", newest.number) in page
    assert url(world, "learning-curve", older.number) not in page
    without = page_of(as_user(world.annotator), address)
    assert (
        "500 more examples would lower" in without
        and url(world, "learning-curve", newest.number) not in without
    )
    assert running.number < newest.number


def test_the_form_shows_why_it_cannot_start_and_starts_nothing(world, as_user, sent):
    base, dataset = make_base_model(), make_dataset(world.project, 24)
    client = as_user(world.admin)
    page = page_of(client, url(world, "learning-curve-new"))
    assert "a learning curve needs at least 80" in page and "needs at least 20" in page
    assert "Validation rows to measure on" not in page and "Evaluations during training" not in page
    form = LearningCurveForm(world.project, "lora")
    values = {
        name: form.get_initial_for_field(field, name) for name, field in form.fields.items() if field.initial
    } | {
        "base_model": base.pk,
        "dataset": dataset.pk,
        "warmup": 0,
        "dropout": 0,
        "weight_decay": 0,
        "most_rows": 0,
        "rows_at_once": 0,
    }
    wrong = client.post(url(world, "learning-curve-new"), values | {"repeats": 9})
    assert wrong.status_code == 422 and "less than or equal to 5" in wrong.content.decode()
    refused = client.post(url(world, "learning-curve-new"), values)
    assert refused.status_code == 422 and "a learning curve needs at least 80" in refused.content.decode()
    assert not LearningCurve.objects.exists()
    assert as_user(world.viewer).get(url(world, "learning-curve-new")).status_code == 403


def test_strangers_see_nothing(world, as_user, curve):
    stranger = as_user(make_user("Stranger"))
    for name, *given in (("learning-curves",), ("learning-curve", curve.number), ("learning-curve-new",)):
        assert stranger.get(url(world, name, *given)).status_code == 404
    assert (
        stranger.get(reverse("api-learning-curve", args=[world.project.slug, curve.number])).status_code
        == 404
    )
    assert as_user(world.rater).get(url(world, "learning-curve", curve.number)).status_code == 403


def test_the_page_costs_the_same_for_any_number_of_curves(world, as_user, sent, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client, address = as_user(world.admin), url(world, "learning-curves")
    make_learning_curve(world.project, world.admin)
    client.get(address)
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get(address)
    for _ in range(4):
        make_learning_curve(world.project, world.admin)
    with django_assert_num_queries(len(few)):
        client.get(address)
