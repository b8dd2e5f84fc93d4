"""Reads the live version, candidates, gates and releases."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from django.db.models import QuerySet

from core.database.connections import without_connection
from core.models import Project, Run
from core.wording import listed, noun
from dataset.queries.provenance import Contributors
from evaluation.queries import Results, results_by_version, results_for
from inference.models import Deployment, Route
from inference.queries import State, route_of, state_of, way_back
from release.budgets import forgetting_of
from release.files import Files, files_of
from release.forgetting import Forgetting
from release.gate import Facts, Gate, RatedComparison, evaluate
from release.held_out import HeldOut, LossVerdict, judge
from release.losses import held_out_of, opponents
from release.models import Release
from training.losses import count_test_rows, measurements_of, seconds_to_measure
from training.models import ModelVersion
from training.queries import people_trained_on
from training.replayed import withdrawn_words_of

# The result of a file check, or None when the store could not be read.
FilesRead = Callable[[], Files | None]


@dataclass(frozen=True)
class Candidate:
    """A ready version with its gate against the live version."""

    version: ModelVersion
    gate: Gate
    state: State
    held_out: HeldOut

    @cached_property
    def loss(self) -> LossVerdict:
        """Its test loss and its opponent's, with the table by slice."""
        return judge(self.held_out)


@dataclass(frozen=True)
class Standing:
    """The live version, since when and by whom, and the target of a rollback (None: none).

    `passed_over` was live before and was rejected since; `was_live_last` is the version that the newest release
    replaced.
    """

    route: Route | None
    release: Release | None
    previous: ModelVersion | None
    previous_state: State | None
    passed_over: list[ModelVersion] = field(default_factory=list)
    was_live_last: ModelVersion | None = None

    @property
    def live(self) -> ModelVersion | None:
        return self.route.version if self.route else None

    @property
    def passed_over_words(self) -> str:
        """ "v2 was live before and was rejected since." Empty when no version was skipped."""
        if not self.passed_over:
            return ""
        verb = noun(len(self.passed_over), "was", "were")
        names = listed([str(version) for version in self.passed_over])
        return f"{names} {verb} live before and {verb} rejected since."

    @property
    def no_way_back(self) -> str:
        """Why a rollback is not possible; empty when it is."""
        if self.previous is not None or self.live is None:
            return ""
        if self.passed_over:
            return f"You cannot roll back: {self.passed_over_words}"
        if self.was_live_last is None or self.was_live_last == self.live:
            return f"Nothing was live before {self.live}, so you cannot roll back."
        return (
            f"{self.live} was the first live version, so you cannot roll back further. You can release "
            f"{self.was_live_last} again, which was live before the rollback."
        )


def releases_of(project: Project) -> QuerySet[Release]:
    """The history, newest first. One query."""
    return (
        Release.objects.filter(project=project)
        .select_related("project", "version__base_model", "replaced__base_model", "signed_off_by")
        .order_by("-pk")
    )


def standing(project: Project) -> Standing:
    """At most seven queries."""
    route = route_of(project)
    newest = releases_of(project).first()
    # The newest release is that of the live version, unless the pointer was changed without one.
    release = newest if newest and route and newest.version_id == route.version_id else None
    back = way_back(project)
    state = state_of(_deployments([back.target]).get(back.target.pk)) if back.target else None
    return Standing(route, release, back.target, state, back.rejected, release.replaced if release else None)


def _ready(project: Project) -> QuerySet[ModelVersion]:
    return (
        ModelVersion.objects.filter(project=project, status=ModelVersion.Status.READY)
        .select_related("base_model", "artifact", "project", "training_run__dataset", "training_run__run")
        .order_by("-number", "base_model__name")
    )


def newest_ready(project: Project) -> ModelVersion | None:
    return (
        ModelVersion.objects.filter(project=project, status=ModelVersion.Status.READY)
        .select_related("base_model")
        .order_by("-number")
        .first()
    )


def candidates(project: Project, live: ModelVersion | None, *, limit: int = 20) -> list[Candidate]:
    """The newest ready versions that are not `live`, each with its gate. A constant number of queries."""
    versions = list(_ready(project).exclude(pk=live.pk if live else 0)[:limit])
    results = results_by_version(versions)
    deployments = _deployments(versions)
    held_out = held_out_of(versions, live)
    forgotten = forgetting_of(versions)
    withdrawn = withdrawn_words_of(versions)
    candidates = []
    for version in versions:
        state = state_of(deployments.get(version.pk))
        facts = _facts(
            version,
            live,
            results[version.pk],
            state,
            held_out[version.pk],
            forgotten[version.pk],
            withdrawn,
            in_list=True,
        )
        candidates.append(Candidate(version, evaluate(facts), state, facts.held_out))
    return candidates


def candidate(version: ModelVersion, *, files: FilesRead | None = None) -> Candidate:
    """One version with its gate. `files` is a file check from just before, as at sign-off."""
    return _candidate(version, live_opponent(version), results_for(version), files)


def _candidate(
    version: ModelVersion, opponent: ModelVersion | None, results: list[Results], files: FilesRead | None
) -> Candidate:
    state = state_of(_deployments([version]).get(version.pk))
    held_out = held_out_of([version], opponent)[version.pk]
    forgotten = forgetting_of([version])[version.pk]
    facts = _facts(
        version, opponent, results, state, held_out, forgotten, withdrawn_words_of([version]), files=files
    )
    return Candidate(version, evaluate(facts), state, held_out)


def read_files(version: ModelVersion, *, fresh: bool) -> FilesRead:
    """For `candidate`: reads and hashes now. This may take seconds, so it runs outside a transaction."""
    with without_connection():
        files = files_of(version, fresh=fresh)
    return lambda: files


def live_opponent(version: ModelVersion) -> ModelVersion | None:
    """The live version, unless that is the version itself."""
    return _opponent(version, route_of(version.project))


def _opponent(version: ModelVersion, route: Route | None) -> ModelVersion | None:
    return route.version if route and route.version_id != version.pk else None


def version_of(project: Project) -> QuerySet[ModelVersion]:
    """Versions of any status, for the gate page."""
    return ModelVersion.objects.filter(project=project).select_related(
        "base_model",
        "artifact",
        "project",
        "training_run__dataset__created_by",
        "training_run__run",
        "training_run__launched_by",
    )


def _deployments(versions: Sequence[ModelVersion]) -> dict[int, Deployment]:
    deployments = Deployment.objects.filter(version__in=[v.pk for v in versions]).select_related(
        "engine", "version"
    )
    return {deployment.version_id: deployment for deployment in deployments}


def _facts(
    version: ModelVersion,
    live: ModelVersion | None,
    results: list[Results],
    state: State,
    held_out: HeldOut,
    forgetting: Forgetting,
    withdrawn: Mapping[int, str],
    *,
    files: FilesRead | None = None,
    in_list: bool = False,
) -> Facts:
    report = version.parity_report
    read = files() if files is not None else files_of(version, in_list=in_list)
    against = [r for r in results if _is_opponent(r.other_than(version), version, live)]
    human = _newest(against)
    return Facts(
        version=str(version),
        parity_checked=int(report.get("checked") or 0),
        # `differing` shows a few; `differing_count` counts them all (older reports do not have it).
        parity_differing=int(report.get("differing_count", len(report.get("differing") or ()))),
        held_out=held_out,
        forgetting=forgetting,
        opponent=_opponent_name(version, live),
        human=_compared(human, version) if human else None,
        newest=_compared(newest, version) if (newest := _newest(results)) else None,
        served=state.ready,
        served_says=state.sentence,
        files=read.wrong if read else None,
        files_compared=read.compared.value if read else "contents",
        files_read_on=read.read_on if read else None,
        files_total=version.artifact.file_count,
        trained_on=str(version.training_run.dataset) if version.training_run else "",
        withdrawn=withdrawn.get(version.pk, ""),
    )


def _is_opponent(other: ModelVersion, version: ModelVersion, live: ModelVersion | None) -> bool:
    """The opponent is the live version; while nothing else is live, the version's base model."""
    if live is not None:
        return other.pk == live.pk
    return other.kind == ModelVersion.Kind.BASE and other.base_model_id == version.base_model_id


def _opponent_name(version: ModelVersion, live: ModelVersion | None) -> str:
    if live is not None:
        return str(live)
    return "" if version.kind == ModelVersion.Kind.BASE else f"{version.base_model.name} (base)"


def _newest(results: list[Results]) -> Results | None:
    """The newest comparison with ratings, else the newest. Results come newest first; each includes its whole pair."""
    return next((r for r in results if r.pair.n), next(iter(results), None))


def _compared(results: Results, version: ModelVersion) -> RatedComparison:
    pair = results.pair.seen_from(version)
    rate, bad = pair.win_rate, pair.both_bad_rate
    return RatedComparison(
        against=str(pair.baseline),
        campaigns=len(pair.campaigns),
        open=pair.open,
        n=pair.n,
        planned=pair.verdict.planned,
        raters=pair.raters,
        settled=pair.verdict.settled,
        says=pair.verdict.says,
        rate=rate.value,
        low=rate.low,
        high=rate.high,
        rate_among_all=pair.win_rate_among_all.value,
        bad=bad.value,
        bad_low=bad.low,
        bad_high=bad.high,
        prompts=pair.prompts,
        prompts_differing=pair.prompts - pair.same_answers,
        in_doubt=pair.in_doubt,
    )


# --- measuring -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Measuring:
    """For the gate page: the version to measure against, the estimated rows and seconds, and the last background
    job."""

    against: ModelVersion
    rows: int
    seconds: float | None
    run: Run | None


def measuring(version: ModelVersion) -> Measuring | None:
    """None for a base model while nothing is live: it has no opponent."""
    return _measuring(version, live_opponent(version))


def _measuring(version: ModelVersion, opponent: ModelVersion | None) -> Measuring | None:
    against = opponents([version], opponent)[version.pk]
    if against is None:
        return None
    measurement = measurements_of([version], [against]).get((version.pk, against.pk))
    return Measuring(
        against=against,
        rows=count_test_rows(version, against),
        seconds=seconds_to_measure(version, against),
        run=measurement.run if measurement else None,
    )


# --- the page of one version --------------------------------------------------------------------------------
@dataclass(frozen=True)
class GatePage:
    """What the page of a version shows: the live version, the gate, the measuring of its loss, and who and what is behind it."""

    standing: Standing
    candidate: Candidate
    measuring: Measuring | None
    results: list[Results]
    people: Contributors

    @property
    def is_live(self) -> bool:
        return self.standing.live == self.candidate.version


def gate_page(version: ModelVersion, *, files: FilesRead | None = None) -> GatePage:
    """Reads the live version, the ratings and the people once. `files` as for `candidate`."""
    now = standing(version.project)
    opponent, results = _opponent(version, now.route), results_for(version)
    return GatePage(
        standing=now,
        candidate=_candidate(version, opponent, results, files),
        measuring=_measuring(version, opponent),
        results=results,
        people=people_trained_on(version.training_run),
    )
