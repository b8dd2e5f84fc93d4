"""The part of datasets in the API, under /api/v1/projects/<slug>/."""

from django.urls import path

from dataset.api import imports, uploads, versions

urlpatterns = [
    path("imports/", imports.ImportsView.as_view()),
    path("imports/<int:pk>/", imports.ImportView.as_view()),
    path("imports/<int:pk>/check/", imports.CheckImportView.as_view()),
    path("imports/<int:pk>/start/", imports.StartImportView.as_view()),
    path("imports/<int:pk>/discard/", imports.DiscardImportView.as_view()),
    path("uploads/", uploads.UploadsView.as_view(), name="api-uploads"),
    path("uploads/<uuid:public_id>/", uploads.UploadView.as_view()),
    path("imports/<int:pk>/issues/", imports.ImportIssuesView.as_view()),
    path("imports/<int:pk>/remove/", imports.RemoveImportView.as_view()),
    path("datasets/", versions.DatasetsView.as_view()),
    path("datasets/preview/", versions.DatasetPreviewView.as_view()),
    path("datasets/<int:number>/", versions.DatasetView.as_view()),
    path("datasets/<int:number>/rows/", versions.DatasetRowsView.as_view()),
    path("datasets/<int:number>/withheld/", versions.DatasetWithheldView.as_view()),
    path("datasets/<int:number>/download/", versions.DatasetDownloadView.as_view()),
]
