"""Annotation's part of the API, under /api/v1/projects/<slug>/."""

from django.urls import path

from annotation.api import datasets, examples, imports

urlpatterns = [
    # examples, imports, dataset versions
    path("examples/", examples.Examples.as_view()),
    path("examples/download/", examples.ExamplesDownload.as_view()),
    path("examples/<int:pk>/", examples.OneExample.as_view()),
    path("examples/<int:pk>/history/", examples.ExampleHistory.as_view()),
    path("examples/<int:pk>/retire/", examples.RetireExample.as_view()),
    path("examples/<int:pk>/requeue/", examples.RequeueExample.as_view()),
    path("imports/", imports.Imports.as_view()),
    path("imports/<int:pk>/", imports.OneImport.as_view()),
    path("imports/<int:pk>/issues/", imports.ImportIssues.as_view()),
    path("imports/<int:pk>/remove/", imports.RemoveImport.as_view()),
    path("datasets/", datasets.Datasets.as_view()),
    path("datasets/preview/", datasets.DatasetPreview.as_view()),
    path("datasets/<int:number>/", datasets.OneDataset.as_view()),
    path("datasets/<int:number>/rows/", datasets.DatasetRows.as_view()),
    path("datasets/<int:number>/withheld/", datasets.DatasetWithheld.as_view()),
    path("datasets/<int:number>/download/", datasets.DatasetDownload.as_view()),
]
