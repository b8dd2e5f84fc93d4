"""Annotation's part of the API, under /api/v1/projects/<slug>/."""

from django.urls import path

from annotation.api import categories, checks, coverage, examples, findings, queue, reviews

urlpatterns = [
    # the queue and reviews
    path("queue/", queue.WaitingView.as_view()),
    path("queue/next/", queue.TakeNextView.as_view()),
    path("queue/checks/", queue.RunChecksView.as_view()),
    path("queue/my-work/", queue.MyWorkView.as_view()),
    path("queue/skipped/", queue.SkippedView.as_view()),
    path("queue/<int:pk>/take/", queue.TakeView.as_view()),
    path("queue/<int:pk>/heartbeat/", queue.HeartbeatView.as_view()),
    path("queue/<int:pk>/draft/", queue.KeepDraftView.as_view()),
    path("queue/<int:pk>/submit/", queue.SubmitView.as_view()),
    path("queue/<int:pk>/skip/", queue.SkipView.as_view()),
    path("queue/<int:pk>/skip/undo/", queue.UndoSkipView.as_view()),
    path("queue/<int:pk>/release/", queue.LeaveView.as_view()),
    path("queue/<int:pk>/take-back/", queue.UndoSubmitView.as_view()),
    path("reviews/", reviews.InReviewView.as_view()),
    path("reviews/next/", reviews.ReviewTakeNextView.as_view()),
    path("reviews/accept-many/", reviews.AcceptManyView.as_view()),
    path("reviews/return-many/", reviews.ReturnManyView.as_view()),
    path("reviews/<int:pk>/take/", reviews.ReviewTakeView.as_view()),
    path("reviews/<int:pk>/heartbeat/", reviews.ReviewHeartbeatView.as_view()),
    path("reviews/<int:pk>/draft/", reviews.ReviewDraftView.as_view()),
    path("reviews/<int:pk>/accept/", reviews.AcceptView.as_view()),
    path("reviews/<int:pk>/return/", reviews.SendBackView.as_view()),
    path("reviews/<int:pk>/skip/", reviews.ReviewSkipView.as_view()),
    path("reviews/<int:pk>/skip/undo/", reviews.ReviewUndoSkipView.as_view()),
    path("reviews/<int:pk>/release/", reviews.ReviewLeaveView.as_view()),
    path("decisions/<int:pk>/undo/", reviews.UndoDecisionView.as_view()),
    path("decisions/<uuid:batch>/undo/", reviews.UndoManyView.as_view()),
    # findings of the checks
    path("findings/", findings.FindingsView.as_view()),
    path("findings/counts/", findings.FindingCountsView.as_view()),
    path("findings/check/", findings.CheckExamplesView.as_view()),
    path("findings/settle/", findings.SettleView.as_view()),
    path("findings/undo/<uuid:batch>/", findings.UndoFindingsView.as_view()),
    # checks
    path("checks/", checks.ChecksView.as_view()),
    # coverage and authoring tasks
    path("coverage/", coverage.CoverageView.as_view()),
    path("coverage/targets/", coverage.TargetsView.as_view()),
    path("coverage/targets/<int:pk>/", coverage.TargetView.as_view()),
    path("authoring-tasks/", coverage.TasksView.as_view()),
    path("authoring-tasks/<int:pk>/", coverage.TaskView.as_view()),
    path("authoring-tasks/<int:pk>/cancel/", coverage.CancelTaskView.as_view()),
    path("authoring-tasks/<int:pk>/close/", coverage.CloseTaskView.as_view()),
    path("authoring-tasks/<int:pk>/reopen/", coverage.ReopenTaskView.as_view()),
    # the project's lists
    path("lists/", categories.CategoriesView.as_view()),
    path("lists/<int:pk>/", categories.CategoryView.as_view()),
    path("lists/<int:pk>/merge/", categories.MergeCategoryView.as_view()),
    path("lists/<int:pk>/retire/", categories.RetireCategoryView.as_view()),
    path("lists/<int:pk>/restore/", categories.RestoreCategoryView.as_view()),
    # examples
    path("examples/", examples.ExamplesView.as_view()),
    path("examples/download/", examples.ExamplesDownloadView.as_view()),
    path("examples/<int:pk>/", examples.ExampleView.as_view()),
    path("examples/<int:pk>/history/", examples.ExampleHistoryView.as_view()),
    path("examples/<int:pk>/retire/", examples.RetireExampleView.as_view()),
    path("examples/<int:pk>/requeue/", examples.RequeueExampleView.as_view()),
]
