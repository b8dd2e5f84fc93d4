"""A dataset's rows as tokens, and the problems that prevent training on them.

Pure functions, no torch: the worker and the preflight both use this module, so that the preflight finds everything that
the worker would refuse.
"""

import re
from dataclasses import asdict, dataclass, field
from typing import Any

from annotation.text.rendering import chat_messages
from training.chat_template import ChatTokenizer
from training.objectives.base import AnswerName

NAMED_ROWS = 5  # how many rows a sentence names
KEPT_ROWS = 20  # how many rows of one kind a problem keeps, for links
TRAIN, VALIDATION = "train", "validation"
SPLITS = (TRAIN, VALIDATION)


# --- problems ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class RowRef:
    """A row: its place in the dataset, and its example."""

    position: int
    example: int

    def __str__(self) -> str:
        return f"row {self.position} (example #{self.example})"


@dataclass
class Problem:
    """Rows that share one problem. `count` is all of them; `rows` the first KEPT_ROWS; `mark` a token in question."""

    kind: str
    count: int = 0
    rows: list[RowRef] = field(default_factory=list)
    mark: str = ""

    def add(self, row: RowRef, mark: str = "") -> None:
        self.count += 1
        self.mark = self.mark or mark
        if len(self.rows) < KEPT_ROWS:
            self.rows.append(row)

    @property
    def named(self) -> str:
        """ "row 1 (example #12), row 4 (example #20) and 7 more"."""
        text = ", ".join(str(row) for row in self.rows[:NAMED_ROWS])
        more = self.count - min(len(self.rows), NAMED_ROWS)
        return text + (f" and {more:,} more" if more > 0 else "")

    def as_values(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> "Problem":
        return cls(
            kind=values["kind"],
            count=values["count"],
            rows=[RowRef(**row) for row in values["rows"]],
            mark=values["mark"],
        )


# In the order in which they are shown: the base model's problems first, then those of single rows.
_WORDS = {
    "unknown_stop_token": (
        "The base model's tokenizer does not know its end-of-turn token {mark!r}.",
        "Prepare the base model again, or choose another one.",
    ),
    "template_refuses": (
        "The chat template refuses {named}: {mark}",
        "Choose another base model, or correct these examples and freeze again.",
    ),
    "prompt_not_prefix": (
        (
            "In {named} the chat template renders the prompt differently when the completion follows, so it is not "
            "clear which tokens are the completion."
        ),
        "Choose a base model with a template that does not change earlier turns.",
    ),
    "no_stop_token": (
        (
            "In {named} the rendered completion has no end-of-turn token {stop!r}, so a model trained on it would not "
            "learn to stop."
        ),
        "Choose a base model with a chat template that ends an answer with that token.",
    ),
    "stop_token_in_answer": (
        "In {named} the completion itself contains {stop!r}, the token that ends it.",
        "Correct these examples and freeze the dataset again.",
    ),
    "control_marks": (
        (
            "In {named} the text contains {mark!r}, a control token of this base model: typed text would act as the start or "
            "end of a turn."
        ),
        "Correct these examples and freeze the dataset again.",
    ),
    "forged_turn": (
        "In {named} the texts, once put together, contain more control tokens than the chat template writes.",
        "Correct these examples and freeze the dataset again.",
    ),
    "control_marks_in_prompt": (
        "The dataset's system prompt contains {mark!r}, a control token of this base model.",
        "Correct the project's system prompt and freeze the dataset again.",
    ),
    "completion_truncated": (
        "In {named} the prompt alone fills {max_length:,} tokens, so no part of the completion is left to learn.",
        "Raise “Longest row”, or shorten or retire these examples and freeze again.",
    ),
    "no_whole_answer": (
        "All {count:,} training completions are cut at {max_length:,} tokens, so the model would not learn to stop.",
        "Raise “Longest row”, or shorten these examples and freeze again.",
    ),
}


def in_words(problem: Problem, *, stop_token: str = "", max_length: int = 0) -> tuple[str, str]:
    """(the problem with its rows, what to do), for users."""
    message, advice = _WORDS[problem.kind]
    return (
        message.format(
            named=problem.named,
            mark=problem.mark,
            stop=stop_token,
            max_length=max_length,
            count=problem.count,
        ),
        advice,
    )


# --- one row after the other -------------------------------------------------------------------------------
@dataclass(frozen=True)
class EncodedRow:
    """One row. `ids` are prompt and completion; the loss counts `ids[prompt_length:]`, end of turn included."""

    position: int
    ids: list[int]
    prompt_length: int
    question: str
    completion: str

    @property
    def answer_tokens(self) -> int:
        return len(self.ids) - self.prompt_length

    @property
    def prompt(self) -> list[int]:
        return self.ids[: self.prompt_length]

    # What a training row of any objective has (see EncodedPreference).
    liked = True

    @property
    def answers(self) -> tuple["EncodedRow", ...]:
        return (self,)

    @property
    def tokens(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class EncodedPreference:
    """One training row of a preference objective: the answers that it compares, the better one first, or one answer alone.

    `liked` says whether the first answer is a liked one. `unrelated` is the same prompt with the answer to another one, for an
    objective with a baseline. `reference` are the log-probabilities of the answers by the model before training, in nats, and
    `unrelated_reference` that of `unrelated`; they are set before the first step.
    """

    answers: tuple[EncodedRow, ...]
    liked: bool
    unrelated: EncodedRow | None = None
    reference: tuple[float, ...] = ()
    unrelated_reference: float | None = None

    @property
    def position(self) -> int:
        return self.answers[0].position

    @property
    def prompt(self) -> list[int]:
        return self.answers[0].prompt

    @property
    def question(self) -> str:
        return self.answers[0].question

    @property
    def completion(self) -> str:
        """The answer that people liked; "" when they disliked it."""
        return self.answers[0].completion if self.liked else ""

    @property
    def tokens(self) -> int:
        """Of all its answers, each with the prompt."""
        return sum(answer.tokens for answer in self.answers)


TrainingRow = EncodedRow | EncodedPreference


# A character for private use and a hieroglyph: some tokenizers drop the first, and few know the second.
_IN_NO_VOCABULARY = "\ue000 \U00013000"


class RowEncoder:
    """Encodes rows one at a time, without cutting them, and collects their problems in `problems`."""

    def __init__(self, tokenizer: ChatTokenizer, *, stop_token: str, system_prompt: str) -> None:
        self.tokenizer = tokenizer
        self.stop_token = stop_token
        self.system_prompt = system_prompt
        self._problems: dict[str, Problem] = {}
        self.stop = tokenizer.id_of(stop_token) if stop_token else None
        if self.stop is None:
            self._problems["unknown_stop_token"] = Problem("unknown_stop_token", 1, mark=stop_token)
        marks = sorted(filter(str.strip, tokenizer.control_tokens), key=len, reverse=True)
        self._marks = re.compile("|".join(re.escape(mark) for mark in marks)) if marks else None
        # Text outside a vocabulary may become a control token that marks no turn: the one for the unknown.
        unknown = set(tokenizer.ids_of(_IN_NO_VOCABULARY))
        self._control = {tokenizer.id_of(token) for token in tokenizer.control_tokens} - {None} - unknown
        self._expected: dict[tuple[str, ...], int] = {}
        in_prompt = self._mark_in(system_prompt)
        if in_prompt:
            self._problems["control_marks_in_prompt"] = Problem("control_marks_in_prompt", 1, mark=in_prompt)

    @property
    def problems(self) -> list[Problem]:
        """In the order in which they are shown."""
        return [self._problems[kind] for kind in _WORDS if kind in self._problems]

    def _mark_in(self, *texts: str) -> str:
        if self._marks is None:
            return ""
        return next((match.group() for text in texts if (match := self._marks.search(text))), "")

    def _note(self, kind: str, row: dict[str, Any], mark: str = "") -> None:
        problem = self._problems.setdefault(kind, Problem(kind))
        problem.add(RowRef(int(row["position"]), int(row["example"])), mark)

    def encode(self, row: dict[str, Any]) -> EncodedRow | None:
        """The row's ids, uncut, or None when it cannot be trained on (`problems` says why)."""
        if self.stop is None or self._has_marks(row):
            return None
        messages = chat_messages(
            messages=row["messages"], context=row["context"], system_prompt=self.system_prompt
        )
        try:
            prompt_text = self.tokenizer.render(messages, answer_follows=True)
            whole_text = self.tokenizer.render(
                [*messages, {"role": "assistant", "content": row["completion"]}], answer_follows=False
            )
        except Exception as error:  # noqa: BLE001 (a template may raise anything; the message has the reason)
            self._note("template_refuses", row, str(error)[:200])
            return None
        prompt, whole = self.tokenizer.ids_of(prompt_text), self.tokenizer.ids_of(whole_text)
        if whole[: len(prompt)] != prompt and whole_text.startswith(prompt_text):
            whole = self._continued(prompt, whole_text[len(prompt_text) :], whole)
        if self._marks_in(whole) != self._marks_of_shape([*(m["role"] for m in messages), "assistant"]):
            self._note("forged_turn", row)
            return None
        answer = self._answer(row, prompt, whole)
        if answer is None:
            return None
        return EncodedRow(
            position=int(row["position"]),
            ids=prompt + answer,
            prompt_length=len(prompt),
            question=row["messages"][-1]["content"],
            completion=row["completion"],
        )

    def encode_answers(
        self, row: dict[str, Any], names: tuple[AnswerName, ...]
    ) -> dict[AnswerName, EncodedRow] | None:
        """The row's ids with each of the answers `names` that it has, or None when one cannot be trained on."""
        found: dict[AnswerName, EncodedRow] = {}
        for name in names:
            # Versions that were frozen before rows had worse answers lack the field.
            answer = row.get(name, "")
            if not answer:
                continue
            encoded = self.encode({**row, "completion": answer})
            if encoded is None:
                return None
            found[name] = encoded
        return found

    def _marks_in(self, ids: list[int]) -> int:
        return sum(map(self._control.__contains__, ids))

    def _marks_of_shape(self, roles: list[str]) -> int:
        """How many control tokens the template writes for a conversation of these roles, with any text."""
        shape = tuple(roles)
        if shape not in self._expected:
            text = self.tokenizer.render(
                [{"role": role, "content": "x"} for role in roles], answer_follows=False
            )
            self._expected[shape] = self._marks_in(self.tokenizer.ids_of(text))
        return self._expected[shape]

    def _has_marks(self, row: dict[str, Any]) -> bool:
        """Whether user text contains a control token."""
        in_question = self._mark_in(*(message["content"] for message in row["messages"]), *row["context"])
        answered = self._mark_in(row["completion"])
        if answered == self.stop_token and answered:
            self._note("stop_token_in_answer", row)
        elif in_question or answered:
            self._note("control_marks", row, in_question or answered)
        return bool(in_question or answered)

    def _continued(self, prompt: list[int], answer_text: str, whole: list[int]) -> list[int]:
        """The prompt's ids, then those of the completion encoded alone, as an engine writes it; `whole` if the text
        would not be the same.

        A completion that begins with a tab, an indented line or a line break would merge with the template's line break
        before it into one token. (Some tokenizers put a space before every text: there the text would not be the same.)
        """
        continued = prompt + self.tokenizer.ids_of(answer_text)
        same = self.tokenizer.text_of(continued) == self.tokenizer.text_of(whole)
        return continued if same else whole

    def _answer(self, row: dict[str, Any], prompt: list[int], whole: list[int]) -> list[int] | None:
        """The completion's ids, up to and including the end of the turn. What the template writes after it (a line
        break) is not part of the answer."""
        if whole[: len(prompt)] != prompt:
            self._note("prompt_not_prefix", row)
            return None
        answer = whole[len(prompt) :]
        assert self.stop is not None  # no row is encoded without one
        stops = answer.count(self.stop)
        if stops != 1:
            self._note("stop_token_in_answer" if stops else "no_stop_token", row)
            return None
        return answer[: answer.index(self.stop) + 1]


# --- which rows, in which order ----------------------------------------------------------------------------
