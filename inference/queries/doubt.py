"""Which answers a failed check of an engine's weights puts in doubt, in words."""

from inference.models import WeightCheck

Outcome = WeightCheck.Outcome


def doubt_of(check: WeightCheck) -> str:
    """The text of an answer's mark. It has no engine and no model name, since people who rate blind read it."""
    since = check.doubtful_since or check.began_at
    return (
        f"This answer may come from other weights than the version's. A check on {check.ended_at:%-d %b %Y at %H:%M} "
        f"UTC found that the engine used wrong weights. This answer was written after {since:%-d %b %Y, %H:%M} UTC, "
        f"when the last passed check began (check {check.pk})."
    )


def doubt_since(engine_id: int, last_check: int) -> str:
    """The mark for an answer that ends now and was opened when `last_check` was the engine's newest; "" if no check
    failed since then."""
    failed = (
        WeightCheck.objects.filter(engine_id=engine_id, outcome=Outcome.FAILED, pk__gt=last_check)
        .order_by("pk")
        .first()
    )
    return doubt_of(failed) if failed else ""
