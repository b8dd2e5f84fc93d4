"""Under /api/v1/projects/<slug>/."""

from django.urls import path

from training.api import forgetting, interpolation, knowledge, learning_curves, views

urlpatterns = [
    path("base-models/", views.BaseModelsView.as_view(), name="api-base-models"),
    path("base-models/<int:pk>/", views.BaseModelView.as_view(), name="api-base-model"),
    path(
        "base-models/<int:pk>/prepare/", views.PrepareBaseModelView.as_view(), name="api-base-model-prepare"
    ),
    path("base-models/<int:pk>/use/", views.UseBaseModelView.as_view(), name="api-base-model-use"),
    path("unknown-facts/", knowledge.UnknownFactsView.as_view(), name="api-unknown-facts"),
    path(
        "unknown-facts/answers/", knowledge.KnowledgeAnswersView.as_view(), name="api-unknown-facts-answers"
    ),
    path("training-methods/", views.MethodsView.as_view(), name="api-training-methods"),
    path("training-objectives/", views.ObjectivesView.as_view(), name="api-training-objectives"),
    path("training-preflight/", views.PreflightView.as_view(), name="api-training-preflight"),
    path("training-runs/", views.TrainingRunsView.as_view(), name="api-training-runs"),
    path("training-runs/<int:number>/", views.TrainingRunView.as_view(), name="api-training-run"),
    path("training-runs/<int:number>/points/", views.PointsView.as_view(), name="api-training-points"),
    path("training-runs/<int:number>/samples/", views.SamplesView.as_view(), name="api-training-samples"),
    path(
        "training-runs/<int:number>/cancel/", views.CancelTrainingView.as_view(), name="api-training-cancel"
    ),
    path("training-runs/<int:number>/retry/", views.RetryTrainingView.as_view(), name="api-training-retry"),
    path("learning-curves/", learning_curves.LearningCurvesView.as_view(), name="api-learning-curves"),
    path(
        "learning-curves/<int:number>/",
        learning_curves.LearningCurveView.as_view(),
        name="api-learning-curve",
    ),
    path("model-versions/", views.ModelVersionsView.as_view(), name="api-model-versions"),
    path(
        "model-versions/<int:pk>/download/",
        views.DownloadModelVersionView.as_view(),
        name="api-model-version-download",
    ),
    path("model-versions/<int:pk>/", views.ModelVersionView.as_view(), name="api-model-version"),
    path(
        "model-versions/<int:pk>/check-tokens/",
        views.CheckTokensView.as_view(),
        name="api-model-version-tokens",
    ),
    path(
        "model-versions/<int:pk>/forgetting/",
        forgetting.ForgettingView.as_view(),
        name="api-model-version-forgetting",
    ),
    path(
        "model-versions/<int:pk>/forgetting/items/",
        forgetting.ForgettingItemsView.as_view(),
        name="api-model-version-forgetting-items",
    ),
    path(
        "model-versions/<int:pk>/shares/",
        interpolation.SharesView.as_view(),
        name="api-model-version-shares",
    ),
    path(
        "model-versions/<int:pk>/shares/version/",
        interpolation.ShareVersionView.as_view(),
        name="api-model-version-share-version",
    ),
    path(
        "model-versions/<int:pk>/check-files/", views.CheckFilesView.as_view(), name="api-model-version-files"
    ),
]
