"""Quality: the findings of the checks. The other tabs of Quality are pages of the app datasets."""

from django.urls import path

from annotation.views import findings

app_name = "quality"
urlpatterns = [
    path("", findings.findings, name="findings"),
]
