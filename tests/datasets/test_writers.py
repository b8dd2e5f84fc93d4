"""Each shape of exported files: what is in it, what is left out, and that its memory does not grow with its rows."""

import csv
import io
import json
import logging
import os
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dataset.writers import BY_NAME, FIELDS, WRITERS, LeftOut, Options, Row, Writer, lost_fields
from dataset.writers import folder as folder_module
from dataset.writers import parquet as parquet_module
from dataset.writers.card import known_license, license_url, readme, yaml_text
from dataset.writers.croissant import JSONL_ENCODING, DataFile, croissant
from dataset.writers.spreadsheet import CELL, as_cell, from_cell
from tests.datasets.exported import CARD, content_of, exported, make_row, texts, unzipped
from tests.datasets.reference import table

SYSTEM = {"role": "system", "content": "Be brief."}
TALK = [
    SYSTEM,
    {"role": "user", "content": "Where is FD-1?"},
    {"role": "assistant", "content": "At sea."},
    {"role": "user", "content": "Until when?"},
]
OTHERS = {
    "id": "example-1", "context": ["FD-1 | at sea"], "slice": "status", "edge": "", "tags": ["eta"], "group": "group-1",
    "source": "desk", "license": "CC BY 4.0", "status": "approved", "revision": 1, "split": "train",
}  # fmt: skip


def lines_of(shape: str, *rows: Row, **options: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in exported(shape, rows, **options).decode().split("\n")[:-1]]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("openai", {"messages": [*TALK, {"role": "assistant", "content": "Friday."}]}),
        ("trl", {"prompt": TALK, "completion": [{"role": "assistant", "content": "Friday."}]}),
        (
            "preference",
            {
                "prompt": TALK,
                "chosen": [{"role": "assistant", "content": "Friday."}],
                "rejected": [{"role": "assistant", "content": "No idea."}],
            },
        ),
        (
            "alpaca",
            {
                "instruction": "Until when?",
                "input": "",
                "output": "Friday.",
                "system": "Be brief.",
                "history": [["Where is FD-1?", "At sea."]],
            },
        ),
        (
            "sharegpt",
            {
                "conversations": [
                    {"from": "system", "value": "Be brief."},
                    {"from": "human", "value": "Where is FD-1?"},
                    {"from": "gpt", "value": "At sea."},
                    {"from": "human", "value": "Until when?"},
                    {"from": "gpt", "value": "Friday."},
                ]
            },
        ),
    ],
)
def test_a_shape_of_lines(shape: str, expected: dict[str, Any]) -> None:
    row = make_row(messages=TALK, completion="Friday.", rejected="No idea.", context=["FD-1 | at sea"])
    rejected = {} if shape == "preference" else {"rejected": "No idea."}
    assert lines_of(shape, row) == [expected | OTHERS | rejected]
    (standard,) = lines_of(shape, row | {"context": []}, own_keys=False)
    assert standard == expected


def test_kto_has_a_row_for_each_answer() -> None:
    rows = [
        make_row(1, rejected="No idea."),
        make_row(2),
        make_row(3, completion="", rejected="Bad."),
        make_row(4, completion=""),
    ]
    found = [(line["id"], line["completion"][0]["content"], line["label"]) for line in lines_of("kto", *rows)]
    assert found == [
        ("example-1", "Shipment 1 is at sea.", True),
        ("example-1", "No idea.", False),
        ("example-2", "Shipment 2 is at sea.", True),
        ("example-3", "Bad.", False),
    ]
    assert all("rejected" not in line for line in lines_of("kto", *rows))


def test_standard_keys_put_records_and_system_prompt_where_models_see_them() -> None:
    (line,) = lines_of(
        "openai", make_row(messages=TALK), own_keys=False, system_prompt="You answer for the desk."
    )
    assert list(line) == ["messages"]
    assert line["messages"][0] == {
        "role": "system",
        "content": "You answer for the desk.\n\nBe brief.\n\nRecords:\n- FD-1 | at sea",
    }
    assert [message["role"] for message in line["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
    ]


@pytest.mark.parametrize(
    ("row", "left_out"),
    [
        (
            make_row(completion=""),
            {
                "openai": LeftOut.UNANSWERED, "trl": LeftOut.UNANSWERED, "alpaca": LeftOut.UNANSWERED,
                "sharegpt": LeftOut.UNANSWERED, "preference": LeftOut.NOT_WORSE, "kto": LeftOut.NO_ANSWER,
            },
        ),
        (make_row(), {"preference": LeftOut.NOT_WORSE}),
        (
            make_row(rejected="x", messages=[{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]),
            {"alpaca": LeftOut.TURNS},
        ),
        (make_row(rejected="x", completion="y" * (CELL + 1)), {"csv": LeftOut.LONG_CELL}),
        (make_row(rejected="x", completion="y" * CELL), {}),
        # Excel counts an emoji as two characters.
        (make_row(rejected="x", completion="\U0001f600" * (CELL // 2 + 1)), {"csv": LeftOut.LONG_CELL}),
        # A list of records is JSON, in which a quotation mark takes two.
        (make_row(rejected="x", context=['"' * 10_000, '"' * 10_000]), {"csv": LeftOut.LONG_CELL}),
    ],
)  # fmt: skip
def test_rows_that_a_shape_cannot_carry_are_left_out_with_a_reason(
    row: Row, left_out: dict[str, LeftOut]
) -> None:
    assert {writer.name: writer.reason(row) for writer in WRITERS if writer.reason(row)} == left_out
    for writer in WRITERS:
        assert set(left_out.values()) & set(writer.left_out) or writer.name not in left_out
        without, beside = exported(writer.name, []), exported(writer.name, [row])
        if writer.name in left_out and writer.name != "huggingface":
            assert beside == without
        else:
            assert beside != without


def test_all_lines_have_the_same_keys_so_that_readers_see_one_table() -> None:
    rows = [make_row(), make_row(2, context=[], tags=[], slice="", rejected="x", edge="other")]
    for writer in WRITERS:
        if writer.ending == "jsonl":
            assert len({tuple(line) for line in lines_of(writer.name, *rows)}) == 1, writer.name
    assert "split" not in lines_of("openai", make_row(split=""))[0]


def test_what_a_shape_loses_is_what_it_says() -> None:
    everything, standard = Options(), Options(own_keys=False)
    assert {
        writer.name: lost_fields(writer, everything) for writer in WRITERS if lost_fields(writer, everything)
    } == {}
    assert lost_fields(BY_NAME["openai"], standard) == [
        name for name in FIELDS if name not in ("messages", "completion", "context")
    ]
    assert "rejected" not in lost_fields(BY_NAME["kto"], standard)


def test_the_reference_has_the_table_of_the_writers() -> None:
    """tests/datasets/reference.py makes the table; put it into the page when a writer changes."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "export.md").read_text()
    assert table() in page


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.name)
def test_a_sample_shows_the_first_rows(writer: Writer) -> None:
    sample = writer.sample([make_row(rejected="No idea.")], Options())
    assert "Shipment 1 is at sea." in sample
    assert writer.sample([], Options()) in ("", sample.split("\n", maxsplit=1)[0] + "\n")


# --- CSV ---------------------------------------------------------------------------------------------------
@given(st.one_of(texts, st.text()))
def test_a_cell_gives_its_text_back(text: str) -> None:
    assert from_cell(as_cell(text)) == text


@pytest.mark.parametrize(
    "text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", " =1", "\t1", "\r1", "＝1", "'=1"]
)
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    assert as_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["'quoted'", "a=b", "1-2", "", "'", "[1]"])
def test_other_text_stays(text: str) -> None:
    assert as_cell(text) == text


def test_csv_has_what_excel_needs() -> None:
    row = make_row(messages=TALK, context=["a", "b"], completion='He said "no",\nthen left.')
    data = exported("csv", [row])
    assert data.startswith(b"\xef\xbb\xbfid,system,prompt,")
    assert data.count(b"\r\n") == 2
    (cells,) = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    assert (cells["system"], cells["prompt"], cells["completion"]) == (
        "Be brief.",
        "Until when?",
        row["completion"],
    )
    assert json.loads(cells["messages"]) == TALK[1:]
    assert (json.loads(cells["context"]), cells["tags"]) == (["a", "b"], "eta")


# --- Parquet -----------------------------------------------------------------------------------------------
def test_parquet_is_typed_and_written_in_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_module, "GROUP_ROWS", 3)
    data = exported("parquet", [make_row(n) for n in range(7)])
    file = pq.ParquetFile(io.BytesIO(data))
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [3, 3, 1]
    assert (
        str(file.schema_arrow.field("messages").type)
        == "list<element: struct<role: string, content: string>>"
    )
    assert str(file.schema_arrow.field("revision").type) == "int32"
    # Without rows the columns keep their types.
    assert pq.read_schema(io.BytesIO(exported("parquet", []))).equals(file.schema_arrow)


def test_long_rows_end_a_row_group_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_module, "GROUP_LETTERS", 1_000)
    rows = [make_row(n, completion="x" * 600) for n in range(4)]
    assert pq.ParquetFile(io.BytesIO(exported("parquet", rows))).num_row_groups == 2


@pytest.mark.parametrize("shape", ["guildhall", "openai", "csv", "parquet", "huggingface"])
def test_memory_does_not_grow_with_the_rows(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_module, "GROUP_ROWS", 250)

    def rows(count: int) -> Iterator[Row]:
        return (make_row(n, completion=f"{n} " * 500) for n in range(count))

    def peak(count: int) -> int:
        content = content_of([], splits={"train": count})
        content = type(content)(rows=lambda split: rows(count), make_card=content.make_card)
        tracemalloc.start()
        for _ in BY_NAME[shape].pieces(content, Options()):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(100)  # what is loaded at the first use
    assert peak(6_000) < peak(1_500) * 1.5


# --- the dataset folder ------------------------------------------------------------------------------------
ROWS = [make_row(n, split=("train", "train", "test")[n % 3], rejected="No idea.") for n in range(9)]


def test_the_folder_has_a_card_and_files_by_split(tmp_path: Path) -> None:
    folder = unzipped(exported("huggingface", ROWS), tmp_path)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "README.md", "croissant.json", "data/test-00000.parquet", "data/train-00000.parquet",
    ]  # fmt: skip
    _, head, body = (folder / "README.md").read_text().split("---\n", maxsplit=2)
    front = yaml.safe_load(head)
    assert front["license"] == "cc-by-4.0"
    assert front["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": "train", "path": "data/train-*.parquet"},
                {"split": "test", "path": "data/test-*.parquet"},
            ],
        }
    ]
    assert "| train | 6 |" in body


def test_the_same_rows_give_the_same_zip() -> None:
    assert exported("huggingface", ROWS) == exported("huggingface", ROWS)


def test_a_large_split_is_several_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(folder_module, "FILE_BYTES", 1)
    monkeypatch.setattr(parquet_module, "GROUP_ROWS", 2)
    folder = unzipped(exported("huggingface", ROWS), tmp_path)
    parts = sorted((folder / "data").glob("train-*"))
    assert [pq.read_metadata(part).num_rows for part in parts] == [2, 2, 2]


def test_a_folder_without_rows_says_so(tmp_path: Path) -> None:
    folder = unzipped(exported("huggingface", []), tmp_path)
    assert "There are no rows" in (folder / "README.md").read_text()
    assert not (folder / "data").exists()
    validate(folder / "croissant.json")


def validate(path: Path) -> Any:
    """Reads the metadata with mlcroissant; any error or warning fails."""
    import mlcroissant

    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("absl").addHandler(handler)
    try:
        dataset = mlcroissant.Dataset(os.fspath(path))
    finally:
        logging.getLogger("absl").removeHandler(handler)
    issues = dataset.metadata.ctx.issues
    assert (said, list(issues.errors), list(issues.warnings)) == ([], [], [])
    return dataset


def test_croissant_is_valid_and_its_records_are_read(tmp_path: Path) -> None:
    folder = unzipped(exported("huggingface", ROWS), tmp_path)
    dataset = validate(folder / "croissant.json")
    splits = [record["splits/name"] for record in dataset.records("splits")]
    assert [split.decode() if isinstance(split, bytes) else split for split in splits] == ["train", "test"]
    records = list(dataset.records("rows"))
    assert {record["rows/id"].decode() for record in records} == {row["id"] for row in ROWS}
    first = next(record for record in records if record["rows/id"] == b"example-1")
    assert first["rows/completion"] == b"Shipment 1 is at sea."
    assert first["rows/messages"] == [
        {"rows/messages/role": b"user", "rows/messages/content": b"Where is shipment 1?"}
    ]
    assert (first["rows/rejected"], first["rows/split"], list(first["rows/tags"])) == (
        b"No idea.",
        b"train",
        [b"eta"],
    )


def test_the_hashes_in_croissant_are_those_of_the_files(tmp_path: Path) -> None:
    from hashlib import sha256

    folder = unzipped(exported("huggingface", ROWS), tmp_path)
    files = [
        one
        for one in json.loads((folder / "croissant.json").read_text())["distribution"]
        if one["@type"] == "cr:FileObject"
    ]
    assert len(files) == 2
    for file in files:
        data = (folder / file["contentUrl"]).read_bytes()
        assert (file["sha256"], file["contentSize"]) == (sha256(data).hexdigest(), f"{len(data)} B")


def test_a_list_of_examples_has_one_split_in_a_folder_and_none_in_its_metadata(tmp_path: Path) -> None:
    rows = [make_row(split="")]
    content = content_of(rows, splits={"train": 1}, rows_name_split=False)
    content = type(content)(rows=lambda split: iter(rows), make_card=content.make_card)
    folder = unzipped(b"".join(BY_NAME["huggingface"].pieces(content, Options())), tmp_path)  # type: ignore[arg-type]
    dataset = validate(folder / "croissant.json")
    assert [one.id for one in dataset.metadata.record_sets] == ["rows"]
    assert len(list(dataset.records("rows"))) == 1


def test_croissant_of_one_file_of_lines(tmp_path: Path) -> None:
    from hashlib import sha256

    lines = [{**row, "example": n} for n, row in enumerate(ROWS)]
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    (tmp_path / "rows.jsonl").write_bytes(data)
    file = DataFile("rows.jsonl", "rows.jsonl", JSONL_ENCODING, len(data), sha256(data).hexdigest())
    card = content_of(ROWS, facts={"dataCollection": ["One.", "Two."], "dataLimitations": ["Few rows."]}).card
    (tmp_path / "croissant.json").write_text(json.dumps(croissant(card, [file], id_column="example")))
    dataset = validate(tmp_path / "croissant.json")
    assert dataset.metadata.data_collection == "One. Two."
    assert len(list(dataset.records("rows"))) == 9


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_yaml(text: str) -> None:
    assert yaml.safe_load(f"title: {yaml_text(text)}") == {"title": text}


@given(texts, texts)
def test_a_card_can_hold_any_names(title: str, license_name: str) -> None:
    card = content_of([make_row(license=license_name)], title=title, description=title).card
    text = readme(card, {"train": "data/train-*.parquet"}, {"id": "the id"})
    front = yaml.safe_load(text.split("\n---\n")[0].removeprefix("---\n"))
    assert front["pretty_name"] == title
    assert text.count("\n---\n") == 1


@pytest.mark.parametrize(
    ("name", "known", "url"),
    [
        ("CC BY 4.0", "cc-by-4.0", "https://spdx.org/licenses/CC-BY-4.0.html"),
        ("cc-by-nc-4.0", "cc-by-nc-4.0", "https://spdx.org/licenses/CC-BY-NC-4.0.html"),
        ("Apache-2.0", "apache-2.0", "https://spdx.org/licenses/Apache-2.0.html"),
        ("ODbL-1.0", "odbl", "https://spdx.org/licenses/ODbL-1.0.html"),
        ("OGL-UK-3.0", "", "https://spdx.org/licenses/OGL-UK-3.0.html"),
        ("Internal", "", "Internal"),
        ("as agreed", "", "as agreed"),
    ],
)
def test_known_licenses(name: str, known: str, url: str) -> None:
    assert (known_license(name), license_url(name)) == (known, url)


def test_several_licenses_are_other() -> None:
    card = content_of([make_row(), make_row(license="internal"), make_row(license="")]).card
    text = readme(card, {}, {})
    assert 'license: other\nlicense_name: "several"' in text
    assert "CC BY 4.0 (1 row), internal (1 row), not stated (1 row)" in text.replace("\\", "")
    assert "license: unknown" in readme(content_of([make_row(license="")]).card, {}, {})


def test_a_zip_can_be_read_by_name() -> None:
    with zipfile.ZipFile(io.BytesIO(exported("huggingface", ROWS))) as archive:
        assert "data/train-00000.parquet" in archive.namelist()
        assert CARD.title in archive.read("README.md").decode()
