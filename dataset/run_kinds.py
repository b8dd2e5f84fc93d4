"""The kinds of runs of datasets, and which page shows what such a run works on."""

from django.db.models import Q
from django.urls import reverse

from core.models import Run
from core.runs.kinds import RunKind
from dataset.models import (
    BiasAudit,
    DataImport,
    DatasetVersion,
    DuplicateSearch,
    Source,
    VersionReport,
    Withdrawal,
)


def of_import(run: Run) -> tuple[str, str] | None:
    known = Q(run=run)
    if isinstance(pk := run.params.get("import"), int):  # the run of an earlier check
        known |= Q(pk=pk, project=run.project_id)
    data_import = DataImport.objects.filter(known).select_related("project").first()
    if data_import is None:
        return None
    return f"Import of {data_import.file_name}", reverse(
        "datasets:import", args=[data_import.project.slug, data_import.pk]
    )


def of_freeze(run: Run) -> tuple[str, str] | None:
    dataset = DatasetVersion.objects.filter(run=run).select_related("project").first()
    if dataset is None:
        return None
    return str(dataset), reverse("datasets:dataset", args=[dataset.project.slug, dataset.number])


def of_withdrawal(run: Run) -> tuple[str, str] | None:
    found = (
        Withdrawal.objects.filter(Q(run=run) | Q(restore_run=run)).select_related("source__project").first()
    )
    if found is None:
        return None
    return f"Withdrawal of {found.source.name}", reverse(
        "datasets:withdrawal", args=[found.source.project.slug, found.pk]
    )


def of_source(run: Run) -> tuple[str, str] | None:
    source = Source.objects.filter(pk=run.params.get("source")).select_related("project").first()
    if source is None:
        return None
    return f"Source {source.name}", reverse("datasets:source", args=[source.project.slug, source.pk])


def of_report(run: Run) -> tuple[str, str] | None:
    report = VersionReport.objects.filter(run=run).select_related("dataset__project").first()
    if report is None:
        return None
    return str(report.dataset), reverse(
        "datasets:dataset", args=[report.dataset.project.slug, report.dataset.number]
    )


def of_duplicates(run: Run) -> tuple[str, str] | None:
    search = DuplicateSearch.objects.filter(run=run).select_related("project").first()
    if search is None:
        return None
    return "Duplicates", reverse("datasets:duplicates", args=[search.project.slug])


def of_bias_audit(run: Run) -> tuple[str, str] | None:
    audit = BiasAudit.objects.filter(run=run).select_related("project").first()
    if audit is None:
        return None
    return str(audit), reverse("datasets:bias-audit", args=[audit.project.slug, audit.number])


IMPORT = RunKind(
    "import",
    "Import",
    queue="default",
    runner="dataset.runner.imports:run",
    on_end="dataset.services.imports:ended",
    on_again="dataset.services.imports:again",
    again_words="It reads the same file again from its first row. Nothing is stored twice.",
    subject="dataset.run_kinds:of_import",
)
IMPORT_CHECK = RunKind(
    "import-check",
    "Check of a file",
    queue="default",
    runner="dataset.runner.checking:run",
    on_again="dataset.services.imports:again",
    again_words="It reads the same file again from its first row. Nothing is imported.",
    subject="dataset.run_kinds:of_import",
)
FREEZE = RunKind(
    "freeze",
    "Freeze",
    queue="default",
    runner="dataset.runner.freeze:run",
    on_end="dataset.services.versions:freeze_ended",
    on_again="dataset.services.versions:again",
    again_words="It freezes the examples approved at that time, with the same number and settings.",
    subject="dataset.run_kinds:of_freeze",
)
FREEZE_PREFERENCES = RunKind(
    "freeze-preferences",
    "Freeze of preferences",
    queue="default",
    runner="dataset.runner.preferences:run",
    on_end="dataset.services.versions:freeze_ended",
    on_again="dataset.services.versions:again",
    again_words="It freezes what people said until then, with the same number and settings.",
    subject="dataset.run_kinds:of_freeze",
)
WITHDRAW = RunKind(
    "withdraw_source",
    "Withdrawal of a source",
    queue="default",
    runner="dataset.runner.withdrawals:retire",
    on_again="dataset.services.withdrawals:withdraw_again",
    again_words="It retires the examples that are left.",
    subject="dataset.run_kinds:of_withdrawal",
)
RESTORE = RunKind(
    "restore_source",
    "Restoring of a source",
    queue="default",
    runner="dataset.runner.withdrawals:bring_back",
    on_again="dataset.services.withdrawals:restore_again",
    again_words="It brings back the examples that are left.",
    subject="dataset.run_kinds:of_withdrawal",
)
RELICENSE = RunKind(
    "relicense_source",
    "License of a source",
    queue="default",
    runner="dataset.runner.withdrawals:relicense",
    again_words="It changes the examples that are left.",
    subject="dataset.run_kinds:of_source",
)
REPORT = RunKind(
    "dataset_report",
    "Report on a dataset",
    queue="default",
    runner="dataset.runner.report:run",
    again_words="It reads the frozen rows again from the first one.",
    subject="dataset.run_kinds:of_report",
)
FIND_DUPLICATES = RunKind(
    "find-duplicates",
    "Search for duplicates",
    queue="default",
    runner="dataset.runner.duplicates:run",
    on_again="dataset.services.duplicate_searches:search_again",
    again_words="It reads all examples again. What the last search found stays until then.",
    subject="dataset.run_kinds:of_duplicates",
)
BIAS_AUDIT = RunKind(
    "bias-audit",
    "Bias audit",
    queue="default",
    runner="dataset.runner.audit:run",
    again_words="It reads the rows again from the first one, with the lexicons of its start.",
    subject="dataset.run_kinds:of_bias_audit",
)
