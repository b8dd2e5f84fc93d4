"""What is exported and imported again is the same, in every field that the shape can carry.

Every shape is read by the reader of imports. CSV, Parquet and the dataset folder are also read by libraries of others: csv,
pyarrow and datasets.
"""

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.text.rendering import chat_messages
from dataset.runner.chats import ParsedExample
from dataset.runner.parsing import parse_line
from dataset.runner.reading import open_file
from dataset.runner.reading.opening import ReadLimits
from dataset.splits import SPLITS
from dataset.writers import BY_NAME, FIELDS, WRITERS, Row
from dataset.writers.spreadsheet import COLUMNS, from_cell
from tests.datasets.exported import any_row, exported, unzipped

# Fields of a row, and their names in what an import reads. An import gives status, revision and split anew.
READ = {name: name for name in FIELDS if name not in ("id", "status", "revision", "split")} | {
    "id": "external_id"
}
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


def imported(data: bytes, shape: str) -> list[ParsedExample]:
    """The rows of the file as an import reads them."""
    ending = BY_NAME[shape].ending
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload"
        path.write_bytes(data)
        limits = ReadLimits(row=1 << 24, unpacked=1 << 26)
        lines = list(open_file(path, name=f"export.{ending}", limits=limits, scratch=Path(folder)).rows)
    rows = []
    for line in lines:
        row = parse_line(line, needs_completion=False)
        assert isinstance(row, ParsedExample), (row, line)
        rows.append(row)
    return rows


def as_read(row: ParsedExample) -> dict[str, Any]:
    return {name: getattr(row, read) for name, read in READ.items()}


def as_written(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in READ}  # type: ignore[literal-required]


def test_every_shape_of_lines_is_tried() -> None:
    assert set(NEEDS) == set(LINES)


@pytest.mark.parametrize("shape", LINES)
@few
@given(data=st.data())
def test_lines_with_all_keys_give_the_same_example(shape: str, data: st.DataObject) -> None:
    row = data.draw(any_row(**NEEDS[shape]))
    first, *others = imported(exported(shape, [row]), shape)
    if shape == "kto" and row["rejected"]:
        # The worse answer is a row of its own.
        assert as_read(first) == as_written(row) | {"rejected": ""}
        (worse,) = others
        assert (worse.completion, worse.bad_answer, worse.messages) == (
            row["rejected"],
            True,
            row["messages"],
        )
    else:
        assert as_read(first) == as_written(row)
        assert not others


@pytest.mark.parametrize("shape", [name for name in LINES if BY_NAME[name].keeps_others])
@few
@given(data=st.data(), system_prompt=st.sampled_from(["", "You answer for the desk."]))
def test_lines_with_standard_keys_are_what_models_see(
    shape: str, data: st.DataObject, system_prompt: str
) -> None:
    row = data.draw(any_row(**NEEDS[shape]))
    text = exported(shape, [row], own_keys=False, system_prompt=system_prompt)
    first = imported(text, shape)[0]
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


@pytest.mark.parametrize("shape", ["csv", "parquet", "huggingface"])
@few
@given(rows=st.lists(any_row(), min_size=1, max_size=4))
def test_files_that_are_not_lines_give_the_same_examples(shape: str, rows: list[Row]) -> None:
    found = [as_read(row) for row in imported(exported(shape, rows), shape)]
    if shape == "huggingface":  # its files are by split, and an archive is read by the names of its files
        rows = sorted(rows, key=lambda row: sorted(SPLITS).index(row["split"]))
    assert found == [as_written(row) for row in rows]


# --- CSV ---------------------------------------------------------------------------------------------------
def _listed(cell: str) -> list[str]:
    return json.loads(cell) if cell.lstrip().startswith("[") else [cell] if cell else []


def _text(cell: str) -> str:
    """A text that is a JSON list of objects is written as a message."""
    try:
        value = json.loads(cell)
    except ValueError:
        return cell
    is_message = isinstance(value, list) and value and all(isinstance(part, dict) for part in value)
    return value[-1]["content"] if is_message else cell


def from_csv(data: bytes) -> list[dict[str, Any]]:
    """The rows of our CSV by what docs/reference/export.md says of it."""
    text = data.decode("utf-8-sig")
    rows = []
    for cells in csv.DictReader(io.StringIO(text, newline="")):
        plain = {name: from_cell(cell) for name, cell in cells.items()}
        prompt, instructions = plain.pop("prompt"), plain.pop("system")
        system = [{"role": "system", "content": instructions}] if instructions else []
        turns = json.loads(plain["messages"] or "null") or [{"role": "user", "content": prompt}]
        assert prompt in ("", turns[-1]["content"])
        lists = {name: _listed(plain[name]) for name in ("context", "tags")}
        answers = {name: _text(plain[name]) for name in ("completion", "rejected")}
        rows.append(
            plain | answers | lists | {"messages": system + turns, "revision": int(plain["revision"])}
        )
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
