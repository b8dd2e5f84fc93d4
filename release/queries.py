"""What is live, what could be, and who decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from django.db.models import Q, QuerySet
from django.urls import reverse

from core.models import Project, Run, User
from evaluation.models import Campaign
from evaluation.queries import Results, results_by_version, results_for
from inference.models import Deployment, Route
from inference.queries import State, people_behind, route_of, state_of
from release.files import files_of
from release.gate import Comparison, Facts, Gate, evaluate
from release.held_out import HeldOut, LossVerdict, judge
from release.losses import held_out_of, opponents
from release.models import Release
from training.losses import count_test_rows, measurements_of, seconds_to_measure
from training.models import ModelVersion


@dataclass(frozen=True)
class Candidate:
    """A ready version with its gate against what is live."""

    version: ModelVersion
    gate: Gate
    state: State
    held_out: HeldOut

    @cached_property
    def loss(self) -> LossVerdict:
        """Its loss on test rows beside its opponent's, with the table by slice."""
        return judge(self.held_out)


@dataclass(frozen=True)
class Standing:
    """What is live, since when and by whom, and what a roll-back would bring back (None: nothing before)."""

    route: Route | None
    release: Release | None
    previous: ModelVersion | None
    previous_state: State | None

    @property
    def live(self) -> ModelVersion | None:
        return self.route.version if self.route else None

    @property
    def previous_label(self) -> str:
        return str(self.previous or "")

    @property
    def question(self) -> str:
        return f"Roll back from {self.live or 'nothing'} to {self.previous_label}?"


def releases_of(project: Project) -> QuerySet[Release]:
    """The history, newest first. One query."""
    return (
        Release.objects.filter(project=project)
        .select_related("project", "version__base_model", "replaced__base_model", "signed_off_by")
        .order_by("-pk")
    )


def standing(project: Project) -> Standing:
    """Four queries."""
    route = route_of(project)
    release = releases_of(project).filter(version=route.version).first() if route else None
    previous = previous_version(project)
    state = state_of(_deployments([previous]).get(previous.pk)) if previous else None
    return Standing(route, release, previous, state)


def previous_version(project: Project) -> ModelVersion | None:
    """The version that was live before the present one, as roll-back means it: going back twice goes back two steps.

    Each "made live" puts a version on the pile, each roll-back takes the top one off; the one below is the answer.
    """
    pile: list[int] = []
    for action, version in (
        Release.objects.filter(project=project).order_by("pk").values_list("action", "version_id")
    ):
        if action == Release.Action.LIVE:
            pile.append(version)
        elif pile:
            pile.pop()
    if len(pile) < 2:
        return None
    return ModelVersion.objects.select_related("base_model", "project").get(pk=pile[-2])


def _ready(project: Project) -> QuerySet[ModelVersion]:
    return (
        ModelVersion.objects.filter(project=project, status=ModelVersion.Status.READY)
        .select_related("base_model", "artifact", "project", "training__dataset", "training__run")
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
    found = []
    for version in versions:
        state = state_of(deployments.get(version.pk))
        facts = _facts(version, live, results[version.pk], state, held_out[version.pk], in_list=True)
        found.append(Candidate(version, evaluate(facts), state, facts.held_out))
    return found


def candidate(version: ModelVersion, *, fresh: bool = False) -> Candidate:
    """One version with its gate; `fresh` hashes its files now, as at sign-off."""
    opponent = live_opponent(version)
    state = state_of(_deployments([version]).get(version.pk))
    held_out = held_out_of([version], opponent)[version.pk]
    facts = _facts(version, opponent, results_for(version), state, held_out, fresh=fresh)
    return Candidate(version, evaluate(facts), state, held_out)


def live_opponent(version: ModelVersion) -> ModelVersion | None:
    """What is live, unless that is the version itself."""
    live = route_of(version.project)
    return live.version if live and live.version_id != version.pk else None


def version_of(project: Project) -> QuerySet[ModelVersion]:
    """Versions of any status, for the gate page."""
    return ModelVersion.objects.filter(project=project).select_related(
        "base_model",
        "artifact",
        "project",
        "training__dataset__created_by",
        "training__run",
        "training__launched_by",
    )


def _deployments(versions: Sequence[ModelVersion]) -> dict[int, Deployment]:
    found = Deployment.objects.filter(version__in=[v.pk for v in versions]).select_related(
        "engine", "version"
    )
    return {deployment.version_id: deployment for deployment in found}


def _facts(
    version: ModelVersion,
    live: ModelVersion | None,
    results: list[Results],
    state: State,
    held_out: HeldOut,
    *,
    fresh: bool = False,
    in_list: bool = False,
) -> Facts:
    report = version.parity_report
    files = files_of(version, fresh=fresh, in_list=in_list)
    against = [r for r in results if _is_opponent(r.other_than(version), version, live)]
    human = _newest(against)
    return Facts(
        version=str(version),
        parity_checked=int(report.get("checked") or 0),
        # `differing` shows a few; `differing_count` counts them all (reports of before it existed do not have it).
        parity_differing=int(report.get("differing_count", len(report.get("differing") or ()))),
        held_out=held_out,
        opponent=_opponent_name(version, live),
        human=_compared(human, version) if human else None,
        newest=_compared(newest, version) if (newest := _newest(results)) else None,
        served=state.ready,
        served_says=state.sentence,
        files=files.wrong if files else None,
        files_compared=files.compared.value if files else "contents",
        files_read_on=files.read_on if files else None,
        files_total=version.artifact.file_count,
    )


def _is_opponent(other: ModelVersion, version: ModelVersion, live: ModelVersion | None) -> bool:
    """The live version has to be beaten; while nothing else is live, the base the version was made from."""
    if live is not None:
        return other.pk == live.pk
    return other.kind == ModelVersion.Kind.BASE and other.base_model_id == version.base_model_id


def _opponent_name(version: ModelVersion, live: ModelVersion | None) -> str:
    if live is not None:
        return str(live)
    return "" if version.kind == ModelVersion.Kind.BASE else f"{version.base_model.name} (base)"


def _newest(results: list[Results]) -> Results | None:
    """The newest closed comparison with ratings; without one, the newest open one. Results come newest first."""
    rated = [r for r in results if r.n]
    closed = [r for r in rated if r.campaign.status == Campaign.Status.CLOSED]
    return next(iter(closed or rated or results), None)


def _compared(results: Results, version: ModelVersion) -> Comparison:
    rate, bad = results.rate_of(version), results.both_bad_rate
    return Comparison(
        campaign=results.campaign.name,
        against=str(results.other_than(version)),
        closed=results.campaign.status == Campaign.Status.CLOSED,
        n=results.n,
        raters=len(results.raters),
        rate=rate.value,
        low=rate.low,
        high=rate.high,
        bad=bad.value,
        bad_low=bad.low,
        bad_high=bad.high,
        wanted=results.wanted,
    )


# --- measuring -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Measuring:
    """What the gate page offers: the version to measure against, about how many rows and seconds, and the last run."""

    against: ModelVersion
    rows: int
    seconds: float | None
    run: Run | None


def measuring(version: ModelVersion) -> Measuring | None:
    """None for a base while nothing is live: it has no opponent."""
    against = opponents([version], live_opponent(version))[version.pk]
    if against is None:
        return None
    measurement = measurements_of([version], [against]).get((version.pk, against.pk))
    return Measuring(
        against=against,
        rows=count_test_rows(version, against),
        seconds=seconds_to_measure(version, against),
        run=measurement.run if measurement else None,
    )


# --- who decided -------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Step:
    """One step of the way back from a decision to the people behind it, as components/lineage.html draws it."""

    kind: str
    label: str
    url: str = ""
    detail: str = ""


def who_decided(version: ModelVersion) -> list[Step]:
    """From the releases of a version back to its run, its dataset and its people. A constant number of queries."""
    slug = version.project.slug
    steps = [
        Step(
            kind=release.get_action_display(),
            label=f"{release.version} by {release.signed_off_by.name}",
            url=reverse("release:release", args=[slug, release.pk]),
            detail=f"{release.at:%d %b %Y, %H:%M} UTC" + (f": {release.note}" if release.note else ""),
        )
        for release in releases_of(version.project).filter(Q(version=version))[:5]
    ]
    for results in results_for(version)[:3]:
        rate = results.rate_of(version)
        said = (
            f"win rate {rate.value:.0%} ({rate.low:.0%} to {rate.high:.0%})"
            if rate.value is not None
            else "no result"
        )
        raters = ", ".join(one.rater.name for one in results.raters[:6])
        steps.append(
            Step(
                kind="Comparison",
                label=results.campaign.name,
                url=reverse("evaluation:campaign", args=[slug, results.campaign.pk]),
                detail=f"{said}, {results.n} ratings"
                + (f" by {raters}" if raters else "")
                + f"; {differing_prompts(results)}",
            )
        )
    steps.append(
        Step(
            "Model version",
            str(version),
            reverse("training:version", args=[slug, version.pk]),
            f"{version.get_kind_display()}, SHA-256 {version.artifact.sha256[:16]}…, made {version.created_at:%d %b %Y}",
        )
    )
    training = version.training
    if training is not None:
        steps += [
            Step(
                "Training run",
                str(training),
                reverse("training:run", args=[slug, training.number]),
                f"launched by {training.launched_by.name}, code {training.code_version}",
            ),
            Step(
                "Dataset version",
                str(training.dataset),
                reverse("annotation:dataset", args=[slug, training.dataset.number]),
                _dataset_detail(training.dataset.created_by, training.dataset.content_hash),
            ),
            _people(people_behind(version)),
        ]
    steps.append(
        Step(
            "Base model",
            version.base_model.name,
            reverse("training:base", args=[slug, version.base_model_id]),
            version.base_model.license,
        )
    )
    return steps


def differing_prompts(results: Results) -> str:
    """ "on 37 of 40 prompts the two answers differ": the others put nobody before a choice."""
    differing = results.prompts - results.same_answers
    return f"on {differing} of {results.prompts} prompts the two answers differ"


def _dataset_detail(by: User | None, content_hash: str) -> str:
    frozen = f"frozen by {by.name}, " if by else ""
    return f"{frozen}content {content_hash[:16]}…"


def _people(people: list[User]) -> Step:
    names = ", ".join(person.name for person in people[:12])
    more = f" and {len(people) - 12} more" if len(people) > 12 else ""
    return Step("People", f"{names}{more}" or "not recorded", "", "wrote or accepted its examples")
