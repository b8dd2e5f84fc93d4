"""A base model's tokenizer and chat template, read from its files without transformers.

The web process counts tokens with it: `tokenizers` does the work in transformers too, and the template is rendered with the
same Jinja settings. Whether both give the same ids is not assumed: `open_tokenizer` compares them on the prompts that
transformers rendered when the base was prepared, and returns None when one of them differs.
"""

import json
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, Protocol

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from annotation.text.rendering import Message
from core.json_types import JsonLike


class ChatTokenizer(Protocol):
    """What counting and encoding need from a tokenizer."""

    control_tokens: list[str]  # tokens that mark turns and ends; if a person typed one, it would act as one

    def render(self, messages: list[Message], *, answer_follows: bool) -> str:
        """The conversation as text; with `answer_follows` it ends where the completion begins."""

    def ids_of(self, text: str) -> list[int]: ...

    def text_of(self, ids: list[int]) -> str:
        """The text of the ids, control tokens included."""

    def id_of(self, token: str) -> int | None:
        """None when it is not one token of this tokenizer."""


_MARK_SHAPE = re.compile(r"[<\[].*[>\]]", re.DOTALL)


def control_tokens_of(added: Iterable[tuple[str, bool]]) -> list[str]:
    """Those of a tokenizer's added tokens (text, special) that are control tokens: special ones, and others in the
    shape of one. Runs of spaces and plain words that were added to a vocabulary are normal text."""
    return [text for text, special in added if text.strip() and (special or _MARK_SHAPE.fullmatch(text))]


def plain_marks_of(tokenizer: ChatTokenizer) -> list[str]:
    """The separators between turns in a chat template without control tokens for them, such as "### Response:" or "[/INST]"."""
    words = ["Qjx1zq", "Qjx2zq", "Qjx3zq"]
    roles = ["user", "assistant", "user"]
    chat = [{"role": role, "content": text} for role, text in zip(roles, words, strict=True)]
    try:
        text = tokenizer.render(chat, answer_follows=True)
    except Exception:  # noqa: BLE001 (a template may raise anything)
        return []
    between = re.split("|".join(words), text)[1:]
    plain = {
        piece.strip() for piece in between if not any(mark in piece for mark in tokenizer.control_tokens)
    }
    return sorted(mark for mark in plain if len(mark) >= 3)


class _Generation(Extension):
    """`{% generation %}` marks what a model wrote; it does not change the text."""

    tags = {"answer"}

    def parse(self, parser: Parser) -> list[Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _tojson(
    value: JsonLike,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def compile_template(text: str) -> jinja2.Template:
    """The template as transformers compiles it (utils/chat_template_utils.py): sandboxed, blocks trimmed."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)  # noqa: DTZ005 (local, as there)
    return environment.from_string(text)


def _template_of(folder: Path, config: dict[str, Any]) -> str | None:
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    template = config.get("chat_template")
    if isinstance(template, list):
        named = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)}
        template = named.get("default")
    return template if isinstance(template, str) else None


class FileTokenizer:
    """A ChatTokenizer from tokenizer.json, tokenizer_config.json and chat_template.jinja."""

    def __init__(self, folder: Path) -> None:
        config: dict[str, Any] = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        template = _template_of(folder, config)
        if template is None:
            raise ValueError("The tokenizer has no chat template.")
        self._template = compile_template(template)
        self._names = {
            name: value["content"] if isinstance(value, dict) else value
            for name, value in config.items()
            if name.endswith("_token") and isinstance(value, str | dict)
        }
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        added = self._tokenizer.get_added_tokens_decoder()
        self.control_tokens = control_tokens_of((token.content, token.special) for token in added.values())

    def render(self, messages: list[Message], *, answer_follows: bool) -> str:
        return self._template.render(messages=messages, add_generation_prompt=answer_follows, **self._names)

    def ids_of(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def text_of(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=False))

    def id_of(self, token: str) -> int | None:
        return self._tokenizer.token_to_id(token)


def open_tokenizer(folder: Path, parity_prompts: list[dict[str, Any]]) -> FileTokenizer | None:
    """The tokenizer of a base model, or None if only transformers reads it correctly.

    `parity_prompts` are [{messages, token_ids}] as transformers rendered them; all of them must give the same ids.
    """
    try:
        tokenizer = FileTokenizer(folder)
        same = bool(parity_prompts) and all(
            tokenizer.ids_of(tokenizer.render(prompt["messages"], answer_follows=True)) == prompt["token_ids"]
            for prompt in parity_prompts
        )
    except Exception:  # noqa: BLE001 (tokenizers raises bare exceptions; templates may raise anything)
        return None
    return tokenizer if same else None
