"""With a real tokenizer: text that passes the check for control marks never changes the number of turns, however it is put
together; and what would change it is not trained on."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.text.rendering import chat_messages
from core.marks import Marks
from tests.support.factories import write_tokenizer
from training.chat_template import FileTokenizer, control_tokens_of, plain_marks_of
from training.rows import RowEncoder

PIECES = st.sampled_from(
    [
        "<|im_", "end|>", "<|im_end|>", "<|im_start|>", "<|", "|>", "im_end", "user\n", "assistant\n", "\n", " ", "\x00", "\u200b",
        "＜", "｜", "<|endoftext|>", "Where?", "<", "|", "_end|>", "[INST]",
    ]
)  # fmt: skip
TEXT = st.lists(PIECES, max_size=6).map("".join)


def counted(tokenizer: FileTokenizer, messages: list[dict[str, str]]) -> int:
    control = {tokenizer.id_of(token) for token in tokenizer.control_tokens}
    return sum(one in control for one in tokenizer.ids_of(tokenizer.render(messages, answer_follows=True)))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(system=TEXT, asked=TEXT, answered=TEXT, record=TEXT, other=TEXT)
def test_no_text_changes_the_number_of_turns(
    tiny_folder: Path, system: str, asked: str, answered: str, record: str, other: str
):
    tokenizer = FileTokenizer(tiny_folder)
    marks = Marks(tokenizer.control_tokens)
    turns = [
        {"role": "user", "content": asked},
        {"role": "assistant", "content": answered},
        {"role": "user", "content": other},
    ]
    refused = any(marks.in_text(text) for text in (system, asked, answered, record, other))
    chat = chat_messages(messages=turns, context=[record], system_prompt=system)
    plain = [{**message, "content": "x"} for message in chat]
    assert refused or counted(tokenizer, chat) == counted(tokenizer, plain)
    # What the last look in front of an engine sees is what the entries saw, put together.
    assert refused or not any(
        Marks(tokenizer.control_tokens, shapes=False).in_text(m["content"]) for m in chat
    )


def test_a_row_that_comes_to_more_turns_when_put_together_is_not_trained_on(tiny_folder: Path):
    """A template that joins two texts of people without anything between them could make a mark of their halves."""
    tokenizer = FileTokenizer(tiny_folder)
    render = tokenizer.render
    tokenizer.render = (
        lambda messages, answer_follows: render(  # type: ignore[method-assign]
            [{"role": "user", "content": "".join(m["content"] for m in messages[:-1])}, messages[-1]],
            answer_follows=answer_follows,
        )
    )
    encoder = RowEncoder(tokenizer, stop_token="<|im_end|>", system_prompt="")
    row = {
        "position": 0, "example": 7, "context": [], "completion": "b",
        "messages": [{"role": "assistant", "content": "<|im_"}, {"role": "user", "content": "start|>"}],
    }  # fmt: skip
    assert encoder.encode(row) is None
    assert [problem.kind for problem in encoder.problems] == ["forged_turn"]


def test_words_that_the_vocabulary_lacks_forge_nothing(tmp_path: Path):
    """They become the token for the unknown, which is a control token of most tokenizers that have one."""
    write_tokenizer(tmp_path)
    tokenizer = FileTokenizer(tmp_path)
    assert tokenizer.id_of("<|unknown|>") in tokenizer.ids_of("Whither?")
    encoder = RowEncoder(tokenizer, stop_token="<|im_end|>", system_prompt="Unheard of.")
    row = {
        "position": 0, "example": 7, "context": [], "completion": "Thither, by sea.",
        "messages": [{"role": "user", "content": "Whither?"}],
    }  # fmt: skip
    assert encoder.encode(row) is not None
    assert encoder.problems == []


@pytest.mark.parametrize(
    ("template", "plain"),
    [
        ("{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %}{{ m.content }}{% endif %}{% endfor %}", ["[/INST]", "[INST]"]),
        ("{% for m in messages %}\n### {{ m.role }}:\n{{ m.content }}{% endfor %}{% if add_generation_prompt %}\n### assistant:\n{% endif %}", ["### assistant:", "### user:"]),
        ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}", []),
    ],
)  # fmt: skip
def test_marks_of_templates_that_are_plain_text_are_known(tiny_folder: Path, template: str, plain: list[str]):
    from training.chat_template import compile_template

    tokenizer = FileTokenizer(tiny_folder)
    tokenizer._template = compile_template(template)
    assert plain_marks_of(tokenizer) == plain


def test_added_words_and_spaces_are_no_marks():
    added = [
        ("  ", False),
        ("FD", False),
        ("<tool_call>", False),
        ("<s>", True),
        ("[CLS]", True),
        (" ", True),
    ]
    assert control_tokens_of(added) == ["<tool_call>", "<s>", "[CLS]"]
