"""Keys that are decided once for many rows mean the same as keys that are looked at one by one."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset.runner import parsing
from dataset.runner.parsing import parse_line
from dataset.runner.reading import FileLine

_KEYS = (
    "prompt", "completion", "messages", "context", "record", "records", "question", "answer", "instruction", "input", "output",
    "chosen", "rejected", "label", "weight", "tools", "slice", "Slice", "source", "id", "external id", "group", "conversation",
    "massages", "history", "user", "status", "notes", "system", "tags", "edge",
)  # fmt: skip
_texts = st.sampled_from(["", " ", "Where is FD-1?", "On its way.", "true", "x" * 300, "tracking"])
_chats = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system"]), "content": _texts}),
    max_size=3,
)
_values = st.one_of(
    _texts, st.none(), st.booleans(), st.integers(-1, 3), _chats, st.lists(_texts, max_size=2),
    st.fixed_dictionaries({"messages": _chats}), st.dictionaries(st.just("city"), _texts, max_size=1),
)  # fmt: skip


@given(row=st.dictionaries(st.sampled_from(_KEYS), _values, max_size=6), needs=st.booleans())
def test_plain_keys_are_read_like_all_others(row: dict[str, Any], needs: bool):
    line = FileLine(1, 10, json.dumps(row))
    at_once = parse_line(line, needs_completion=needs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parsing, "plain_keys", lambda keys: None)
        one_by_one = parse_line(line, needs_completion=needs)
    assert at_once == one_by_one


def test_an_ordinary_row_has_plain_keys():
    assert parsing.plain_keys(("prompt", "record", "completion", "slice", "notes")) is not None
    assert parsing.plain_keys(("prompt", "question")) is None  # both are the prompt
    assert parsing.plain_keys(("prompt", "completion", "label")) is None
