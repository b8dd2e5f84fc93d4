"""Ratings one by one, for admins and viewers: both answers, the rating, its rater, and the result of a correction."""

from typing import Any

from django.db.models import Prefetch, QuerySet

from core.lists.search import either_form
from core.models import Project, User
from evaluation.models import Campaign, Comparison, Correction, Entry, Rating, Score

OUTCOMES = [
    ("candidate", "Candidate better"),
    ("baseline", "Baseline better"),
    ("tie", "Equal"),
    ("both_bad", "Both bad"),
]
ONLY = [
    ("comment", "A note"),
    ("correction", "A correction"),
    ("doubt", "An answer in doubt"),
    ("set_aside", "Set aside"),
]


def _full(comparisons: QuerySet[Comparison]) -> QuerySet[Comparison]:
    """Three queries: the comparisons, their scores, their corrections. The full prompt is long and not shown."""
    sent = [f"{side}__answer__{name}" for side in ("a", "b") for name in ("messages", "params", "error")]
    return (
        comparisons.defer(*sent)
        .select_related(
            "rater",
            "prompt__row__example",
            "campaign__project",
            "a__answer",
            "a__entry__version__base_model",
            "b__answer",
            "b__entry__version__base_model",
            "rating__preferred__version__base_model",
            "rating__set_aside_by",
        )
        .prefetch_related(
            Prefetch("rating__scores", queryset=Score.objects.select_related("entry")),
            Prefetch(
                "corrections", queryset=Correction.objects.select_related("by", "answer__entry", "example")
            ),
        )
    )


def browse(campaign: Campaign, criteria: dict[str, Any]) -> QuerySet[Comparison]:
    """Rated comparisons, newest first. `criteria`: outcome, slice, rater (id), only (one of ONLY) and q."""
    comparisons = Comparison.objects.filter(campaign=campaign, status=Comparison.Status.RATED)
    outcome = criteria.get("outcome")
    if outcome in (Rating.Choice.TIE, Rating.Choice.BOTH_BAD):
        comparisons = comparisons.filter(rating__choice=outcome)
    elif outcome:
        position = Entry.CANDIDATE if outcome == "candidate" else Entry.BASELINE
        comparisons = comparisons.filter(rating__preferred__position=position)
    if criteria.get("slice"):
        comparisons = comparisons.filter(prompt__slice=criteria["slice"])
    if criteria.get("rater"):
        comparisons = comparisons.filter(rater=criteria["rater"])
    if criteria.get("only") == "comment":
        comparisons = comparisons.exclude(rating__comment="")
    elif criteria.get("only") == "correction":
        comparisons = comparisons.filter(corrections__isnull=False).distinct()
    elif criteria.get("only") == "doubt":
        comparisons = comparisons.exclude(a__answer__doubt="", b__answer__doubt="")
    elif criteria.get("only") == "set_aside":
        comparisons = comparisons.filter(rating__set_aside_at__isnull=False)
    if q := str(criteria.get("q") or "").strip():
        comparisons = comparisons.filter(
            either_form("rating__comment", q)
            | either_form("a__answer__text", q)
            | either_form("b__answer__text", q)
            | either_form("prompt__messages", q)
        )
    return _full(comparisons).order_by("-rated_at", "-pk")


def rated_slices(campaign: Campaign) -> list[str]:
    """The slices of rated prompts, sorted; "" is one of them when a prompt has none. One query."""
    rated = Comparison.objects.filter(campaign=campaign, status=Comparison.Status.RATED)
    return list(rated.order_by("prompt__slice").values_list("prompt__slice", flat=True).distinct())


def raters_of(campaign: Campaign) -> list[User]:
    """Its raters, by name. One query."""
    ids = Comparison.objects.filter(campaign=campaign, status=Comparison.Status.RATED).values("rater")
    return list(User.objects.filter(pk__in=ids).order_by("name"))


def comparison_detail(project: Project) -> QuerySet[Comparison]:
    return _full(Comparison.objects.filter(campaign__project=project))


def export_rows(campaign: Campaign) -> QuerySet[Comparison]:
    return _full(Comparison.objects.filter(campaign=campaign, status=Comparison.Status.RATED)).order_by("pk")
