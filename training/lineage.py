"""From a model version back to its training run, its data and its base model: the steps that every lineage shares. And the chain of
versions around one, as its page draws it."""

from dataclasses import dataclass, field

from django.urls import reverse

from core.lineage import LineageStep
from dataset.queries.provenance import Contributors
from training.chain import ancestors_of
from training.methods import METHODS
from training.models import BaseModel, ModelVersion, TrainingRun
from training.queries import rows_words
from training.registry import live_versions

PACKAGES = ("torch", "transformers", "peft")


def version_lineage(version: ModelVersion, people: Contributors | None = None) -> list[LineageStep]:
    """The version and all steps of `origin_of`, nearest first."""
    detail = (
        f"{version.get_kind_display()}, served as {version.served_name}; weights SHA-256 "
        f"{version.artifact.sha256[:16]}…; made {version.created_at:%-d %b %Y}"
    )
    url = reverse("training:version", args=[version.project.slug, version.pk])
    return [LineageStep("Model version", str(version), url, detail), *origin_of(version, people)]


def origin_of(version: ModelVersion, people: Contributors | None = None) -> list[LineageStep]:
    """Training run, dataset version, with `people` a step about them, the versions it was made from, and base model. At most three
    queries."""
    slug, training_run = version.project.slug, version.training_run
    steps = [_run(training_run, slug), _dataset(training_run, slug)] if training_run is not None else []
    if training_run is not None and people is not None:
        steps.append(LineageStep("People", ", ".join(people.names) or "not known", "", people.sentence))
    return [*steps, *(_ancestor(one, slug) for one in ancestors_of(version)), _base(version.base_model, slug)]


def _ancestor(version: ModelVersion, slug: str) -> LineageStep:
    run = version.training_run
    detail = f"{run.run.title}, launched by {run.launched_by.name}; " if run is not None else ""
    detail += f"weights SHA-256 {version.artifact.sha256[:16]}…"
    return LineageStep(
        "Continued from", str(version), reverse("training:version", args=[slug, version.pk]), detail
    )


def _run(training_run: TrainingRun, slug: str) -> LineageStep:
    packages = [
        f"{name} {training_run.environment[name]}" for name in PACKAGES if training_run.environment.get(name)
    ]
    detail = (
        f"{training_run.method}, {training_run.done_steps:,} steps, recipe {training_run.recipe_hash[:12]}; launched by "
        f"{training_run.launched_by.name} on {training_run.created_at:%-d %b %Y, %H:%M} UTC; code "
        + ", ".join([training_run.code_version, *packages])
    )
    url = reverse("training:run", args=[slug, training_run.number])
    return LineageStep("Training run", training_run.run.title, url, detail)


def _dataset(training_run: TrainingRun, slug: str) -> LineageStep:
    dataset = training_run.dataset
    frozen = f"frozen by {dataset.created_by.name}, " if dataset.created_by else ""
    detail = f"{frozen}{rows_words(training_run)}; content hash {dataset.content_hash[:16]}…"
    url = reverse("datasets:dataset", args=[slug, dataset.number])
    return LineageStep("Dataset version", str(dataset), url, detail)


def _base(base: BaseModel, slug: str) -> LineageStep:
    source = f"{base.get_kind_display()} {base.location} {base.revision[:12]}".strip()
    detail = f"{source}; license {base.license}" if base.license else source
    return LineageStep("Base model", base.name, reverse("training:base", args=[slug, base.pk]), detail)


# --- the chain ---------------------------------------------------------------------------------------------
MOST_CHILDREN = 20


@dataclass(frozen=True)
class ChainLink:
    """One version in the drawing of a chain: how it was made, and whether it is the page's own (`here`), or live."""

    version: ModelVersion
    method: str
    here: bool
    live: bool


@dataclass(frozen=True)
class Chain:
    """`links` from the first version after the base model to the page's own; `children` were made from that, the newest first, and
    `more` are not listed. `base_live`: the base model itself is live."""

    base_model: BaseModel
    links: list[ChainLink] = field(default_factory=list)
    children: list[ChainLink] = field(default_factory=list)
    more: int = 0
    base_live: bool = False

    @property
    def is_long(self) -> bool:
        return len(self.links) + len(self.children) > 1


def chain_around(version: ModelVersion) -> Chain:
    """The chain as a version's page draws it; for a base model, what was made from it directly. At most five queries."""
    live = live_versions(version.project)

    def link(one: ModelVersion) -> ChainLink:
        run = one.training_run
        method = METHODS.get(run.method) if run is not None else None
        return ChainLink(one, method.label if method else "", one.pk == version.pk, one.pk in live)

    up = [] if version.number == 0 else [version, *ancestors_of(version)]
    parent = None if version.number == 0 else version
    below = ModelVersion.objects.filter(
        project=version.project_id, base_model=version.base_model_id, number__gt=0, parent=parent
    )
    children = list(
        below.select_related("base_model", "training_run__dataset").order_by("-number")[: MOST_CHILDREN + 1]
    )
    more = below.count() - MOST_CHILDREN if len(children) > MOST_CHILDREN else 0
    return Chain(
        version.base_model,
        [link(one) for one in reversed(up)],
        [link(one) for one in children[:MOST_CHILDREN]],
        more,
        version.number == 0 and version.pk in live,
    )
