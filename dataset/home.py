"""What the data side adds to annotation's stage: an admin's next steps, and the sentences for its actions."""

from django.urls import reverse

from annotation.models import Example
from core.access import Access
from core.home.stages import NextItem
from core.keeping import kept
from core.models import Role
from core.wording import counted
from dataset.queries.sources import expiring, has_expired
from dataset.queries.versions import newest_ready, not_frozen_yet
from dataset.queries.withdrawals import plan_of, withdrawals_of

# Fewer new examples than this change little; with more, a new version is useful.
WORTH_FREEZING = 20
MOST_PLANS = 3


def next_items(access: Access) -> list[NextItem]:
    """Import the first data, or freeze what was approved since the newest dataset; sources that expire. At most six queries."""
    if not access.has(Role.ADMIN):
        return []
    return [*_open_plans(access), *_expiring(access), *_data_items(access)]


def _open_plans(access: Access) -> list[NextItem]:
    """What is left to do after the newest withdrawals. One query; the plans themselves are read once a minute."""
    items = []
    for withdrawal in withdrawals_of(access.project).filter(restored_at=None)[:MOST_PLANS]:
        key = f"datasets.open_points.{withdrawal.pk}"
        (points,) = kept(key, lambda: (len(plan_of(withdrawal).open),), seconds=60)  # noqa: B023 - called at once
        if points:
            items.append(
                NextItem(
                    f"The withdrawal of {withdrawal.source.name} is not settled",
                    f"{counted(points, 'point is', 'points are')} open: dataset versions and models that used it.",
                    reverse("datasets:withdrawal", args=[access.project.slug, withdrawal.pk]),
                    "See the plan",
                    order=15,
                    tone="copper",
                )
            )
    return items


def _expiring(access: Access) -> list[NextItem]:
    """One item for all sources that have expired or will soon. One query."""
    sources = expiring(access.project)
    if not sources:
        return []
    slug, first = access.project.slug, sources[0]
    assert first.expires_on is not None
    verb = "expired" if has_expired(first) else "expires"
    others = counted(len(sources) - 1, "other source has", "other sources have")
    more = f" {others} expired or will soon." if len(sources) > 1 else ""
    url = (
        reverse("datasets:source", args=[slug, first.pk])
        if not more
        else reverse("datasets:sources", args=[slug])
    )
    return [
        NextItem(
            f"The source {first.name} {verb} on {first.expires_on:%-d %b %Y}",
            f"Renew it or withdraw it.{more}",
            url,
            "See the source" if not more else "See the sources",
            order=20,
            tone="copper",
        )
    ]


def _data_items(access: Access) -> list[NextItem]:
    slug = access.project.slug
    newest = newest_ready(access.project)
    waiting = not_frozen_yet(access.project, newest)
    if newest is None and not waiting:
        if Example.objects.filter(project=access.project).exists():
            return []
        return [
            NextItem(
                "Import the first examples",
                "JSON, CSV or Parquet, with a question and its answer in each row. Annotators can also write examples here.",
                reverse("datasets:import-new", args=[slug]),
                "Import",
                order=5,
            )
        ]
    if waiting < WORTH_FREEZING and newest is not None:
        return []
    where = "in no dataset yet" if newest is None else f"not in dataset {newest.number}"
    return [
        NextItem(
            f"{counted(waiting, 'approved example is', 'approved examples are')} {where}",
            "Freeze them to train a model on them.",
            reverse("datasets:dataset-new", args=[slug]),
            "Freeze",
            order=35,
        )
    ]
