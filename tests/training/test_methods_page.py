"""Methods compared before anything runs: estimates, refusals, what runs needed, sorting, CSV, and the way to the launch form."""

import csv
import io

import pytest

from tests.support.factories import make_base_model, make_dataset
from tests.training.pages import url
from training.methods import METHODS
from training.models import ModelVersion, TrainingRun
from training.preflight.comparison import cases, compare_methods

pytestmark = pytest.mark.django_db


def rows_of(scene, **more):
    return compare_methods(
        project=scene.project, base_model=scene.base, dataset=scene.dataset, objective="supervised", **more
    )


def test_every_method_and_variant_has_a_row_with_the_estimate_of_the_launch_page(scene):
    rows = rows_of(scene)
    assert [(row.method.name, row.variant) for row in rows] == [case[:2] for case in cases("supervised")]
    assert {row.method.name for row in rows} == set(METHODS)
    assert [row.variant for row in rows if row.method.name == "lora"] == ["lora", "dora", "pissa"]
    by_name = {(row.method.name, row.variant): row for row in rows}
    lora, dora, full = by_name["lora", "lora"], by_name["lora", "dora"], by_name["full", ""]
    assert lora.check.estimate.trainable == 4_884_480
    assert full.check.estimate.trainable == scene.base.parameter_count
    assert dora.stored.stored_bytes == 4 * scene.base.parameter_count > lora.stored.stored_bytes
    assert by_name["prompt", ""].check.serving_plan == "as prompt embeddings in vLLM"
    assert "NVIDIA GPU" in by_name["qlora", ""].refusal
    assert not lora.refusal


def test_measured_runs_and_the_error_of_estimates_stand_beside(scene):
    TrainingRun.objects.filter(pk=scene.done.pk).update(
        measured={"train": 90.0, "load": 30.0},
        estimate={"seconds": 100.0, "memory_bytes": 2_000_000_000},
        peak_memory_bytes=1_500_000_000,
    )
    row = next(row for row in rows_of(scene) if (row.method.name, row.variant) == ("lora", "lora"))
    assert row.measured == scene.done
    assert (row.error.seconds, row.error.memory) == (pytest.approx(1.2), pytest.approx(0.75))
    assert row.spent == 120.0
    assert row.stored_size == ModelVersion.objects.get(training_run=scene.done).artifact.size_bytes
    other = next(row for row in rows_of(scene) if row.variant == "pissa")
    assert other.measured is None and other.error.runs == 0


def test_rows_are_sorted_and_those_that_cannot_run_come_last(scene):
    for sort, figure in (
        ("time", lambda row: row.check.estimate.seconds),
        ("memory", lambda row: row.check.estimate.memory_bytes),
        ("parameters", lambda row: row.check.estimate.trainable),
        ("size", lambda row: row.stored.stored_bytes),
    ):
        rows = rows_of(scene, sort=sort)
        able = [row for row in rows if not row.refusal]
        assert rows[: len(able)] == able
        figures = [figure(row) for row in able]
        assert figures == sorted(figures) and len(set(figures)) > 3


def test_the_page_leads_to_the_launch_form_with_method_and_variant(scene, as_user):
    page = as_user(scene.admin).get(url(scene, "methods"))
    assert page.status_code == 200
    content = page.content.decode()
    assert content.count("Use this method") == sum(not row.refusal for row in page.context["rows"])
    link = next(
        part.split('"')[0] for part in content.split('href="') if "variant=dora" in part.split('"')[0]
    )
    form = as_user(scene.admin).get(link.replace("&amp;", "&")).context["form"]
    assert (form.chosen.name, form["variant"].value(), form["rank"].value()) == ("lora", "dora", 16)
    assert "Use this method" not in as_user(scene.viewer).get(url(scene, "methods")).content.decode()


def test_a_wrong_choice_is_422_and_a_dataset_of_another_kind_is_refused_in_words(scene, as_user):
    client = as_user(scene.viewer)
    for query in ({"base": "x"}, {"order": "luck"}, {"data_version": "999999"}, {"objective_name": "magic"}):
        assert client.get(url(scene, "methods"), query).status_code == 422, query
        assert client.get(url(scene, "methods-csv"), query).status_code == 422, query
    rows = client.get(
        url(scene, "methods"), {"objective_name": "dpo", "data_version": scene.dataset.pk}
    ).context["rows"]
    # A method that cannot train this base model, or cannot run on this machine, says that first.
    assert all(row.refusal for row in rows)
    assert all("learns from" in row.refusal for row in rows if row.method.name in ("lora", "full"))


def test_the_csv_has_the_same_rows(scene, as_user):
    answer = as_user(scene.viewer).get(url(scene, "methods-csv"), {"order": "memory"})
    lines = list(csv.DictReader(io.StringIO(b"".join(answer).decode())))
    assert [line["label"] for line in lines] == [row.label for row in rows_of(scene, sort="memory")]
    assert any(line["refusal"] for line in lines) and all(line["served"] for line in lines)


def test_without_data_the_page_says_what_to_do(world, as_user):
    content = as_user(world.admin).get(url(world, "methods")).content.decode()
    assert "Nothing to compare" in content and "No base model is ready" in content


def test_members_only_and_as_many_queries_for_more_runs(scene, as_user, django_assert_max_num_queries):
    assert as_user(scene.neighbour).get(url(scene, "methods")).status_code == 404
    assert as_user(scene.neighbour).get(url(scene, "methods-csv")).status_code == 404
    assert as_user(scene.viewer).post(url(scene, "methods")).status_code == 405
    make_dataset(scene.project, 20)
    make_base_model()
    with django_assert_max_num_queries(20 * len(cases("supervised"))):
        rows_of(scene)
