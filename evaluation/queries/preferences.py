"""Ratings as preferences, for the freeze of a preference version (dataset.registry.PreferenceFinder).

Only ratings of closed campaigns count: while a campaign is open its ratings change, and a page with the better answer would tell raters
what colleagues said.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

from django.db.models import (
    Avg,
    BigIntegerField,
    Count,
    Func,
    OuterRef,
    QuerySet,
    Subquery,
    Sum,
    TextField,
    Value,
)
from django.db.models.functions import Cast, Coalesce, Concat
from django.urls import reverse

from core.models import Project
from core.wording import counted
from dataset.preferences import Choice, Judged, Opinion, Outside, Said, Take
from evaluation.models import Campaign, CampaignAnswer, Comparison, Rating, Score
from training.models import ModelVersion

_COLUMNS = (
    "comparison__prompt__row__revision",
    "comparison",
    "comparison__rater",
    "choice",
    "changed_at",
    "set_aside_at",
    "comparison__campaign__status",
    "comparison__a__answer__text",
    "comparison__b__answer__text",
    "comparison__a__answer__doubt",
    "comparison__b__answer__doubt",
    "comparison__a__entry__version",
    "comparison__b__entry__version",
    "mean_a",
    "mean_b",
)


def _wanted(choice: Choice) -> bool:
    return Take.COMPARISONS in choice.take or Take.SCORES in choice.take


def _ratings(project: Project, choice: Choice) -> QuerySet[Rating]:
    ratings = Rating.objects.filter(comparison__campaign__project=project)
    if choice.campaigns:
        ratings = ratings.filter(comparison__campaign__name__in=choice.campaigns)
    return ratings if _wanted(choice) else ratings.none()


def judged(project: Project, choice: Choice, outside: Counter[str]) -> Iterator[Judged]:
    """The compared answers with their ratings, those of one prompt one after the other, whatever the campaign. One statement reads all:
    a rating that is stored meanwhile is in it as a whole or not at all."""
    if not _wanted(choice):
        return
    names = _names(project)
    rows = (
        _ratings(project, choice)
        .annotate(mean_a=_mean("a"), mean_b=_mean("b"))
        .order_by("comparison__prompt__row__revision", "pk")
        .values_list(*_COLUMNS)
    )
    for revision, of_prompt in groupby(rows.iterator(chunk_size=1000), key=lambda row: row[0]):
        pairs: dict[tuple[str, str], Judged] = {}
        for _, comparison, rater, said, at, set_aside, status, a, b, *more in of_prompt:
            doubt_a, doubt_b, by_a, by_b, mean_a, mean_b = more
            if why := _left_out(set_aside, status, doubt_a or doubt_b):
                outside[why] += 1
                continue
            opinion = _opinion(choice, comparison, rater, said, at, (mean_a, mean_b))
            # Sides are shuffled for each rater: the pair is the same with its answers in any order.
            if a > b:
                a, b, by_a, by_b, opinion = b, a, by_b, by_a, opinion.turned()
            pair = pairs.setdefault((a, b), Judged(revision, a, b, names.get(by_a, ""), names.get(by_b, "")))
            pair.opinions.append(opinion)
        yield from pairs.values()


def _mean(side: str) -> Subquery:
    scores = Score.objects.filter(rating=OuterRef("pk"), entry=OuterRef(f"comparison__{side}__entry"))
    return Subquery(scores.order_by().values("rating").annotate(mean=Avg("value")).values("mean"))


def _names(project: Project) -> dict[int, str]:
    versions = ModelVersion.objects.filter(project=project).select_related("base_model")
    return {version.pk: str(version) for version in versions}


def _left_out(set_aside: datetime | None, status: str, doubt: str) -> str:
    if status != Campaign.Status.CLOSED:
        return Outside.NOT_CLOSED
    if set_aside is not None:
        return Outside.SET_ASIDE
    return Outside.IN_DOUBT if doubt else ""


def _opinion(
    choice: Choice,
    comparison: int,
    rater: int,
    said: str,
    at: datetime,
    means: tuple[float | None, float | None],
) -> Opinion:
    """What the rater preferred counts. Scores count where the rater preferred none, or where only scores are taken; two answers that are
    both bad are never a pair."""
    compared = Take.COMPARISONS in choice.take
    source, meant = Take.COMPARISONS, Said(said)
    if Take.SCORES in choice.take and meant != Said.BOTH_BAD and (not compared or meant == Said.TIE):
        source, meant = Take.SCORES, _by_scores(*means, least=choice.difference)
    elif not compared:
        source, meant = Take.SCORES, Said.TIE
    return Opinion(str(source), f"comparison:{comparison}", rater, meant, at)


def _by_scores(a: float | None, b: float | None, *, least: float) -> Said:
    if a is None or b is None or abs(a - b) < least - 1e-9:
        return Said.TIE
    return Said.A if a > b else Said.B


def state(project: Project, choice: Choice) -> list[object]:
    """What changes when a rating, its scores or the state of a campaign does. Two queries."""
    words = [Cast("pk", TextField()), Value(":"), Cast("changed_at", TextField()), Value(":")]
    aside = Coalesce(Cast("set_aside_at", TextField()), Value(""), output_field=TextField())
    hashed = Func(
        Concat(*words, aside, output_field=TextField()),
        Value(0),
        function="hashtextextended",
        output_field=BigIntegerField(),
    )
    ratings = _ratings(project, choice)
    taken = ratings.aggregate(count=Count("pk"), all=Sum(hashed))
    in_doubt = CampaignAnswer.objects.filter(prompt__campaign__project=project).exclude(answer__doubt="")
    statuses = Campaign.objects.filter(project=project).order_by("pk").values_list("pk", "name", "status")
    return [taken["count"], str(taken["all"]), in_doubt.count(), [list(row) for row in statuses]]


def campaigns(project: Project) -> list[tuple[str, str]]:
    """The closed campaigns with ratings, the newest first: their names, and what a person wants to know before choosing one. Raters do not
    see the name of a campaign before it is closed, and a version names the chosen ones. One query."""
    found = (
        Campaign.objects.filter(project=project, status=Campaign.Status.CLOSED)
        .annotate(ratings=Count("comparisons__rating"))
        .filter(ratings__gt=0)
        .order_by("-pk")
    )
    return [
        (campaign.name, f"{counted(campaign.ratings, 'rating')} on {campaign.get_split_display().lower()}")
        for campaign in found
    ]


def pages(project: Project, keys: Sequence[str]) -> dict[str, str]:
    """The pages of these comparisons, for admins and viewers. One query."""
    ids = {int(key.partition(":")[2]): key for key in keys if key.startswith("comparison:")}
    found = Comparison.objects.filter(pk__in=ids, campaign__project=project).values_list("pk", "public_id")
    return {
        ids[pk]: reverse("evaluation:comparison", args=[project.slug, public_id]) for pk, public_id in found
    }
