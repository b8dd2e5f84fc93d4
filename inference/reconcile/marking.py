"""Results of weight checks, and the answers that they put in doubt. Only the reconciler writes here; the code that ends
an answer calls `doubt_since`."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Q, Value
from django.utils import timezone

from core.audit.entries import record
from core.models import Project
from inference.actions import InferenceAction
from inference.engines.base import ANSWER_SECONDS
from inference.models import Answer, Engine, WeightCheck
from inference.queries import versions_of
from inference.queries.doubt import doubt_of
from inference.reconcile.probing import Result
from inference.reconcile.rows import set_status

Outcome = WeightCheck.Outcome


def note_check(*, engine: Engine, process: str, result: Result) -> WeightCheck:
    """Stores the result of a check. A failed one goes through `take_out_of_service`."""
    return WeightCheck.objects.create(
        engine=engine,
        process=process,
        outcome=result.outcome,
        reason=result.reason[:2000],
        models_checked=result.models,
        report=result.report,
        began_at=result.began_at,
        ended_at=max(result.began_at, timezone.now()),
        doubtful_since=_last_pass(engine) if result.outcome == Outcome.FAILED else None,
    )


def _last_pass(engine: Engine) -> datetime:
    """The start of the last passed check: it does not cover models loaded while it ran."""
    passed = engine.weight_checks.filter(outcome=Outcome.PASSED).first()
    return passed.began_at if passed else engine.created_at


@transaction.atomic
def take_out_of_service(*, engine: Engine, process: str, result: Result, advice: str) -> WeightCheck:
    """A check failed: from this commit on the engine gets no requests. `mark_answers` marks its answers afterwards, so
    that an answer opened meanwhile is marked there or when it ends."""
    check = note_check(engine=engine, process=process, result=result)
    set_status(
        engine=engine,
        status=Engine.Status.DOWN,
        error=f"It answered with the wrong weights. {result.reason} {advice}",
        restarted=not engine.attached,
        pid=None,
        port=None,
        url="",
    )
    return check


def _ended() -> ExpressionWrapper:
    lasted = ExpressionWrapper(
        F("duration_ms") * Value(timedelta(milliseconds=1)), output_field=DurationField()
    )
    return ExpressionWrapper(F("created_at") + lasted, output_field=DateTimeField())


@transaction.atomic
def mark_answers(*, check: WeightCheck) -> int:
    """Marks every answer in doubt after a failed check and records it in each project; returns their number. Once only.

    These are the answers of the engine's versions that were being written at any moment from `doubtful_since` to `ended_at`.
    """
    check = WeightCheck.objects.select_for_update(of=("self",)).select_related("engine").get(pk=check.pk)
    if check.outcome != Outcome.FAILED or check.marked is not None:
        return check.marked or 0
    since = check.doubtful_since or check.began_at
    versions = versions_of(check.engine)
    answers = Answer.objects.alias(ended=_ended()).filter(
        Q(duration_ms=None) | Q(ended__gte=since),
        # Answers older than the longest possible answer had ended by then.
        created_at__gte=since - timedelta(seconds=ANSWER_SECONDS + 60),
        created_at__lte=check.ended_at,
        version__in=versions,
        doubt="",
    )
    marked = 0
    for project in Project.objects.filter(pk__in=versions.values("project_id")).order_by("pk"):
        count = answers.filter(project=project).update(doubt=doubt_of(check))
        record(
            by=None,
            project=project,
            action=InferenceAction.ENGINE_WEIGHTS_DIFFERED,
            obj=check.engine,
            check=check.pk,
            reason=check.reason[:500],
            marked=count,
        )
        marked += count
    WeightCheck.objects.filter(pk=check.pk).update(marked=marked)
    return marked


def finish_marks() -> None:
    """Marks what a process left unmarked when it was ended in between."""
    for check in WeightCheck.objects.filter(outcome=Outcome.FAILED, marked=None).order_by("pk"):
        mark_answers(check=check)
