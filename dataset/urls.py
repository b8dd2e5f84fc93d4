"""Imports and dataset versions."""

from django.urls import path

from dataset.views import imports, versions

app_name = "datasets"
urlpatterns = [
    path("imports/", imports.imports, name="imports"),
    path("imports/new/", imports.import_new, name="import-new"),
    path("imports/<int:pk>/", imports.import_detail, name="import"),
    path("imports/<int:pk>/check/", imports.import_check, name="import-check"),
    path("imports/<int:pk>/start/", imports.import_start, name="import-start"),
    path("imports/<int:pk>/discard/", imports.import_discard, name="import-discard"),
    path("uploads/<uuid:public_id>/remove/", imports.upload_remove, name="upload-remove"),
    path("imports/<int:pk>/lines.csv", imports.import_issues, name="import-issues"),
    path("imports/<int:pk>/remove/", imports.import_remove, name="import-remove"),
    path("datasets/", versions.datasets, name="datasets"),
    path("datasets/new/", versions.dataset_new, name="dataset-new"),
    path("datasets/new/preview/", versions.dataset_preview, name="dataset-preview"),
    path("datasets/<int:number>/", versions.dataset, name="dataset"),
    path("datasets/<int:number>/rows/", versions.dataset_rows, name="dataset-rows"),
    path("datasets/<int:number>/withheld/", versions.dataset_withheld, name="dataset-withheld"),
    path("datasets/<int:number>/download/", versions.dataset_download, name="dataset-download"),
]
