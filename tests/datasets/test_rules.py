"""The rules of a dataset version as pure functions: what a row is and what its hash is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.text.hashes import loosely, prompt_hash
from dataset.rows import ContentHash, canonical_row, row_hash
from dataset.splits import SPLITS, TEST, TRAIN
from tests.datasets.desk import content_hash_of

ROW = {
    "messages": [{"role": "user", "content": "Where is my café order?"}],
    "context": ["order 5 | in Köln"],
    "completion": "In Köln.",
    "rejected": "",
    "slice": "status",
    "edge": "",
    "tags": ["b", "a"],
    "group": "g1",
    "source": "desk",
    "license": "internal",
}
SETTINGS = {
    "validation": 0.1,
    "test": 0.1,
    "seed": 1,
    "slices": [],
    "sources": [],
    "system_prompt": "You answer.",
}


@given(st.text(st.characters(max_codepoint=127)))
def test_loose_texts_are_the_same_by_bytes_and_by_letters(text: str):
    assert loosely(text) == " ".join(text.split()).casefold()


# --- rows and hashes ---------------------------------------------------------------------------------------
def test_the_hashes_of_known_rows_never_change():
    """These values are on record in every project: a change here is a new FORMAT."""
    first, second = canonical_row(ROW), canonical_row(ROW | {"completion": "In Bonn.", "group": "g2"})
    assert row_hash(first) == "1ea270c8683fb8f14dbbdd0e9614cdc091a177c3ff2e139422946ba3979c747e"
    assert (
        content_hash_of([(first, TRAIN), (second, TEST)], SETTINGS)
        == "a42bb0cf54737de828895b73d1195f9d9edf22a9f99986c1c00f1608278b961f"
    )


def test_a_row_holds_the_canonical_fields_and_nothing_else():
    row = canonical_row(ROW | {"status": "approved", "pk": 7, "tags": ["b", "a", "b"]})
    assert set(row) == set(ROW)
    assert row["tags"] == ["a", "b"]
    with pytest.raises(KeyError):
        canonical_row({"messages": []})


def test_unicode_form_does_not_matter():
    decomposed = ROW | {"completion": "In Ko\u0308ln."}
    assert row_hash(canonical_row(decomposed)) == row_hash(canonical_row(ROW))


@pytest.mark.parametrize("name", list(ROW))
def test_every_field_matters(name: str):
    other = (
        [{"role": "user", "content": "Else?"}]
        if name == "messages"
        else ["x"]
        if name in ("context", "tags")
        else "x"
    )
    assert row_hash(canonical_row(ROW | {name: other})) != row_hash(canonical_row(ROW))


def test_settings_and_splits_matter_and_order_does_not():
    rows = [(canonical_row(ROW | {"group": f"g{n}"}), SPLITS[n % 3]) for n in range(9)]
    known = content_hash_of(rows, SETTINGS)
    assert content_hash_of(reversed(rows), SETTINGS) == known
    assert content_hash_of(rows, dict(reversed(SETTINGS.items()))) == known
    assert content_hash_of(rows, SETTINGS | {"system_prompt": "Else."}) != known
    moved = [(rows[0][0], TEST), *rows[1:]]
    assert content_hash_of(moved, SETTINGS) != known
    assert content_hash_of(rows[1:], SETTINGS) != known
    assert content_hash_of([*rows, rows[0]], SETTINGS) != known


def test_rows_out_of_order_are_refused():
    content = ContentHash(SETTINGS)
    content.add("b" * 64, TRAIN)
    with pytest.raises(ValueError, match="order"):
        content.add("a" * 64, TRAIN)


# --- prompts, read loosely ---------------------------------------------------------------------------------
def of_record(record: str) -> str:
    return prompt_hash(messages=ROW["messages"], context=[record])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("record", "same", "other"),
    [
        ('{"id": 5, "to": "Bonn"}', '{"to":"Bonn","id":5}', '{"to":"Bonn","id":"5"}'),
        ('[{"price": 1.10}]', '[ {"price":1.10} ]', '[{"price":1.1}]'),
        (
            '{"id": 12345678901234567890.55}',
            '{"id":12345678901234567890.55}',
            '{"id":12345678901234567890.56}',
        ),
        ('{"note": "a  B"}', '{"note":"A b"}', '{"note":"ab"}'),
        ("{not json", "{NOT  json", "{notjson"),
        ("[" * 100_000, "[" * 100_000, "[" * 99_999),
    ],
)
def test_spacing_and_order_inside_a_json_record_are_no_other_prompt(record: str, same: str, other: str):
    assert of_record(record) == of_record(same)
    assert of_record(record) != of_record(other)


def test_spacing_inside_a_record_is_another_row():
    """The text that trains is another one, so the content hash must say so."""
    spaced, tight = (canonical_row(ROW | {"context": [text]}) for text in ('{"id": 5}', '{"id":5}'))
    assert row_hash(spaced) != row_hash(tight)
