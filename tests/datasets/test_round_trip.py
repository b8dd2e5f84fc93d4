"""What is exported and imported again is the same, in every field that the shape can carry.

Shapes of JSON lines are read by the reader of imports. CSV, Parquet and the dataset folder are read here by libraries of
others: csv, pyarrow and datasets.
"""

import csv
import io
import json
import os
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.text.rendering import chat_messages
from dataset.runner.files import FileLine
from dataset.runner.lines import ParsedExample, parse_line
from dataset.writers import BY_NAME, FIELDS, WRITERS, Row
from dataset.writers.spreadsheet import COLUMNS, from_cell
from tests.datasets.exported import any_row, exported, unzipped

# Fields of a row, and their names in what an import reads. An import gives status, revision and split anew.
READ = {name: name for name in FIELDS if name not in ("id", "status", "revision", "split")} | {
    "id": "external_id"
}
READ_NOW = {name: read for name, read in READ.items() if read in {one.name for one in fields(ParsedExample)}}
LINES = [writer.name for writer in WRITERS if writer.ending == "jsonl"]
# The shapes that need an answer, a worse one, or turns that alternate.
NEEDS: dict[str, dict[str, Any]] = {
    "guildhall": {},
    "openai": {"completion": True},
    "trl": {"completion": True},
    "preference": {"completion": True, "rejected": True},
    "kto": {"completion": True},
    "alpaca": {"completion": True, "in_turn": True},
    "sharegpt": {"completion": True},
}
few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read_lines(data: bytes) -> list[ParsedExample]:
    """As an import reads them."""
    rows = []
    for number, text in enumerate(data.decode().split("\n")[:-1], start=1):
        row = parse_line(FileLine(number, 1, text), needs_completion=False)
        assert isinstance(row, ParsedExample), (row, text)
        rows.append(row)
    return rows


def as_read(row: ParsedExample) -> dict[str, Any]:
    return {name: getattr(row, read) for name, read in READ_NOW.items()}


def as_written(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in READ_NOW}  # type: ignore[literal-required]


def test_every_shape_of_lines_is_tried() -> None:
    assert set(NEEDS) == set(LINES)


@pytest.mark.parametrize("shape", LINES)
@few
@given(data=st.data())
def test_lines_with_all_keys_give_the_same_example(shape: str, data: st.DataObject) -> None:
    row = data.draw(any_row(**NEEDS[shape]))
    first, *others = read_lines(exported(shape, [row]))
    assert as_read(first) == as_written(row)
    if shape == "kto" and row["rejected"]:
        (worse,) = others
        assert (worse.completion, worse.bad_answer, worse.messages) == (
            row["rejected"],
            True,
            row["messages"],
        )
    else:
        assert not others


@pytest.mark.parametrize("shape", [name for name in LINES if BY_NAME[name].keeps_others])
@few
@given(data=st.data(), system_prompt=st.sampled_from(["", "You answer for the desk."]))
def test_lines_with_standard_keys_are_what_models_see(
    shape: str, data: st.DataObject, system_prompt: str
) -> None:
    row = data.draw(any_row(**NEEDS[shape]))
    text = exported(shape, [row], own_keys=False, system_prompt=system_prompt)
    first = read_lines(text)[0]
    seen = chat_messages(messages=row["messages"], context=row["context"], system_prompt=system_prompt)
    assert (first.messages, first.completion) == (seen, row["completion"])
    standard = {
        "openai": {"messages"}, "trl": {"prompt", "completion"}, "preference": {"prompt", "chosen", "rejected"},
        "kto": {"prompt", "completion", "label"}, "alpaca": {"instruction", "input", "output", "system", "history"},
        "sharegpt": {"conversations"},
    }[shape]  # fmt: skip
    assert set(json.loads(text.split(b"\n")[0])) == standard


@few
@given(any_row(completion=True, rejected=True))
def test_preference_has_both_answers(row: Row) -> None:
    (line,) = exported("preference", [row]).decode().split("\n")[:-1]
    pair = json.loads(line)
    assert pair["prompt"] == row["messages"]
    assert pair["chosen"] == [{"role": "assistant", "content": row["completion"]}]
    assert pair["rejected"] == [{"role": "assistant", "content": row["rejected"]}]


# --- CSV ---------------------------------------------------------------------------------------------------
def _listed(cell: str) -> list[str]:
    return json.loads(cell) if cell.lstrip().startswith("[") else [cell] if cell else []


def from_csv(data: bytes) -> list[dict[str, Any]]:
    """The rows of our CSV by what docs/reference/export.md says of it."""
    text = data.decode("utf-8-sig")
    rows = []
    for cells in csv.DictReader(io.StringIO(text, newline="")):
        plain = {name: from_cell(cell) for name, cell in cells.items()}
        prompt, instructions = plain.pop("prompt"), plain.pop("system")
        system = [{"role": "system", "content": instructions}] if instructions else []
        turns = json.loads(plain["messages"] or "null") or [{"role": "user", "content": prompt}]
        assert turns[-1]["content"] == prompt
        lists = {name: _listed(plain[name]) for name in ("context", "tags")}
        rows.append(plain | lists | {"messages": system + turns, "revision": int(plain["revision"])})
    return rows


@few
@given(st.lists(any_row(), max_size=4))
def test_csv_gives_the_same_rows(rows: list[Row]) -> None:
    data = exported("csv", rows)
    assert data.startswith(b"\xef\xbb\xbf")
    assert from_csv(data) == rows


@few
@given(st.lists(any_row(), min_size=1, max_size=2))
def test_no_cell_of_a_csv_is_run_by_a_spreadsheet(rows: list[Row]) -> None:
    (names, *lines) = csv.reader(io.StringIO(exported("csv", rows).decode("utf-8-sig"), newline=""))
    assert tuple(names) == COLUMNS
    for cell in (cell for line in lines for cell in line):
        assert cell[:1] not in {"\t", "\r", "\n"}
        assert cell.strip()[:1] not in {*"=+-@", "\uff1d", "\uff0b", "\uff0d", "\uff20"}, cell


# --- Parquet and the dataset folder ------------------------------------------------------------------------
@few
@given(st.lists(any_row(), max_size=4))
def test_parquet_gives_the_same_rows(rows: list[Row]) -> None:
    assert pq.read_table(io.BytesIO(exported("parquet", rows))).to_pylist() == rows


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", os.fspath(tmp_path / "home"))
    yield


@settings(few, max_examples=8, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(any_row(), min_size=1, max_size=6))
def test_a_dataset_folder_is_loaded_with_its_splits(
    rows: list[Row], offline: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import datasets

    folder = unzipped(exported("huggingface", rows), tmp_path_factory.mktemp("folder"))
    loaded = datasets.load_dataset(
        os.fspath(folder),
        cache_dir=os.fspath(tmp_path_factory.mktemp("cache")),
        download_mode="force_redownload",
    )
    assert set(loaded) == {row["split"] for row in rows}
    for split in loaded:
        assert loaded[split].to_list() == [row for row in rows if row["split"] == split]
