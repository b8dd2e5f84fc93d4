"""Annotation's part of the API, under /api/v1/projects/<slug>/."""

from django.urls import path

from annotation.api import datasets, examples, imports, queue, reviews

urlpatterns = [
    # the queue and reviews
    path("queue/", queue.Waiting.as_view()),
    path("queue/next/", queue.TakeNext.as_view()),
    path("queue/checks/", queue.RunChecks.as_view()),
    path("queue/my-work/", queue.MyWork.as_view()),
    path("queue/skipped/", queue.Skipped.as_view()),
    path("queue/<int:pk>/take/", queue.Take.as_view()),
    path("queue/<int:pk>/heartbeat/", queue.Heartbeat.as_view()),
    path("queue/<int:pk>/draft/", queue.KeepDraft.as_view()),
    path("queue/<int:pk>/submit/", queue.Submit.as_view()),
    path("queue/<int:pk>/skip/", queue.Skip.as_view()),
    path("queue/<int:pk>/skip/undo/", queue.UndoSkip.as_view()),
    path("queue/<int:pk>/release/", queue.Leave.as_view()),
    path("queue/<int:pk>/take-back/", queue.TakeBack.as_view()),
    path("reviews/", reviews.InReview.as_view()),
    path("reviews/next/", reviews.ReviewTakeNext.as_view()),
    path("reviews/accept-many/", reviews.AcceptMany.as_view()),
    path("reviews/return-many/", reviews.ReturnMany.as_view()),
    path("reviews/<int:pk>/take/", reviews.ReviewTake.as_view()),
    path("reviews/<int:pk>/heartbeat/", reviews.ReviewHeartbeat.as_view()),
    path("reviews/<int:pk>/draft/", reviews.ReviewDraft.as_view()),
    path("reviews/<int:pk>/accept/", reviews.Accept.as_view()),
    path("reviews/<int:pk>/return/", reviews.SendBack.as_view()),
    path("reviews/<int:pk>/skip/", reviews.ReviewSkip.as_view()),
    path("reviews/<int:pk>/skip/undo/", reviews.ReviewUndoSkip.as_view()),
    path("reviews/<int:pk>/release/", reviews.ReviewLeave.as_view()),
    path("decisions/<int:pk>/undo/", reviews.UndoDecision.as_view()),
    path("decisions/<uuid:batch>/undo/", reviews.UndoMany.as_view()),
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
