"""Asking a base model about facts without support: starts the run, and stores what it answered."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from annotation.checks import Finding, Span
from annotation.models import Example, ExampleFinding
from annotation.services.found import Checked, store_source_findings
from core.audit.entries import record
from core.errors import Conflict
from core.models import Project, Run, User
from core.runs.control import launch_run
from core.wording import counted, listed, noun
from training.actions import TrainingAction
from training.knowledge import ASK, CHECK, KIND
from training.models import BaseModel, KnowledgeAnswer

_NAMED = 5  # facts that a finding's sentence names


@transaction.atomic
def start_asking(*, by: User | None, project: Project, base_model: BaseModel) -> Run:
    """Launches the run that asks the base model about the project's facts without support. Rows that it was asked already in their
    present text are not asked again.

    Conflict while such a run is active, when the base model is not ready, without a completion to read, or when the check of facts is off.
    """
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)  # one request after the other
    _refuse_second(project)
    if base_model.status != BaseModel.Status.READY:
        raise Conflict(f"{base_model} is not ready.", "Wait until it is prepared, or choose another one.")
    if "facts" in project.checks_off:
        raise Conflict(
            "The check of facts is off in this project.", "An admin can switch it on: Settings, then Checks."
        )
    if (
        not Example.objects.filter(project=project)
        .exclude(status=Example.Status.RETIRED)
        .exclude(completion="")
        .exists()
    ):
        raise Conflict("There are no completions to read.", "Import a file or write an example first.")
    return launch_run(
        by=by,
        project=project,
        kind=ASK,
        title=f"Ask {base_model.name} about unknown facts",
        params={"base_model": base_model.pk},
    )


def _refuse_second(project: Project, besides: int | None = None) -> None:
    active = Run.objects.filter(project=project, kind=ASK, status__in=Run.ACTIVE)
    if (active.exclude(pk=besides) if besides else active).exists():
        raise Conflict("A base model is being asked now.", "Wait until it has answered, or cancel it.")


def ask_again(run: Run, by: User) -> None:
    """A failed or cancelled run starts again (core.runs.kinds.RunKind.on_again). Conflict while another one is active."""
    assert run.project is not None
    Project.objects.select_for_update(no_key=True).get(pk=run.project.pk)
    _refuse_second(run.project, run.pk)


@dataclass(frozen=True)
class AskedFact:
    """A fact of the completion at [start, end), and how many of the answers have it."""

    text: str
    start: int
    end: int
    answers: int

    def as_values(self) -> dict[str, Any]:
        return {"text": self.text, "start": self.start, "end": self.end, "answers": self.answers}


@dataclass(frozen=True)
class AskedExample:
    """An example whose text with this hash was asked about. `content` has messages, context and completion; `answers` are texts."""

    example: int
    content_hash: str
    content: Mapping[str, Any]
    digest: str
    facts: Sequence[AskedFact]
    answers: Sequence[str]

    @property
    def unknown(self) -> list[AskedFact]:
        return [fact for fact in self.facts if not fact.answers]


@dataclass
class AskedTally:
    """What a portion of answers came to: examples with unknown facts, without, and those whose text changed meanwhile."""

    unknown: int = 0
    known: int = 0
    changed: int = 0


@transaction.atomic
def note_asked(*, project: Project, base_model: BaseModel, asked: Sequence[AskedExample]) -> AskedTally:
    """Stores the answers, and a finding in each example with a fact that none of them has. An example whose text changed after it was
    read is left out. Doing it again changes nothing but the time."""
    ids = [one.example for one in asked]
    earlier = KnowledgeAnswer.objects.filter(base_model=base_model, example__in=ids, finding__isnull=False)
    stored = store_source_findings(
        project,
        [
            Checked(
                one.example,
                one.content_hash,
                one.content,
                [finding_of(one, base_model)] if one.unknown else [],
            )
            for one in asked
        ],
        salt=f"/{base_model.pk}",
        earlier=list(earlier.values_list("finding", flat=True)),
    )
    outcome = AskedTally(changed=len(asked) - len(stored))
    for one in asked:
        if one.example not in stored:
            continue
        finding = next(iter(stored[one.example]), None)
        # A finding that other answers led to before is the same one: it moves to the new answers.
        KnowledgeAnswer.objects.update_or_create(
            base_model=base_model,
            example_id=one.example,
            defaults={
                "project": project,
                "content_hash": one.content_hash,
                "digest": one.digest,
                "facts": [fact.as_values() for fact in one.facts],
                "answers": list(one.answers),
                "unknown": len(one.unknown),
                "finding_id": finding,
                "asked_at": timezone.now(),
            },
        )
        if one.unknown:
            outcome.unknown += 1
        else:
            outcome.known += 1
    return outcome


def finding_of(asked: AskedExample, base_model: BaseModel) -> Finding:
    """The finding about the facts that no answer has."""
    names = list(dict.fromkeys(fact.text for fact in asked.unknown))
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    told = ", ".join(names[:_NAMED]) + more if more else listed(names)
    verb, them = noun(len(names), "is", "are"), noun(len(names), "it", "them")
    return Finding(
        "warn",
        f"{told} {verb} not in the records or the conversation, and {base_model.name} does not know {them}. "
        "A model that is trained on this learns to invent.",
        tuple(Span("completion", 0, fact.start, fact.end, "warn") for fact in asked.unknown),
        check=CHECK,
        kind=KIND,
    )


@transaction.atomic
def forget_supported(*, base_model: BaseModel, examples: Collection[int]) -> None:
    """These examples have no facts without support any more: what the base model answered about them is removed, and its findings are
    gone."""
    answers = KnowledgeAnswer.objects.filter(base_model=base_model, example__in=examples)
    findings = ExampleFinding.objects.filter(knowledge_answer__in=answers)
    findings.filter(status__in=[ExampleFinding.Status.OPEN, ExampleFinding.Status.DISMISSED]).update(
        status=ExampleFinding.Status.GONE
    )
    answers.delete()


def forget_answers(examples: QuerySet[Example]) -> None:
    """Before these examples are deleted (annotation.registry.register_forgetter)."""
    KnowledgeAnswer.objects.filter(example__in=examples).delete()


@transaction.atomic
def note_counts(*, run: Run, counts: Mapping[str, int]) -> None:
    """What the run has done so far; its page says it. Nothing is written when another worker has the run."""
    run.params = {**run.params, "counts": dict(counts)}
    Run.objects.filter(pk=run.pk, claim=run.claim).update(params=run.params)


def note_asking_ended(*, run: Run, base_model: BaseModel, counts: Mapping[str, int]) -> None:
    record(
        by=None,
        project=run.project,
        action=TrainingAction.BASE_MODEL_ASKED,
        obj=base_model,
        examples=counted(counts["rows"], "example"),
        unknown=counts["unknown"],
    )
