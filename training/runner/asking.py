"""The runner of run kind "ask_base_model": a base model answers the prompts of examples whose completions state facts without support.

Prompts are rendered as training and serving render them. Each portion is stored before the next one is asked, so a run that was killed
goes on with what is left, and an example that was asked before, in the same text and with the same prompt, is not asked again.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from annotation.checks.facts import Fact
from annotation.models import Example
from annotation.text.cleaning import clean_text
from core.models import Project
from core.runs.context import RunContext, RunFailed, RunHandedBack
from core.wording import counted
from training.host import stopping
from training.knowledge import QUESTIONING, answers_with, digest_of, facts_to_ask
from training.methods.stored import frozen_base
from training.models import BaseModel, KnowledgeAnswer
from training.rows import RowEncoder
from training.runner.answers import answers
from training.runner.data import TransformersTokenizer, stop_id_of
from training.runner.files import check_present
from training.runner.train import set_up_torch, tokenizer_of, understood
from training.services.knowledge import (
    AskedExample,
    AskedFact,
    forget_supported,
    note_asked,
    note_asking_ended,
    note_counts,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

READ_AT_ONCE = 500
# Prompt and answer of all rows and all drawn answers of a portion, padding included.
TOKENS_AT_ONCE = 8192
_FIELDS = ("pk", "messages", "context", "completion", "content_hash")


@dataclass(frozen=True)
class FactQuestion:
    """An example to ask about: its text as it was read, the facts without support, the prompt's token ids, the longest answer."""

    example: int
    content_hash: str
    content: dict[str, Any]
    facts: list[Fact]
    prompt: list[int]
    most_tokens: int
    digest: str

    @property
    def size(self) -> int:
        return len(self.prompt) + self.most_tokens


class Questions:
    """Makes the questions of a project for one base model, and counts in `left` what cannot be asked."""

    def __init__(self, project: Project, base_model: BaseModel, tokenizer: "PreTrainedTokenizerBase") -> None:
        self.system_prompt = project.system_prompt
        self.chat = TransformersTokenizer(tokenizer)
        self.encoder = RowEncoder(
            self.chat, stop_token=base_model.stop_token, system_prompt=project.system_prompt
        )
        self.longest = base_model.context_length or 1 << 30
        self.left = {"no_prompt": 0, "too_long": 0}
        if any(problem.kind == "control_marks_in_prompt" for problem in self.encoder.problems):
            raise RunFailed(
                "control_marks",
                "The project's system prompt contains a control token of this base model.",
                "Change the system prompt in the settings, or choose another base model.",
            )

    def of(self, row: dict[str, Any]) -> FactQuestion | None:
        """None for a row without facts to ask about, and for one that cannot be asked (see `left`). `row` has the columns _FIELDS."""
        content = {name: row[name] for name in ("messages", "context", "completion")}
        facts = facts_to_ask(content, self.system_prompt)
        if not facts:
            return None
        encoded = self.encoder.encode({**content, "position": row["pk"], "example": row["pk"]})
        if encoded is None:
            # Control tokens in the text, or a template that refuses it: training refuses such a row, too.
            self.left["no_prompt"] += 1
            return None
        prompt = encoded.ids[: encoded.prompt_length]
        most_tokens = QUESTIONING.tokens_for(encoded.answer_tokens)
        if len(prompt) + most_tokens > self.longest:
            self.left["too_long"] += 1
            return None
        return FactQuestion(
            row["pk"], row["content_hash"], content, facts, prompt, most_tokens, digest_of(prompt, facts)
        )


def run(ctx: RunContext) -> None:
    project = ctx.run.project
    assert project is not None
    base_model = BaseModel.objects.select_related("artifact").get(pk=ctx.params["base_model"])
    ctx.report(message="Loading the machine-learning libraries.", now=True)
    device = set_up_torch(QUESTIONING.seed)
    folder = check_present(base_model.artifact, str(base_model))
    questions = Questions(project, base_model, tokenizer_of(folder))
    sizes, counts = _find(ctx, project, base_model, questions)
    waiting = [pk for pk, _ in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))]
    with stopping.holding_back_sigterm():
        if waiting:
            ctx.report(done=0, total=len(waiting), message=f"Loading {base_model.name}.", now=True)
            try:
                model = frozen_base(folder, device).to(device).eval()
                Asking(ctx, base_model, questions, model, counts).ask(waiting, sizes)
            except (MemoryError, RuntimeError) as error:
                raise understood(error, "Ask on a machine with more memory.") from error
    note_counts(run=ctx.run, counts=counts)
    note_asking_ended(run=ctx.run, base_model=base_model, counts=counts)
    ctx.report(done=len(waiting), total=len(waiting), message=in_words(counts), now=True)


def in_words(counts: dict[str, int]) -> str:
    rows = counted(counts["rows"], "example")
    return f"{rows} with facts without support: {counts['unknown']:,} with unknown ones, {counts['known']:,} that the base model knows."


# --- which examples ------------------------------------------------------------------------------------------
def _find(
    ctx: RunContext, project: Project, base_model: BaseModel, questions: Questions
) -> tuple[dict[int, int], dict[str, int]]:
    """({example to ask: tokens of its prompt and answer}, counts so far). What was answered before is counted and not asked."""
    examples = Example.objects.filter(project=project).exclude(status=Example.Status.RETIRED)
    examples = examples.exclude(completion="")
    total = examples.count()
    before = dict(
        KnowledgeAnswer.objects.filter(project=project, base_model=base_model).values_list(
            "example", "digest"
        )
    )
    unknown_before = set(
        KnowledgeAnswer.objects.filter(project=project, base_model=base_model, unknown__gt=0).values_list(
            "example", flat=True
        )
    )
    counts = {"read": total, "rows": 0, "asked": 0, "unknown": 0, "known": 0, "changed": 0}
    sizes: dict[int, int] = {}
    supported: list[int] = []
    ctx.report(
        done=0, total=total, message=f"Looking for facts without support in {total:,} examples.", now=True
    )
    for done, row in enumerate(_rows(examples.values_list("pk", flat=True)), start=1):
        left_before = sum(questions.left.values())
        question = questions.of(row)
        if question is None:
            if row["pk"] in before and sum(questions.left.values()) == left_before:
                supported.append(row["pk"])
        else:
            counts["rows"] += 1
            if before.get(question.example) == question.digest:
                counts["unknown" if question.example in unknown_before else "known"] += 1
            else:
                sizes[question.example] = question.size
        ctx.report(
            done=done, message=f"Found {counted(counts['rows'], 'example')} with facts without support."
        )
    for at in range(0, len(supported), READ_AT_ONCE):
        forget_supported(base_model=base_model, examples=supported[at : at + READ_AT_ONCE])
    counts |= questions.left
    return sizes, counts


def _rows(ids: Any) -> Iterator[dict[str, Any]]:
    """The rows of these examples with _FIELDS, a portion at a time, so that the memory does not depend on how many there are."""
    wanted = list(ids.order_by("pk"))
    for at in range(0, len(wanted), READ_AT_ONCE):
        yield from (
            Example.objects.filter(pk__in=wanted[at : at + READ_AT_ONCE]).order_by("pk").values(*_FIELDS)
        )


# --- asking --------------------------------------------------------------------------------------------------
def portions(waiting: Sequence[int], sizes: dict[int, int]) -> Iterator[list[int]]:
    """The examples in portions of at most TOKENS_AT_ONCE tokens for all drawn answers together, at least one each. `waiting` has the
    longest first, so that a machine with too little memory fails at once."""
    portion: list[int] = []
    for pk in waiting:
        if portion and (len(portion) + 1) * sizes[portion[0]] * QUESTIONING.drawn > TOKENS_AT_ONCE:
            yield portion
            portion = []
        portion.append(pk)
    if portion:
        yield portion


class Asking:
    """One run: asks portion by portion, and stores each."""

    def __init__(
        self,
        ctx: RunContext,
        base_model: BaseModel,
        questions: Questions,
        model: "PreTrainedModel",
        counts: dict[str, int],
    ) -> None:
        self.ctx, self.base_model, self.questions, self.model, self.counts = (
            ctx, base_model, questions, model, counts,
        )  # fmt: skip
        tokenizer = questions.chat.tokenizer
        self.tokenizer = tokenizer
        self.stop_id = stop_id_of(tokenizer, base_model.stop_token)
        self.pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else self.stop_id

    def ask(self, waiting: Sequence[int], sizes: dict[int, int]) -> None:
        done = 0
        for portion in portions(waiting, sizes):
            # Read again: people may have worked on them since.
            rows = Example.objects.filter(pk__in=portion).exclude(status=Example.Status.RETIRED)
            asked = [q for row in rows.order_by("pk").values(*_FIELDS) if (q := self.questions.of(row))]
            if asked:
                self._store(self._answered(asked))
            done += len(portion)
            note_counts(run=self.ctx.run, counts=self.counts)
            self.ctx.report(done=done, message=self._words())
            if stopping.stop_asked():
                raise RunHandedBack

    def _words(self) -> str:
        return f"{in_words(self.counts)} Asking {self.base_model.name}."

    def _answered(self, asked: list[FactQuestion]) -> list[AskedExample]:
        prompts = [question.prompt for question in asked]
        how: dict[str, Any] = {
            "stop_id": self.stop_id,
            "pad_id": self.pad_id,
            "most_tokens": max(question.most_tokens for question in asked),
            "watch": self.ctx.report,
        }
        greedy = answers(self.model, prompts, **how)
        drawn = answers(
            self.model,
            prompts,
            samples=QUESTIONING.drawn,
            temperature=QUESTIONING.temperature,
            seed=_seed(asked),
            **how,
        )
        return [self._one(*each) for each in zip(asked, greedy, drawn, strict=True)]

    def _one(self, question: FactQuestion, greedy: list[list[int]], drawn: list[list[int]]) -> AskedExample:
        # A model can write characters that the database does not store.
        texts = [
            clean_text(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()
            for ids in [*greedy, *drawn]
        ]
        found = answers_with(question.facts, texts)
        facts = [
            AskedFact(fact.text, fact.start, fact.end, count)
            for fact, count in zip(question.facts, found, strict=True)
        ]
        return AskedExample(
            question.example, question.content_hash, question.content, question.digest, facts, texts
        )

    def _store(self, asked: list[AskedExample]) -> None:
        outcome = note_asked(project=self._project, base_model=self.base_model, asked=asked)
        self.counts["asked"] += outcome.unknown + outcome.known
        self.counts["unknown"] += outcome.unknown
        self.counts["known"] += outcome.known
        self.counts["changed"] += outcome.changed

    @property
    def _project(self) -> Project:
        assert self.ctx.run.project is not None
        return self.ctx.run.project


def _seed(asked: Sequence[FactQuestion]) -> int:
    """The same for the same portion, so that a portion asked twice has the same answers on one machine."""
    text = "/".join([str(QUESTIONING.seed), *(question.digest for question in asked)])
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
