"""The runner of run kind "forgetting": what a version forgot against its base model, and against the version before it.

Both answer the items of the general set, greedily, and predict the reference answers. Items have no system prompt of the project, so that
the base model's figures hold for all projects; the base model's own template applies. Each portion is stored before the next one, so a
run that was killed goes on with what is left.
"""

import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from annotation.text.cleaning import clean_text
from core.runs.context import RunContext, RunHandedBack
from training.forgetting import PREVIOUS, ItemResult, TaskFigures, figures_of
from training.forgotten import previous_of
from training.general import TASKS, GeneralSet, Item, general_set
from training.held_out import ChosenRow, choose
from training.host import stopping
from training.losses import available_rows, datasets_of, losses_of
from training.models import (
    BaseModel,
    ForgettingItem,
    ForgettingMeasurement,
    GeneralAnswer,
    ModelVersion,
    RowLoss,
)
from training.rows import EncodedRow, RowEncoder
from training.runner.answers import answers
from training.runner.data import TransformersTokenizer, stop_id_of
from training.runner.files import check_present
from training.runner.held_out import (
    NO_LIMIT,
    Rendered,
    load_version,
    load_weights,
    losses_of_rows,
    measure_rows,
    measuring_precision,
    render_for_both,
)
from training.runner.train import set_up_torch, tokenizer_of, understood
from training.services import forgetting as services

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Prompt and longest answer of all rows of a portion, padding included.
TOKENS_AT_ONCE = 4096


@dataclass(frozen=True)
class GeneralQuestion:
    """An item as the base model reads it: prompt and reference answer as token ids."""

    item: Item
    row: EncodedRow

    @property
    def prompt(self) -> list[int]:
        return self.row.ids[: self.row.prompt_length]

    @property
    def size(self) -> int:
        return max(len(self.row.ids), self.row.prompt_length + TASKS[self.item.task].most_tokens)


@dataclass(frozen=True)
class Answered:
    """`correct` is None for an item without a check, whose `answer` is empty."""

    answer: str
    correct: bool | None
    loss: float


def run(ctx: RunContext) -> None:
    measurement = ForgettingMeasurement.objects.select_related(
        "run", "version__project", "version__artifact", "version__base_model__artifact",
        "version__training_run__dataset__artifact",
    ).get(run=ctx.run)  # fmt: skip
    ctx.report(message="Loading the machine-learning libraries.", now=True)
    device = set_up_torch(seed=0)
    GeneralMeasuring(ctx, measurement, device).measure()


class GeneralMeasuring:
    """One run."""

    def __init__(self, ctx: RunContext, measurement: ForgettingMeasurement, device: str) -> None:
        self.ctx, self.measurement, self.device = ctx, measurement, device
        self.version: ModelVersion = measurement.version
        self.base: BaseModel = self.version.base_model
        self.precision = measuring_precision(device)
        self.set: GeneralSet = general_set()
        self.folder = check_present(self.base.artifact, str(self.base))
        self.tokenizer = tokenizer_of(self.folder)
        self.stop_id = stop_id_of(self.tokenizer, self.base.stop_token)
        pad_id = self.tokenizer.pad_token_id
        self.pad_id = self.stop_id if pad_id is None else pad_id
        self.done = 0

    def measure(self) -> None:
        questions = questions_of(self.set, self.base, self.tokenizer)
        previous = previous_of(self.version)
        services.note_forgetting_begun(
            measurement=self.measurement,
            set_version=self.set.version,
            precision=self.precision,
            previous=previous,
            left_out=len(self.set.items) - len(questions),
        )
        chosen, rows = self._previous_rows(previous)
        asked = set(self._base_answers().values_list("item", flat=True))
        base_left = [question for question in questions if question.item.id not in asked]
        answered = set(self.measurement.items.values_list("item", flat=True))
        own_left = [question for question in questions if question.item.id not in answered]
        total = len(base_left) + len(own_left) + sum(map(len, rows.values()))
        self.ctx.report(done=0, total=total, now=True)
        with stopping.holding_back_sigterm():
            try:
                self._ask_base(base_left)
                gc.collect()  # two large models at once may not fit
                self._ask_version(own_left, rows.get(self.version.pk, {}))
                gc.collect()
                if previous is not None:
                    self._measure_previous(previous, rows.get(previous.pk, {}))
            except (MemoryError, RuntimeError) as error:
                raise understood(error, "Measure on a machine with more memory.") from error
        services.note_forgetting_measured(
            measurement=self.measurement, figures=self._figures(previous, chosen)
        )
        self.ctx.report(done=total, message="What it forgot is measured.", now=True)

    # --- the version before it ---------------------------------------------------------------------------------
    def _previous_rows(
        self, previous: ModelVersion | None
    ) -> tuple[list[ChosenRow], dict[int, dict[str, Rendered]]]:
        """(test rows of the previous version's dataset, {version id: those without a loss})."""
        if previous is None:
            return [], {}
        self.ctx.report(message=f"Reading the test rows of {previous}.", now=True)
        available = available_rows(self.version, previous, only=datasets_of(previous))
        chosen, rendered = render_for_both(choose(available.rows), self.version, previous)
        left = {}
        for pk, rows in rendered.items():
            stored = dict(
                RowLoss.objects.filter(
                    version=pk, precision=self.precision, row_hash__in=list(rows)
                ).values_list("row_hash", "rendered")
            )
            left[pk] = {name: row for name, row in rows.items() if stored.get(name) != row.digest}
        return chosen, left

    def _measure_previous(self, previous: ModelVersion, rows: dict[str, Rendered]) -> None:
        if not rows:
            return
        self.ctx.report(message=f"Loading {previous}.", now=True)
        model = load_version(previous, device=self.device, precision=self.precision)
        self._row_losses(model, previous, rows)

    def _row_losses(
        self, model: "PreTrainedModel | PeftModel", version: ModelVersion, rows: dict[str, Rendered]
    ) -> None:
        pace = Pace()
        for count in measure_rows(model, version, rows, device=self.device, precision=self.precision):
            self._noted(count, f"Measuring {version} on test rows.", pace)

    # --- the general set ---------------------------------------------------------------------------------------
    def _base_answers(self) -> Any:
        return GeneralAnswer.objects.filter(
            base_model=self.base, set_version=self.set.version, precision=self.precision
        )

    def _ask_base(self, questions: list[GeneralQuestion]) -> None:
        if not questions:
            return
        self.ctx.report(message=f"Loading {self.base.name}.", now=True)
        model = load_weights(self.folder, device=self.device, precision=self.precision)
        pace = Pace()
        for portion in portions(questions):
            services.note_general_answers(
                answers=[
                    GeneralAnswer(
                        base_model=self.base,
                        set_version=self.set.version,
                        precision=self.precision,
                        task=question.item.task,
                        item=question.item.id,
                        answer=one.answer,
                        correct=one.correct,
                        loss=one.loss,
                        tokens=question.row.answer_tokens,
                    )
                    for question, one in zip(portion, self._answered(model, portion), strict=True)
                ]
            )
            self._noted(len(portion), f"Asking {self.base.name} the general questions.", pace)

    def _ask_version(self, questions: list[GeneralQuestion], rows: dict[str, Rendered]) -> None:
        if not questions and not rows:
            return
        self.ctx.report(message=f"Loading {self.version}.", now=True)
        before = {answer.item: answer for answer in self._base_answers()}
        model = load_version(self.version, device=self.device, precision=self.precision)
        pace = Pace()
        for portion in portions(questions):
            services.note_forgetting_items(
                items=[
                    self._item(question, before[question.item.id], one)
                    for question, one in zip(portion, self._answered(model, portion), strict=True)
                ]
            )
            self._noted(len(portion), f"Asking {self.version} the general questions.", pace)
        self._row_losses(model, self.version, rows)

    def _item(self, question: GeneralQuestion, base: GeneralAnswer, own: Answered) -> ForgettingItem:
        return ForgettingItem(
            measurement=self.measurement,
            task=question.item.task,
            item=question.item.id,
            question=question.item.prompt,
            reference=question.item.reference,
            base_answer=base.answer,
            answer=own.answer,
            base_correct=base.correct,
            correct=own.correct,
            base_loss=base.loss,
            loss=own.loss,
            tokens=base.tokens,
        )

    def _answered(
        self, model: "PreTrainedModel | PeftModel", portion: Sequence[GeneralQuestion]
    ) -> list[Answered]:
        """All of one task."""
        losses = losses_of_rows(model, [question.row for question in portion], self.device)
        most_tokens = TASKS[portion[0].item.task].most_tokens
        if not most_tokens:
            return [Answered("", None, loss) for loss in losses]
        written = answers(
            model,
            [question.prompt for question in portion],
            stop_id=self.stop_id,
            pad_id=self.pad_id,
            most_tokens=most_tokens,
            watch=self.ctx.report,
        )
        # A model can write characters that the database does not store.
        texts = [
            clean_text(self.tokenizer.decode(greedy[0], skip_special_tokens=True)).strip()
            for greedy in written
        ]
        return [
            Answered(text, question.item.check is not None and question.item.check(text), loss)
            for question, text, loss in zip(portion, texts, losses, strict=True)
        ]

    def _noted(self, count: int, message: str, pace: "Pace") -> None:
        self.done += count
        left = pace.left(count, (self.ctx.run.total or self.done) - self.done)
        self.ctx.report(done=self.done, message=message, left=left)
        if stopping.stop_asked():
            raise RunHandedBack

    # --- figures -----------------------------------------------------------------------------------------------
    def _figures(self, previous: ModelVersion | None, chosen: list[ChosenRow]) -> list[TaskFigures]:
        by_task: dict[str, list[ItemResult]] = {name: [] for name in TASKS}
        for item in self.measurement.items.all():
            by_task[item.task].append(
                ItemResult(item.base_loss, item.loss, item.tokens, item.base_correct, item.correct)
            )
        if previous is not None:
            losses = losses_of([self.version.pk, previous.pk])
            own, its = losses[self.version.pk], losses[previous.pk]
            by_task[PREVIOUS] = [
                ItemResult(
                    its[row.row.row_hash].loss,
                    own[row.row.row_hash].loss,
                    its[row.row.row_hash].tokens,
                    group=row.row.group,
                    weight=row.weight,
                )
                for row in chosen
            ]
        found = [figures_of(task, results) for task, results in by_task.items()]
        return [figures for figures in found if figures is not None]


class Pace:
    """The time left at the speed of one kind of work: loading happens once and does not count."""

    def __init__(self) -> None:
        self.began, self.done = time.monotonic(), 0

    def left(self, count: int, remaining: int) -> float:
        self.done += count
        return (time.monotonic() - self.began) / self.done * remaining


def questions_of(
    general: GeneralSet, base: BaseModel, tokenizer: "PreTrainedTokenizerBase"
) -> list[GeneralQuestion]:
    """The items that this base model can be asked: its template renders them and they fit its context."""
    encoder = RowEncoder(TransformersTokenizer(tokenizer), stop_token=base.stop_token, system_prompt="")
    longest = base.context_length or NO_LIMIT
    found = []
    for position, item in enumerate(general.items):
        row = _encoded(encoder, position, item)
        if row is not None:
            question = GeneralQuestion(item, row)
            if question.size <= longest:
                found.append(question)
    return found


def _encoded(encoder: RowEncoder, position: int, item: Item) -> EncodedRow | None:
    if item.check is None:
        # Plain text, without a turn: every token after the first is predicted.
        ids = encoder.tokenizer.ids_of(item.reference)
        return EncodedRow(position, ids, 1, "", item.reference) if len(ids) > 1 else None
    return encoder.encode(
        {
            "messages": [{"role": "user", "content": item.prompt}],
            "context": [],
            "completion": item.reference,
            "position": position,
            "example": position,
        }
    )


def portions(questions: Sequence[GeneralQuestion]) -> Iterator[list[GeneralQuestion]]:
    """One task after the other, the longest questions of each first, at most TOKENS_AT_ONCE tokens together."""
    portion: list[GeneralQuestion] = []
    for question in sorted(questions, key=lambda one: (one.item.task, -one.size, one.item.id)):
        if portion and (
            question.item.task != portion[0].item.task
            or (len(portion) + 1) * portion[0].size > TOKENS_AT_ONCE
        ):
            yield portion
            portion = []
        portion.append(question)
    if portion:
        yield portion
