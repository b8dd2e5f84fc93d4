"""The kinds of runs of annotation, and which page shows what such a run works on."""

from django.urls import reverse

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
