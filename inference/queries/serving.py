"""Where versions are served, and why they are not."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Max, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from core.errors import PartAway
from core.models import Project
from inference.engines import BACKENDS
from inference.models import Answer, Deployment, Engine, Route, WeightCheck
from training.models import ModelVersion
from training.serving import Serving

# The engines process sends a heartbeat every second; after this long without one it is considered dead.
HEARTBEAT_STALE = timedelta(seconds=60)
CHECKS_SHOWN = 10


def engine_model_name(version: ModelVersion) -> str:
    """The version's name in engines. A base model has one name in every project that uses it."""
    return version.base_model.slug if version.kind == ModelVersion.Kind.BASE else version.served_name


def backend_of(version: ModelVersion) -> str:
    """The kind of engine that serves the version."""
    by_transformers = version.serving == Serving.TRANSFORMERS
    return Engine.Backend.TRANSFORMERS if by_transformers else Engine.Backend.VLLM


@dataclass(frozen=True)
class ServedAt:
    """Where a version is served now."""

    url: str
    backend: str
    model: str
    engine_name: str
    engine_id: int
    # The newest check of its weights at the time of this query; 0: none yet.
    last_check: int


@dataclass(frozen=True)
class State:
    """Whether a version can answer, in words. `sentence` has the engine's name; `neutral` does not show which model it
    is, for people who rate blind."""

    key: str  # ready, starting, waiting, checking, away, failed, unloaded
    sentence: str
    neutral: str
    advice: str = ""
    since: datetime | None = None

    @property
    def ready(self) -> bool:
        return self.key == "ready"


def _clock(moment: datetime | None) -> str:
    return f" since {moment:%H:%M} UTC" if moment else ""


def usual_start(engine: Engine) -> int:
    """Seconds of the last start here, or the backend's own figure."""
    measured = engine.options.get("start_seconds")
    return round(measured) if measured else BACKENDS[engine.backend].usual_start_seconds


def is_beating(engine: Engine) -> bool:
    return bool(engine.heartbeat_at and engine.heartbeat_at > timezone.now() - HEARTBEAT_STALE)


def deployment_of(version: ModelVersion) -> Deployment | None:
    return (
        Deployment.objects.select_related("engine", "version__base_model", "version__project")
        .filter(version=version)
        .first()
    )


def state_of(deployment: Deployment | None) -> State:  # noqa: PLR0911 - one return per state
    """Why a version can or cannot answer, and what to do. Needs `engine` and `version` selected; no query."""
    if deployment is None or deployment.wanted == Deployment.Wanted.UNLOADED:
        text = "This model version is not loaded."
        return State(
            "unloaded", text, "This candidate is not loaded.", "An admin can load it on the Serve page."
        )
    engine = deployment.engine
    if deployment.status == Deployment.Status.FAILED:
        return State(
            "failed",
            f"It could not be served. {deployment.error}".strip(),
            "This candidate could not be served.",
            "An admin can see the reason on the Serve page.",
        )
    if engine is None:
        return State(
            "waiting",
            deployment.error or "It is waiting for an engine.",
            "This candidate is waiting for an engine.",
            "This page updates automatically.",
        )
    if not is_beating(engine):
        since = engine.heartbeat_at
        return State(
            "away",
            f"The engines process has not responded{_clock(since)}.",
            f"The engine has not responded{_clock(since)}.",
            "It works again automatically when the engines process runs.",
            since,
        )
    if engine.status in (Engine.Status.STARTING, Engine.Status.WANTED):
        text = f"is starting, usually {usual_start(engine)} s."
        return State(
            "starting",
            f"The engine {engine.name} {text}",
            f"The engine {text}",
            "You can write your question meanwhile.",
            engine.since,
        )
    if engine.status != Engine.Status.UP:
        return State(
            "away",
            f"The engine {engine.name} is offline{_clock(engine.since)}. {engine.error}".strip(),
            f"The engine of this candidate is offline{_clock(engine.since)}.",
            "An admin can see on the Serve page what to do."
            if engine.attached
            else "It is started again automatically.",
            engine.since,
        )
    if deployment.status != Deployment.Status.LOADED:
        return State(
            "checking",
            f"It is being loaded into {engine.name}. Its tokens and answers are checked.",
            "This candidate is being loaded.",
            "This takes a few seconds, or some minutes on a busy machine.",
            engine.since,
        )
    return State("ready", "Served.", "Served.", since=deployment.loaded_at)


def serving(version: ModelVersion, *, blind: bool = False) -> ServedAt:
    """Where the version answers. Raises PartAway with the offline engine and the time."""
    # Read before the state: a check that fails in between then counts as newer when the answer ends.
    checks = dict(
        WeightCheck.objects.filter(engine__deployments__version=version)
        .order_by()
        .values_list("engine_id")
        .annotate(newest=Max("pk"))
    )
    deployment = deployment_of(version)
    state = state_of(deployment)
    if not state.ready or deployment is None or deployment.engine is None:
        raise PartAway(state.neutral if blind else state.sentence, state.advice)
    engine = deployment.engine
    return ServedAt(
        engine.url,
        engine.backend,
        engine_model_name(deployment.version),
        engine.name,
        engine.pk,
        checks.get(engine.pk, 0),
    )


def is_served(version: ModelVersion) -> bool:
    return state_of(deployment_of(version)).ready


def live_version(project: Project) -> ModelVersion | None:
    """The version that /v1 uses for the project, or None when nothing is live."""
    route = route_of(project)
    return route.version if route else None


def route_of(project: Project) -> Route | None:
    return (
        Route.objects.select_related(
            "version__base_model", "version__project", "version__training_run__dataset"
        )
        .filter(project=project)
        .first()
    )


def deployments(project: Project) -> QuerySet[Deployment]:
    """The deployments of the project's versions, newest first; those of personal adapters are for their owners only."""
    return (
        Deployment.objects.filter(version__project=project, version__personal=False)
        .select_related("engine", "version__base_model", "version__training_run")
        .order_by("-version__number", "version__base_model__name")
    )


def unserved_versions(project: Project) -> QuerySet[ModelVersion]:
    """Versions without a deployment."""
    return ModelVersion.objects.filter(project=project, deployment=None).select_related("base_model")


def engines_of(project: Project) -> list[Engine]:
    """Engines that serve this project's versions, with `loaded` versions counted."""
    return list(
        Engine.objects.filter(base_model__versions__project=project)
        .exclude(version__isnull=False, status=Engine.Status.STOPPED)
        .select_related("base_model", "version")
        .distinct()
        .order_by("id")
    )


def last_checks(engines: list[Engine]) -> dict[int, list[WeightCheck]]:
    """The newest checks of each engine's weights, by engine id, newest first. One query."""
    ranked = WeightCheck.objects.filter(engine__in=engines).annotate(
        place=Window(RowNumber(), partition_by=F("engine_id"), order_by=F("pk").desc())
    )
    checks: dict[int, list[WeightCheck]] = {}
    for check in ranked.filter(place__lte=CHECKS_SHOWN).defer("report").order_by("-pk"):
        checks.setdefault(check.engine_id, []).append(check)
    return checks


def versions_of(engine: Engine) -> QuerySet[ModelVersion]:
    """Versions of this engine, loaded at the moment or not."""
    if engine.version_id is not None:
        return ModelVersion.objects.filter(pk=engine.version_id)
    beside = ModelVersion.objects.filter(base_model_id=engine.base_model_id).exclude(
        kind=ModelVersion.Kind.FULL
    )
    if engine.backend == Engine.Backend.TRANSFORMERS:
        return beside.filter(serving=Serving.TRANSFORMERS)
    return beside.exclude(serving=Serving.TRANSFORMERS)


def is_answering(engine: Engine) -> bool:
    """Whether an answer of one of its versions is being written."""
    return Answer.objects.filter(version__in=versions_of(engine), status=Answer.Status.STREAMING).exists()
