"""The people behind several dataset versions: a model may have been trained on one after the other."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from core.models import User
from dataset.models import DatasetVersion
from dataset.queries.provenance import Contributors, ContributorShare, by_rows, people_behind


def people_at(
    places: Mapping[int, Collection[int] | None], *, split: str, loaded: Iterable[DatasetVersion] = ()
) -> Contributors:
    """The people who made rows of one split of several dataset versions: `places` is {dataset version: positions of its rows, or None for
    the whole split}. Three queries for each, and one for those that are not among `loaded`."""
    datasets = {dataset.pk: dataset for dataset in loaded}
    if missing := places.keys() - datasets.keys():
        datasets |= DatasetVersion.objects.in_bulk(missing)
    return _together(
        [
            people_behind(datasets[pk], split=split, positions=None if at is None else sorted(at))
            for pk, at in places.items()
        ]
    )


def _together(parts: Sequence[Contributors]) -> Contributors:
    """The people behind several sets of rows. No row may be in two of them: it would count twice."""
    if len(parts) < 2:
        return parts[0] if parts else Contributors()

    def summed(name: str) -> list[ContributorShare]:
        rows: Counter[tuple[int, str]] = Counter()
        people: dict[int, User] = {}
        for share in (share for part in parts for share in getattr(part, name)):
            people[share.person.pk] = share.person
            rows[share.person.pk, share.how] += share.rows
        return sorted((ContributorShare(people[pk], n, how) for (pk, how), n in rows.items()), key=by_rows)

    sources: Counter[str] = Counter()
    for part in parts:
        sources.update(dict(part.sources))
    return Contributors(
        rows=sum(part.rows for part in parts),
        reviewed_rows=sum(part.reviewed_rows for part in parts),
        elsewhere=sum(part.elsewhere for part in parts),
        edited=sum(part.edited for part in parts),
        here=sum(part.here for part in parts),
        imported=summed("imported"),
        written=summed("written"),
        approved=summed("approved"),
        reviewed=summed("reviewed"),
        sources=sources.most_common(),
    )
