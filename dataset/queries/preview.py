"""What a freeze would do now, shown before a freeze."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import BigIntegerField, Count, F, Func, Max, Q, QuerySet, Sum, TextField, Value
from django.db.models.functions import Cast, Concat

from annotation.models import Example, Review
from annotation.text.cleaning import mark_in_pair
from annotation.text.hashes import nfc, prompt_hash
from core.marks import known_marks
from core.models import Project
from core.seen import stamp
from dataset.data_rules import Rules
from dataset.models import DatasetVersion
from dataset.planning import Planner
from dataset.queries.rules import RulesNow, rules_now
from dataset.queries.versions import (
    ACCEPTANCE,
    add_tested_before,
    approved,
    decided_splits,
    left_out,
    newest_ready,
    with_row,
)
from dataset.splits import SPLITS, Group, assign_splits, untested

# Up to this number of rows the whole plan is made while the page waits (about two seconds); above it, prompts are not compared.
WHOLE = 10_000
TEXTS = ("messages", "context", "completion", "rejected")
# Above this number of rows a page first shows the counts and then requests the plan.
AT_ONCE = 1000


@dataclass(frozen=True)
class Preview:
    """What a freeze would take now. `slices` is [(slice, approved, of them new to the newest ready version)].

    `counts` is as DatasetVersion.counts would be, or None when not requested. Unless it is `whole`, prompts were not
    compared: withheld rows are unknown, and near-duplicates can still change the splits. `seen` is the stamp of
    `what_a_freeze_takes`.
    """

    total: int = 0
    new: int = 0
    unreviewed: int = 0
    since: DatasetVersion | None = None
    slices: list[tuple[str, int, int]] = field(default_factory=list)
    counts: dict[str, Any] | None = None
    whole: bool = True
    seen: str = ""


def what_a_freeze_takes(
    project: Project, *, slices: Sequence[str], sources: Sequence[str], rules: RulesNow | None = None
) -> list[Any]:
    """The approved examples with their revisions, the newest dataset version, the system prompt, the data rules and the facts of
    the sources (`rules`, or read here): the input of the stamp of a preview. One pass over the examples inside the database."""
    words = [Cast("pk", TextField()), Value(":"), Cast("revision", TextField())]
    hashed = Func(
        Concat(*words, output_field=TextField()),
        Value(0),
        function="hashtextextended",
        output_field=BigIntegerField(),
    )
    examples = approved(project, slices=slices, sources=sources).order_by()
    taken = examples.aggregate(count=Count("pk"), all=Sum(hashed))
    newest = DatasetVersion.objects.filter(project=project).aggregate(number=Max("number"))
    return [
        taken["count"],
        str(taken["all"]),
        newest["number"],
        project.system_prompt,
        *(rules or rules_now(project)).seen,
    ]


def preview(project: Project, settings: Mapping[str, Any], *, most: int | None = None) -> Preview:
    """The counts of approved examples against the newest ready version, and what a freeze with these settings (as DatasetVersion.settings) would do with them; with `most` only when there are not more examples. At most ten queries."""
    chosen = {"slices": settings["slices"], "sources": settings["sources"]}
    # First: a change during the counting must look like a later change.
    now = rules_now(project)
    seen = stamp(*what_a_freeze_takes(project, **chosen, rules=now))
    examples = approved(project, **chosen).order_by()
    counted = replace(_counted(project, examples), seen=seen)
    if not counted.total or (most is not None and counted.total > most):
        return counted
    rules = now.rules()
    if counted.total > WHOLE:
        return replace(counted, counts=_by_group(project, examples, settings, rules), whole=False)
    planner = Planner(settings)
    marks = known_marks()
    for pk, source, own_license, origin, group, slice_name, prompt, *texts in examples.values_list(
        "pk", "source", "license", "origin", "group", "slice", "prompt_hash", *TEXTS
    ):
        if rule := rules.broken(source=source, license=nfc(own_license), origin=origin):
            planner.refuse(example=pk, rule=rule)
            continue
        pair = dict(zip(TEXTS, texts, strict=True))
        if mark := mark_in_pair(pair, marks):
            planner.leave_out(example=pk, mark=mark)
            continue
        planner.add(
            example=pk,
            group=nfc(group),
            slice_name=nfc(slice_name),
            prompt=prompt or prompt_hash(messages=pair["messages"], context=pair["context"]),
            messages=pair["messages"],
        )
    add_tested_before(project, planner)
    return replace(counted, counts=planner.plan(decided_splits(project)).counts)


def _counted(project: Project, examples: QuerySet[Example]) -> Preview:
    since = newest_ready(project)
    reviewed = Review.objects.filter(
        ACCEPTANCE, example__in=examples.values("pk"), revision__number=F("example__revision")
    ).aggregate(n=Count("example", distinct=True))["n"]
    new: Count = Count("pk")
    if since:
        examples = with_row(examples, since)
        new = Count("pk", filter=Q(held=None) & Q(~left_out(since)))
    counted = examples.values("slice").annotate(n=Count("pk"), new=new).order_by("slice")
    rows = [(row["slice"], row["n"], row["new"]) for row in counted]
    total = sum(n for _, n, _ in rows)
    return Preview(
        total=total,
        new=sum(new for _, _, new in rows),
        unreviewed=total - reviewed,
        since=since,
        slices=rows,
    )


def _by_group(
    project: Project, examples: QuerySet[Example], settings: Mapping[str, Any], rules: Rules
) -> dict[str, Any]:
    """The counts by groups and slices only, without reading prompts."""
    slices: dict[str, Counter[str]] = defaultdict(Counter)
    refused: Counter[str] = Counter()
    kinds = examples.values_list("group", "slice", "source", "license", "origin").annotate(n=Count("pk"))
    for group, slice_name, source, own_license, origin, n in kinds.iterator():
        if rule := rules.broken(source=source, license=nfc(own_license), origin=origin):
            refused[rule] += n
            continue
        slices[nfc(group)][nfc(slice_name)] += n
    decided = decided_splits(project)
    groups = [
        Group(name, counts.total(), decided.get(name), dict(sorted(counts.items())))
        for name, counts in slices.items()
    ]
    assigned = assign_splits(
        groups, validation=settings["validation"], test=settings["test"], seed=str(settings["seed"])
    )
    groups = [
        Group(group.name, group.rows, group.split or assigned[group.name], group.slices) for group in groups
    ]
    by_slice: dict[str, Counter[str]] = defaultdict(Counter)
    for group in groups:
        for name, n in group.slices.items():
            by_slice[name][str(group.split)] += n
    return {
        "total": sum(group.rows for group in groups),
        **{split: sum(counts[split] for counts in by_slice.values()) for split in SPLITS},
        "slices": {
            name: {split: counts[split] for split in SPLITS if counts[split]}
            for name, counts in sorted(by_slice.items())
        },
        "untested": untested(groups, test=settings["test"]),
        "withheld_rules": dict(sorted(refused.items())),
    }
