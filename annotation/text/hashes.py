"""An example as text: its hashes and its words for search. Pure functions; all code that writes examples uses them."""

import hashlib
import json
import unicodedata
from typing import Any, overload

import msgspec

from core.json_types import JsonLike
from core.lists.search import searchable
from core.text import one_line


@overload
def nfc(value: str) -> str: ...


@overload
def nfc(value: JsonLike) -> JsonLike: ...


def nfc(value: JsonLike) -> JsonLike:
    """`value` with every text in it in Unicode form NFC, so that é typed in two ways is one letter."""
    if isinstance(value, str):
        return value if value.isascii() else unicodedata.normalize("NFC", value)
    if isinstance(value, list):
        return [nfc(part) for part in value]
    if isinstance(value, dict):
        return {unicodedata.normalize("NFC", name): nfc(part) for name, part in value.items()}
    return value


def canonical_json(value: JsonLike) -> str:
    """One spelling for one value: NFC, sorted keys, no spaces, letters as they are. Raises ValueError for NaN."""
    text = _dump(value)
    # Nearly all text is in NFC already, and this test is much cheaper than a walk through the value.
    return text if text.isascii() or unicodedata.is_normalized("NFC", text) else _dump(nfc(value))


_dump = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


_encode = msgspec.json.Encoder(order="sorted").encode


def canonical_texts(value: JsonLike) -> bytes:
    """`canonical_json(value).encode()` for lists and objects of texts (and true, false, null), several times as fast.

    Not for numbers, which msgspec writes in its own way. Raises ValueError for half a surrogate pair.
    """
    data = _encode(value)
    if data.isascii() or unicodedata.is_normalized("NFC", data.decode()):
        return data
    return canonical_json(value).encode()


def _sha256(value: JsonLike) -> str:
    return hashlib.sha256(canonical_texts(value)).hexdigest()


def content_hash(*, messages: list[Any], context: list[str], completion: str) -> str:
    """SHA-256 of an example as it is now: question, records and completion."""
    return _sha256({"messages": messages, "context": context, "completion": completion})


def arrival_hash(*, messages: list[Any], context: list[str], completion: str) -> str:
    """SHA-256 that finds an example that is imported again, even after the stored one was edited.

    It covers the question and the answer: the same question with the same answer teaches the same, with any records. For a
    question without an answer the records count too. White space at the ends of texts makes no difference.
    """
    turns = [{**message, "content": message["content"].strip()} for message in messages]
    if completion:
        return _sha256({"messages": turns, "completion": completion.strip()})
    return _sha256({"messages": turns, "context": [record.strip() for record in context]})


def arrival_and_content(*, messages: list[Any], context: list[str], completion: str) -> tuple[str, str]:
    """`arrival_hash` and `content_hash`. Their texts are written as JSON once for both, where no white space at their ends
    and no other Unicode form makes a difference."""
    chat, records, answer = _encode(messages), _encode(context), _encode(completion)
    content = b'{"completion":%b,"context":%b,"messages":%b}' % (answer, records, chat)
    if (
        completion
        and completion.strip() == completion
        and all(message["content"].strip() == message["content"] for message in messages)
        and (content.isascii() or unicodedata.is_normalized("NFC", content.decode()))
    ):
        arrival = b'{"completion":%b,"messages":%b}' % (answer, chat)
        return hashlib.sha256(arrival).hexdigest(), hashlib.sha256(content).hexdigest()
    values: dict[str, Any] = {"messages": messages, "context": context, "completion": completion}
    return arrival_hash(**values), content_hash(**values)


def prompt_hash(*, messages: list[Any], context: list[str]) -> str:
    """SHA-256 that is equal for prompts which differ only in case, spacing or Unicode form.

    In a record that is JSON, spacing outside its texts and the order of names do not count either.
    """
    words = [[m["role"], loosely(m["content"])] for m in messages]
    return _sha256([words, [loosely(_compact(record)) for record in context]])


def _compact(record: str) -> str:
    """A JSON object or list in its canonical spelling, numbers with their digits unchanged; any other text as it is."""
    if not record.lstrip().startswith(("{", "[")):
        return record
    try:
        # Numbers stay text: as floats 1.10 and 1.1 would be one, and so would long identifiers.
        return canonical_texts(_parse_verbatim(record)).decode()
    except (ValueError, RecursionError):
        return record


def _verbatim(number: str) -> dict[str, str]:
    """Wrapped, so that the number 7 and the text "7" are different."""
    return {"": number}


# Made once: json.loads would make a decoder for every record.
_parse_verbatim = json.JSONDecoder(parse_float=_verbatim, parse_int=_verbatim).decode


# Capital letters become small ones, and everything that str.split takes for white space becomes a space.
_LOOSE = bytes(
    ord(" ") if chr(code).isspace() else ord(chr(code).lower()) if code < 128 else code for code in range(256)
)


def loosely(text: str) -> str:
    """The text without differences that people do not see: case, runs of spaces, compatibility letters."""
    if text.isascii():
        # The same in two passes over bytes: an import and a freeze do this for every text.
        plain = text.encode().translate(_LOOSE)
        while b"  " in plain:
            plain = plain.replace(b"  ", b" ")
        return plain.strip().decode()
    return one_line(unicodedata.normalize("NFKC", text)).casefold()


def group_of_prompt(*, messages: list[Any], context: list[str]) -> str:
    """The group of an example without one: equal prompts share it, so they are in one split."""
    return group_of(prompt_hash(messages=messages, context=context))


def group_of(prompt_sha256: str) -> str:
    """`group_of_prompt` of a prompt with this `prompt_hash`."""
    return f"prompt-{prompt_sha256[:16]}"


def search_text(*, messages: list[Any], context: list[str], completion: str) -> str:
    """All words of an example, as search compares them (core.lists.search)."""
    return searchable("\n".join([*(m["content"] for m in messages), *context, completion]))
