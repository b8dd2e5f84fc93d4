"""What the tests of the data side's pages and API share: their addresses, and a project with something in it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from django.http import StreamingHttpResponse
from django.test import Client
from django.urls import reverse

from annotation.models import Example
from core.models import Project, Role, User
from dataset.models import DataImport, DatasetRow, DatasetVersion
from dataset.rows import ContentHash, row_hash
from dataset.services.imports import start_import
from tests.support.factories import World, make_example, make_frozen, spelled

SignIn = Callable[[User | None], Client]
READERS = {Role.ADMIN, Role.VIEWER, Role.ANNOTATOR, Role.REVIEWER}
WATCHERS = {Role.ADMIN, Role.VIEWER}
# name: (needs an id, who may GET, who may POST)
PAGES: dict[str, tuple[str, set[str], set[str]]] = {
    "examples": ("", READERS, set()),
    "examples-download": ("", READERS, set()),
    "example": ("example", READERS, set()),
    "example-retire": ("example", set(), {Role.ADMIN, Role.REVIEWER}),
    "example-requeue": ("example", set(), {Role.ADMIN, Role.REVIEWER}),
    "imports": ("", WATCHERS, set()),
    "import-new": ("", {Role.ADMIN}, {Role.ADMIN}),
    "import": ("import", WATCHERS, set()),
    "import-issues": ("import", WATCHERS, set()),
    "import-remove": ("import", set(), {Role.ADMIN}),
    "export": ("", READERS, set()),
    "export-file": ("", READERS, set()),
    "datasets": ("", READERS, set()),
    "dataset-new": ("", {Role.ADMIN}, {Role.ADMIN}),
    "dataset-preview": ("", {Role.ADMIN}, set()),
    "dataset": ("dataset", READERS, set()),
    "dataset-rows": ("dataset", READERS, set()),
    "dataset-withheld": ("dataset", READERS, set()),
    "dataset-download": ("dataset", READERS, set()),
    "dataset-export": ("dataset", READERS, set()),
    "dataset-export-file": ("dataset", READERS, set()),
    "dataset-croissant": ("dataset", READERS, set()),
}
API: dict[str, tuple[set[str], set[str]]] = {
    "examples/": (READERS, {Role.ADMIN, Role.ANNOTATOR, Role.REVIEWER}),
    "examples/download/": (READERS, set()),
    "examples/{example}/": (READERS, set()),
    "examples/{example}/history/": (READERS, set()),
    "examples/{example}/retire/": (set(), {Role.ADMIN, Role.REVIEWER}),
    "examples/{example}/requeue/": (set(), {Role.ADMIN, Role.REVIEWER}),
    "imports/": (WATCHERS, {Role.ADMIN}),
    "imports/{import}/": (WATCHERS, set()),
    "imports/{import}/issues/": (WATCHERS, set()),
    "imports/{import}/remove/": (set(), {Role.ADMIN}),
    "examples/export/": (READERS, set()),
    "examples/export/counts/": (READERS, set()),
    "datasets/": (READERS, {Role.ADMIN}),
    "datasets/preview/": (READERS, set()),
    "datasets/{dataset}/": (READERS, set()),
    "datasets/{dataset}/rows/": (READERS, set()),
    "datasets/{dataset}/withheld/": (READERS, set()),
    "datasets/{dataset}/download/": (READERS, set()),
    "datasets/{dataset}/export/": (READERS, set()),
    "datasets/{dataset}/export/counts/": (READERS, set()),
}


@pytest.fixture
def upload(world: World, tmp_path: Any) -> Callable[[bytes], DataImport]:
    """An import whose run has not begun; `store` it with `stored`."""

    def _upload(data: bytes) -> DataImport:
        path = tmp_path / "pairs.jsonl"
        path.write_bytes(data)
        return start_import(by=world.admin, project=world.project, path=path, file_name="pairs.jsonl")

    return _upload


@pytest.fixture
def ids(world: World, upload: Callable[[bytes], DataImport]) -> dict[str, int]:
    examples = [make_example(world.project, status="approved") for _ in range(6)]
    dataset = make_frozen(world.project, world.admin)
    data_import = upload(b'{"prompt": "a"}\n')
    return {"example": examples[0].pk, "dataset": dataset.number, "import": data_import.pk}


def approve(project: Project, count: int, **fields: Any) -> list[Example]:
    return [make_example(project, status=Example.Status.APPROVED, **fields) for _ in range(count)]


def splits_of(dataset: DatasetVersion) -> dict[int, str]:
    return dict(DatasetRow.objects.filter(dataset=dataset).values_list("example", "split"))


def question_of(number: int) -> str:
    """Four of five ask of one crate and differ in a number, a last word or case; the fifth is like no other."""
    subject = f"crate {spelled(number // 5)} of the old red ship that left for Oslo"
    return [
        f"Where is {subject}?",
        f"Where is {subject} 17?",
        f"where is {subject} 4,200",
        f"Where is {subject} please?",
        f"{spelled(number)}, {spelled(number + 1)} and {spelled(number + 2)}?",
    ][number % 5]


def ask(question: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}]


def content_hash_of(rows: Iterable[tuple[Mapping[str, Any], str]], settings: Mapping[str, Any]) -> str:
    """The content hash of (canonical row, split) pairs in any order: its definition in one line each."""
    content = ContentHash(settings)
    for sha256, split in sorted((row_hash(row), split) for row, split in rows):
        content.add(sha256, split)
    return content.hexdigest()


def page(name: str, project: Project, ids: dict[str, int]) -> str:
    kind = PAGES[name][0]
    return reverse(
        f"{'annotation' if name.startswith('example') else 'datasets'}:{name}",
        args=[project.slug, *([ids[kind]] if kind else [])],
    )


def body(response: Any) -> bytes:
    assert isinstance(response, StreamingHttpResponse)
    return b"".join(response)  # type: ignore[arg-type]
