"""Reads what people said of answers, and makes the rows of a preference version of it.

A freeze and its preview both read here, at the time of asking: nothing is stored before a freeze, so that a rating that was changed or
set aside, a reopened campaign or a retired example count as they are (docs/decisions/preferences.md).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

from django.db.models import Count, F, Max, QuerySet

from annotation.models import Example, Revision
from annotation.text.cleaning import mark_in_pair
from annotation.text.hashes import nfc, prompt_hash
from core.marks import known_marks
from core.models import Project
from dataset.data_rules import Rules
from dataset.planning import Planner
from dataset.preferences import Choice, Judged, Opinion, Outside, Preferred, Said, Take, found_rows
from dataset.registry import preference_finders
from dataset.rows import body_hash, canonical_body

BATCH = 500
_FEEDBACK = (Example.Origin.RATING, Example.Origin.CHAT)


@dataclass(frozen=True)
class PreferenceRow:
    """A row to be: `found` are its answers and opinions, `body` its canonical JSON. `rule` (a DataRule) or `mark` (a control mark) says
    why it must be withheld."""

    found: Preferred
    example: int
    revision: int
    number: int
    group: str
    slice: str
    messages: list[dict[str, str]]
    context: list[str]
    prompt: str
    body: bytes
    rule: str = ""
    mark: str = ""

    @property
    def row_hash(self) -> str:
        return body_hash(self.body)


def judged(project: Project, choice: Choice, outside: Counter[str]) -> Iterator[Judged]:
    """The pairs that the choice takes, those of one prompt one after the other."""
    if Take.CORRECTIONS in choice.take or Take.EXAMPLES in choice.take:
        yield from _of_examples(project, choice)
    for finder in preference_finders():
        yield from finder.judged(project, choice, outside)


def with_worse_answer(project: Project, choice: Choice) -> QuerySet[Example]:
    """The approved examples whose completion is better than a known answer. A correction counts once it is approved."""
    examples = Example.objects.filter(project=project, status=Example.Status.APPROVED).exclude(rejected="")
    if Take.CORRECTIONS not in choice.take:
        examples = examples.exclude(origin__in=_FEEDBACK)
    if Take.EXAMPLES not in choice.take:
        examples = examples.filter(origin__in=_FEEDBACK)
    return examples


def _of_examples(project: Project, choice: Choice) -> Iterator[Judged]:
    columns = ("pk", "completion", "rejected", "origin", "created_by", "created_at")
    revisions = Revision.objects.filter(
        example__in=with_worse_answer(project, choice), number=F("example__revision")
    )
    rows = revisions.order_by("example").values_list("pk", *(f"example__{name}" for name in columns))
    for revision, pk, completion, rejected, origin, by, at in rows.iterator(chunk_size=2000):
        feedback = origin in _FEEDBACK
        source = Take.CORRECTIONS if feedback else Take.EXAMPLES
        opinion = Opinion(str(source), f"example:{pk}", by, Said.A, at)
        yield Judged(
            revision,
            completion,
            rejected,
            "people" if feedback else "",
            "a model" if feedback else "",
            [opinion],
            settled=True,
        )


class Collector:
    """Reads the rows of a choice. After `rows`, `outside` counts what is left out by its reason, `judged` the pairs, and `opinions` what
    people said of them."""

    def __init__(self, project: Project, choice: Choice, rules: Rules) -> None:
        self._project, self._choice, self._rules = project, choice, rules
        self._marks = known_marks()
        self.outside: Counter[str] = Counter()
        self.judged = self.judgements = 0

    def rows(self) -> Iterator[PreferenceRow]:
        """Each row once, in the order of reading. Its texts are in memory, no others."""
        known: set[str] = set()
        for row in self._rows():
            if row.row_hash in known:
                self.outside[Outside.REPEATED] += 1
                continue
            known.add(row.row_hash)
            yield row

    def _rows(self) -> Iterator[PreferenceRow]:
        found = self._found()
        while chunk := list(islice(found, BATCH)):
            facts = _facts({revision for revision, _ in chunk})
            for revision, row in chunk:
                values = facts[revision]
                if values["example__status"] == Example.Status.RETIRED:
                    self.outside[Outside.RETIRED] += 1
                else:
                    yield self._row(values, row)

    def _found(self) -> Iterator[tuple[int, Preferred]]:
        pairs = judged(self._project, self._choice, self.outside)
        for revision, of_prompt in groupby(pairs, key=lambda pair: pair.revision):
            all_pairs = list(of_prompt)
            self.judged += len(all_pairs)
            self.judgements += sum(len(pair.opinions) for pair in all_pairs)
            for row in found_rows(all_pairs, self._choice, self.outside):
                yield revision, row

    def _row(self, values: dict[str, Any], found: Preferred) -> PreferenceRow:
        content = values["content"]
        fields = {
            "messages": content["messages"], "context": content.get("context", []),
            "completion": found.completion, "rejected": found.rejected,
            "source": values["example__source"] or "",
            **{name: values[f"example__{name}"] for name in ("slice", "edge", "tags", "group", "license")},
        }  # fmt: skip
        license_name, origin = nfc(values["example__license"]), values["example__origin"]
        rule = self._rules.broken(source=values["example__source"], license=license_name, origin=origin)
        return PreferenceRow(
            found=found,
            example=values["example"],
            revision=values["pk"],
            number=values["number"],
            group=nfc(values["example__group"]),
            slice=nfc(values["example__slice"]),
            messages=fields["messages"],
            context=fields["context"],
            prompt=prompt_hash(messages=fields["messages"], context=fields["context"]),
            body=canonical_body(fields),
            rule=rule,
            mark="" if rule else mark_in_pair(fields, self._marks),
        )


def _facts(revisions: set[int]) -> dict[int, dict[str, Any]]:
    """The prompts as the answers were given to them, and what is known of their examples now. One query."""
    names = ("status", "source", "origin", "slice", "edge", "tags", "group", "license")
    rows = Revision.objects.filter(pk__in=revisions).values(
        "pk", "number", "content", "example", *(f"example__{name}" for name in names)
    )
    return {row["pk"]: row for row in rows}


def give(planner: Planner, number: int, row: PreferenceRow) -> None:
    """Gives a row to the planner under a number below zero. The planner knows rows by their example; here one example can have several
    rows. Test rows of earlier versions keep their example's number."""
    if row.rule:
        planner.refuse(example=-number, rule=row.rule)
    elif row.mark:
        planner.leave_out(example=-number, mark=row.mark)
    else:
        planner.add(
            example=-number,
            group=row.group,
            slice_name=row.slice,
            prompt=row.prompt,
            messages=row.messages,
        )


def state_of(project: Project, choice: Choice) -> list[object]:
    """What the stamp of a preview is made of: what a change of the judged pairs changes. A few queries."""
    examples = with_worse_answer(project, choice)
    if Take.CORRECTIONS not in choice.take and Take.EXAMPLES not in choice.take:
        examples = examples.none()
    counted = examples.aggregate(count=Count("pk"), last=Max("changed_at"))
    retired = Example.objects.filter(
        project=project, status=Example.Status.RETIRED, dataset_rows__isnull=False
    ).aggregate(count=Count("pk"))
    found: list[object] = [counted["count"], str(counted["last"]), retired["count"]]
    for finder in preference_finders():
        found += finder.state(project, choice)
    return found


def shape_of(found: Preferred) -> str:
    """Which of the three kinds of rows it is: "pairs", "liked" or "disliked"."""
    if found.completion and found.rejected:
        return "pairs"
    return "liked" if found.completion else "disliked"
