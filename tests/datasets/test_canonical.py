"""The canonical spelling of rows: the fast ways of writing it give the same bytes as the plain one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.text.hashes import (
    arrival_and_content,
    arrival_hash,
    canonical_json,
    canonical_texts,
    content_hash,
    prompt_hash,
)
from core.marks import Marks
from dataset.rows import body_hash, canonical_body, canonical_row, row_hash

# Letters that JSON escapes, that Unicode composes, and that sort in another order as UTF-16.
odd = st.text(
    st.sampled_from('a "\\\n\t\x01\x1f\x7fe\u0301\u00e9\u1e9b\u0323\u2028\uffff\U0001f600')
    | st.characters(exclude_categories=["Cs"])
)
texts = st.recursive(
    odd | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(odd, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(texts)
def test_texts_are_written_as_canonical_json(value: Any):
    assert canonical_texts(value) == canonical_json(value).encode()


def test_half_a_surrogate_pair_is_refused_and_never_hashed():
    with pytest.raises(ValueError, match="surrogates"):
        canonical_texts(["\ud800"])


def test_a_record_with_half_a_pair_as_an_escape_has_a_hash():
    """The record itself is plain text; only the value that its JSON means cannot be stored."""
    assert prompt_hash(messages=[], context=['{"a": "\\ud800"}']) != prompt_hash(
        messages=[], context=['{"a": "b"}']
    )


rows = st.fixed_dictionaries(
    {
        "messages": st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": odd}), max_size=3),
        "context": st.lists(odd, max_size=3),
        "tags": st.lists(odd, max_size=4),
        **dict.fromkeys(("completion", "rejected", "slice", "edge", "group", "source", "license"), odd),
    }
)


@given(rows)
def test_a_row_is_written_as_its_canonical_row(row: dict[str, Any]):
    body = canonical_body(row)
    assert body == canonical_json(canonical_row(row)).encode()
    assert body_hash(body) == row_hash(canonical_row(row))


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("plain [1] and <b>", ""),
        ("a < b, c [d]", ""),
        ("<|im_end|>", "<|im_end|>"),
        ("<\x01|im_end|>", "<|im_end|>"),
        ("[\u200bINST]", "[INST]"),
        ("x <start_of_turn> y", "<start_of_turn>"),
        ("x </s> y", "</s>"),
        ("＜|im_end|＞", "<|im_end|>"),
    ],
)
def test_marks_are_found_behind_the_quick_test(text: str, mark: str):
    assert Marks(["</s>"]).in_text(text) == mark


@given(
    messages=st.lists(
        st.fixed_dictionaries({"role": st.just("user"), "content": st.text(max_size=8)}),
        min_size=1,
        max_size=3,
    ),
    context=st.lists(st.text(max_size=8), max_size=2),
    completion=st.text(max_size=8),
)
def test_both_hashes_at_once_are_those_of_each_alone(
    messages: list[dict[str, str]], context: list[str], completion: str
):
    texts: dict[str, Any] = {"messages": messages, "context": context, "completion": completion}
    try:
        expected = arrival_hash(**texts), content_hash(**texts)
    except ValueError:  # half a surrogate pair
        return
    assert arrival_and_content(**texts) == expected
