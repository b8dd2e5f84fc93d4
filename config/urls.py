"""Every app's pages. Projects live under /p/<slug>/, the API under /api/v1/, applications use /v1/."""

from django.urls import include, path

urlpatterns = [
    path("", include("core.urls")),
    path("p/<slug:slug>/annotate/", include("annotation.urls")),
    path("p/<slug:slug>/data/quality/", include("annotation.quality_urls")),
    path("p/<slug:slug>/data/", include("dataset.urls")),
    path("p/<slug:slug>/train/", include("training.urls")),
    path("p/<slug:slug>/serve/", include("inference.urls")),
    path("p/<slug:slug>/rate/", include("evaluation.urls")),
    path("p/<slug:slug>/release/", include("release.urls")),
    path("v1/", include("inference.openai_api.urls")),
    path("api/", include("config.api")),
]

handler400 = "core.views.errors.bad_request"
handler404 = "core.views.errors.not_found"
handler403 = "core.views.errors.forbidden"
handler500 = "core.views.errors.server_error"
