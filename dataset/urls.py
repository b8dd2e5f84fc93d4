"""Sources, imports and dataset versions."""

from django.urls import path

from dataset.views import comparison, datasheets, exports, imports, reports, sources, versions, withdrawals

app_name = "datasets"
urlpatterns = [
    path("sources/", sources.sources, name="sources"),
    path("sources/new/", sources.source_new, name="source-new"),
    path("sources/rules/", sources.data_rules, name="data-rules"),
    path("sources/<int:pk>/", sources.source, name="source"),
    path("sources/<int:pk>/examples/", sources.source_examples, name="source-examples"),
    path("sources/<int:pk>/change/", sources.source_change, name="source-change"),
    path("sources/<int:pk>/partners/", sources.source_partner_add, name="source-partner-add"),
    path(
        "sources/<int:pk>/partners/<int:partner>/remove/",
        sources.source_partner_remove,
        name="source-partner-remove",
    ),
    path("sources/<int:pk>/withdraw/", withdrawals.source_withdraw, name="source-withdraw"),
    path("sources/<int:pk>/restore/", withdrawals.source_restore, name="source-restore"),
    path("withdrawals/<int:pk>/", withdrawals.withdrawal, name="withdrawal"),
    path("withdrawals/<int:pk>/accept/", withdrawals.withdrawal_accept, name="withdrawal-accept"),
    path("withdrawals/<int:pk>/reopen/", withdrawals.withdrawal_reopen, name="withdrawal-reopen"),
    path("imports/", imports.imports, name="imports"),
    path("imports/new/", imports.import_new, name="import-new"),
    path("imports/<int:pk>/", imports.import_detail, name="import"),
    path("imports/<int:pk>/check/", imports.import_check, name="import-check"),
    path("imports/<int:pk>/start/", imports.import_start, name="import-start"),
    path("imports/<int:pk>/discard/", imports.import_discard, name="import-discard"),
    path("uploads/<uuid:public_id>/remove/", imports.upload_remove, name="upload-remove"),
    path("imports/<int:pk>/lines.csv", imports.import_issues, name="import-issues"),
    path("imports/<int:pk>/remove/", imports.import_remove, name="import-remove"),
    path("export/", exports.export, name="export"),
    path("export/file/", exports.export_file, name="export-file"),
    path("datasets/", versions.datasets, name="datasets"),
    path("datasets/new/", versions.dataset_new, name="dataset-new"),
    path("datasets/new/preview/", versions.dataset_preview, name="dataset-preview"),
    path("datasets/<int:number>/", versions.dataset, name="dataset"),
    path("datasets/<int:number>/rows/", versions.dataset_rows, name="dataset-rows"),
    path("datasets/<int:number>/withheld/", versions.dataset_withheld, name="dataset-withheld"),
    path("datasets/<int:number>/findings/", reports.findings, name="dataset-findings"),
    path("datasets/<int:number>/report/", reports.make_report, name="dataset-report"),
    path("datasets/<int:number>/datasheet/", datasheets.datasheet, name="dataset-datasheet"),
    path(
        "datasets/<int:number>/datasheet.md", datasheets.datasheet_markdown, name="dataset-datasheet-markdown"
    ),
    path("datasets/<int:number>/datasheet.pdf", datasheets.datasheet_pdf, name="dataset-datasheet-pdf"),
    path(
        "datasets/<int:number>/datasheet/answers/",
        datasheets.version_answers,
        name="dataset-datasheet-answers",
    ),
    path("datasheet/", datasheets.answers, name="datasheet-answers"),
    path("datasets/<int:number>/compare/", comparison.compare_with, name="dataset-compare-with"),
    path("datasets/<int:number>/compare/<int:other>/", comparison.compare, name="dataset-compare"),
    path("datasets/<int:number>/download/", versions.dataset_download, name="dataset-download"),
    path("datasets/<int:number>/export/", exports.dataset_export, name="dataset-export"),
    path("datasets/<int:number>/export/file/", exports.dataset_export_file, name="dataset-export-file"),
    path("datasets/<int:number>/croissant.json", exports.dataset_croissant, name="dataset-croissant"),
]
