from django.urls import path

from release.api import releases

urlpatterns = [
    path("live/", releases.Live.as_view(), name="api-live"),
    path("live/roll-back/", releases.RollBack.as_view(), name="api-roll-back"),
    path("candidates/", releases.Candidates.as_view(), name="api-candidates"),
    path("releases/", releases.Releases.as_view(), name="api-releases"),
    path("releases/<int:pk>/", releases.OneRelease.as_view(), name="api-release"),
    path("gate/<int:pk>/", releases.VersionGate.as_view(), name="api-gate"),
    path("gate/<int:pk>/measure/", releases.MeasureLoss.as_view(), name="api-gate-measure"),
    path("gate/<int:pk>/lineage/", releases.VersionLineage.as_view(), name="api-who-decided"),
]
