"""The kinds of runs of annotation, and which page shows what such a run works on."""

from django.urls import reverse

from annotation.models import Category
from core.models import Run
from core.runs.kinds import RunKind


def of_category(run: Run) -> tuple[str, str] | None:
    category = Category.objects.filter(pk=run.params.get("category")).select_related("project").first()
    if category is None:
        return None
    return f"{category.noun.capitalize()} {category.name}", reverse(
        "annotation:categories", args=[category.project.slug]
    )


RELABEL = RunKind(
    "relabel_examples",
    "Move of examples to another slice or edge case",
    queue="default",
    runner="annotation.runner.relabelling:run",
    again_words="It moves the examples that are left.",
    subject="annotation.run_kinds:of_category",
)
