"""Reads what base models answered about facts without support: the state of a project, the answers, and the notes on findings."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from annotation.models import Example, ExampleFinding
from annotation.registry import FindingNote, FindingSource
from core.models import Project, Run
from core.wording import counted, listed
from training.knowledge import ASK, CHECK
from training.models import BaseModel, KnowledgeAnswer

SOURCE = FindingSource(
    CHECK,
    "The completion states facts that the prompt does not hold and the base model does not know",
    "Ask the base model again to see whether it still holds.",
)


@dataclass(frozen=True)
class AskedModel:
    """What one base model was asked in a project. `unknown` examples state a fact that no answer has; `outdated` ones changed after they
    were asked. `open` and `dismissed` count findings. Retired examples are not counted."""

    base_model: BaseModel
    examples: int
    unknown: int
    outdated: int
    open: int
    dismissed: int

    @property
    def known(self) -> int:
        return self.examples - self.unknown


@dataclass(frozen=True)
class KnowledgeState:
    """`run`: the newest run that asks, in any state; `base_model` the one that it asks; `counts` what it has done."""

    run: Run | None = None
    base_model: BaseModel | None = None
    counts: dict[str, int] = field(default_factory=dict)
    asked: list[AskedModel] = field(default_factory=list)


def knowledge_state(project: Project) -> KnowledgeState:
    """Three queries."""
    runs = Run.objects.filter(project=project, kind=ASK).select_related("project", "created_by")
    run = runs.order_by("-pk").first()
    asked = asked_of(project)
    if run is None:
        return KnowledgeState(asked=asked)
    base = BaseModel.objects.filter(pk=run.params.get("base_model")).first()
    return KnowledgeState(run, base, dict(run.params.get("counts") or {}), asked)


def asked_of(project: Project) -> list[AskedModel]:
    """By base model, those with the most examples first. Two queries."""
    in_use = current_answers(project)
    rows = (
        in_use.order_by()
        .values("base_model")
        .annotate(
            examples=Count("pk"),
            unknown_rows=Count("pk", filter=Q(unknown__gt=0)),
            outdated=Count("pk", filter=~Q(content_hash=F("example__content_hash"))),
            open=Count("pk", filter=Q(finding__status=ExampleFinding.Status.OPEN)),
            dismissed=Count("pk", filter=Q(finding__status=ExampleFinding.Status.DISMISSED)),
        )
    )
    counted_rows = list(rows)
    bases = BaseModel.objects.in_bulk([row["base_model"] for row in counted_rows]) if counted_rows else {}
    found = [
        AskedModel(
            bases[row["base_model"]],
            row["examples"],
            row["unknown_rows"],
            row["outdated"],
            row["open"],
            row["dismissed"],
        )
        for row in counted_rows
    ]
    return sorted(found, key=lambda one: (-one.examples, one.base_model.name))


def current_answers(project: Project) -> QuerySet[KnowledgeAnswer]:
    """The answers about examples that are not retired, newest first."""
    retired = Example.objects.filter(pk=OuterRef("example"), status=Example.Status.RETIRED)
    return KnowledgeAnswer.objects.filter(project=project).filter(~Exists(retired)).order_by("-pk")


def finding_notes(findings: Sequence[ExampleFinding]) -> dict[int, FindingNote]:
    """Of the findings of this source the answers that they rest on; of invented facts, those that a base model answers itself. At most two
    queries."""
    own = [finding.pk for finding in findings if finding.check_name == CHECK]
    invented = [
        finding for finding in findings if (finding.check_name, finding.kind) == ("facts", "invented")
    ]
    notes: dict[int, FindingNote] = {}
    if own:
        for answer in KnowledgeAnswer.objects.filter(finding__in=own).select_related("base_model"):
            assert answer.finding_id is not None
            notes[answer.finding_id] = _own_note(answer)
    # A finding whose answers are gone can still be settled in each way.
    notes |= {
        pk: FindingNote("The answers are not stored any more.", remedies=True)
        for pk in own
        if pk not in notes
    }
    if invented:
        notes |= _known_notes(invented)
    return notes


def _own_note(answer: KnowledgeAnswer) -> FindingNote:
    return FindingNote(
        f"{answer.base_model.name} was asked {counted(len(answer.answers), 'time')}. Add the record that holds the fact, rewrite the "
        "answer so that it asks or says that it does not know, or leave the example out.",
        heading=f"What {answer.base_model.name} answered",
        texts=answer.answers,
        remedies=True,
    )


def _known_notes(findings: Sequence[ExampleFinding]) -> dict[int, FindingNote]:
    by_text: dict[tuple[int, str], list[KnowledgeAnswer]] = {}
    answers = KnowledgeAnswer.objects.filter(example__in=[finding.example_id for finding in findings])
    for answer in answers.select_related("base_model").order_by("base_model__name"):
        by_text.setdefault((answer.example_id, answer.content_hash), []).append(answer)
    notes = {}
    for finding in findings:
        places = {(span[2], span[3]) for span in finding.spans if span[0] == "completion"}
        said = [
            words
            for answer in by_text.get((finding.example_id, finding.content_hash), [])
            if (words := _known_words(answer, places))
        ]
        if said:
            notes[finding.pk] = FindingNote(" ".join(said))
    return notes


def _known_words(answer: KnowledgeAnswer, places: set[tuple[int, int]]) -> str:
    known = [fact for fact in answer.facts if fact["answers"] and (fact["start"], fact["end"]) in places]
    if not known:
        return ""
    each = [f"{fact['text']} (in {fact['answers']} of {len(answer.answers)} answers)" for fact in known]
    return f"{answer.base_model.name} answers this itself, without a record: {listed(each)}."
