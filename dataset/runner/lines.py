"""Reads the bytes of an uploaded file into rows, one line at a time. Pure functions: no database, bounded memory.

Text is not changed, except that line ends become \\n. Every key of a row is imported, or reported in `notes`, or the
row is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from annotation.text.chat_shapes import Unreadable, refuse_other_content, role_of, text_of
from annotation.text.cleaning import (
    MAX_ALL,
    MAX_MESSAGES,
    MAX_SLICE,
)
from core.marks import Marks, words_for
from dataset.runner.files import FileLine, shortened, type_name
from dataset.runner.json_lines import NotRead, Value, read_json, shown
from dataset.runner.shapes import (
    SHAREGPT_ROLES,
    KeyNote,
    is_filled,
    may_be,
    meaning_of,
    note_on,
    own_key,
    plain,
    says_bad,
    says_not_to_train,
    weight_of,
)
from dataset.runner.values import (
    NO_MARKS,
    NOT_FOR_TRAINING,
    BadField,
    Issue,
    ends_with_an_answer,
    filled_text,
    has_message,
    is_answer,
    is_nothing,
    read_context,
    read_edge,
    read_label,
    read_tags,
    read_text,
)

P = ParamSpec("P")
T = TypeVar("T")
_MOST_LOOKED_UP = 200  # keys of one row


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
    bad_answer: bool = False
    notes: list[KeyNote] = field(default_factory=list)


# --- one line ----------------------------------------------------------------------------------------------
def parse_line(
    line: FileLine, *, needs_completion: bool, marks: Marks = NO_MARKS
) -> ParsedExample | list[Issue]:
    """The row of the line, or all its problems.

    `needs_completion` is False for rows that go to the annotators' queue: these can have no completion, or one that
    the file marks as bad. No text may contain one of `marks`.
    """
    try:
        return _Reader(_object(line), needs_completion, marks).row()
    except BadField as bad:
        return [bad.issue]
    except RecursionError:
        return [Issue("", "The line is nested too deeply for a row.")]


def _object(line: FileLine) -> dict[str, Value]:
    if line.text is None:
        raise BadField("", line.problem)
    try:
        data = read_json(line.text, whole=line.whole)
    except NotRead as error:
        raise BadField("", str(error)) from None
    if not isinstance(data, dict):
        raise BadField("", f"A row is a JSON object in braces; this line is {type_name(data)}.")
    return data


class _Reader:
    """Reads one object. Problems go to `issues`, reports of other keys to `row.notes`."""

    def __init__(self, data: dict[str, Value], needs_completion: bool, marks: Marks) -> None:
        self.data, self.needs_completion, self.marks = data, needs_completion, marks
        self.issues: list[Issue] = []
        self.result = ParsedExample()
        # {own key: (the file's key, value)}; prompts may have two parts, an instruction and its input.
        self.given: dict[str, tuple[str, Value]] = {}
        self.input: tuple[str, Value] | None = None

    def take(self, read: Callable[P, T], *args: P.args, **more: P.kwargs) -> T | None:
        try:
            return read(*args, **more)
        except BadField as bad:
            self.issues.append(bad.issue)
            return None

    def row(self) -> ParsedExample | list[Issue]:
        self.take(self._sort_keys)
        row = self.result
        question = self.take(self._asked)
        if question is not None:
            row.messages, answered = question
            row.completion = self.take(self._completion, answered) or ""
        row.context = self.take(read_context, *self._of("context")) or []
        row.slice = self.take(read_label, *self._of("slice"), MAX_SLICE) or ""
        row.edge = self.take(read_edge, *self._of("edge")) or ""
        row.tags = self.take(read_tags, *self._of("tags")) or []
        row.group = self.take(read_label, *self._of("group"), 200) or ""
        conversation = self.take(read_label, *self._of("conversation_id"), 200) or ""
        if row.group and conversation:
            self._leave_out(self._of("conversation_id")[0], "The row also has a group, which is used.")
        row.group = row.group or conversation
        row.source = self.take(read_label, *self._of("source"), 120) or ""
        row.license = self.take(read_label, *self._of("license"), 120) or ""
        row.external_id = self.take(read_label, *self._of("id"), 200) or ""
        self._check_texts()
        return self.issues or row

    def _of(self, own: str) -> tuple[str, Value]:
        """(the file's name for it, value) of one of our keys."""
        return self.given.get(own, (own, None))

    def _leave_out(self, key: str, says: str) -> None:
        self.result.notes.append(KeyNote(shown(key)[1:-1], "ignored", says))

    # --- keys ----------------------------------------------------------------------------------------------
    def _sort_keys(self) -> None:
        """Decides about each key: imported, read as another one, refused, or noted as not imported."""
        alpaca = any(
            plain(key) == "instruction" and not is_nothing(value) for key, value in self.data.items()
        )
        perhaps: list[tuple[str, Value]] = []
        for key, value in self.data.items():
            own = own_key(key)
            if meaning := meaning_of(key):
                if is_filled(value):
                    self.issues.append(
                        Issue(
                            shown(key)[1:-1],
                            f"The row has {meaning}. Only text is possible here, so it is not imported.",
                        )
                    )
            elif says_not_to_train(key, value):
                raise BadField(shown(key)[1:-1], f"Is {shortened(value)}. {NOT_FOR_TRAINING}")
            elif says_bad(key, value):
                self._bad_answer(key, value)
            elif own is None and may_be(key):
                perhaps.append((key, value))
            elif own is None or (own == "messages" and key != own and not isinstance(value, list)):
                # After this number, keys are probably values in the place of keys; no further one is looked up.
                known = len(self.result.notes) < _MOST_LOOKED_UP
                self.result.notes.append(note_on(key) if known else KeyNote(shown(key)[1:-1], "ignored"))
            elif own == "prompt" and isinstance(value, dict) and "messages" in value:
                self._prompt_object(key, value)
            elif alpaca and plain(key) == "input":
                if not is_nothing(value):
                    self.input = (key, value)
                    self.result.notes.append(KeyNote(key, "read_as", "prompt, below the instruction"))
            else:
                self._place(own, key, value)

        self._read_perhaps(perhaps)
        if is_nothing(self._of("completion")[1]):
            self.given.pop("completion", None)  # messages can end with the answer

    def _prompt_object(self, key: str, value: dict[str, Value]) -> None:
        """A prompt in the format of OpenAI's preference files: {"messages": [...], "tools": []}."""
        for part, inner in value.items():
            name = f"{key}.{shown(part)[1:-1]}"
            if (meaning := meaning_of(part)) and is_filled(inner):
                self.issues.append(
                    Issue(name, f"The row has {meaning}. Only text is possible here, so it is not imported.")
                )
            elif part != "messages" and is_filled(inner):
                self.result.notes.append(KeyNote(name, "ignored"))
        self._place("prompt", key, value["messages"])

    def _read_perhaps(self, perhaps: list[tuple[str, Value]]) -> None:
        """Keys that are read only when the row has no other key for the same thing."""
        for own in ("prompt", "completion"):
            named = [(key, value) for key, value in perhaps if may_be(key) == own]
            taken = [self._of(own), *([self._of("messages")] if own == "prompt" else [])]
            has = next((key for key, value in taken if not is_nothing(value)), None)
            if has is None and own == "completion" and ends_with_an_answer(self._of("messages")[1]):
                has = self._of("messages")[0]
            for key, value in named:
                if has is not None:
                    self._leave_out(key, f"The row also has {has}, which is used.")
                elif not is_nothing(value):
                    single = value[0] if isinstance(value, list) and len(value) == 1 else value
                    if isinstance(single, list) or (
                        isinstance(value, list) and len(value) > 1 and isinstance(value[0], str)
                    ):
                        raise BadField(
                            key, f"Contains several texts, but a row has one {own}. Keep one, as “{own}”."
                        )
                    self._place(own, key, single if isinstance(single, str) else value)

    def _place(self, own: str, key: str, value: Value) -> None:
        if value is None and key != own:
            return
        first, stood = self.given.get(own, ("", None))
        if first and is_nothing(value):
            if value:
                self._leave_out(key, "It is blank.")
            return
        if first and not is_nothing(stood):
            exact, other = (first, key) if first == own else (key, first) if key == own else ("", "")
            if not exact:
                names = f"{shown(first)} and {shown(key)}"
                raise BadField(shown(key)[1:-1], f"{names} are both read as {own}. Keep one of them.")
            if other == first:  # it was reported as read, and is not
                self.result.notes = [note for note in self.result.notes if note.key != shown(other)[1:-1]]
            self._leave_out(other, f"The row also has {own}, which is used.")
            if exact == first:
                return
        elif key != own:
            if first and stood:
                self._leave_out(first, "It is blank.")
            self.result.notes.append(KeyNote(shown(key)[1:-1], "read_as", own))
        self.given[own] = (key, value)

    def _bad_answer(self, key: str, value: Value, place: str = "") -> None:
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
    def _asked(self) -> tuple[list[dict[str, str]], str]:
        """The chat up to the customer's last message, and the agent's answer to it if the chat has one."""
        key, chat, prompt_key, prompt = self._chat_or_prompt()
        answer_key, answer = self._of("completion")
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
        key, chat = self._of("messages")
        prompt_key, prompt = self._of("prompt")
        if is_nothing(chat) and not is_nothing(prompt):
            chat = None
        if is_nothing(prompt) and not is_nothing(chat):
            prompt = None
        if chat is None or prompt is None:
            return key, chat, prompt_key, prompt
        if prompt_key != "prompt":
            self._leave_out(prompt_key, f"The row also has {key}, which is used.")
            self.result.notes = [n for n in self.result.notes if (n.key, n.what) != (prompt_key, "read_as")]
        elif has_message(chat, prompt):
            self._leave_out(prompt_key, f"{key} says the same and is used.")
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
        key = next((key for key in self.data if plain(key) == "history"), None)
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
        answer_key, answer = self._of("completion")
        last = len(chat) - 1 if answer is None or key == answer_key else -1
        return [
            self._message(f"{key}[{at}]", at, message, learned=at == last and is_answer(message))
            for at, message in enumerate(chat)
        ]

    def _message(self, name: str, index: int, message: Value, *, learned: bool) -> dict[str, str]:
        if not isinstance(message, dict):
            raise BadField(name, f"Must be an object with role and content; it is {type_name(message)}.")
        role_key, text_key = (
            ("from", "value") if "from" in message and "role" not in message else ("role", "content")
        )
        written_role = message.get(role_key)
        if role_key == "from":
            role = SHAREGPT_ROLES.get(written_role.lower()) if isinstance(written_role, str) else None
        else:
            role = role_of(written_role)
        if role is None:
            raise BadField(
                f"{name}.{role_key}", f"Must be system, user or assistant; it is {shortened(written_role)}."
            )
        try:
            refuse_other_content(message)
            text = text_of(message.get(text_key))
        except Unreadable as error:
            part = text_key if error.field == "content" else error.field
            raise BadField(f"{name}.{part}", error.reason) from None
        text = filled_text(f"{name}.{text_key}", message.get(text_key) if text is None else text)
        if role == "system" and index:
            raise BadField(f"{name}.{role_key}", "A system message can only be the first message.")
        for other, value in message.items():
            if other in (role_key, text_key):
                continue
            part = f"{name}.{shown(other)[1:-1]}"
            weight = weight_of(other, value)
            if learned and weight not in (None, 1):
                raise BadField(part, f"Is {shortened(value)}. {NOT_FOR_TRAINING}")
            if (meaning := meaning_of(other)) and is_filled(value):
                raise BadField(part, f"Holds {meaning}, and only text is taken here.")
            if learned and says_bad(other, value):
                self._bad_answer(other, value, part)
            elif weight is None and value not in (None, "", [], {}):
                self.result.notes.append(KeyNote(f"messages[].{shown(other)[1:-1]}", "ignored"))
        return {"role": role, "content": text}

    def _answer_as_chat(self, key: str, chat: list[Value]) -> tuple[list[dict[str, str]], str]:
        messages = self._chat(key, chat)
        if messages[-1]["role"] != "assistant":
            raise BadField(key, "Must end with a message of the assistant: the answer.")
        return messages[:-1], messages[-1]["content"]

    def _with_system(self, key: str, messages: list[dict[str, str]]) -> list[dict[str, str]]:
        system_key, system = self._of("system")
        text = read_text(system_key, system) if system is not None else ""
        if not text.strip():
            return messages
        if messages[0]["role"] == "system":
            raise BadField(system_key, f"`{key}` also has a system message. Keep one of them.")
        return [{"role": "system", "content": text}, *messages]

    def _completion(self, answered: str) -> str:
        key, completion = self._of("completion")
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

    # --- all texts --------------------------------------------------------------------------------
    def _check_texts(self) -> None:
        row = self.result
        texts = {f"messages[{at}].content": m["content"] for at, m in enumerate(row.messages)}
        texts |= {f"context[{at}]": record for at, record in enumerate(row.context)}
        texts["completion"] = row.completion
        for name, text in texts.items():
            if mark := self.marks.in_text(text):
                self.issues.append(Issue(name, words_for(mark)))
        size = sum(map(len, texts.values()))
        if size > MAX_ALL:
            self.issues.append(
                Issue("", f"The example has {size:,} characters; at most {MAX_ALL:,} are allowed.")
            )
