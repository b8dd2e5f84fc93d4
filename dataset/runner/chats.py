"""The question and the answer of a row: a chat, a prompt, or an instruction with its input; and a worse answer beside it."""

from dataclasses import dataclass, field

from annotation.text.chat_shapes import Unreadable, refuse_other_content, role_of, text_of
from annotation.text.cleaning import MAX_MESSAGES
from core.marks import Marks
from dataset.mapping import FieldMapping
from dataset.runner.json_lines import Value, shown, write_json
from dataset.runner.reading.records import shortened, type_name
from dataset.runner.shapes import (
    SHAREGPT_ROLES,
    KeyNote,
    is_filled,
    key_facts,
    meaning_of,
    plain,
    says_bad,
    weight_of,
)
from dataset.runner.values import (
    NOT_FOR_TRAINING,
    BadField,
    Issue,
    filled_text,
    has_message,
    is_answer,
    is_nothing,
    read_text,
)

_TOOLS = (
    "The row has tool calls, and only text is possible here. To import it, choose “Results of tools become records” when you "
    "check the file."
)
_CALLS = ("tool_calls", "function_call", "tool_call_id")


@dataclass
class ParsedExample:
    """A valid line, in the shapes of Example. `group` is empty when the line names none; `bad_answer` when the file
    marks the answer as a bad one; `notes` report keys that were not imported under their own name."""

    messages: list[dict[str, str]] = field(default_factory=list)
    context: list[str] = field(default_factory=list)
    completion: str = ""
    slice: str = ""
    edge: str = ""
    tags: list[str] = field(default_factory=list)
    group: str = ""
    source: str = ""
    license: str = ""
    external_id: str = ""
    rejected: str = ""
    bad_answer: bool = False
    notes: list[KeyNote] = field(default_factory=list)


class ChatReader:
    """Reads the texts of one object. Problems go to `issues`, reports of other keys to `result.notes`."""

    def __init__(
        self, data: dict[str, Value], needs_completion: bool, marks: Marks, mapping: FieldMapping
    ) -> None:
        self.data, self.needs_completion, self.marks, self.mapping = data, needs_completion, marks, mapping
        self.issues: list[Issue] = []
        self.result = ParsedExample()
        # {own key: (the file's key, value)}; prompts may have two parts, an instruction and its input.
        self.given: dict[str, tuple[str, Value]] = {}
        self.input: tuple[str, Value] | None = None
        self.tool_results: list[str] = []

    def value_of(self, own: str) -> tuple[str, Value]:
        """(the file's name for it, value) of one of our keys."""
        return self.given.get(own, (own, None))

    def leave_out(self, key: str, says: str) -> None:
        self.result.notes.append(KeyNote(shown(key)[1:-1], "ignored", says))

    def note_bad_answer(self, key: str, value: Value, place: str = "") -> None:
        """The file marks the answer as a bad one: refused, or kept for the annotators with its mark."""
        sentence = f"{shown(key)} is {shortened(value)}: the file marks this answer as a bad one."
        if self.needs_completion:
            raise BadField(
                place or shown(key)[1:-1],
                f"{sentence} It is not imported as approved or into review. Import it into the annotation queue to correct it.",
            )
        self.result.bad_answer = True
        self.result.notes.append(
            KeyNote(
                shown(key)[1:-1],
                "read_as",
                "a bad answer: the row is in the queue, marked as bad, and not approved",
            )
        )

    # --- question and answer ------------------------------------------------------------------------
    def asked(self) -> tuple[list[dict[str, str]], str]:
        """The chat up to the customer's last message, and the agent's answer to it if the chat has one."""
        key, chat, prompt_key, prompt = self._chat_or_prompt()
        answer_key, answer = self.value_of("completion")
        before = chat_answer = None
        if isinstance(answer, list) and answer and all(isinstance(message, dict) for message in answer):
            # An answer as a list of messages, alone or behind the conversation it answers (TRL).
            before, chat_answer = self._answer_as_chat(answer_key, answer)
        if chat is None and isinstance(prompt, list):
            key, chat = prompt_key, prompt
        if chat is None and prompt is None:
            if not before:
                raise BadField("messages", f"Missing: a row needs “messages” or “prompt”.{self._has()}")
            return self._with_system(answer_key, before), chat_answer or ""
        messages = self._chat(key, chat) if chat is not None else self._prompt(prompt_key, prompt)
        answered = ""
        if messages and messages[-1]["role"] == "assistant" and answer is None:
            answered = messages.pop()["content"]
        if not messages or messages[-1]["role"] != "user":
            raise BadField(key, "Must end with a message of the user. The completion answers it.")
        if before and [m for m in before if m["role"] != "system"] != [
            m for m in messages if m["role"] != "system"
        ]:
            raise BadField(answer_key, "Does not begin with the conversation of the row.")
        return self._with_system(key, messages), chat_answer or answered

    def _chat_or_prompt(self) -> tuple[str, Value, str, Value]:
        """(the file's name for messages, messages, its name for prompt, prompt), of which at most one has content."""
        key, chat = self.value_of("messages")
        prompt_key, prompt = self.value_of("prompt")
        if is_nothing(chat) and not is_nothing(prompt):
            chat = None
        if is_nothing(prompt) and not is_nothing(chat):
            prompt = None
        if chat is None or prompt is None:
            return key, chat, prompt_key, prompt
        if prompt_key != "prompt":
            self.leave_out(prompt_key, f"The row also has {key}, which is used.")
            self.result.notes = [n for n in self.result.notes if (n.key, n.what) != (prompt_key, "read_as")]
        elif has_message(chat, prompt):
            self.leave_out(prompt_key, f"{key} says the same and is used.")
        else:
            raise BadField("prompt", f"Give “{key}” or “prompt”, not both.")
        return key, chat, prompt_key, None

    def _prompt(self, key: str, prompt: Value) -> list[dict[str, str]]:
        text = read_text(key, prompt)
        if self.input is not None:
            text = f"{text}\n\n{read_text(*self.input)}"
        if not text.strip():
            raise BadField(key, "Empty: there is nothing to answer.")
        return [*self._history(), {"role": "user", "content": text}]

    def _history(self) -> list[dict[str, str]]:
        """Earlier turns of an instruction, as [[question, answer], ...]."""
        key = next((key for key in self.data if key_facts(key).name == "history"), None)
        history = self.data.get(key) if key is not None else None
        if key is None or not history:
            return []
        pairs = [pair for pair in history if isinstance(pair, list)] if isinstance(history, list) else []
        if (
            not isinstance(history, list)
            or len(pairs) < len(history)
            or not all(len(pair) == 2 for pair in pairs)
        ):
            raise BadField(key, "Must be a list of lists, each with a question and its answer.")
        self.result.notes = [note for note in self.result.notes if note.key != key]
        self.result.notes.append(KeyNote(key, "read_as", "earlier turns"))
        return [
            {"role": role, "content": filled_text(f"{key}[{at}]", text)}
            for at, pair in enumerate(pairs)
            for role, text in zip(("user", "assistant"), pair, strict=True)
        ]

    def _chat(self, key: str, chat: Value) -> list[dict[str, str]]:
        if not isinstance(chat, list):
            raise BadField(key, f"Must be a list of messages; it is {type_name(chat)}.")
        if not chat:
            raise BadField(key, "Empty: there is nothing to answer.")
        if len(chat) > MAX_MESSAGES:
            raise BadField(key, f"Has {len(chat):,} messages; at most {MAX_MESSAGES} are allowed.")
        # Only the last answer is trained; weight 0 of earlier ones changes nothing.
        answer_key, answer = self.value_of("completion")
        last = len(chat) - 1 if answer is None or key == answer_key else -1
        messages = [
            self._message(f"{key}[{at}]", at, message, learned=at == last and is_answer(message))
            for at, message in enumerate(chat)
            if not self._is_tool_turn(f"{key}[{at}]", message)
        ]
        if not messages:
            raise BadField(key, "Empty: there is nothing to answer.")
        return messages

    def _is_tool_turn(self, name: str, message: Value) -> bool:
        """Whether a message is a tool call or its result, and the mapping makes records of the results."""
        if not isinstance(message, dict):
            return False
        called = next((key for key in _CALLS if is_filled(message.get(key))), "")
        role_key = "role" if "role" in message else "from"
        is_result = plain(str(message.get(role_key))) in ("tool", "function", "observation")
        if not called and not is_result:
            return False
        if self.mapping.tool_turns != "records":
            raise BadField(f"{name}.{role_key if is_result else called}", _TOOLS)
        self.result.notes.append(
            KeyNote("messages[].tool_calls", "ignored", "Results of tools are records of the example.")
        )
        content = message.get("content", message.get("value"))
        if is_result:
            text = text_of(content) if isinstance(content, (str, list)) else None
            if text is None:
                text = write_json(content) if content is not None else ""
            self.tool_results.append(read_text(f"{name}.content", text))
            return True
        # A call with a text beside it stays as the text that the agent wrote.
        return is_nothing(content)

    def _message(self, name: str, index: int, message: Value, *, learned: bool) -> dict[str, str]:
        if not isinstance(message, dict):
            raise BadField(name, f"Must be an object with role and content; it is {type_name(message)}.")
        is_sharegpt = "from" in message and "role" not in message
        role_key, text_key = ("from", "value") if is_sharegpt else ("role", "content")
        role = _role(f"{name}.{role_key}", message.get(role_key), is_sharegpt=is_sharegpt)
        if self.mapping.tool_turns == "records":
            message = {part: value for part, value in message.items() if part not in _CALLS}
        try:
            refuse_other_content(message)
            text = text_of(message.get(text_key))
        except Unreadable as error:
            part = text_key if error.field == "content" else error.field
            raise BadField(f"{name}.{part}", error.reason) from None
        text = filled_text(f"{name}.{text_key}", message.get(text_key) if text is None else text)
        if role == "system" and index:
            raise BadField(f"{name}.{role_key}", "A system message can only be the first message.")
        others = {part: value for part, value in message.items() if part not in (role_key, text_key)}
        self._other_parts(name, others, learned=learned)
        return {"role": role, "content": text}

    def _other_parts(self, name: str, others: dict[str, Value], *, learned: bool) -> None:
        """What a message has beside its role and text: refused when it changes the meaning, else noted."""
        for other, value in others.items():
            part = f"{name}.{shown(other)[1:-1]}"
            weight = weight_of(other, value)
            if learned and weight not in (None, 1):
                raise BadField(part, f"Is {shortened(value)}. {NOT_FOR_TRAINING}")
            if (meaning := meaning_of(other)) and is_filled(value):
                raise BadField(part, f"Holds {meaning}, and only text is taken here.")
            if learned and says_bad(other, value):
                self.note_bad_answer(other, value, part)
            elif weight is None and value not in (None, "", [], {}):
                self.result.notes.append(KeyNote(f"messages[].{shown(other)[1:-1]}", "ignored"))

    def _answer_as_chat(self, key: str, chat: list[Value]) -> tuple[list[dict[str, str]], str]:
        messages = self._chat(key, chat)
        if messages[-1]["role"] != "assistant":
            raise BadField(key, "Must end with a message of the assistant: the answer.")
        return messages[:-1], messages[-1]["content"]

    def _with_system(self, key: str, messages: list[dict[str, str]]) -> list[dict[str, str]]:
        system_key, system = self.value_of("system")
        text = read_text(system_key, system) if system is not None else ""
        if not text.strip():
            return messages
        if messages[0]["role"] == "system":
            raise BadField(system_key, f"`{key}` also has a system message. Keep one of them.")
        return [{"role": "system", "content": text}, *messages]

    def completion(self, answered: str) -> str:
        key, completion = self.value_of("completion")
        text = (
            answered
            if completion is None or (isinstance(completion, list) and answered)
            else read_text(key, completion)
        )
        if text.strip():
            return text
        if self.needs_completion:
            words = "Missing. Only rows for the annotation queue can have no completion."
            raise BadField("completion", words + self._has())
        return ""

    def _has(self) -> str:
        """The keys of the row that were not used, for a person who looks for the text."""
        other = [note for note in self.result.notes if note.what == "ignored"][:4]
        if not other:
            return ""
        return (
            " The row has "
            + ", ".join(f"“{note.key}”" for note in other)
            + "."
            + next((f" {note.says}" for note in other if note.says.startswith("Did you mean")), "")
        )

    # --- a worse answer -----------------------------------------------------------------------------
    def worse_answer(self) -> str:
        """A worse answer to the same question: a text, or a conversation that ends with it (TRL, OpenAI)."""
        key, value = self.value_of("rejected")
        if is_nothing(value):
            return ""
        if isinstance(value, list) and value and all(isinstance(message, dict) for message in value):
            before, text = self._answer_as_chat(key, value)
            asked = [message for message in self.result.messages if message["role"] != "system"]
            if before and [message for message in before if message["role"] != "system"] != asked:
                raise BadField(key, "Does not begin with the conversation of the row.")
            return text
        return read_text(key, value[0] if isinstance(value, list) and len(value) == 1 else value)


def _role(name: str, written: Value, *, is_sharegpt: bool) -> str:
    if is_sharegpt:
        role = SHAREGPT_ROLES.get(written.lower()) if isinstance(written, str) else None
    else:
        role = role_of(written)
    if role is None:
        raise BadField(name, f"Must be system, user or assistant; it is {shortened(written)}.")
    return role
