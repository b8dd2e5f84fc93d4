"""The routes of the REST API: each app lists its own routes, this file puts them under /api/v1/."""

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView

from core.views.api import docs, nothing

urlpatterns = [
    path("", docs, name="api-docs"),
    path("schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("v1/", include("core.api_urls")),
    path("v1/projects/<slug:slug>/", include("annotation.api_urls")),
    path("v1/projects/<slug:slug>/", include("dataset.api_urls")),
    path("v1/projects/<slug:slug>/", include("training.api_urls")),
    path("v1/projects/<slug:slug>/", include("inference.api_urls")),
    path("v1/projects/<slug:slug>/", include("evaluation.api_urls")),
    path("v1/projects/<slug:slug>/", include("release.api_urls")),
    re_path(r"^.*$", nothing, name="api-nothing"),
]
