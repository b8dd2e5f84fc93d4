"""Under /api/v1/projects/<slug>/."""

from django.urls import path

from training.api import views

urlpatterns = [
    path("base-models/", views.BaseModels.as_view(), name="api-base-models"),
    path("base-models/<int:pk>/", views.OneBaseModel.as_view(), name="api-base-model"),
    path("base-models/<int:pk>/prepare/", views.PrepareBaseModel.as_view(), name="api-base-model-prepare"),
    path("base-models/<int:pk>/use/", views.UseBaseModel.as_view(), name="api-base-model-use"),
    path("training-methods/", views.Methods.as_view(), name="api-training-methods"),
    path("training-preflight/", views.Preflight.as_view(), name="api-training-preflight"),
    path("training-runs/", views.TrainingRuns.as_view(), name="api-training-runs"),
    path("training-runs/<int:number>/", views.OneTrainingRun.as_view(), name="api-training-run"),
    path("training-runs/<int:number>/points/", views.Points.as_view(), name="api-training-points"),
    path("training-runs/<int:number>/samples/", views.Samples.as_view(), name="api-training-samples"),
    path("training-runs/<int:number>/cancel/", views.CancelTraining.as_view(), name="api-training-cancel"),
    path("training-runs/<int:number>/retry/", views.RetryTraining.as_view(), name="api-training-retry"),
    path("model-versions/", views.ModelVersions.as_view(), name="api-model-versions"),
    path(
        "model-versions/<int:pk>/download/",
        views.DownloadModelVersion.as_view(),
        name="api-model-version-download",
    ),
    path("model-versions/<int:pk>/", views.OneModelVersion.as_view(), name="api-model-version"),
    path(
        "model-versions/<int:pk>/check-tokens/", views.CheckTokens.as_view(), name="api-model-version-tokens"
    ),
    path("model-versions/<int:pk>/check-files/", views.CheckFiles.as_view(), name="api-model-version-files"),
]
