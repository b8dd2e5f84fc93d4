"""Who decided about a version, and what it was made of."""

from django.db.models import Q
from django.urls import reverse

from core.lineage import LineageStep
from dataset.queries.provenance import Contributors
from evaluation.queries import Results, results_for
from release.models import Release
from release.queries import releases_of
from training.lineage import version_lineage
from training.models import ModelVersion
from training.queries import people_trained_on


def who_decided(
    version: ModelVersion, *, results: list[Results] | None = None, people: Contributors | None = None
) -> list[LineageStep]:
    """From the releases of a version back to its run, its dataset and its people. A constant number of queries.

    `results` and `people` are those of the version, when they are read already.
    """
    slug = version.project.slug
    results = results_for(version) if results is None else results
    return [
        *_release_steps(version, slug),
        *(_comparison_step(comparison, version, slug) for comparison in results[:3]),
        *version_lineage(version, people_trained_on(version.training_run) if people is None else people),
    ]


def _release_steps(version: ModelVersion, slug: str) -> list[LineageStep]:
    away = Q(replaced=version, action=Release.Action.ROLLBACK)
    return [
        LineageStep(
            kind=release.get_action_display(),
            label=f"{release} by {release.signed_off_by.name}",
            url=reverse("release:release", args=[slug, release.pk]),
            detail=f"{release.at:%d %b %Y, %H:%M} UTC" + (f": {release.note}" if release.note else ""),
        )
        for release in releases_of(version.project).filter(Q(version=version) | away)[:5]
    ]


def _comparison_step(results: Results, version: ModelVersion, slug: str) -> LineageStep:
    rate = results.rate_of(version)
    said = (
        f"win rate {rate.value:.0%} ({rate.low:.0%} to {rate.high:.0%})"
        if rate.value is not None
        else "no result"
    )
    raters = ", ".join(share.rater.name for share in results.raters[:6])
    return LineageStep(
        kind="Comparison",
        label=results.campaign.name,
        url=reverse("evaluation:campaign", args=[slug, results.campaign.pk]),
        detail=f"{said}, {results.n} ratings"
        + (f" by {raters}" if raters else "")
        + f"; {differing_prompts(results)}",
    )


def differing_prompts(results: Results) -> str:
    """ "on 37 of 40 prompts the two answers differ": the others were not shown to raters."""
    differing = results.prompts - results.same_answers
    return f"on {differing} of {results.prompts} prompts the two answers differ"
