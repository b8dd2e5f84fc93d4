"""Runs that continue from a model version: what the database holds about the chain, what is behind a version, and the pages."""

import re

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import RestrictedError
from django.urls import reverse

from dataset.models import DatasetRow
from inference.models import Route
from tests.support.factories import make_base_model, make_dataset, make_training, make_version
from tests.training.trained import freeze
from training import chain, losses, queries
from training.forgotten import previous_of
from training.lineage import chain_around, origin_of
from training.models import ModelVersion, ReplayedRow, TrainingRun
from training.preflight.starts import seen_findings


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


def _chain(world, base, length=3, frozen=False, **fields):
    """v1, v2, ...: each continues from the one before and is trained on a dataset of its own, which has rows when `frozen`."""
    versions = []
    for at in range(length):
        parent = versions[-1] if versions else None
        if frozen:
            fields["dataset"] = freeze(world, 12, start=12 * at)
        training = make_training(
            world.project, world.admin, base_model=base, continued_from=parent, status="succeeded", **fields
        )
        versions.append(make_version(world.project, world.admin, training_run=training, parent=parent))
    return versions


class TestWhatIsBehindAVersion:
    def test_runs_datasets_rows_and_people_of_the_whole_chain(self, world):
        one, two, three = _chain(world, make_base_model(), frozen=True)
        assert [step.pk for step in chain.ancestors_of(three)] == [two.pk, one.pk]
        assert chain.ancestors_of(one) == []
        own = [version.training_run.dataset for version in (three, two, one)]
        behind = chain.datasets_behind([one, three])
        assert behind == {one.pk: [own[2]], three.pk: own}
        assert chain.descendants_of([one]) == {two.pk, three.pk}
        assert chain.descendants_of([three]) == set()
        rows = queries.trained_rows(three.training_run)
        assert rows.count() == DatasetRow.objects.filter(dataset__in=own, split="train").count() > 0
        each = [queries.people_trained_on(version.training_run) for version in (one, two, three)]
        assert each[2].rows == rows.count() > each[0].rows
        assert set(each[2].names) >= set(each[0].names)
        kinds = [step.kind for step in origin_of(three)]
        assert kinds == ["Training run", "Dataset version", "Continued from", "Continued from", "Base model"]

    def test_a_row_that_two_runs_of_a_chain_train_on_counts_once(self, world):
        base, earlier, dataset = make_base_model(), freeze(world, 12), freeze(world, 12, start=12)
        one, two = _chain(world, base, 2, dataset=dataset)
        alone, both = (queries.people_trained_on(version.training_run) for version in (one, two))
        assert both == alone and alone.rows == dataset.rows.filter(split="train").count() > 4
        # One that draws some of the rows adds none, whichever of the two comes first.
        TrainingRun.objects.filter(pk=two.training_run_id).update(
            recipe=two.training_run.recipe | {"most_rows": 4}
        )
        some = TrainingRun.objects.get(pk=two.training_run_id)
        assert len(queries.trained_positions(some)) == 4
        assert queries.people_trained_on(some) == alone
        third = make_version(
            world.project,
            world.admin,
            training_run=make_training(
                world.project,
                world.admin,
                base_model=base,
                continued_from=two,
                dataset=dataset,
                status="succeeded",
            ),
            parent=two,
        )
        assert queries.people_trained_on(third.training_run) == alone
        # Practised rows that an earlier run trained on add none; those of a version that none trained on do, once.
        known, new = dataset.rows.filter(split="train").first(), earlier.rows.filter(split="train").first()
        for run in (one.training_run, third.training_run):
            for row in (known, new):
                ReplayedRow.objects.create(training_run=run, row=row)
        found = queries.people_trained_on(third.training_run)
        assert found.rows == queries.trained_rows(third.training_run).count() == alone.rows + 1
        assert found.elsewhere == found.rows

    def test_two_draws_from_one_dataset_are_counted_as_their_union(self, world):
        one, two = _chain(world, make_base_model(), 2, dataset=freeze(world, 30))
        for seed, version in enumerate((one, two)):
            run = version.training_run
            TrainingRun.objects.filter(pk=run.pk).update(recipe=run.recipe | {"most_rows": 6, "seed": seed})
        first, second = TrainingRun.objects.order_by("number")
        drawn = [set(queries.trained_positions(run)) for run in (first, second)]
        assert len(drawn[0]) == len(drawn[1]) == 6 and drawn[0] != drawn[1]
        assert queries.people_trained_on(second).rows == len(drawn[0] | drawn[1])

    def test_a_long_chain_takes_as_many_queries_as_a_short_one(self, world, django_assert_max_num_queries):
        newest = _chain(world, make_base_model(), 6)[-1]
        with django_assert_max_num_queries(2):
            assert len(chain.ancestors_of(newest)) == 5
        with django_assert_max_num_queries(5):
            assert len(chain_around(newest).links) == 6

    def test_test_rows_that_an_earlier_version_saw_are_not_measured(self, world):
        one, two, _ = _chain(world, make_base_model(), frozen=True)
        test = DatasetRow.objects.filter(dataset=two.training_run.dataset, split="test").first()
        base = make_version(world.project, base_model=one.base_model)
        before = losses.available_rows(two, base)
        assert before.trained_on == 0
        seen = DatasetRow.objects.filter(dataset=one.training_run.dataset, split="train").first()
        DatasetRow.objects.filter(pk=seen.pk).update(prompt_hash=test.prompt_hash)
        after = losses.available_rows(two, base)
        assert (after.trained_on, len(after.rows)) == (1, len(before.rows) - 1)
        found = seen_findings(one, two.training_run.dataset)
        assert [finding.level for finding in found] == ["warn"]
        assert "1 test row" in found[0].message

    def test_what_was_forgotten_is_measured_against_the_parent(self, world):
        base = make_base_model()
        one, two, three = _chain(world, base)
        side = make_version(world.project, world.admin, base_model=base, parent=one)
        assert previous_of(side) == one
        assert previous_of(three) == two
        assert previous_of(make_version(world.project, world.admin, base_model=base)) == side


class TestPages:
    def test_the_launch_form_takes_method_and_shape_from_the_version(self, world, as_user):
        base = make_base_model()
        dataset = make_dataset(world.project, 30)
        training = make_training(
            world.project, world.admin, base_model=base, method="prompt", status="succeeded"
        )
        TrainingRun.objects.filter(pk=training.pk).update(recipe={**training.recipe, "length": 7})
        training.refresh_from_db()
        version = make_version(world.project, world.admin, training_run=training, serving="prompt_embeds")
        client = as_user(world.admin)
        address = reverse("training:launch", args=[world.project.slug])
        shown = client.get(address, {"continued_from": version.pk}).context["form"]
        assert shown.chosen.name == "prompt"
        assert shown["length"].value() == 7
        # Another method afterwards stays chosen, and the check says what to do.
        query = {"continued_from": version.pk, "was_from": version.pk, "method": "lora", "was": "prompt"}
        page = client.get(address, query)
        assert page.context["form"].chosen.name == "lora"
        assert "Choose Prompt tuning" in page.content.decode()
        values = {setting.name: setting.default for setting in shown.settings} | {
            "method": "prompt", "objective": "supervised", "base_model": base.pk, "dataset": dataset.pk,
            "continued_from": version.pk, "length": 7, "save_memory": "",
        }  # fmt: skip
        values = {name: value for name, value in values.items() if value is not False}
        assert client.post(address, values | {"length": 8}).status_code == 422
        assert client.post(address, values).status_code == 302
        newest = TrainingRun.objects.order_by("-pk").first()
        assert newest.continued_from == version
        page = client.get(reverse("training:run", args=[world.project.slug, newest.number]))
        assert reverse("training:version", args=[world.project.slug, version.pk]) in page.content.decode()

    def test_a_version_page_draws_its_chain_and_marks_the_live_one(self, world, as_user):
        one, two, three = _chain(world, make_base_model())
        Route.objects.create(project=world.project, version=one)
        client = as_user(world.viewer)

        def items(version):
            page = client.get(reverse("training:version", args=[world.project.slug, version.pk]))
            section = page.content.decode().split('id="chain"')[1].split("</section>")[0]
            return section, [
                " ".join(re.sub(r"<[^>]+>", " ", f"<li{part}").split()) for part in section.split("<li")[1:]
            ]

        section, parts = items(two)
        assert [name for part in parts for name in ("v1", "v2", "v3") if f" {name} " in f" {part} "] == [
            "v1", "v2", "v3",
        ]  # fmt: skip
        assert ["live" in part.split() for part in parts].count(True) == 1
        assert section.count("aria-current") == 1
        assert "Continue training" not in section
        section, _ = items(three)
        assert "No version continues from this one yet." in section
        assert "launch form" not in section

    def test_the_empty_state_of_an_admin_says_what_to_do(self, world, as_user):
        base = make_version(world.project, base_model=make_base_model())
        page = as_user(world.admin).get(reverse("training:version", args=[world.project.slug, base.pk]))
        assert "No version was made from this base model yet." in page.content.decode()
        assert f"?base_model={base.base_model_id}" in page.content.decode()

    def test_the_api_continues_from_versions_of_the_project_only(self, world, as_user):
        base = make_base_model()
        dataset = make_dataset(world.project, 30)
        version = make_version(world.project, world.admin, base_model=base)
        foreign = make_version(world.other, world.neighbour, base_model=base)
        client = as_user(world.admin)
        address = f"/api/v1/projects/{world.project.slug}/training-runs/"
        body = {"method": "lora", "base_model": base.pk, "dataset": dataset.number}

        def post(**changes):
            return client.post(address, body | changes, content_type="application/json")

        assert post(continued_from=foreign.pk).status_code == 404
        told = post(continued_from=version.pk, method="full")
        assert told.status_code == 422 and "method" in told.json()["fields"]
        made = post(continued_from=version.pk)
        assert made.status_code == 201 and made.json()["continued_from"] == version.pk
        assert post().json()["continued_from"] is None
