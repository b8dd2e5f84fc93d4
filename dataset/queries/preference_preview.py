"""What a freeze of preferences would do now, shown before it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Max

from core.models import Project
from core.seen import stamp
from dataset.models import DatasetVersion
from dataset.planning import Planner
from dataset.preferences import Choice
from dataset.queries.preferences import Collector, give, shape_of, state_of
from dataset.queries.rules import RulesNow, rules_now
from dataset.queries.versions import add_tested_before, decided_splits

# Up to this number of rows the plan is made while the page waits (about two seconds).
WHOLE = 10_000


@dataclass(frozen=True)
class PreferencePreview:
    """What a freeze would take now. `judged` pairs have `judgements`; `shapes` counts the rows that they give ("pairs", "liked", "disliked"),
    `taken` those of each source, `outside` what is left out by its reason (dataset.preferences.Outside). `counts` is as
    DatasetVersion.counts would be; None when there are no rows, or more than WHOLE: then it is not `whole`, and the others are those of
    the first rows."""

    judged: int = 0
    judgements: int = 0
    shapes: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    outside: dict[str, int] = field(default_factory=dict)
    counts: dict[str, Any] | None = None
    whole: bool = True
    seen: str = ""

    @property
    def total(self) -> int:
        """The rows, with those that will be withheld."""
        return sum(self.shapes.values())


def what_preferences_take(project: Project, choice: Choice, rules: RulesNow | None = None) -> list[object]:
    """What people said, the newest dataset version, the system prompt, the data rules and the facts of the sources: the input of the
    stamp of a preview."""
    newest = DatasetVersion.objects.filter(project=project).aggregate(number=Max("number"))
    facts = (rules or rules_now(project)).seen
    return [*state_of(project, choice), newest["number"], project.system_prompt, *facts]


def preference_preview(
    project: Project, choice: Choice, settings: Mapping[str, Any], *, most: int = WHOLE
) -> PreferencePreview:
    """What a freeze with this choice and these settings (as DatasetVersion.settings) would make. It reads at most `most` rows."""
    # First: a change during the counting must look like a later change.
    now = rules_now(project)
    seen = stamp(*what_preferences_take(project, choice, now))
    collector = Collector(project, choice, now.rules())
    planner = Planner(settings)
    shapes: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    whole = True
    for number, row in enumerate(collector.rows(), 1):
        if number > most:
            whole = False
            break
        shapes[shape_of(row.found)] += 1
        taken.update({opinion.source for opinion in row.found.opinions})
        give(planner, number, row)
    counts = None
    if len(planner) and whole:
        add_tested_before(project, planner)
        counts = planner.plan(decided_splits(project)).counts
    return PreferencePreview(
        judged=collector.judged,
        judgements=collector.judgements,
        shapes=dict(shapes),
        taken=dict(taken),
        outside=dict(collector.outside),
        counts=counts,
        whole=whole,
        seen=seen,
    )
