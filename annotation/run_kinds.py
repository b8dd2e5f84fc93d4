"""The kinds of runs of annotation, and which page shows what such a run works on."""

from django.urls import reverse

from annotation.models import Category
from annotation.queries.findings import CHECK_PROJECT, SETTLE
from core.models import Run
from core.runs.kinds import RunKind


def of_findings(run: Run) -> tuple[str, str] | None:
    if run.project is None:
        return None
    return "Findings", reverse("quality:findings", args=[run.project.slug])


CHECK = RunKind(
    CHECK_PROJECT,
    "Check of examples",
    queue="default",
    runner="annotation.runner.checking:run",
    again_words="It goes on with the examples that are not checked yet.",
    subject="annotation.run_kinds:of_findings",
)
BULK = RunKind(
    SETTLE,
    "Decision about findings",
    queue="default",
    runner="annotation.runner.settling:run",
    again_words="It goes on with the findings that are left.",
    subject="annotation.run_kinds:of_findings",
)


def of_category(run: Run) -> tuple[str, str] | None:
    category = Category.objects.filter(pk=run.params.get("category")).select_related("project").first()
    if category is None:
        return None
    return f"{category.noun.capitalize()} {category.name}", reverse(
        "annotation:categories", args=[category.project.slug]
    )


def of_map(run: Run) -> tuple[str, str] | None:
    if run.project is None:
        return None
    return "Map of the examples", reverse("quality:coverage-map", args=[run.project.slug])


MAP = RunKind(
    "map_examples",
    "Map of the examples",
    queue="default",
    runner="annotation.runner.mapping:run",
    on_again="annotation.services.mapping:again",
    again_words="It reads the examples again from the first one. The earlier map stays until it is done.",
    subject="annotation.run_kinds:of_map",
)
RELABEL = RunKind(
    "relabel_examples",
    "Move of examples to another slice or edge case",
    queue="default",
    runner="annotation.runner.relabelling:run",
    again_words="It moves the examples that are left.",
    subject="annotation.run_kinds:of_category",
)
