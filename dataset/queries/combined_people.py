"""The people behind several dataset versions: a model may have been trained on one after the other."""

from collections import Counter
from collections.abc import Sequence

from core.models import User
from dataset.queries.provenance import Contributors, ContributorShare, by_rows


def together(parts: Sequence[Contributors]) -> Contributors:
    """The people behind several sets of rows. A row in two of them counts twice."""
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
