"""What an import makes of every key of a row: taken, read as another, noted, or refused with words. Nothing is lost in silence."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.marks import Marks
from dataset.runner.chats import ParsedExample
from dataset.runner.json_lines import NotRead, read_json, write_json
from dataset.runner.parsing import parse_line
from dataset.runner.reading.formats import format_of
from dataset.runner.reading.records import FileLine
from dataset.runner.shapes import OWN, READ_AS, KeyNote
from dataset.runner.values import Issue

ASK = {"role": "user", "content": "When do you open?"}
ANSWER = {"role": "assistant", "content": "At 9."}


def parse(row: Any, *, approved: bool = False, whole: bool = True) -> ParsedExample | list[Issue]:
    text = row if isinstance(row, str) else json.dumps(row)
    return parse_line(FileLine(1, len(text), text, whole=whole), needs_completion=approved, marks=Marks())


def taken(row: Any, *, approved: bool = True) -> ParsedExample:
    found = parse(row, approved=approved)
    assert isinstance(found, ParsedExample), found
    return found


def refused(row: Any, *, approved: bool = True, whole: bool = True) -> Issue:
    found = parse(row, approved=approved, whole=whole)
    assert isinstance(found, list), found
    return found[0]


# --- other names -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("row", "prompt", "completion"),
    [
        ({"prompt": "one", "response": "first"}, "one", "first"),
        ({"prompt": "one", "answer": "first"}, "one", "first"),
        ({"question": "one", "Output": "first"}, "one", "first"),
        ({"prompt": "one", "chosen": "good", "rejected": "bad"}, "one", "good"),
        ({"prompt": "one", "chosen": [{"role": "user", "content": "one"}, ANSWER]}, "one", "At 9."),
        ({"chosen": [ASK, ANSWER], "rejected": [ASK, ANSWER]}, "When do you open?", "At 9."),
        ({"prompt": [ASK], "completion": [ANSWER]}, "When do you open?", "At 9."),
        ({"instruction": "Sum up.", "input": "  a\n  b", "output": "ab"}, "Sum up.\n\n  a\n  b", "ab"),
        ({"instruction": "Sum up.", "input": "", "output": "ab"}, "Sum up.", "ab"),
        ({"input": "one", "output": "first"}, "one", "first"),
        (
            {"conversations": [{"from": "human", "value": "one"}, {"from": "gpt", "value": "first"}]},
            "one",
            "first",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}, ANSWER]},
            "hi",
            "At 9.",
        ),
    ],
)
def test_rows_of_other_tools_keep_their_answer(row: dict[str, Any], prompt: str, completion: str):
    found = taken(row)
    assert (found.messages[-1]["content"], found.completion) == (prompt, completion)


def test_a_system_prompt_stands_first_under_any_of_its_names():
    system = {"role": "system", "content": "Be brief."}
    assert taken({"system": "Be brief.", "prompt": "a", "completion": "b"}).messages[0] == system
    assert (
        taken({"messages": [{"role": "developer", "content": "Be brief."}, ASK, ANSWER]}).messages[0]
        == system
    )
    sharegpt = [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "a"}]
    assert taken({"conversations": sharegpt, "output": "b"}).messages[0] == system
    assert "Keep one" in refused({"system": "x", "messages": [system, ASK, ANSWER]}).reason


def test_earlier_turns_beside_an_instruction_are_turns():
    found = taken({"instruction": "c", "output": "d", "history": [["a", "b"]]})
    assert [m["content"] for m in found.messages] == ["a", "b", "c"]


def test_keys_in_another_spelling_are_read_and_told():
    row = taken(
        {
            "Prompt": "a",
            "COMPLETION": "b",
            "Slice": "price",
            "tag": "eta",
            "Conversation ID": 9,
            "licence": "CC0",
        }
    )
    assert (row.slice, row.tags, row.group, row.license) == ("price", ["eta"], "9", "CC0")
    assert KeyNote("Slice", "read_as", "slice") in row.notes
    assert KeyNote("tag", "read_as", "tags") in row.notes


def test_unknown_keys_are_noted_and_near_ones_suggested():
    row = taken(
        {"prompt": "a", "completion": "b", "contxt": ["x"], "weather": 1, "sclie": "y", "messages[0]": 1}
    )
    says = {note.key: note.says for note in row.notes}
    assert says["contxt"] == "Did you mean “context”?"
    assert says["sclie"] == "Did you mean “slice”?"
    assert says["weather"] == ""
    assert all(note.what == "ignored" for note in row.notes)
    assert (
        taken({"prompt": "a", "completion": "b", "massages": 1}).notes[0].says == "Did you mean “messages”?"
    )
    assert "completon" in refused({"prompt": "a", "completon": "b"}).reason
    assert "Did you mean “completion”?" in refused({"prompt": "a", "completon": "b"}).reason


def test_the_exact_name_wins_and_the_other_is_told():
    row = taken({"answer": "x", "prompt": "a", "completion": "b"})
    assert (row.completion, row.notes) == (
        "b",
        [KeyNote("answer", "ignored", "The row also has completion, which is used.")],
    )
    assert "both read as completion" in refused({"prompt": "a", "answer": "x", "output": "y"}).reason


@pytest.mark.parametrize(
    ("row", "prompt", "completion"),
    [
        ({"user": "one", "assistant": "first"}, "one", "first"),
        ({"inputs": "one", "targets": "first"}, "one", "first"),
        ({"prompt": "one", "answers": ["first"]}, "one", "first"),
        ({"prompt": "one", "expected_output": "first", "completion": None}, "one", "first"),
        # An empty field of its own name hides no answer under another.
        ({"prompt": "one", "completion": "", "response": "first"}, "one", "first"),
        ({"response": "first", "prompt": "one", "completion": "  "}, "one", "first"),
        ({"messages": [], "prompt": "one", "completion": "first"}, "one", "first"),
        ({"messages": [ASK, ANSWER], "prompt": "", "user": "u-12"}, "When do you open?", "At 9."),
        ({"prompt": "When do you open?", "messages": [ASK, ANSWER, ASK, ANSWER]}, "When do you open?", "At 9."),
        ({"messages": [ASK, ANSWER], "completion": ""}, "When do you open?", "At 9."),
        # A byte order mark before the first name, as converted tables have it.
        ({"\ufeffprompt": "one", "ｃｏｍｐｌｅｔｉｏｎ": "first"}, "one", "first"),
    ],
)  # fmt: skip
def test_an_answer_under_a_less_certain_name_is_not_lost(row: dict[str, Any], prompt: str, completion: str):
    found = taken(row)
    assert (found.messages[-1]["content"], found.completion) == (prompt, completion)
    noted = {note.key for note in found.notes}
    for key, value in row.items():
        assert key in OWN or not value or key.replace("\ufeff", "\ufffd") in noted, key


def test_a_less_certain_name_gives_way_and_is_told():
    row = taken({"question": "one", "answer": "first", "user": "u-12", "target": "web"})
    assert (row.messages[0]["content"], row.completion) == ("one", "first")
    assert KeyNote("user", "ignored", "The row also has question, which is used.") in row.notes
    assert KeyNote("target", "ignored", "The row also has answer, which is used.") in row.notes


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "one", "responses": ["first", "second"]},
        {"prompt": "one", "answers": {"text": ["first"]}},
        {"prompt": "one", "target": "first", "ideal": "second"},
    ],
)
def test_answers_of_which_one_would_be_lost_are_refused_even_for_the_queue(row: dict[str, Any]):
    assert refused(row, approved=False).field in row


# --- keys that change the meaning --------------------------------------------------------------------------
@pytest.mark.parametrize(
    "row",
    [
        {"label": False}, {"label": 0}, {"label": "bad"}, {"approved": False}, {"status": "rejected"}, {"Label": "False"},
        {"label": "0.0"}, {"label": "-1"}, {"label": "\u22121"}, {"label": [False]}, {"labels": ["bad", "wrong"]}, {"label": "KO"},
        {"label": "thumbs-down"}, {"thumbs": "down"}, {"thumbs_up": False}, {"feedback": "👎🏽"}, {"rating": "👎"}, {"rating": -1},
        {"score": 0}, {"reward": -0.5}, {"vote": -1}, {"quality": "Not OK"}, {"preferred": False}, {"is_desirable": False},
        {"human_label": "no"}, {"good_answer": False}, {"feedback": {"rating": "bad"}}, {"feedback": {"type": "negative"}},
        {"metadata": {"label": False}}, {"is_bad": True}, {"rejected": True}, {"flagged": "yes"}, {"Thumbs Down": 1}, {"skip": True},
        {"lable": False}, {"aproved": "no"}, {"raiting": -1},
    ],
)  # fmt: skip
def test_an_answer_marked_as_bad_is_never_approved(row: dict[str, Any]):
    pair = {"prompt": "a", "completion": "b"} | row
    issue = refused(pair)
    assert issue.field in row
    assert "marks this answer as a bad one" in issue.reason
    kept = taken(pair, approved=False)
    assert kept.bad_answer
    assert kept.notes[0].says.startswith("a bad answer")


@pytest.mark.parametrize(
    "row",
    [
        {"label": True}, {"label": "price"}, {"status": "approved"}, {"label": 1}, {"rating": 5}, {"score": 0.2}, {"is_bad": False},
        {"metadata": {"label": True, "status": "new"}}, {"order": {"status": "returned"}}, {"vote": 0},
        {"height": 0}, {"store": False}, {"labels": ["bad", "tone"]}, {"label": []},
    ],
)  # fmt: skip
def test_other_labels_are_noted(row: dict[str, Any]):
    found = taken({"prompt": "a", "completion": "b"} | row)
    assert [(note.key, note.what) for note in found.notes] == [(next(iter(row)), "ignored")]


def test_an_answer_marked_as_bad_in_its_own_message_is_never_approved():
    pair = {"messages": [ASK, ANSWER | {"label": False}]}
    assert refused(pair).field == "messages[1].label"
    assert taken(pair, approved=False).bad_answer
    # Of an earlier answer it is told: that one is not what is learned.
    earlier = taken({"messages": [ASK, ANSWER | {"label": False}, ASK, ANSWER]})
    assert (earlier.bad_answer, [note.key for note in earlier.notes]) == (False, ["messages[].label"])


@pytest.mark.parametrize(
    "mark",
    [
        {"weight": 0}, {"weight": 0.5}, {"train": False}, {"weight": "0"}, {"weight": "0.0"}, {"weight": -1}, {"masked": True},
        {"Weight": 0}, {"loss_mask": 0}, {"trainable": False}, {"train_on_turn": "no"}, {"do_not_train": 1}, {"weights": [1, 0]},
        {"weigth": 0}, {"trainabel": False},
    ],
)  # fmt: skip
def test_a_turn_not_to_be_learned_is_refused(mark: dict[str, Any]):
    issue = refused({"messages": [ASK, ANSWER | mark]}, approved=False)
    assert issue.field == f"messages[1].{next(iter(mark))}"
    assert "not to train on this answer" in issue.reason
    assert refused({"messages": [ASK, ANSWER | mark], "completion": " "}).field == issue.field
    # Of an earlier turn it is true anyway: only the last answer is learned.
    assert taken({"messages": [ASK, ANSWER | mark, ASK, ANSWER | {"weight": 1}]}).notes == []


def test_a_row_of_weight_nothing_is_refused_and_another_weight_is_noted():
    for mark in (
        {"weight": 0},
        {"sample_weight": 0.0},
        {"weight": -2},
        {"meta": {"weight": 0}},
        {"loss_mask": [0, 0]},
    ):
        assert "not to train" in refused({"prompt": "a", "completion": "b"} | mark, approved=False).reason
    told = KeyNote("weight", "ignored", "Every approved row counts once.")
    assert taken({"prompt": "a", "completion": "b", "weight": 12.5}).notes == [told]


@pytest.mark.parametrize(
    "key",
    [
        "tools", "functions", "function_call", "images", "Tool Calls", "available_tools", "tool_results", "image_url", "image_path",
        "img", "audio_file", "input_audio", "videos", "attachments",
    ],
)  # fmt: skip
def test_what_text_cannot_say_is_refused(key: str):
    assert refused({"prompt": "a", "completion": "b", key: [{"x": 1}]}).field == key
    assert refused({"messages": [ASK | {key: "x"}, ANSWER]}).field == f"messages[0].{key}"
    for nothing in ([], None, "", "[]", "null"):
        assert taken({"prompt": "a", "completion": "b", key: nothing}).completion == "b"


def test_a_prompt_as_an_object_of_messages_is_read_and_its_tools_are_not():
    row = {
        "input": {"messages": [ASK], "tools": []},
        "preferred_output": [ANSWER],
        "non_preferred_output": [ANSWER],
    }
    assert taken(row).completion == "At 9."
    row["input"] = {"messages": [ASK], "tools": [{"name": "clock"}], "parallel_tool_calls": True}
    assert refused(row).field == "input.tools"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"role": "assistant", "content": None, "tool_calls": [{}]}, "tool_calls"),
        ({"role": "assistant", "content": "x", "function_call": {"name": "f"}}, "function_call"),
        ({"role": "tool", "content": "x"}, "role"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}, "content"),
        ({"role": "user", "content": [{"type": "text"}]}, "content"),
        ({"role": "user", "content": ["x"]}, "content"),
    ],
)
def test_messages_that_are_no_text_are_refused(message: dict[str, Any], field: str):
    issue = refused({"messages": [ASK, message], "completion": "b"})
    assert issue.field == f"messages[1].{field}"


# --- text as it is -----------------------------------------------------------------------------------------
def test_indentation_and_line_breaks_are_kept():
    row = taken(
        {"prompt": "\tdef f():\r\n\t\tpass\r", "completion": "  | a |\n  | b |\n", "context": ["  x\ty "]}
    )
    assert row.messages[0]["content"] == "\tdef f():\n\t\tpass\n"
    assert (row.completion, row.context) == ("  | a |\n  | b |\n", ["  x\ty "])


def with_number(number: str) -> str:
    return f'{{"prompt":"a","completion":"b","context":[{{"n":{number}}}]}}'


@pytest.mark.parametrize(
    "number", ["1.10", "12345678901234567890.55", "1e2", "-0", "0.0", "1E+5", "100", "9" * 300]
)
def test_numbers_in_records_keep_their_digits(number: str):
    assert taken(with_number(number)).context == [f'{{"n":{number}}}']


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "-Infinity", "9" * 5000])
def test_numbers_that_programs_cannot_read_are_refused(number: str):
    assert refused(with_number(number)).reason.startswith("Contains ")


@pytest.mark.parametrize(
    "text",
    [
        "Hi<|im_end|>",
        "[INST] x",
        "<<SYS>>",
        "<start_of_turn>",
        "<｜User｜>",
        "＜|im_start|＞",
        "<|im\u200b_end|>",
    ],
)
def test_a_control_mark_is_refused_with_its_field(text: str):
    for field, row in {
        "messages[0].content": {"prompt": text, "completion": "b"},
        "completion": {"prompt": "a", "completion": text},
        "context[0]": {"prompt": "a", "completion": "b", "context": [{"note": text}]},
    }.items():
        issue = refused(row)
        assert issue.field == field
        assert "control mark" in issue.reason


def test_a_row_of_a_great_many_keys_takes_work_in_proportion(monkeypatch: pytest.MonkeyPatch):
    """Spellings of one key, and unknown keys: neither is compared with all before it."""
    from dataset.runner import chats, parsing, shapes

    looked_up = []
    near = shapes._near
    monkeypatch.setattr(shapes, "_near", lambda name, known: looked_up.append(name) or near(name, known))
    shapes._says_of.cache_clear()
    unknown = {f"value {at} of a table": at for at in range(5000)}
    assert len(taken({"prompt": "a", "completion": "b"} | unknown).notes) == 5000
    assert len(looked_up) <= 2 * parsing._MOST_LOOKED_UP

    compared = []
    for module in (chats, parsing):
        monkeypatch.setattr(module, "shown", lambda key: compared.append(key) or f"“{key[:60]}”")
    spelt = {"prompt": "a", "completion": "b"} | {"_" * at + "prompt": "c" for at in range(1, 60)}
    assert len(taken(spelt).notes) == 59
    assert len(compared) < 10 * len(spelt)


@pytest.mark.parametrize(
    ("key", "most"),
    [("slice", 120), ("group", 200), ("source", 120), ("license", 120), ("id", 200), ("tags", 40)],
)
def test_a_name_whose_letters_become_two_is_measured_as_it_is_stored(key: str, most: int):
    """U+0958 is two letters in Unicode form NFC; the column would refuse what fitted before."""
    row: dict[str, Any] = {"prompt": "a", "completion": "b"}
    assert refused(row | {key: "\u0958" * most}).field == key
    assert taken(row | {key: "\u0958" * (most // 2)})
    assert taken(row | {key: "e\u0301" * (most // 2)})


# --- why a line is not JSON ---------------------------------------------------------------------------------
REASONS = {
    "{'prompt':'a','completion':'b'}": "single quotes at character 2",
    '{"a": None}': "None at character 7",
    '{"a":1} {"b":2}': "Two objects are on this line. The second begins at character 9",
    '{"a":1},': "A comma follows the object",
    '{"a":1,}': "There is a comma before the closing }",
    '{"a":[1,2,]}': "There is a comma before the closing ]",
    '\ufeff{"a":1}': "byte order mark (U+FEFF) at character 1",
    '{"a":1}\ufeff{"a":2}': "byte order mark",
    '{"a":"x\ty"}': "raw tab inside a text at character 8",
    '{"a":"x\\y"}': "backslash at character 8",
    '{"a":"say "no""}': "A double quote inside a text is written",
    "{“a”: 1}": "typographic quotation mark",
    '{"a" 1}': "A colon is missing",
    "{a: 1}": "A name in double quotes is missing at character 2",
    '{"a":1} // x': "There is text after the object",
    "# x": "comment",
    "<xml/>": "is not a JSON object",
    '{"a":01}': "“01” at character 7, which is not a number in JSON",
    '{"a":1.}': "“1.” at character 7, which is not a number",
    '{"a":.5}': "“.5” at character 6, which is not a number",
    '{"a":+1}': "“+1” at character 6, which is not a number",
    '{"a":0x1F,"b":1}': "“0x1F” at character 7, which is not a number",
    '{"a":1_000}': "“1_000” at character 7, which is not a number",
    '{"a":-1e}': "“-1e” at character 8, which is not a number",
    '{"a":１}': "“１” at character 6, which is not a number",
    '{"a":TRUE}': "Contains TRUE at character 6, which is not JSON",
    '{"a":[1,2}': "A comma or the end of the object is missing at character 10, found “}”.",
    '{"a":1 2}': "A comma or the end of the object is missing at character 8, found “2”.",
    '{"a":1,"a":2}': "“a” is in one object twice",
    '{"c":[{"a":1,"a":1}]}': "“a” is in one object twice",
    '{"a":"\x00"}': "NUL character at character 7",
    "[" * 100 + "]" * 100: "nested more than 60 levels",
    '{"a":' + "[" * 50_000: "nested more than 60 levels",
}


@pytest.mark.parametrize("text", REASONS)
@pytest.mark.parametrize("whole", [True, False])
def test_a_line_that_is_no_json_says_why(text: str, whole: bool):
    reason = refused(text, whole=whole).reason
    assert REASONS[text] in reason
    assert "cut off" not in reason


@pytest.mark.parametrize(
    "text", ['{"a":', '{"a":1', '{"a":"x', '{"a":"x\\', '{"a":"\\u12', '{"a": tru', "{", '{"a":[1,']
)
def test_cut_off_is_said_of_what_is_cut_off(text: str):
    assert "cut off" in refused(text, whole=False).reason
    assert "cut off" not in refused(text, whole=True).reason


def test_formats_are_known_by_their_first_bytes():
    formats = {
        b"prompt,completion\na,b\n": ("csv", ","),
        b"question;answer\n": ("csv", ";"),
        b"id\tprompt\n1\tx\n": ("tsv", "\t"),
        b"PAR1": ("parquet", None),
        b'{\n  "prompt": "a"\n}': ("json", None),
        b'\n [{"prompt": "a"}]': ("json", None),
        b"\xef\xbb\xbf[1]": ("json", None),
        b'{"version": 2, "data": [{"prompt": "a"}]}': ("json", "data"),
        b'{"dialogs": [{"messages": []}]}': ("json", "dialogs"),
        b'{"messages": [{"role": "user", "content": "a"}]}': ("jsonl", None),
        b'{"turns": [{"role": "user", "content": "a"}]}': ("jsonl", None),
        b'{"id": 3, "data": {}, "annotations": [{"result": []}]}': ("jsonl", None),
        b'["a"]\n["b"]\n': ("jsonl", None),
        b"Dear all, hello\nand, more\n": ("jsonl", None),
    }
    known = {head: format_of(head, "file") for head in formats}
    assert {head: (form.name, form.detail) for head, form in known.items()} == formats


# --- properties --------------------------------------------------------------------------------------------
KEYS = st.one_of(
    st.sampled_from([*OWN, *READ_AS, "rejected", "label", "weight", "tools", "contxt"]), st.text(max_size=8)
)
TEXTS = st.text(max_size=20)
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["role", "content", "from", "value", "type", "text", "weight"]), inner, max_size=3
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=6), st.booleans())
def test_every_key_of_every_row_is_accounted_for(row: dict[str, Any], approved: bool):
    found = parse(row, approved=approved)
    if not isinstance(found, ParsedExample):
        assert found
        assert all(issue.reason for issue in found)
        return
    noted = {note.key for note in found.notes}
    for key, value in row.items():
        shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in key)
        assert key in OWN or shown in noted or value in (None, [], {}, "", False, True) or key == "weight", (
            key
        )


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=60), st.booleans())
def test_any_text_is_read_or_refused_with_words(text: str, whole: bool):
    try:
        read_json(text, whole=whole)
    except NotRead as error:
        assert str(error).endswith((".", '".'))


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_a_value_is_written_as_it_was_read(value: Any):
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert write_json(read_json(text)) == text
