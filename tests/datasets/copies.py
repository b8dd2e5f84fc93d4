"""Examples that say nearly the same, and a finished search for duplicates, for the tests of duplicates."""

from typing import Any

from django.urls import reverse

from annotation.models import Example
from core.models import Project, Run
from dataset.models import DatasetRow, DuplicateCluster, DuplicateSearch, GroupSplit
from dataset.queries.duplicates import clusters_of
from dataset.runner import duplicates as runner
from dataset.services.duplicate_searches import start_search
from tests.support.factories import World, make_example, quiet

ASKED = "Where is the red crate that left Hamburg for Oslo on Monday?"
SAID = "The crate is at sea and arrives on 3 December at the port of Oslo."


def search(world: World) -> DuplicateSearch:
    """A finished search, without a worker: its heartbeat does not see the rows of this transaction."""
    found = start_search(by=world.admin, project=world.project)
    runner.search_now(found, tell=quiet)
    Run.objects.filter(pk=found.run_id).update(status="succeeded")
    return found


def clusters(world: World, **asked: Any) -> list[DuplicateCluster]:
    return list(clusters_of(world.project, **asked))


def three(world: World, **fields: Any) -> list[Example]:
    """Three examples with one question, and one that has nothing to do with them."""
    make_example(world.project, "May I bring my dog to the office?", "Yes, on Fridays.")
    return [
        make_example(world.project, question, SAID, status="approved", **fields)
        for question in (ASKED, ASKED.upper(), ASKED.replace("Monday", "Monday please"))
    ]


def page(name: str, world: World, *args: object) -> str:
    return reverse(f"datasets:{name}", args=[world.project.slug, *args])


def held(project: Project) -> tuple[Any, ...]:
    rows = DatasetRow.objects.filter(dataset__project=project).order_by("pk")
    splits = GroupSplit.objects.filter(project=project).order_by("pk")
    versions = project.dataset_versions.order_by("pk")
    return tuple(map(list, (
        rows.values_list(), splits.values_list("group", "split"), versions.values_list("content_hash", "counts"),
    )))  # fmt: skip
