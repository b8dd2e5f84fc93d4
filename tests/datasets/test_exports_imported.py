"""Every shape of export, imported into another project by a real import: the same examples."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from annotation.models import Example
from core.tasks import execute_run
from dataset.models import DataImport, Source
from dataset.rows import canonical_row, row_hash
from dataset.services.imports import start_import
from dataset.writers import WRITERS
from tests.datasets.desk import SignIn, body, page
from tests.support.factories import World, make_example

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("sent"),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning"),
]
COLUMNS = (
    "messages",
    "context",
    "completion",
    "rejected",
    "slice",
    "edge",
    "tags",
    "group",
    "source",
    "license",
)
Bring = Callable[[bytes, str], DataImport]


def canonical(example: Example) -> dict[str, Any]:
    return canonical_row({name: getattr(example, name) or "" for name in COLUMNS} | {"tags": example.tags})


def rows_of(project: Any, **chosen: Any) -> list[str]:
    """The hashes of the canonical rows: what a freeze would name them."""
    return sorted(
        row_hash(canonical(example)) for example in Example.objects.filter(project=project, **chosen)
    )


@pytest.fixture
def shelf(world: World) -> None:
    Source.objects.create(project=world.project, name="the desk, 2025")
    talk = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "=1+1?\n\tIs it  so?"},
        {"role": "assistant", "content": "'No."},
        {"role": "user", "content": "Why,\n\n“so”; \u2028?"},
    ]
    records = ['{"id":  1.10}', "- left Rotterdam", " [x]"]
    fields = {
        "status": "approved",
        "source": "the desk, 2025",
        "license": "CC BY 4.0",
        "tags": ["eta", "a, b"],
    }
    make_example(
        world.project, messages=talk, context=records, completion="@home;\nyes", rejected="-1", **fields
    )
    make_example(world.project, edge="angry_customer", rejected="yes", slice="", context=["[1]"], **fields)
    make_example(
        world.project, completion='[{"a": 1}]', rejected="\U0001f600", group="conversation 7", **fields
    )


@pytest.fixture
def bring(world: World, tmp_path: Path) -> Bring:
    def _bring(data: bytes, name: str) -> DataImport:
        path = tmp_path / name
        path.write_bytes(data)
        data_import = start_import(
            by=world.neighbour, project=world.other, path=path, file_name=name, destination="approved"
        )
        execute_run(data_import.run_id)
        return DataImport.objects.select_related("run").get(pk=data_import.pk)

    return _bring


@pytest.mark.parametrize(
    "writer", [writer for writer in WRITERS if not writer.two_rows], ids=lambda one: one.name
)
def test_another_project_gets_the_same_examples(
    writer: Any, world: World, shelf: None, bring: Bring, as_user: SignIn
) -> None:
    data = body(as_user(world.viewer).get(page("export-file", world.project, {}), {"shape": writer.name}))
    done = bring(data, f"export.{writer.ending}")
    assert (done.run.status, done.accepted, done.rejected, done.repeated) == ("succeeded", 3, 0, 0)
    assert rows_of(world.other, status="approved") == rows_of(world.project)


def test_labelled_answers_become_two_examples(
    world: World, shelf: None, tmp_path: Path, as_user: SignIn
) -> None:
    data = body(as_user(world.viewer).get(page("export-file", world.project, {}), {"shape": "kto"}))
    path = tmp_path / "export.jsonl"
    path.write_bytes(data)
    data_import = start_import(by=world.neighbour, project=world.other, path=path, file_name="export.jsonl")
    execute_run(data_import.run_id)
    imported = Example.objects.filter(project=world.other)
    good = imported.filter(rejected="")
    assert sorted(example.completion for example in good) == sorted(
        Example.objects.filter(project=world.project).values_list("completion", flat=True)
    )
    bad = imported.exclude(rejected="")
    assert {example.status for example in bad} == {"queued"}
    assert sorted(example.rejected for example in bad) == ["-1", "yes", "\U0001f600"]
