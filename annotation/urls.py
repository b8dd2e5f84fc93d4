"""Annotate: the queue and the editor, reviews, examples."""

from django.urls import path

from annotation.views import authoring, categories, checks, examples, queue, reviews, write

app_name = "annotation"
urlpatterns = [
    # the queue and the editor
    path("", queue.overview, name="overview"),
    path("next/", queue.take_next, name="next"),
    path("checks/", queue.check, name="checks"),
    path("checks/settings/", checks.check_settings, name="check-settings"),
    path("item/<int:pk>/", queue.item, name="item"),
    path("item/<int:pk>/take/", queue.work.take, name="take"),
    path("item/<int:pk>/heartbeat/", queue.work.heartbeat, name="heartbeat"),
    path("item/<int:pk>/draft/", queue.work.draft, name="draft"),
    path("item/<int:pk>/draft/discard/", queue.draft_discard, name="draft-discard"),
    path("item/<int:pk>/submit/", queue.submit, name="submit"),
    path("item/<int:pk>/skip/", queue.work.skip, name="skip"),
    path("item/<int:pk>/skip/undo/", queue.work.skip_undo, name="skip-undo"),
    path("item/<int:pk>/release/", queue.work.release, name="release"),
    path("item/<int:pk>/take-back/", queue.take_back, name="take-back"),
    path("write/", write.write, name="write"),
    path("write/draft/", write.write_draft, name="write-draft"),
    path("write/draft/discard/", write.write_discard, name="write-discard"),
    # reviews
    path("review/", reviews.review_list, name="review-list"),
    path("review/next/", reviews.review_next, name="review-next"),
    path("review/accept-selected/", reviews.accept_selected, name="accept-selected"),
    path("review/send-back-selected/", reviews.send_back_selected, name="send-back-selected"),
    path("decisions/<uuid:batch>/undo/", reviews.undo_selected, name="undo-selected"),
    path("review/<int:pk>/", reviews.review, name="review"),
    path("review/<int:pk>/take/", reviews.work.take, name="review-take"),
    path("review/<int:pk>/heartbeat/", reviews.work.heartbeat, name="review-heartbeat"),
    path("review/<int:pk>/draft/", reviews.work.draft, name="review-draft"),
    path("review/<int:pk>/accept/", reviews.accept, name="accept"),
    path("review/<int:pk>/return/", reviews.send_back, name="send-back"),
    path("review/<int:pk>/correct/", reviews.correct, name="correct"),
    path("review/<int:pk>/skip/", reviews.work.skip, name="review-skip"),
    path("review/<int:pk>/skip/undo/", reviews.work.skip_undo, name="review-skip-undo"),
    path("review/<int:pk>/release/", reviews.work.release, name="review-release"),
    path("decision/<int:pk>/undo/", reviews.review_undo, name="review-undo"),
    # authoring tasks
    path("tasks/", authoring.tasks, name="tasks"),
    path("tasks/new/", authoring.task_new, name="task-new"),
    path("tasks/from-coverage/", authoring.task_from_hole, name="task-from-hole"),
    path("tasks/<int:pk>/", authoring.task, name="task"),
    path("tasks/<int:pk>/change/", authoring.task_change, name="task-change"),
    path("tasks/<int:pk>/cancel/", authoring.task_end, {"status": "cancelled"}, name="task-cancel"),
    path("tasks/<int:pk>/close/", authoring.task_end, {"status": "done"}, name="task-close"),
    path("tasks/<int:pk>/reopen/", authoring.task_reopen, name="task-reopen"),
    # the project's lists
    path("lists/", categories.categories, name="categories"),
    path("lists/new-slice/", categories.category_new, {"kind": "slices"}, name="slice-new"),
    path("lists/new-edge-case/", categories.category_new, {"kind": "edge-cases"}, name="edge-case-new"),
    path("lists/<int:pk>/", categories.category, name="category"),
    path("lists/<int:pk>/merge/", categories.category_merge, name="category-merge"),
    path("lists/<int:pk>/retire/", categories.category_active, {"active": False}, name="category-retire"),
    path("lists/<int:pk>/restore/", categories.category_active, {"active": True}, name="category-restore"),
    path("lists/<int:pk>/up/", categories.category_up, name="category-up"),
    # examples
    path("examples/", examples.examples, name="examples"),
    path("examples/download/", examples.examples_download, name="examples-download"),
    path("examples/<int:pk>/", examples.example, name="example"),
    path("examples/<int:pk>/retire/", examples.example_retire, name="example-retire"),
    path("examples/<int:pk>/requeue/", examples.example_requeue, name="example-requeue"),
]
