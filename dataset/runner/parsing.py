"""Reads the bytes of an uploaded file into rows, one line at a time. Pure functions: no database, bounded memory.

Text is not changed, except that line ends become \\n. Every key of a row is imported, or reported in `notes`, or the
row is refused.
"""

from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar

from annotation.text.cleaning import MAX_ALL, MAX_SLICE
from core.marks import Marks, words_for
from dataset.mapping import LEAVE_OUT, FieldMapping
from dataset.runner.chats import ChatReader, ParsedExample
from dataset.runner.json_lines import NotRead, Value, read_json, shown, write_json
from dataset.runner.labelled import unwrapped
from dataset.runner.plain_keys import are_plain, plain_keys
from dataset.runner.reading.records import FileLine, shortened, type_name
from dataset.runner.shapes import (
    KeyNote,
    is_filled,
    key_facts,
    meaning_of,
    note_on,
    own_key,
    says_bad,
    says_not_to_train,
)
from dataset.runner.values import (
    NO_MARKS,
    NOT_FOR_TRAINING,
    START_SPELLINGS,
    BadField,
    Issue,
    ends_with_an_answer,
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
_BY_NAME = FieldMapping()
_TOO_DEEP = Issue("", "The line is nested too deeply for a row.")
# Fields that are lists: a cell of a table has them as JSON.
_LISTS = ("messages", "context", "tags", "prompt", "completion", "rejected")


# --- one line ----------------------------------------------------------------------------------------------
def parse_line(
    line: FileLine,
    *,
    needs_completion: bool,
    marks: Marks = NO_MARKS,
    mapping: FieldMapping = _BY_NAME,
    edges: Mapping[str, str] = START_SPELLINGS,
) -> ParsedExample | list[Issue]:
    """The row of the line, or all its problems.

    `needs_completion` is False for rows that go to the annotators' queue: these can have no completion, or one that
    the file marks as bad. No text may contain one of `marks`. Columns that `mapping` names are read as it says. `edges` are the
    spellings of the project's kinds of edge cases.
    """
    data = columns_of(line)
    if isinstance(data, list):
        return data
    return parse_columns(
        data, line, needs_completion=needs_completion, marks=marks, mapping=mapping, edges=edges
    )


def columns_of(line: FileLine) -> dict[str, Value] | list[Issue]:
    """The columns of the line's row, before any is read as a field; or why there are none."""
    try:
        return unwrapped(object_of(line))
    except BadField as bad:
        return [bad.issue]
    except RecursionError:
        return [_TOO_DEEP]


def parse_columns(
    data: dict[str, Value],
    line: FileLine,
    *,
    needs_completion: bool,
    marks: Marks,
    mapping: FieldMapping,
    edges: Mapping[str, str] = START_SPELLINGS,
) -> ParsedExample | list[Issue]:
    """The second half of `parse_line`, for `columns_of` the line."""
    try:
        return _Reader(data, needs_completion, marks, mapping, is_table=line.is_table, edges=edges).row()
    except BadField as bad:
        return [bad.issue]
    except RecursionError:
        return [_TOO_DEEP]


def object_of(line: FileLine) -> dict[str, Value]:
    """The object of the line, as it is in the file. Raises BadField with the reason when it cannot be read."""
    if line.data is not None:
        return line.data
    if line.text is None:
        raise BadField("", line.problem, line.column)
    try:
        data = read_json(line.text, whole=line.whole)
    except NotRead as error:
        raise BadField("", str(error), error.column) from None
    if not isinstance(data, dict):
        raise BadField("", f"A row is a JSON object in braces; this line is {type_name(data)}.")
    return data


class _Reader(ChatReader):
    """Reads one object: each of its keys, and then the fields."""

    def __init__(
        self,
        data: dict[str, Value],
        needs_completion: bool,
        marks: Marks,
        mapping: FieldMapping,
        *,
        is_table: bool,
        edges: Mapping[str, str],
    ) -> None:
        super().__init__(data, needs_completion, marks, mapping)
        self.edges = edges
        self.is_table = is_table
        self.records: list[tuple[str, Value]] = []

    def take(self, read: Callable[P, T], *args: P.args, **more: P.kwargs) -> T | None:
        try:
            return read(*args, **more)
        except BadField as bad:
            self.issues.append(bad.issue)
            return None

    def row(self) -> ParsedExample | list[Issue]:
        self.take(self._sort_keys)
        row = self.result
        question = self.take(self.asked)
        if question is not None:
            row.messages, answered = question
            row.completion = self.take(self.completion, answered) or ""
            row.rejected = self.take(self.worse_answer) or ""
        if row.bad_answer and not row.rejected:
            row.rejected = row.completion
        row.context = [*(self.take(read_context, *self.value_of("context")) or []), *self.tool_results]
        row.slice = self._label("slice", MAX_SLICE)
        row.edge = self.take(read_edge, *self.value_of("edge"), self.edges) or ""
        row.tags = self.take(read_tags, *self.value_of("tags")) or []
        row.group = self._label("group", 200)
        conversation = self._label("conversation_id", 200)
        if row.group and conversation:
            self.leave_out(self.value_of("conversation_id")[0], "The row also has a group, which is used.")
        row.group = row.group or conversation
        row.source = self._label("source", 120)
        row.license = self._label("license", 120)
        row.external_id = self._label("id", 200)
        self._check_texts()
        return self.issues or row

    def _label(self, own: str, limit: int) -> str:
        if own not in self.given:
            return ""
        return self.take(read_label, *self.given[own], limit) or ""

    # --- keys ----------------------------------------------------------------------------------------------
    def _sort_keys(self) -> None:
        """Decides about each key: imported, read as another one, refused, or noted as not imported."""
        plain = None if self.is_table or self.mapping.columns else plain_keys(tuple(self.data))
        if plain is not None and are_plain(self.data):
            self._take_plain(plain)
        else:
            self._sort_each_key()
        if is_nothing(self.value_of("completion")[1]):
            self.given.pop("completion", None)  # messages can end with the answer

    def _take_plain(self, plain: tuple[tuple[str, str | None, KeyNote | None], ...]) -> None:
        """The same as `_sort_each_key`, for a row whose keys are decided by their names."""
        for key, own, note in plain:
            value = self.data[key]
            if own is not None:
                if value is None and key != own:
                    continue
                self.given[own] = (key, value)
            if note is not None:
                self.result.notes.append(note)

    def _sort_each_key(self) -> None:
        perhaps: list[tuple[str, Value]] = []
        for key, value in self.data.items():
            facts = key_facts(key)
            own = facts.own
            if self._is_decided(own, key, value):
                continue
            if facts.meaning:
                self._refuse_meaning(shown(key)[1:-1], facts.meaning, value)
            elif facts.judges and self._judges(key, value):
                continue
            elif own is None and facts.may_be:
                perhaps.append((key, value))
            elif own is None or (own == "messages" and key != own and not isinstance(value, list)):
                # After this number, keys are probably values in the place of keys; no further one is looked up.
                known = len(self.result.notes) < _MOST_LOOKED_UP
                self.result.notes.append(note_on(key) if known else KeyNote(shown(key)[1:-1], "ignored"))
            elif own == "prompt" and isinstance(value, dict) and "messages" in value:
                self._prompt_object(key, value)
            elif facts.name == "input" and self._is_alpaca():
                if not is_nothing(value):
                    self.input = (key, value)
                    self.result.notes.append(KeyNote(key, "read_as", "prompt, below the instruction"))
            else:
                self._place(own, key, value)

        if perhaps:
            self._read_perhaps(perhaps)
        self._join_records()

    def _judges(self, key: str, value: Value) -> bool:
        """Whether the value marks the answer as a bad one, which is noted then. Raises BadField where the row is not to be trained on."""
        if says_not_to_train(key, value):
            raise BadField(shown(key)[1:-1], f"Is {shortened(value)}. {NOT_FOR_TRAINING}")
        if says_bad(key, value):
            self.note_bad_answer(key, value)
            return True
        return False

    def _is_alpaca(self) -> bool:
        """Whether the row has an instruction, to which `input` belongs."""
        return any(
            key_facts(key).name == "instruction" and not is_nothing(value) for key, value in self.data.items()
        )

    def _is_decided(self, own: str | None, key: str, value: Value) -> bool:
        """Reads a column that the mapping names, and a worse answer; nothing else is looked at then."""
        if key in self.mapping.columns:
            self._place_mapped(self.mapping.columns[key], key, value)
            return True
        if own == "rejected" and isinstance(value, (str, list)) and not self._is_verdict(value):
            self._place(own, key, value)
            return True
        return False

    def _refuse_meaning(self, name: str, meaning: str, value: Value) -> None:
        """A key that makes the row more than text. Tools can be left out where the mapping says so."""
        if not is_filled(value):
            return
        if self.mapping.tool_turns == "records" and ("tool" in meaning or "function" in meaning):
            self.result.notes.append(KeyNote(name, "ignored", "Only the results of tools are imported."))
            return
        self.issues.append(
            Issue(name, f"The row has {meaning}. Only text is possible here, so it is not imported.")
        )

    def _is_verdict(self, value: Value) -> bool:
        """Whether `rejected` says yes or no, and is not a text: it is a text beside a better one."""
        has_other = any(
            own_key(key) == "completion" or (own_key(key) == "messages" and ends_with_an_answer(chat))
            for key, chat in self.data.items()
        )
        return isinstance(value, str) and not has_other and says_bad("rejected", value)

    def _place_mapped(self, target: str, key: str, value: Value) -> None:
        """One column as the mapping says."""
        name = shown(key)[1:-1]
        if target == LEAVE_OUT:
            if not is_nothing(value):
                self.result.notes.append(KeyNote(name, "ignored", "Left out by the mapping."))
        elif target == "label":
            if says_bad("label", value):
                self.note_bad_answer(key, value)
            elif not is_nothing(value):
                self.result.notes.append(KeyNote(name, "read_as", "a good answer"))
        elif target == "context":
            if not is_nothing(value):
                self.records.append((key, value))
                self.result.notes.append(KeyNote(name, "read_as", "context"))
        elif target == "prompt" and isinstance(value, dict) and "messages" in value:
            self._prompt_object(key, value)
        else:
            self._place(target, key, value)

    def _join_records(self) -> None:
        """Several columns that are records become one record each, with the column's name, so that people see what is what."""
        if not self.records:
            return
        if len(self.records) == 1 and "context" not in self.given:
            key, value = self.records[0]
            self.given["context"] = (key, self._cell("context", value))
            return
        key, stood = self.value_of("context")
        listed = [] if is_nothing(stood) else stood if isinstance(stood, list) else [stood]
        named: list[Value] = []
        for column, value in self.records:
            text = value if isinstance(value, str) else write_json(value)
            named.append(f"{shown(column)[1:-1]}: {read_text(column, text)}")
        self.given["context"] = (key, [*listed, *named])

    def _cell(self, own: str, value: Value) -> Value:
        """The value of a cell of a table: a list or an object is written as JSON there."""
        if not self.is_table or own not in _LISTS or not isinstance(value, str):
            return value
        text = value.strip()
        if not text.startswith(("[", "{") if own in ("messages", "context", "prompt") else "["):
            return value
        try:
            read = read_json(text)
        except NotRead:
            return value  # a text that only begins like a list
        is_chat = isinstance(read, list) and all(isinstance(part, dict) for part in read)
        if own in ("completion", "rejected", "prompt") and not (read and is_chat):
            return value
        return read

    def _prompt_object(self, key: str, value: dict[str, Value]) -> None:
        """A prompt in the format of OpenAI's preference files: {"messages": [...], "tools": []}."""
        for part, inner in value.items():
            name = f"{key}.{shown(part)[1:-1]}"
            if meaning := meaning_of(part):
                self._refuse_meaning(name, meaning, inner)
            elif part != "messages" and is_filled(inner):
                self.result.notes.append(KeyNote(name, "ignored"))
        self._place("prompt", key, value["messages"])

    def _read_perhaps(self, perhaps: list[tuple[str, Value]]) -> None:
        """Keys that are read only when the row has no other key for the same thing."""
        for own in ("prompt", "completion"):
            named = [(key, value) for key, value in perhaps if key_facts(key).may_be == own]
            taken = [self.value_of(own), *([self.value_of("messages")] if own == "prompt" else [])]
            has = next((key for key, value in taken if not is_nothing(value)), None)
            if has is None and own == "completion" and ends_with_an_answer(self.value_of("messages")[1]):
                has = self.value_of("messages")[0]
            for key, value in named:
                if has is not None:
                    self.leave_out(key, f"The row also has {has}, which is used.")
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
        value = self._cell(own, value)
        first, stood = self.given.get(own, ("", None))
        if first and is_nothing(value):
            if value:
                self.leave_out(key, "It is blank.")
            return
        if first and not is_nothing(stood):
            exact, other = (first, key) if first == own else (key, first) if key == own else ("", "")
            if not exact:
                names = f"{shown(first)} and {shown(key)}"
                raise BadField(shown(key)[1:-1], f"{names} are both read as {own}. Keep one of them.")
            if other == first:  # it was reported as read, and is not
                self.result.notes = [note for note in self.result.notes if note.key != shown(other)[1:-1]]
            self.leave_out(other, f"The row also has {own}, which is used.")
            if exact == first:
                return
        elif key != own:
            if first and stood:
                self.leave_out(first, "It is blank.")
            self.result.notes.append(KeyNote(shown(key)[1:-1], "read_as", own))
        self.given[own] = (key, value)

    # --- all texts --------------------------------------------------------------------------------
    def _check_texts(self) -> None:
        row = self.result
        contents = [message["content"] for message in row.messages]
        every = (*contents, *row.context, row.completion, row.rejected)
        if any(map(self.marks.in_text, every)):
            self._name_marks(row)
        size = sum(map(len, every))
        if size > MAX_ALL:
            self.issues.append(
                Issue("", f"The example has {size:,} characters; at most {MAX_ALL:,} are allowed.")
            )

    def _name_marks(self, row: ParsedExample) -> None:
        texts = {f"messages[{at}].content": m["content"] for at, m in enumerate(row.messages)}
        texts |= {f"context[{at}]": record for at, record in enumerate(row.context)}
        texts["completion"], texts["rejected"] = row.completion, row.rejected
        for name, text in texts.items():
            if mark := self.marks.in_text(text):
                self.issues.append(Issue(name, words_for(mark)))
