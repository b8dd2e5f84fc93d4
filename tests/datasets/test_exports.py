"""Exports over pages and API: the same rows as the list, every shape, what is left out, and Croissant metadata."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.models import Example
from dataset.models import DatasetVersion, Source
from dataset.queries.exports import (
    figures_of_examples,
    figures_of_version,
    first_of_examples,
    row_of_example,
    rows_of_examples,
)
from dataset.runner.chats import ParsedExample
from dataset.runner.parsing import parse_line
from dataset.runner.reading import FileLine
from dataset.services.withdrawals import withdraw
from dataset.writers import WRITERS, LeftOut
from tests.datasets.desk import SignIn, body, page
from tests.datasets.exported import any_row, unzipped
from tests.datasets.test_writers import validate
from tests.support.factories import World, make_dataset, make_example, make_frozen
from tests.support.reading import text_of

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("sent"),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning"),
]
SHAPES = [writer.name for writer in WRITERS]


@pytest.fixture
def shelf(world: World) -> dict[str, Example]:
    """Examples of all kinds: good, with a worse answer, without an answer, with turns that do not alternate, very long."""
    talk = [{"role": "user", "content": "Hello?"}, {"role": "user", "content": "Where is FD-1?"}]
    project = world.project
    return {
        "good": make_example(project, status="approved", license="CC BY 4.0", context=["FD-1 | at sea"]),
        "worse": make_example(project, status="approved", rejected="No idea.", slice="customs"),
        "queued": make_example(project, status="queued"),
        "twice": make_example(project, status="approved", messages=talk),
        "long": make_example(project, status="approved", messages=[*_long(), talk[1]]),
    }


def _long() -> list[dict[str, str]]:
    return [{"role": role, "content": "word " * 3_900} for role in ("user", "assistant")]


def api(world: World, path: str) -> str:
    return f"/api/v1/projects/{world.project.slug}/{path}"


def lines(response: Any) -> list[dict[str, Any]]:
    assert response.status_code == 200
    return [json.loads(line) for line in body(response).decode().split("\n")[:-1]]


# --- examples ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", SHAPES)
def test_page_and_api_give_the_same_file(
    shape: str, world: World, shelf: dict[str, Example], as_user: SignIn
) -> None:
    query = {"shape": shape, "status": "approved"}
    client = as_user(world.viewer)
    by_page = client.get(page("export-file", world.project, {}), query)
    by_api = client.get(api(world, "examples/export/"), query)
    ending = next(writer.ending for writer in WRITERS if writer.name == shape)
    for response in (by_page, by_api):
        assert response.status_code == 200
        assert response["Content-Disposition"].endswith(f'examples-{shape}.{ending}"')
    assert body(by_page) == body(by_api) != b""
    head = client.head(page("export-file", world.project, {}), query)
    assert (head.status_code, head["Content-Type"], body(head)) == (200, by_page["Content-Type"], b"")


def test_the_filters_of_the_list_choose_the_rows(
    world: World, shelf: dict[str, Example], as_user: SignIn
) -> None:
    client = as_user(world.viewer)
    for query, found in (
        ({}, ["good", "worse", "queued", "twice", "long"]),
        ({"slice": "customs"}, ["worse"]),
        ({"status": "queued"}, ["queued"]),
        ({"q": f"#{shelf['good'].pk}"}, ["good"]),
        ({"q": "hello"}, ["twice"]),
    ):
        rows = lines(client.get(page("export-file", world.project, {}), query))
        assert [row["id"] for row in rows] == [f"example-{shelf[name].pk}" for name in found], query


def test_the_first_row_is_the_example(world: World, shelf: dict[str, Example], as_user: SignIn) -> None:
    good = shelf["good"]
    (row,) = lines(
        as_user(world.viewer).get(api(world, "examples/export/"), {"shape": "openai", "q": f"#{good.pk}"})
    )
    assert row["messages"] == [*good.messages, {"role": "assistant", "content": good.completion}]
    assert (row["context"], row["license"], row["group"]) == (good.context, good.license, good.group)
    parsed = parse_line(FileLine(1, 1, json.dumps(row)), needs_completion=True)
    assert isinstance(parsed, ParsedExample)
    assert (parsed.messages, parsed.context, parsed.completion) == (
        good.messages,
        good.context,
        good.completion,
    )


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({"shape": "docx"}, "shape"),
        ({"shape": "openai", "keys": "some"}, "keys"),
        ({"shape": "parquet", "keys": "standard"}, "keys"),
        ({"status": "aproved"}, "status"),
        ({"shap": "openai"}, "shap"),
        ({"split": "test"}, "split"),
    ],
)
def test_a_wrong_shape_or_filter_gives_no_file(
    query: dict[str, str], wrong: str, world: World, shelf: dict[str, Example], as_user: SignIn
) -> None:
    client = as_user(world.viewer)
    for path in ("examples/export/", "examples/export/counts/"):
        answer = client.get(api(world, path), query)
        assert (answer.status_code, list(answer.json()["fields"])) == (422, [wrong])
    assert client.get(page("export-file", world.project, {}), query).status_code == 422
    if wrong == "shape":
        assert all(shape in answer.json()["fields"]["shape"][0] for shape in SHAPES)


def test_the_page_tells_what_is_left_out_before_the_download(
    world: World, shelf: dict[str, Example], as_user: SignIn
) -> None:
    client = as_user(world.viewer)
    Example.objects.filter(pk=shelf["queued"].pk).update(completion="")
    shown = text_of(client.get(page("export", world.project, {}), {"shape": "alpaca"}))
    assert "Rows in the file 3 Of examples 5" in shown
    assert "1 example without a completion is left out" in shown
    assert "1 example in which questions and answers do not alternate is left out" in shown
    assert "1 of the 5 examples is not approved" in shown
    told = client.get(
        api(world, "examples/export/counts/"), {"shape": "preference", "keys": "standard"}
    ).json()
    assert told == {
        "shape": "preference",
        "examples": 5,
        "rows": 1,
        "left_out": [{"reason": str(LeftOut.NOT_WORSE), "examples": 4}],
        "unapproved": 1,
        "lost": ["id", "slice", "edge", "tags", "group", "source", "license", "status", "revision", "split"],
    }
    kto = client.get(api(world, "examples/export/counts/"), {"shape": "kto"}).json()
    assert (kto["examples"], kto["rows"]) == (5, 5)  # four good answers and a worse one
    assert len(lines(client.get(api(world, "examples/export/"), {"shape": "kto"}))) == 5


def test_the_page_keeps_the_filters_of_the_list(
    world: World, shelf: dict[str, Example], as_user: SignIn
) -> None:
    client = as_user(world.viewer)
    listed = client.get(page("examples", world.project, {}), {"status": "approved"}).content.decode()
    assert f"{page('export', world.project, {})}?status=approved" in listed
    response = client.get(
        page("export", world.project, {}), {"status": "approved", "shape": "openai", "keys": "standard"}
    )
    shown = response.content.decode()
    assert "Only examples with Status: Approved ." in text_of(response) or "Status: Approved" in text_of(
        response
    )
    assert '<input type="hidden" name="status" value="approved">' in shown
    assert (
        f"{page('export-file', world.project, {})}?status=approved&amp;shape=openai&amp;keys=standard"
        in shown
    )
    assert "Records:" in shown and "FD-1 | at sea" in shown


def test_a_choice_of_keys_does_not_break_the_page_when_the_shape_has_none(
    world: World, shelf: dict[str, Example], as_user: SignIn
) -> None:
    response = as_user(world.viewer).get(
        page("export", world.project, {}), {"shape": "csv", "keys": "standard"}
    )
    assert response.status_code == 200
    assert "1 example with a text that is too long for a cell of Excel" in text_of(response)
    assert f'href="{page("export-file", world.project, {})}?shape=csv"' in response.content.decode()


def test_nothing_to_export_says_what_to_do(world: World, as_user: SignIn) -> None:
    shown = text_of(as_user(world.viewer).get(page("export", world.project, {})))
    assert "Nothing to export: no example matches." in shown


def test_with_many_rows_the_page_comes_first_and_asks_for_the_counts(
    world: World, shelf: dict[str, Example], as_user: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataset.views.exports.AT_ONCE", 4)
    client = as_user(world.viewer)
    first = client.get(page("export", world.project, {}), {"shape": "kto"}).content.decode()
    assert "Counting the rows" in first and 'hx-trigger="load"' in first
    then = client.get(page("export", world.project, {}), {"shape": "kto"}, headers={"HX-Request": "true"})
    assert "Counting the rows" not in then.content.decode() and "Rows in the file" in then.content.decode()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(any_row(), min_size=1, max_size=5))
def test_the_counts_of_the_database_are_those_of_the_writers(world: World, rows: list[Any]) -> None:
    Example.objects.all().delete()
    for row in rows:
        fields = {name: row[name] for name in ("messages", "context", "rejected", "slice", "tags")}
        example = make_example(world.project, status="queued", **fields)
        Example.objects.filter(pk=example.pk).update(completion=row["completion"])
    matches = Example.objects.filter(project=world.project)
    held = list(rows_of_examples(matches))
    for writer in WRITERS:
        figures = figures_of_examples(matches, writer)
        reasons = [reason for row in held if (reason := writer.reason(row))]
        assert figures.left_out == {reason: reasons.count(reason) for reason in reasons}, writer.name
        kept = [row for row in held if not writer.reason(row)]
        assert first_of_examples(matches, writer, 10) == kept, writer.name
        assert figures.rows == len(kept) + (
            sum(bool(row["completion"] and row["rejected"]) for row in kept) if writer.two_rows else 0
        )


def test_long_cells_are_counted_as_the_writer_leaves_them_out(
    world: World, shelf: dict[str, Example]
) -> None:
    make_example(world.project, completion="\U0001f600" * 16_400)
    make_example(world.project, context=["\n" * 9_000, "x" * 9_000])
    make_example(world.project, context=['"' * 8_000, '"' * 9_000])
    (writer,) = (writer for writer in WRITERS if writer.name == "csv")
    matches = Example.objects.filter(project=world.project)
    left = [example for example in matches if writer.reason(row_of_example(example))]
    assert figures_of_examples(matches, writer).left_out == {LeftOut.LONG_CELL: len(left)}
    assert len(left) == 3


def test_an_export_reads_portions_and_only_its_columns(world: World, as_user: SignIn) -> None:
    for _ in range(5):
        make_example(world.project, status="approved")
    client = as_user(world.viewer)
    with CaptureQueriesContext(
        connection,
    ) as few:
        body(client.get(page("export-file", world.project, {}), {"shape": "openai"}))
    for _ in range(20):
        make_example(world.project, status="approved")
    with CaptureQueriesContext(connection) as many:
        body(client.get(page("export-file", world.project, {}), {"shape": "openai"}))
    assert len(many) == len(few)
    assert not any("search_text" in query["sql"] for query in many)


# --- dataset versions --------------------------------------------------------------------------------------
@pytest.fixture
def frozen(world: World) -> DatasetVersion:
    Source.objects.create(project=world.project, name="desk")
    for number in range(8):
        make_example(
            world.project, status="approved", license="CC BY 4.0", source="desk", rejected="No idea." if number < 3 else "",
        )  # fmt: skip
    return make_frozen(world.project, world.admin)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("split", ["", "test"])
def test_a_version_is_exported_whole_or_by_split(
    shape: str, split: str, world: World, frozen: DatasetVersion, as_user: SignIn
) -> None:
    client = as_user(world.annotator)
    query = {"shape": shape} | ({"split": split} if split else {})
    ids = {"dataset": frozen.number}
    by_page = body(client.get(page("dataset-export-file", world.project, ids), query))
    by_api = client.get(api(world, f"datasets/{frozen.number}/export/"), query)
    assert f"-dataset-1{'-' + split if split else ''}-{shape}." in by_api["Content-Disposition"]
    assert body(by_api) == by_page
    counts = client.get(api(world, f"datasets/{frozen.number}/export/counts/"), query).json()
    expected = frozen.counts[split or "total"]
    assert counts["examples"] == expected
    if shape.startswith(("guildhall", "openai", "trl", "kto")):
        assert by_page.count(b"\n") == counts["rows"]
    if shape == "guildhall":
        rows = [json.loads(line) for line in by_page.decode().splitlines()]
        assert {row["split"] for row in rows} == ({split} if split else {"train", "validation", "test"})
        assert sorted(rows[0]) == sorted(("id", "messages", "context", "completion", "rejected", "slice", "edge", "tags", "group", "source", "license", "status", "revision", "split"))  # fmt: skip
    if shape == "parquet":
        assert pq.read_table(io.BytesIO(by_page)).num_rows == expected
    if shape == "csv":
        assert len(list(csv.reader(io.StringIO(by_page.decode("utf-8-sig"), newline="")))) == expected + 1


def test_the_figures_of_a_version_are_counted_once(frozen: DatasetVersion) -> None:
    (preference,) = (writer for writer in WRITERS if writer.name == "preference")
    (kto,) = (writer for writer in WRITERS if writer.name == "kto")
    figures = figures_of_version(frozen, preference)
    assert (figures.examples, figures.rows, figures.left_out) == (8, 3, {LeftOut.NOT_WORSE: 5})
    with CaptureQueriesContext(connection) as queries:
        assert figures_of_version(frozen, kto).rows == 11
        assert figures_of_version(frozen, preference, "test").examples == frozen.counts["test"]
    assert len(queries) == 0


def test_the_page_of_a_version(world: World, frozen: DatasetVersion, as_user: SignIn) -> None:
    client = as_user(world.viewer)
    ids = {"dataset": frozen.number}
    detail = client.get(page("dataset", world.project, ids)).content.decode()
    assert f'href="{page("dataset-export", world.project, ids)}"' in detail
    shown = client.get(page("dataset-export", world.project, ids), {"shape": "preference", "split": "train"})
    assert "left out: this shape cannot hold" in text_of(shown)
    assert "shape=preference&amp;split=train&amp;keys=all" in shown.content.decode()
    assert f'href="{page("dataset-croissant", world.project, ids)}"' in shown.content.decode()
    wrong = client.get(page("dataset-export", world.project, ids), {"split": "dev"})
    assert wrong.status_code == 422
    told = client.get(api(world, "datasets/1/export/"), {"shape": "xlsx"})
    assert (told.status_code, list(told.json()["fields"])) == (422, ["shape"])


def test_a_version_that_is_not_ready_has_no_export(
    world: World, frozen: DatasetVersion, as_user: SignIn
) -> None:
    DatasetVersion.objects.create(project=world.project, number=2, status="failed", settings={})
    client = as_user(world.admin)
    for name in ("dataset-export", "dataset-export-file", "dataset-croissant"):
        assert client.get(page(name, world.project, {"dataset": 2})).status_code == 404
    for path in ("export/", "export/counts/"):
        assert client.get(api(world, f"datasets/2/{path}")).status_code == 404


def test_standard_keys_use_the_system_prompt_of_the_freeze(
    world: World, frozen: DatasetVersion, as_user: SignIn
) -> None:
    world.project.system_prompt = "Another one."
    world.project.save()
    query = {"shape": "openai", "keys": "standard"}
    for row in lines(as_user(world.viewer).get(api(world, "datasets/1/export/"), query)):
        assert row["messages"][0] == {"role": "system", "content": "You answer for the freight desk."}
        assert list(row) == ["messages"]


def test_rows_frozen_before_there_were_worse_answers(world: World, as_user: SignIn) -> None:
    dataset = make_dataset(world.project, rows=5)
    rows = lines(
        as_user(world.viewer).get(api(world, f"datasets/{dataset.number}/export/"), {"shape": "guildhall"})
    )
    assert [row["rejected"] for row in rows] == [""] * 5
    counts = as_user(world.viewer).get(
        api(world, f"datasets/{dataset.number}/export/counts/"), {"shape": "preference"}
    )
    assert counts.json()["rows"] == 0


def test_the_folder_of_a_version_has_the_facts_that_are_known(
    world: World, frozen: DatasetVersion, as_user: SignIn, tmp_path: Path
) -> None:
    data = body(as_user(world.viewer).get(api(world, "datasets/1/export/"), {"shape": "huggingface"}))
    folder = unzipped(data, tmp_path)
    metadata = validate(folder / "croissant.json").metadata
    assert metadata.name == f"{world.project.name}, dataset 1"
    assert metadata.license == ["https://spdx.org/licenses/CC-BY-4.0.html"]
    assert metadata.version == "1.0.0"
    assert metadata.data_annotation_platform == ["Guildhall"]
    assert "None of the 8 rows was reviewed." in metadata.data_annotation_protocol
    text = (folder / "README.md").read_text()
    assert frozen.content_hash in text
    for person in world.people().values():
        assert person.name not in text  # people did not agree to be named elsewhere


def test_croissant_of_a_version_is_valid_and_names_its_file(
    world: World, frozen: DatasetVersion, as_user: SignIn, tmp_path: Path
) -> None:
    client = as_user(world.viewer)
    response = client.get(page("dataset-croissant", world.project, {"dataset": 1}))
    assert response["Content-Type"] == "application/ld+json"
    data = response.json()
    (file,) = data["distribution"]
    assert file["contentUrl"] == "http://testserver" + page("dataset-download", world.project, {"dataset": 1})
    downloaded = body(client.get(page("dataset-download", world.project, {"dataset": 1})))
    # A reader gets the file from its address; here it is put beside the metadata.
    (tmp_path / file["name"]).write_bytes(downloaded)
    (tmp_path / "croissant.json").write_text(
        json.dumps(data | {"distribution": [file | {"contentUrl": file["name"]}]})
    )
    dataset = validate(tmp_path / "croissant.json")
    records = list(dataset.records("rows"))
    assert len(records) == 8
    assert {record["rows/split"].decode() for record in records} == {"train", "validation", "test"}


def test_rows_without_a_license_have_that_of_their_source(
    world: World, as_user: SignIn, tmp_path: Path
) -> None:
    Source.objects.create(project=world.project, name="open data", license="ODbL-1.0")
    make_example(world.project, status="approved", source="open data")
    make_example(world.project, status="approved", source="open data", license="as agreed")
    make_example(world.project, status="approved")
    make_frozen(world.project, world.admin)
    for path, folder in (("examples/export/", "list"), ("datasets/1/export/", "version")):
        data = body(as_user(world.viewer).get(api(world, path), {"shape": "huggingface"}))
        metadata = validate(unzipped(data, tmp_path / folder) / "croissant.json").metadata
        assert sorted(metadata.license) == [
            "as agreed",
            "https://spdx.org/licenses/ODbL-1.0.html",
            "not stated",
        ]


def test_an_export_of_withdrawn_data_says_so(
    world: World, frozen: DatasetVersion, as_user: SignIn, tmp_path: Path
) -> None:
    withdraw(by=world.admin, source=Source.objects.get(name="desk"), reason="The customer asked for it.")
    client = as_user(world.viewer)
    shown = text_of(client.get(page("dataset-export", world.project, {"dataset": 1})))
    assert "This dataset has 8 rows of the withdrawn source desk" in shown
    data = body(client.get(api(world, "datasets/1/export/"), {"shape": "huggingface"}))
    folder = unzipped(data, tmp_path)
    assert "8 rows of the withdrawn source “desk”" in (folder / "README.md").read_text()
    limits = validate(folder / "croissant.json").metadata.data_limitations
    assert any("must not be used any more" in limit for limit in limits)
