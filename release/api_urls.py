from django.urls import path

from release.api import budgets, releases

urlpatterns = [
    path("live/", releases.LiveView.as_view(), name="api-live"),
    path("live/roll-back/", releases.RollBackView.as_view(), name="api-roll-back"),
    path("forgetting-budget/", budgets.ForgettingBudgetView.as_view(), name="api-forgetting-budget"),
    path("candidates/", releases.CandidatesView.as_view(), name="api-candidates"),
    path("releases/", releases.ReleasesView.as_view(), name="api-releases"),
    path("releases/<int:pk>/", releases.ReleaseView.as_view(), name="api-release"),
    path("gate/<int:pk>/", releases.VersionGateView.as_view(), name="api-gate"),
    path("gate/<int:pk>/measure/", releases.MeasureLossView.as_view(), name="api-gate-measure"),
    path("gate/<int:pk>/lineage/", releases.VersionLineageView.as_view(), name="api-who-decided"),
]
