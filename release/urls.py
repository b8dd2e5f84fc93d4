from django.urls import path

from release.views import budget, live

app_name = "release"
urlpatterns = [
    path("", live.home, name="home"),
    path("versions/<int:pk>/", live.version, name="version"),
    path("versions/<int:pk>/measure/", live.measure, name="measure"),
    path("forgetting-budget/", budget.forgetting_budget, name="forgetting-budget"),
    path("roll-back/", live.roll_back, name="roll-back"),
    path("history/<int:pk>/", live.release, name="release"),
]
