"""The datasheet of a dataset version: every question with the facts that the database knows and the answer that stood."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from core.models import Project
from dataset.models import DatasetVersion, DatasheetAnswer
from dataset.queries.datasheet.composition import COMPOSITION
from dataset.queries.datasheet.groups import GROUPS
from dataset.queries.datasheet.known import SheetFacts, known_of
from dataset.queries.datasheet.process import PROCESS
from dataset.questions import ASKED, SECTIONS, Question

FACTS = COMPOSITION | PROCESS | GROUPS


@dataclass(frozen=True)
class SheetEntry:
    """A question with its facts, and what people answered; `answer` is None when nobody has."""

    question: Question
    facts: SheetFacts = field(default_factory=SheetFacts)
    answer: DatasheetAnswer | None = None

    @property
    def open(self) -> bool:
        return self.question.asked and self.answer is None


@dataclass(frozen=True)
class Datasheet:
    """`at` is when it was put together: facts about later versions and uses are of that moment, all others of the freeze."""

    dataset: DatasetVersion
    sections: list[tuple[str, list[SheetEntry]]]
    at: datetime
    has_report: bool

    @property
    def asked(self) -> int:
        return len(ASKED)

    @property
    def answered(self) -> int:
        return self.asked - sum(entry.open for _, entries in self.sections for entry in entries)

    @property
    def title(self) -> str:
        return f"Datasheet of {self.dataset.project.name}, dataset {self.dataset.number}"


def project_answers(project: Project) -> dict[str, DatasheetAnswer]:
    """{question: the project's newest answer}, which the next version gets. One query."""
    answers = DatasheetAnswer.objects.filter(project=project, dataset=None)
    return _newest(answers.select_related("by"))


def standing_answers(dataset: DatasetVersion) -> dict[str, DatasheetAnswer]:
    """{question: the answer that stands for this version}: its own newest one, else the project's as it stood at the freeze. An
    empty own answer takes the project's away. One query."""
    answers = DatasheetAnswer.objects.filter(
        Q(dataset=dataset) | Q(dataset=None, at__lte=dataset.created_at), project=dataset.project_id
    )
    # The version's own come last, so that they win.
    return _newest(answers.select_related("by"), own_last=True)


def _newest(answers: Iterable[DatasheetAnswer], *, own_last: bool = False) -> dict[str, DatasheetAnswer]:
    newest: dict[str, DatasheetAnswer] = {}
    for answer in sorted(answers, key=lambda one: (own_last and one.dataset_id is not None, one.pk)):
        newest[answer.question] = answer
    return {key: answer for key, answer in newest.items() if answer.text}


def answered_of(dataset: DatasetVersion) -> tuple[int, int]:
    """(answered, asked) questions. One query."""
    return sum(key in ASKED for key in standing_answers(dataset)), len(ASKED)


def datasheet_of(dataset: DatasetVersion) -> Datasheet:
    """The whole datasheet of a ready version, in about twenty queries; none of them reads a row's text."""
    answers, known = standing_answers(dataset), known_of(dataset)
    sections = [
        (
            name,
            [
                SheetEntry(
                    question,
                    FACTS[question.key](known) if question.known else SheetFacts(),
                    answers.get(question.key) if question.asked else None,
                )
                for question in questions
            ],
        )
        for name, questions in SECTIONS
    ]
    return Datasheet(dataset, sections, timezone.now(), known.report is not None)
