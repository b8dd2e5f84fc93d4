"""Lines of an uploaded file, one by one: what is taken, and what is said about the rest. No database."""

import io
import json
import tracemalloc
from typing import Any

import pytest

from annotation.text.cleaning import MAX_ALL, MAX_TEXT
from annotation.text.hashes import arrival_hash, canonical_json, content_hash, group_of_prompt, prompt_hash
from dataset.runner.chats import ParsedExample
from dataset.runner.parsing import parse_line
from dataset.runner.reading.formats import format_of
from dataset.runner.reading.lines import read_lines
from dataset.runner.reading.records import FileLine, NotReadable, excerpt_of
from dataset.runner.shapes import KeyNote
from dataset.runner.values import Issue

MB = 1024 * 1024
ASK = [{"role": "user", "content": "Where is FD-42003?"}]


def lines_of(data: bytes, max_bytes: int = MB) -> list[FileLine]:
    return list(read_lines(io.BytesIO(data), max_bytes=max_bytes))


def parse(row: Any, *, needs_completion: bool = False) -> ParsedExample | list[Issue]:
    text = row if isinstance(row, str) else json.dumps(row)
    return parse_line(FileLine(1, len(text), text), needs_completion=needs_completion)


def taken(row: Any, **options: bool) -> ParsedExample:
    parsed = parse(row, **options)
    assert isinstance(parsed, ParsedExample), parsed
    return parsed


def refused(row: Any, **options: bool) -> list[tuple[str, str]]:
    parsed = parse(row, **options)
    assert isinstance(parsed, list), parsed
    return [(issue.field, issue.reason) for issue in parsed]


# --- reading -----------------------------------------------------------------------------------------------
def test_lines_carry_their_number_and_place_in_the_file():
    lines = lines_of(b'{"a":1}\n\n   \r\n{"b":2}\r\n{"c":3}')
    assert [(line.number, line.end, line.whole) for line in lines] == [
        (1, 8, True),
        (4, 23, True),
        (5, 30, False),
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_line():
    assert json.loads(lines_of(b'\xef\xbb\xbf{"a": 1}\n')[0].text or "") == {"a": 1}


def test_a_line_of_ten_megabytes_is_never_held_in_memory():
    data = io.BytesIO(b'{"prompt": "' + b"x" * (10 * MB) + b'"}\n{"prompt": "next"}\n')
    tracemalloc.start()
    lines = list(read_lines(data, max_bytes=MB))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MB
    assert (lines[0].text, lines[0].number) == (None, 1)
    assert lines[0].problem == "The line is 10.5 MB long; at most 1 MB are allowed."
    assert lines[0].excerpt.startswith('{"prompt": "xxx')
    assert (lines[1].number, lines[1].text) == (2, '{"prompt": "next"}\n')


def test_a_line_of_exactly_the_limit_is_taken():
    lines = lines_of(b"x" * 99 + b"\n" + b"y" * 101 + b"\nz\n", max_bytes=100)
    assert [line.text is None for line in lines] == [False, True, False]


def test_a_line_that_is_not_utf_8_says_which_byte():
    line = lines_of("café".encode("latin-1") + b"\n")[0]
    assert line.problem == "Byte 4 of the line is not UTF-8 (it is 0xe9). Save the file again as UTF-8."


@pytest.mark.parametrize(
    ("head", "code"),
    [
        ('{"a": 1}'.encode("utf-16"), "wrong_encoding"),
        ('{"a": "some text"}\n'.encode("utf-16-le"), "wrong_encoding"),
        ('{"a": 1}'.encode("utf-32"), "wrong_encoding"),
        (b"\x28\xb5\x2f\xfd zstd", "compressed"),
        (b"Rar!\x1a\x07", "compressed"),
        (b"%PDF-1.7", "other_format"),
    ],
)
def test_files_that_cannot_be_read_are_known_by_their_first_bytes(head: bytes, code: str):
    with pytest.raises(NotReadable) as error:
        format_of(head, "file")
    assert error.value.code == code
    assert error.value.advice.endswith(".")


@pytest.mark.parametrize("head", [b'{"a": 1}\n', b'\xef\xbb\xbf{"a": 1}\n', b"", b"garbage", "ü{".encode()])
def test_other_files_are_read_line_by_line(head: bytes):
    assert format_of(head, "file.jsonl").name == "jsonl"


# --- rows that are taken -----------------------------------------------------------------------------------
def test_a_full_row_keeps_everything():
    row = taken(
        {
            "id": 17, "messages": ASK, "completion": " It left.\r\nToday. ", "context": ["a | b", {"k": [1, "é"]}, "  "],
            "slice": " shipment  status ", "edge": "Angry customer", "tags": ["eta", "eta", " urgent "],
            "conversation_id": 9, "source": "desk", "license": "CC BY 4.0", "unknown": {"is": "ignored"},
        }
    )  # fmt: skip
    assert row.notes == [KeyNote("unknown", "ignored")]
    row.notes = []
    assert row == ParsedExample(
        messages=ASK, context=["a | b", '{"k":[1,"é"]}'], completion=" It left.\nToday. ", slice="shipment status",
        edge="angry_customer", tags=["eta", "urgent"], group="9", source="desk", license="CC BY 4.0", external_id="17",
    )  # fmt: skip


@pytest.mark.parametrize("null", ["context", "slice", "edge", "tags", "group", "source", "license", "id"])
def test_null_stands_for_nothing(null: str):
    assert taken({"prompt": "Where?", "completion": "There.", null: None}) == ParsedExample(
        messages=[{"role": "user", "content": "Where?"}], completion="There."
    )


def test_a_chat_that_ends_with_the_agent_gives_the_completion():
    row = taken({"messages": [*ASK, {"role": "assistant", "content": "In Hamburg."}]}, needs_completion=True)
    assert (row.messages, row.completion) == (ASK, "In Hamburg.")


def test_one_record_may_stand_alone():
    assert taken({"prompt": "a", "context": "one | record"}).context == ["one | record"]
    assert taken({"prompt": "a", "context": {"order": 5}}).context == ['{"order":5}']


def test_group_wins_over_conversation_id():
    assert taken({"prompt": "a", "group": "g", "conversation_id": "c"}).group == "g"


# --- rows that are refused ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        ("not json", "", "The line begins with “n” and is not a JSON object."),
        ('{"prompt": "a"', "", "The object does not end on this line."),
        ('{"prompt": NaN}', "", "NaN, which is not a JSON value"),
        ('{"prompt": ' + "9" * 5000 + "}", "", "a number of 5,000 digits"),
        ("[" * 100_000, "", "nested more than 60 levels deep"),
        ("[]", "", "A row is a JSON object in braces; this line is a list."),
        ('"text"', "", "this line is a text"),
        ("null", "", "this line is null"),
        ('{"prompt": "a\x00b"}', "", "NUL"),
        ({}, "messages", "Missing"),
        ({"messages": [], "completion": "a"}, "messages", "Empty"),
        ({"messages": "hello"}, "messages", "Must be a list of messages; it is a text."),
        ({"messages": ["hello"]}, "messages[0]", "Must be an object"),
        ({"messages": ASK, "prompt": "a"}, "prompt", "not both"),
        ({"messages": [{"role": "agent", "content": "a"}]}, "messages[0].role", 'it is "agent"'),
        ({"messages": [{"content": "a"}]}, "messages[0].role", "it is missing"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages[0].content", "Empty"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content", "Missing"),
        (
            {"messages": [*ASK, {"role": "system", "content": "x"}, *ASK]},
            "messages[1].role",
            "only be the first message",
        ),
        (
            {"messages": [*ASK, {"role": "assistant", "content": "a"}], "completion": "b"},
            "messages",
            "end with",
        ),
        ({"messages": ASK * 61}, "messages", "Has 61 messages; at most 60"),
        ({"prompt": ""}, "prompt", "Empty"),
        ({"prompt": 5}, "prompt", "Must be a text; it is a number."),
        ({"prompt": "a\u0000b"}, "prompt", "NUL"),
        ('{"prompt": "half \\ud83d"}', "prompt", "surrogate"),
        ({"prompt": "x" * (MAX_TEXT + 1)}, "prompt", "at most 20,000"),
        ({"prompt": "a", "completion": ["b"]}, "completion", "it is a list"),
        ({"prompt": "a", "context": [5]}, "context[0]", "it is a number"),
        ({"prompt": "a", "context": ["x"] * 101}, "context", "Has 101 records"),
        ({"prompt": "a", "slice": "s" * 121}, "slice", "Has 121 characters; at most 120"),
        ({"prompt": "a", "slice": ["s"]}, "slice", "it is a list"),
        ({"prompt": "a", "edge": "weird"}, "edge", "is not a kind of edge case. Known: angry_customer"),
        ({"prompt": "a", "edge": True}, "edge", "is not a kind of edge case"),
        ({"prompt": "a", "tags": 3}, "tags", "Must be a list of texts."),
        ({"prompt": "a", "tags": ["t" * 41]}, "tags", "at most 40"),
        ({"prompt": "a", "tags": [str(n) for n in range(13)]}, "tags", "at most 12"),
        ({"prompt": "a", "group": "g" * 201}, "group", "at most 200"),
        ({"prompt": "a", "source": True}, "source", "it is true or false"),
        ({"prompt": "a", "id": 1.5}, "id", "it is a number"),
    ],
)
def test_what_is_wrong_is_said_with_its_field(row: Any, field: str, words: str):
    found = refused(row)
    assert [name for name, _ in found] == [field]
    assert words in found[0][1]


def test_everything_that_is_wrong_with_a_line_is_said_at_once():
    fields = [field for field, _ in refused({"prompt": "", "edge": "weird", "tags": 3, "slice": 1.5})]
    assert fields == ["prompt", "slice", "edge", "tags"]


def test_a_completion_is_only_needed_outside_the_queue():
    assert taken({"prompt": "a"}).completion == ""
    assert refused({"prompt": "a", "completion": " "}, needs_completion=True)[0][0] == "completion"


def test_a_pair_can_be_too_large_as_a_whole():
    found = refused({"prompt": "a", "context": ["x" * MAX_TEXT] * 11})
    assert f"at most {MAX_ALL:,}" in found[0][1]


def test_a_truncated_last_line_says_so():
    parsed = parse_line(FileLine(9, 20, '{"prompt": "Where is', whole=False), needs_completion=False)
    assert isinstance(parsed, list)
    assert "ends in the middle of this line" in parsed[0].reason


def test_excerpts_hold_nothing_that_breaks_a_page_or_a_table():
    text = excerpt_of(FileLine(1, 1, "\x00\x1b[31m\u202e" + "long " * 100))
    assert len(text) <= 120
    assert text.isprintable()


# --- what makes two pairs the same -------------------------------------------------------------------------
def test_letters_typed_in_two_ways_are_one_letter():
    assert canonical_json({"b": "e\u0301", "a": 1}) == canonical_json({"a": 1, "b": "é"}) == '{"a":1,"b":"é"}'


def test_canonical_json_has_no_word_for_nan():
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


def test_a_pair_is_known_again_whatever_records_stood_beside_it():
    same = {"messages": ASK, "completion": "In Hamburg."}
    assert arrival_hash(**same, context=["a"]) == arrival_hash(**same, context=["b"])
    assert content_hash(**same, context=["a"]) != content_hash(**same, context=["b"])
    other = {**same, "completion": "In Bremen."}
    assert arrival_hash(**same, context=[]) != arrival_hash(**other, context=[])


def test_questions_without_an_answer_differ_by_their_records():
    open_question = {"messages": ASK, "completion": ""}
    assert arrival_hash(**open_question, context=["a"]) != arrival_hash(**open_question, context=["b"])


def test_prompts_are_compared_loosely():
    shouted = [{"role": "user", "content": "  WHERE is\n fd-42003? "}]
    assert prompt_hash(messages=ASK, context=["A  b"]) == prompt_hash(messages=shouted, context=["a b"])
    assert group_of_prompt(messages=ASK, context=[]) == group_of_prompt(messages=shouted, context=[])
    assert prompt_hash(messages=ASK, context=["a"]) != prompt_hash(messages=ASK, context=["b"])
