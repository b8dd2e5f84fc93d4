"""The speed of versions, measured on this server."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Aggregate, Count, ExpressionWrapper, F, FloatField
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, NullIf
from django.utils import timezone

from core.models import Project
from inference.models import Answer


class Quantile(Aggregate):
    """PostgreSQL's percentile_cont: the value below which the share `q` is, interpolated."""

    function = "PERCENTILE_CONT"
    output_field = FloatField()

    def __init__(self, expression: Combinable | str, q: float) -> None:
        template = f"%(function)s({float(q)}) WITHIN GROUP (ORDER BY %(expressions)s)"
        super().__init__(expression, template=template)


@dataclass(frozen=True)
class AnswerSpeed:
    """Of answers finished in the last week: n, median and 95th percentile of time to first token (ms), and the
    median speed after it (tokens/s)."""

    n: int
    first_ms: float
    first_ms_p95: float
    tokens_per_second: float | None


def _pace() -> ExpressionWrapper:
    """Tokens per second after the first; NULL for answers of one token or of no measurable length."""
    after_first = NullIf(F("completion_tokens") - 1, 0)
    lasted = NullIf(F("duration_ms") - F("first_token_ms"), 0)
    return ExpressionWrapper(
        Cast(after_first, FloatField()) * 1000.0 / Cast(lasted, FloatField()), output_field=FloatField()
    )


def speeds(project: Project) -> dict[int, AnswerSpeed]:
    """Speed by version id, measured at Guildhall: the engine's own metrics have only base models. One query."""
    rows = (
        Answer.objects.filter(
            project=project,
            status=Answer.Status.DONE,
            first_token_ms__isnull=False,
            created_at__gt=timezone.now() - timedelta(days=7),
        )
        .order_by()
        .annotate(pace=_pace())
        .values("version_id")
        .annotate(
            n=Count("id"),
            first=Quantile("first_token_ms", 0.5),
            late=Quantile("first_token_ms", 0.95),
            pace_median=Quantile("pace", 0.5),
        )
    )
    return {
        row["version_id"]: AnswerSpeed(row["n"], row["first"], row["late"], row["pace_median"] or None)
        for row in rows
    }
