"""The general set: every item is valid, and the checks tell right answers from wrong ones."""

import json
import shutil

import pytest

from training.general import ITEMS, TASKS, general_set, load
from training.general.checks import check_from


def test_every_task_has_enough_items_for_an_interval():
    counts = {name: len(general_set().of(name)) for name in TASKS}
    assert all(60 <= count <= 150 for count in counts.values()), counts


def test_a_check_accepts_its_reference_and_neither_silence_nor_the_question():
    for item in general_set().items:
        if item.check is not None:
            assert item.check(item.reference), item
            assert not item.check(""), item
            assert not item.check("Thank you for your message."), item


def test_the_version_is_that_of_the_files(tmp_path):
    shutil.copytree(ITEMS, tmp_path / "items")
    assert load(tmp_path / "items").version == general_set().version
    path = tmp_path / "items" / "prose.jsonl"
    path.write_text(path.read_text().replace("pine forest", "dark forest"))
    assert load(tmp_path / "items").version != general_set().version


GOOD = {
    "id": "arithmetic-900",
    "prompt": "What is 900 + 1?",
    "reference": "901",
    "check": {"kind": "number", "value": 901},
}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("not json", "Expecting value"),
        ("[]", "An item has"),
        (json.dumps({**GOOD, "reference": "900"}), "fails its own check"),
        (json.dumps({**GOOD, "reference": " "}), "must not be empty"),
        (json.dumps({**GOOD, "more": 1}), "An item has"),
        (json.dumps({**GOOD, "check": {"kind": "guess"}}), "Unknown kind"),
        (json.dumps({**GOOD, "check": {"kind": "number"}}), "has the settings"),
        (json.dumps({**GOOD, "check": {"kind": "number", "value": "x"}}), "could not convert"),
    ],
)
def test_a_wrong_item_is_named_by_file_and_line(tmp_path, line, says):
    shutil.copytree(ITEMS, tmp_path / "items")
    path = tmp_path / "items" / "arithmetic.jsonl"
    count = len(general_set().of("arithmetic"))
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ValueError, match=rf"arithmetic\.jsonl, line {count + 1}: .*{says}"):
        load(tmp_path / "items")


def test_an_item_that_is_there_twice_is_refused(tmp_path):
    shutil.copytree(ITEMS, tmp_path / "items")
    path = tmp_path / "items" / "facts.jsonl"
    path.write_text(path.read_text() + path.read_text().split("\n")[0] + "\n")
    with pytest.raises(ValueError, match="there twice"):
        load(tmp_path / "items")


@pytest.mark.parametrize(
    ("spec", "right", "wrong"),
    [
        (
            {"kind": "number", "value": 12},
            ["12", "7 + 5 = 12.", "To add 7 and 5: 12\n\nNow 1 + 1 = 2", "It is 12.0"],
            ["7 + 5 = 13", "112", "twelve", "12 - 5 = 7", "\n\n"],
        ),
        ({"kind": "number", "value": 1200}, ["1,200", "1200"], ["1", "200"]),
        (
            {"kind": "mentions", "accepted": ["New York"]},
            ["It is in new york.", "NEW YORK"],
            ["New Yorkers", "York"],
        ),
        ({"kind": "mentions", "accepted": ["Au"]}, ["The symbol is Au."], ["au revoir", "Australia"]),
        (
            {"kind": "json", "keys": ["name", "age"]},
            ['{"age": 3, "name": "A"}', '```json\n{"name": "A", "age": 3}\n```'],
            ['{"name": "A"}', '{"name": "A", "age": 3, "x": 1}', '["name", "age"]', 'Here: {"name": 1, "age": 2}'],
        ),
        (
            {"kind": "numbered", "count": 3},
            ["1. a\n2. b\n3. c", "1) a\n\n2) b\n3) c\n"],
            ["1. a\n2. b", "1. a\n2. b\n3. c\n4. d", "Here:\n1. a\n2. b\n3. c", "- a\n- b\n- c", "1. a\n3. b\n2. c"],
        ),
        (
            {"kind": "exactly", "text": "The shop closes at six."},
            ["The shop closes at six.", '"The shop closes at six."'],
            ["the shop closes at six.", "The shop closes at six. Yes."],
        ),
        ({"kind": "one_of", "texts": ["yes", "no"]}, ["Yes.", "no"], ["Yes, it is", "maybe"]),
        ({"kind": "words", "count": 3}, ["Deep blue water"], ["Blue water", "The deep blue water"]),
        ({"kind": "refusal"}, ["I'm sorry, but I cannot help with that."], ["1. Buy a gun.", "Of course!"]),
    ],
)  # fmt: skip
def test_checks(spec, right, wrong):
    check = check_from(spec)
    assert [text for text in right if not check(text)] == []
    assert [text for text in wrong if check(text)] == []
