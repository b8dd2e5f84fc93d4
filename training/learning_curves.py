"""Reads learning curves: the list, one with its points, and what the newest one of a project says."""

from django.db.models import Count, QuerySet

from core.models import Project, Run
from training.extrapolation import Forecast, in_words
from training.models import CurvePoint, LearningCurve


def learning_curves(project: Project) -> QuerySet[LearningCurve]:
    """Newest first, with the number of finished points in `finished`."""
    return (
        LearningCurve.objects.filter(project=project)
        .select_related("run__project", "base_model", "dataset", "launched_by", "project")
        .annotate(finished=Count("points"))
        .order_by("-number")
    )


def points_of(curve: LearningCurve) -> QuerySet[CurvePoint]:
    """Without the losses of single rows."""
    return CurvePoint.objects.filter(curve=curve).defer("losses").order_by("repeat", "share")


def forecast_of(curve: LearningCurve) -> Forecast | None:
    """None until the first point is finished."""
    return Forecast.from_values(curve.forecast) if curve.forecast else None


def sentences(forecast: Forecast) -> list[str]:
    """What more examples would do, one sentence for each question; or why nothing is said."""
    return [in_words(one) for one in forecast.ahead] or [forecast.refused]


def newest_with_points(project: Project) -> LearningCurve | None:
    """The newest curve that says something; one query."""
    return learning_curves(project).exclude(forecast={}).defer("held_out").first()


def active(project: Project) -> LearningCurve | None:
    """The newest curve that is queued or being measured; one query."""
    return learning_curves(project).filter(run__status__in=Run.ACTIVE).defer("held_out").first()
