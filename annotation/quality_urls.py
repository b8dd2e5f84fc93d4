"""Quality: the findings of the checks. The other tabs of Quality are pages of the app datasets."""

from django.urls import path

from annotation.views import coverage, example_map, findings

app_name = "quality"
urlpatterns = [
    path("", findings.findings, name="findings"),
    path("check/", findings.check, name="check"),
    path("settle/", findings.settle, name="settle"),
    path("undo/<uuid:batch>/", findings.undo, name="undo"),
    path("findings/<int:pk>/edit/", findings.edit, name="edit"),
    path("coverage/", coverage.coverage, name="coverage"),
    path("coverage/map/", example_map.example_map, name="coverage-map"),
    path("coverage/map/make/", example_map.make, name="coverage-map-make"),
    path("coverage/target/", coverage.target, name="coverage-target"),
    path("coverage/targets/<int:pk>/remove/", coverage.target_remove, name="coverage-target-remove"),
]
