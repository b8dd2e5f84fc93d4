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
    slug, training = version.project.slug, version.training_run
    steps = [_run(training, slug), _dataset(training, slug)] if training is not None else []
    if training is not None and people is not None:
        steps.append(LineageStep("People", ", ".join(people.names) or "not known", "", people.sentence))
    return [*steps, _base(version.base_model, slug)]


def _run(training: TrainingRun, slug: str) -> LineageStep:
    packages = [f"{name} {training.environment[name]}" for name in PACKAGES if training.environment.get(name)]
    detail = (
        f"{training.method}, {training.done_steps:,} steps, recipe {training.recipe_hash[:12]}; launched by "
        f"{training.launched_by.name} on {training.created_at:%-d %b %Y, %H:%M} UTC; code "
        + ", ".join([training.code_version, *packages])
    )
    url = reverse("training:run", args=[slug, training.number])
    return LineageStep("Training run", training.run.title, url, detail)


def _dataset(training: TrainingRun, slug: str) -> LineageStep:
    dataset = training.dataset
    frozen = f"frozen by {dataset.created_by.name}, " if dataset.created_by else ""
    detail = f"{frozen}{rows_words(training)}; content hash {dataset.content_hash[:16]}…"
    url = reverse("datasets:dataset", args=[slug, dataset.number])
    return LineageStep("Dataset version", str(dataset), url, detail)


def _base(base: BaseModel, slug: str) -> LineageStep:
    source = f"{base.get_kind_display()} {base.location} {base.revision[:12]}".strip()
    detail = f"{source}; license {base.license}" if base.license else source
    return LineageStep("Base model", base.name, reverse("training:base", args=[slug, base.pk]), detail)
