"""What is live, what could be, and who decided."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.urls import reverse

from core.models import Project, User
from evaluation.queries import Results, results_by_version, results_for
from inference.models import Deployment, Route
from inference.queries import State, people_behind, route_of, state_of
from release.files import QUICK_BYTES, QUICK_BYTES_IN_LIST, wrong_files
from release.gate import Comparison, Facts, Gate, evaluate
from release.models import Release
from training.models import ModelVersion


@dataclass(frozen=True)
class Candidate:
    """A ready version with its gate against what is live."""

    version: ModelVersion
    gate: Gate
    state: State


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
    found = []
    for version in versions:
        state = state_of(deployments.get(version.pk))
        facts = _facts(version, live, results[version.pk], state, at_most=QUICK_BYTES_IN_LIST)
        gate = evaluate(facts)
        found.append(Candidate(version, gate, state))
    return found


def candidate(version: ModelVersion, *, fresh: bool = False) -> Candidate:
    """One version with its gate; `fresh` hashes its files anew, as at sign-off."""
    live = route_of(version.project)
    state = state_of(_deployments([version]).get(version.pk))
    opponent = live.version if live and live.version_id != version.pk else None
    return Candidate(
        version, evaluate(_facts(version, opponent, results_for(version), state, fresh=fresh)), state
    )


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
    *,
    fresh: bool = False,
    at_most: int = QUICK_BYTES,
) -> Facts:
    training = version.training
    report = version.parity_report
    against = [r for r in results if _is_opponent(r.other_than(version), version, live)]
    human = _newest(against)
    return Facts(
        version=str(version),
        is_base=version.kind == ModelVersion.Kind.BASE,
        parity_checked=int(report.get("checked") or 0),
        parity_differing=len(report.get("differing") or ()),
        loss_base=training.loss_before if training else None,
        loss=training.loss_after if training else None,
        opponent=_opponent_name(version, live),
        human=_compared(human, version) if human else None,
        newest=_compared(newest, version) if (newest := _newest(results)) else None,
        served=state.ready,
        served_says=state.sentence,
        files=wrong_files(version, fresh=fresh, at_most=at_most),
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
    """The newest comparison with ratings, else the newest. Results come newest first; each knows its whole pair."""
    return next((r for r in results if r.pair.n), next(iter(results), None))


def _compared(results: Results, version: ModelVersion) -> Comparison:
    pair = results.pair.seen_from(version)
    rate, bad = pair.win_rate, pair.both_bad_rate
    return Comparison(
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
                detail=f"{said}, {results.n} ratings" + (f" by {raters}" if raters else ""),
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


def _dataset_detail(by: User | None, content_hash: str) -> str:
    frozen = f"frozen by {by.name}, " if by else ""
    return f"{frozen}content {content_hash[:16]}…"


def _people(people: list[User]) -> Step:
    names = ", ".join(person.name for person in people[:12])
    more = f" and {len(people) - 12} more" if len(people) > 12 else ""
    return Step("People", f"{names}{more}" or "not recorded", "", "wrote or accepted its examples")
