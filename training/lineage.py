"""From a model version back to its training run, its data and its base model: the steps that every lineage shares."""

from django.urls import reverse

from core.lineage import LineageStep
from dataset.queries.provenance import Contributors
from training.models import BaseModel, ModelVersion, TrainingRun
from training.queries import rows_words

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
    """Training run, dataset version, with `people` a step about them, and base model. At most one query."""
    slug, training_run = version.project.slug, version.training_run
    steps = [_run(training_run, slug), _dataset(training_run, slug)] if training_run is not None else []
    if training_run is not None and people is not None:
        steps.append(LineageStep("People", ", ".join(people.names) or "not known", "", people.sentence))
    return [*steps, _base(version.base_model, slug)]


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
