"""The part of datasets in the API, under /api/v1/projects/<slug>/."""

from django.urls import path

from dataset.api import comparison, datasheets, exports, imports, sources, uploads, versions

urlpatterns = [
    path("sources/", sources.SourcesView.as_view()),
    path("sources/<int:pk>/", sources.SourceView.as_view()),
    path("sources/<int:pk>/examples/", sources.SourceExamplesView.as_view()),
    path("sources/<int:pk>/withdraw/", sources.WithdrawSourceView.as_view()),
    path("sources/<int:pk>/restore/", sources.RestoreSourceView.as_view()),
    path("sources/<int:pk>/partners/", sources.SourcePartnersView.as_view()),
    path("sources/<int:pk>/partners/<int:partner>/", sources.SourcePartnerView.as_view()),
    path("data-rules/", sources.DataRulesView.as_view()),
    path("withdrawals/", sources.WithdrawalsView.as_view()),
    path("withdrawals/<int:pk>/", sources.WithdrawalView.as_view()),
    path("withdrawals/<int:pk>/accept/", sources.AcceptUseView.as_view()),
    path("withdrawals/<int:pk>/reopen/", sources.ReopenUseView.as_view()),
    path("imports/", imports.ImportsView.as_view()),
    path("imports/<int:pk>/", imports.ImportView.as_view()),
    path("imports/<int:pk>/check/", imports.CheckImportView.as_view()),
    path("imports/<int:pk>/start/", imports.StartImportView.as_view()),
    path("imports/<int:pk>/discard/", imports.DiscardImportView.as_view()),
    path("uploads/", uploads.UploadsView.as_view(), name="api-uploads"),
    path("uploads/<uuid:public_id>/", uploads.UploadView.as_view()),
    path("imports/<int:pk>/issues/", imports.ImportIssuesView.as_view()),
    path("imports/<int:pk>/remove/", imports.RemoveImportView.as_view()),
    path("examples/export/", exports.ExamplesExportView.as_view()),
    path("examples/export/counts/", exports.ExamplesExportCountsView.as_view()),
    path("datasets/", versions.DatasetsView.as_view()),
    path("datasets/preview/", versions.DatasetPreviewView.as_view()),
    path("datasets/<int:number>/", versions.DatasetView.as_view()),
    path("datasets/<int:number>/rows/", versions.DatasetRowsView.as_view()),
    path("datasets/<int:number>/withheld/", versions.DatasetWithheldView.as_view()),
    path("datasets/<int:number>/report/", datasheets.ReportView.as_view()),
    path("datasets/<int:number>/findings/", datasheets.DatasetFindingsView.as_view()),
    path("datasets/<int:number>/datasheet/", datasheets.DatasheetView.as_view()),
    path("datasheet/", datasheets.ProjectDatasheetView.as_view()),
    path("datasets/<int:number>/compare/<int:other>/", comparison.CompareView.as_view()),
    path("datasets/<int:number>/download/", versions.DatasetDownloadView.as_view()),
    path("datasets/<int:number>/export/", exports.VersionExportView.as_view()),
    path("datasets/<int:number>/export/counts/", exports.VersionExportCountsView.as_view()),
]
