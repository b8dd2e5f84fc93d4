"""Files in every format, as bytes: which rows come out, where a fault is, and what damaged files do. No database."""

import bz2
import csv
import gzip
import io
import json
import lzma
import random
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataset.mapping import FieldMapping
from dataset.runner.chats import ParsedExample
from dataset.runner.parsing import parse_line
from dataset.runner.reading import FileLine, NotReadable, open_file
from dataset.runner.reading.opening import ReadLimits
from dataset.runner.values import Issue

MB = 1 << 20


def packed_gzip(data: bytes) -> bytes:
    """Without the time, which would give a test another name in each process."""
    return gzip.compress(data, mtime=0)


Read = Callable[..., list[FileLine]]
ROWS = [{"prompt": f"Where is FD-{n}?", "completion": f"In port {n}.", "tags": ["a", "é"]} for n in range(5)]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """The rows of a file with these bytes."""

    def rows(data: bytes, name: str = "file", row: int = MB, unpacked: int = 64 * MB) -> list[FileLine]:
        path = tmp_path / "upload"
        path.write_bytes(data)
        limits = ReadLimits(row=row, unpacked=unpacked)
        return list(open_file(path, name=name, limits=limits, scratch=tmp_path).rows)

    return rows


def parsed(line: FileLine, **options: Any) -> ParsedExample | list[Issue]:
    return parse_line(line, needs_completion=False, **options)


def good(line: FileLine, **options: Any) -> ParsedExample:
    row = parsed(line, **options)
    assert isinstance(row, ParsedExample), row
    return row


def texts(lines: list[FileLine]) -> list[tuple[str, str, list[str]]]:
    rows = [good(line) for line in lines]
    return [(row.messages[-1]["content"], row.completion, row.tags) for row in rows]


EXPECTED = [(row["prompt"], row["completion"], row["tags"]) for row in ROWS]


def as_jsonl(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def as_csv(rows: list[dict[str, Any]], delimiter: str = ",") -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows({**row, "tags": json.dumps(row["tags"])} for row in rows)
    return out.getvalue().encode()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out, row_group_size=2)
    return out.getvalue()


def as_zip(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name.replace("__", ".")), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


PLAIN = {
    "lines.jsonl": as_jsonl(ROWS),
    "list.json": json.dumps(ROWS, indent=2).encode(),
    "compact.json": json.dumps(ROWS).encode(),
    "inside.json": json.dumps({"version": 3, "rows": ROWS}).encode(),
    "spread.json": "\n".join(json.dumps(row, indent=1) for row in ROWS).encode(),
    "table.csv": as_csv(ROWS),
    "semicolons.csv": as_csv(ROWS, ";"),
    "table.tsv": as_csv(ROWS, "\t"),
    "excel.csv": b"\xef\xbb\xbf" + as_csv(ROWS),
    "unicode.txt": as_csv(ROWS, "\t").decode().encode("utf-16"),
    "table.parquet": as_parquet(ROWS),
}
PACKED: dict[str, Callable[[bytes, str], bytes]] = {
    "gzip": lambda data, name: packed_gzip(data),
    "bzip2": lambda data, name: bz2.compress(data),
    "xz": lambda data, name: lzma.compress(data),
    "zip": lambda data, name: as_zip(**{name.replace(".", "__"): data}),
}


# --- every format gives the same rows ----------------------------------------------------------------------
@pytest.mark.parametrize("name", PLAIN)
def test_every_format_gives_the_same_rows(read: Read, name: str):
    assert texts(read(PLAIN[name], name)) == EXPECTED


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("name", PLAIN)
def test_and_so_does_every_packed_file(read: Read, name: str, packed: str):
    data = PACKED[packed](PLAIN[name], name)
    assert texts(read(data, f"{name}.{packed}")) == EXPECTED


def test_an_archive_of_several_files_names_the_file_of_each_row(read: Read):
    data = as_zip(a__csv=as_csv(ROWS[:2]), b__jsonl=as_jsonl(ROWS[2:]), **{"__MACOSX/._a__csv": b"noise"})
    lines = read(data)
    assert [(line.part, line.number) for line in lines] == [
        ("a.csv", 2), ("a.csv", 3), ("b.jsonl", 1), ("b.jsonl", 2), ("b.jsonl", 3),
    ]  # fmt: skip
    assert texts(lines) == EXPECTED


def test_a_file_of_an_archive_that_cannot_be_read_is_listed(read: Read):
    lines = read(as_zip(a__jsonl=as_jsonl(ROWS), scan__pdf=b"%PDF-1.7"))
    assert len(lines) == 6
    bad = next(line for line in lines if line.part == "scan.pdf")
    assert bad.problem == "This file of the archive was not read: This file is a PDF."


# --- numbers, texts, cells -----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_numbers_keep_their_digits(read: Read, name: str):
    row = b'{"prompt": "a", "context": [{"price": 1.10, "ref": 12345678901234567890.55, "n": 1e2}]}'
    (line,) = read(row + b"\n" if name == "a.jsonl" else b"[\n" + row + b"\n]", name)
    assert good(line).context == ['{"price":1.10,"ref":12345678901234567890.55,"n":1e2}']


def test_parquet_keeps_whole_numbers_decimals_and_dates(read: Read):
    import datetime
    import decimal

    table = pa.table(
        {
            "prompt": ["a"],
            "context": [
                {
                    "id": 2**60 + 1,
                    "price": decimal.Decimal("1.10"),
                    "day": datetime.date(2026, 11, 26),
                    "gone": None,
                }
            ],
            "rating": pa.array([float("nan")]),
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out)
    (line,) = read(out.getvalue())
    row = good(line)
    assert row.context == [f'{{"id":{2**60 + 1},"price":1.10,"day":"2026-11-26","gone":null}}']


def test_cells_keep_line_breaks_quotes_and_spaces(read: Read):
    data = b'question,answer\r\n"Where\nis it?","  In ""port"".  "\r\n'
    assert texts(read(data, "a.csv")) == [("Where\nis it?", '  In "port".  ', [])]


def test_a_conversation_in_a_cell_is_read_as_json(read: Read):
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    out = io.StringIO()
    csv.writer(out).writerows([["messages", "tags"], [json.dumps(chat), '["a", "b"]']])
    row = good(*read(out.getvalue().encode(), "a.csv"))
    assert (row.messages, row.completion, row.tags) == (chat[:1], "Hello", ["a", "b"])


def test_a_text_that_only_begins_like_a_list_stays_a_text(read: Read):
    data = b'prompt,completion\n"[urgent] where?","[1] see below"\n'
    assert texts(read(data, "a.csv")) == [("[urgent] where?", "[1] see below", [])]


# --- where a fault is ----------------------------------------------------------------------------------------
def test_every_fault_of_a_list_has_its_line_and_column_and_the_rest_is_read(read: Read):
    data = b"""[
  {"prompt": "a", "completion": "b"},
  {"prompt": "c" "completion": "d"},
  {"prompt": "e",
   "completion": tru},
  7,
  {"prompt": "g"}
]"""
    lines = read(data, "a.json")
    assert [(line.number, line.column, line.data is not None) for line in lines] == [
        (2, 0, True), (3, 18, False), (4, 18, False), (6, 3, False), (7, 0, True),
    ]  # fmt: skip
    assert "in line 3, column 18" in lines[1].problem
    assert "in line 5, column 18" in lines[2].problem


def test_the_column_of_a_bad_line_of_json_lines(read: Read):
    (issue,) = parsed(read(b'{"prompt": "a",}\n')[0])  # type: ignore[misc]
    assert issue.column == 16


def test_a_list_that_is_cut_off_keeps_its_rows_and_says_so(read: Read):
    lines = read(b'[{"prompt": "a"}, {"prompt": "b', "a.json")
    assert texts(lines[:1]) == [("a", "", [])]
    assert "cut off" in lines[1].problem


def test_rows_of_a_table_that_do_not_fit_are_named_one_by_one(read: Read):
    lines = read(b"prompt,completion\na,b,c\nd,e\n\n" + b"caf\xe9,x\n" + b"last\n", "a.csv")
    assert [(line.number, line.column) for line in lines] == [(2, 3), (3, 0), (5, 1), (6, 0)]
    assert "3 cells" in lines[0].problem
    assert "UTF-8" in lines[2].problem
    assert texts([lines[1], lines[3]]) == [("d", "e", []), ("last", "", [])]


def test_a_quote_that_never_ends_does_not_swallow_the_file(read: Read):
    data = b'prompt,completion\n"never ends,x\n' + b"a,b\n" * 60_000 + b'"c","d"\n'
    lines = read(data, "a.csv", row=100_000)
    assert "double quote" in lines[0].problem
    assert len(lines) > 10_000


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b"prompt,prompt\na,b\n", "a.csv", "equal_columns"),
        (as_parquet(ROWS)[:-20], "a.parquet", "damaged"),
        (packed_gzip(as_jsonl(ROWS))[:-12], "a.gz", "damaged"),
        (as_zip(a__jsonl=as_jsonl(ROWS))[:-30], "a.zip", "damaged"),
        (packed_gzip(packed_gzip(b"x")), "a.gz", "compressed"),
        (as_zip(xl__workbook=b"x", **{"xl/workbook__xml": b"<x/>"}), "a.xlsx", "other_format"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old workbook", "a.xls", "other_format"),
        (as_zip(), "a.zip", "empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "a.csv", "other_format"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "a.jsonl", "other_format"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_it_is_and_what_to_do(
    read: Read, data: bytes, name: str, code: str
):
    with pytest.raises(NotReadable) as error:
        read(data, name)
    assert error.value.code == code
    assert error.value.advice.endswith(".")


def test_a_file_that_unpacks_to_more_than_allowed_is_refused(read: Read):
    bomb = packed_gzip(b'{"prompt": "' + b"a" * (20 * MB) + b'"}\n')
    assert len(bomb) < MB
    for data in (bomb, as_zip(a__jsonl=b'{"prompt": "' + b"a" * (20 * MB) + b'"}\n')):
        with pytest.raises(NotReadable, match="too large"):
            read(data, "a", unpacked=5 * MB)


def test_memory_does_not_grow_with_the_file(tmp_path: Path):
    path = tmp_path / "a.json"
    with path.open("w") as file:
        file.write("[")
        for n in range(20_000):
            file.write(json.dumps({"prompt": f"{n} " + "x" * 500}) + ",\n")
        file.write('{"prompt": "last"}]')
    tracemalloc.start()
    opened = open_file(path, name="a.json", limits=ReadLimits(MB, 64 * MB), scratch=tmp_path)
    count = sum(1 for _ in opened.rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_001
    assert peak < 8 * MB < path.stat().st_size


# --- damaged files -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PLAIN)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_damaged_files_never_break_a_reader(read: Read, name: str, seed: int):
    """Bytes changed, removed or doubled anywhere: the file is refused in words, or its rows are read or refused."""
    chance = random.Random(seed)
    packed = chance.choice([None, *PACKED])
    data = bytearray(PLAIN[name] if packed is None else PACKED[packed](PLAIN[name], name))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data))
        how = chance.randrange(3)
        if how == 0:
            data[at] = chance.randrange(256)
        elif how == 1:
            del data[at : at + chance.randrange(1, 30)]
        else:
            data[at:at] = data[at : at + chance.randrange(1, 30)]
        if not data:
            return
    try:
        lines = read(bytes(data), name)
    except NotReadable as error:
        assert error.what.endswith(".")
        assert error.advice.endswith(".")
        return
    for line in lines:
        row = parsed(line)
        assert isinstance(row, ParsedExample) or all(issue.reason for issue in row)


@given(
    st.lists(
        st.fixed_dictionaries({"prompt": st.text(min_size=1).filter(str.strip), "completion": st.text()}),
        min_size=1, max_size=5,
    )
)  # fmt: skip
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_texts_come_back_from_json_and_parquet_as_they_were(read: Read, rows: list[dict[str, str]]):
    from_lines = [parsed(line) for line in read(as_jsonl(rows), "a.jsonl")]
    listed = json.dumps(rows, ensure_ascii=False, indent=1).encode()
    assert [parsed(line) for line in read(listed, "a.json")] == from_lines
    assert [parsed(line) for line in read(as_parquet(rows), "a.parquet")] == from_lines


# --- shapes --------------------------------------------------------------------------------------------------
def of(
    row: dict[str, Any], mapping: FieldMapping | None = None, *, approved: bool = False
) -> ParsedExample | list[Issue]:
    line = FileLine(1, 1, json.dumps(row))
    return parse_line(line, needs_completion=approved, mapping=mapping or FieldMapping())


def taken(
    row: dict[str, Any], mapping: FieldMapping | None = None, *, approved: bool = False
) -> ParsedExample:
    example = of(row, mapping, approved=approved)
    assert isinstance(example, ParsedExample), example
    return example


ASKED = {"role": "user", "content": "q"}
TOOLS = [
    ASKED,
    {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "find"}}]},
    {"role": "tool", "tool_call_id": "1", "content": '{"port": "Oslo"}'},
    {"role": "assistant", "content": "In Oslo."},
]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "q", "chosen": "a", "rejected": "b"},
        {"prompt": [ASKED], "chosen": [{"role": "assistant", "content": "a"}], "rejected": [{"role": "assistant", "content": "b"}]},
        {"chosen": [ASKED, {"role": "assistant", "content": "a"}], "rejected": [ASKED, {"role": "assistant", "content": "b"}]},
        {
            "input": {"messages": [ASKED]}, "preferred_output": [{"role": "assistant", "content": "a"}],
            "non_preferred_output": [{"role": "assistant", "content": "b"}],
        },
    ],
)  # fmt: skip
def test_both_answers_of_a_preference_pair_are_taken(row: dict[str, Any]):
    example = taken(row, approved=True)
    assert (example.messages, example.completion, example.rejected) == ([ASKED], "a", "b")
    assert not [note for note in example.notes if note.what == "ignored"]


def test_a_worse_answer_to_another_question_is_refused():
    other = {"role": "user", "content": "another question"}
    row = {
        "chosen": [ASKED, {"role": "assistant", "content": "a"}],
        "rejected": [other, {"role": "assistant", "content": "b"}],
    }
    (issue,) = of(row)  # type: ignore[misc]
    assert issue.field == "rejected"


def test_a_bad_answer_of_kto_is_a_worse_answer_in_the_queue_and_refused_elsewhere():
    row = {"prompt": "q", "completion": "a", "label": False}
    example = taken(row)
    assert (example.completion, example.rejected, example.bad_answer) == ("a", "a", True)
    assert isinstance(of(row, approved=True), list)
    assert taken(row | {"label": True}, approved=True).rejected == ""


def test_tool_calls_are_refused_or_their_results_become_records():
    row = {"messages": TOOLS, "tools": [{"type": "function"}]}
    refused = of(row)
    assert isinstance(refused, list)
    assert {issue.field for issue in refused} == {"tools", "messages[1].tool_calls"}
    example = taken(row, FieldMapping(tool_turns="records"), approved=True)
    assert (example.messages, example.context, example.completion) == (
        [ASKED],
        ['{"port": "Oslo"}'],
        "In Oslo.",
    )
    assert {note.key for note in example.notes} == {"tools", "messages[].tool_calls"}


def test_label_studio_and_argilla_rows_are_unwrapped():
    studio = {
        "id": 7, "data": {"prompt": "q", "order": "FD-1"}, "predictions": [],
        "annotations": [
            {"was_cancelled": True, "result": [{"from_name": "answer", "type": "textarea", "value": {"text": ["no"]}}]},
            {"lead_time": 3, "result": [{"from_name": "answer", "type": "textarea", "value": {"text": ["a"]}}]},
        ],
    }  # fmt: skip
    example = taken(studio, FieldMapping({"order": "context"}), approved=True)
    assert (example.messages, example.completion, example.context) == ([ASKED], "a", ["FD-1"])
    assert "annotations.lead_time" in {note.key for note in example.notes}
    argilla = {
        "id": "7", "fields": {"prompt": "q"}, "metadata": {"team": "x"}, "status": "completed",
        "suggestions": {"completion": {"value": "no"}}, "responses": {"completion": [{"value": "a", "user_id": "u"}]},
    }  # fmt: skip
    example = taken(argilla, approved=True)
    assert (example.messages, example.completion, example.external_id) == ([ASKED], "a", "7")
    assert "metadata.team" in {note.key for note in example.notes}


def test_two_different_answers_of_people_are_refused():
    result = [{"from_name": "answer", "type": "textarea", "value": {"text": ["a"]}}]
    other = [{"from_name": "answer", "type": "textarea", "value": {"text": ["b"]}}]
    row = {"data": {"prompt": "q"}, "annotations": [{"result": result}, {"result": other}]}
    (issue,) = of(row)  # type: ignore[misc]
    assert "2 different answers" in issue.reason
    row["annotations"][1]["ground_truth"] = True  # type: ignore[index,call-overload]
    assert taken(row).completion == "b"


# --- mapping -------------------------------------------------------------------------------------------------
def test_columns_are_read_as_the_mapping_says():
    row = {
        "Kundenfrage": "q",
        "Antwort": "a",
        "Sendung": "FD-1",
        "Lager": "Oslo",
        "ok": "nein",
        "images": ["x.png"],
    }
    mapping = FieldMapping(
        {
            "Kundenfrage": "prompt",
            "Antwort": "completion",
            "Sendung": "context",
            "Lager": "context",
            "images": "",
        }
    )
    example = taken(row, mapping, approved=True)
    assert (example.messages, example.completion) == ([ASKED], "a")
    assert example.context == ["Sendung: FD-1", "Lager: Oslo"]
    notes = {note.key: note.says for note in example.notes if note.what == "ignored"}
    assert notes["images"] == "Left out by the mapping."


def test_a_column_with_verdicts_can_have_any_name():
    row = {"prompt": "q", "completion": "a", "ok": "nein"}
    mapping = FieldMapping({"ok": "label"})
    assert not taken(row, mapping).bad_answer
    assert taken(row | {"ok": "no"}, mapping).bad_answer
    assert isinstance(of(row | {"ok": "no"}, mapping, approved=True), list)
