from django.urls import path

from core.api import account, accounts, openapi, projects

__all__ = ["openapi", "urlpatterns"]  # openapi registers itself

urlpatterns = [
    path("me/", account.Me.as_view(), name="api-me"),
    path("me/password/", account.Password.as_view(), name="api-password"),
    path("me/tokens/", account.Tokens.as_view(), name="api-tokens"),
    path("me/tokens/<int:pk>/", account.Token.as_view(), name="api-token"),
    path("status/", account.Status.as_view(), name="api-status"),
    path("projects/", projects.Projects.as_view(), name="api-projects"),
    path("projects/<slug:slug>/", projects.OneProject.as_view(), name="api-project"),
    path("projects/<slug:slug>/loop/", projects.Loop.as_view(), name="api-loop"),
    path("projects/<slug:slug>/people/", projects.People.as_view(), name="api-people"),
    path("projects/<slug:slug>/people/<int:pk>/", projects.Person.as_view(), name="api-person"),
    path(
        "projects/<slug:slug>/people/<int:pk>/password/",
        projects.ResetPassword.as_view(),
        name="api-person-password",
    ),
    path(
        "projects/<slug:slug>/people/<int:pk>/account/",
        accounts.MemberAccount.as_view(),
        name="api-person-account",
    ),
    path(
        "projects/<slug:slug>/people/<int:pk>/deactivate/",
        accounts.MemberDeactivate.as_view(),
        name="api-person-deactivate",
    ),
    path(
        "projects/<slug:slug>/people/<int:pk>/reactivate/",
        accounts.MemberReactivate.as_view(),
        name="api-person-reactivate",
    ),
    path(
        "projects/<slug:slug>/people/<int:pk>/end-sessions/",
        accounts.MemberEndSessions.as_view(),
        name="api-person-end-sessions",
    ),
    path(
        "projects/<slug:slug>/people/<int:pk>/tokens/",
        accounts.MemberTokens.as_view(),
        name="api-person-tokens",
    ),
    path(
        "projects/<slug:slug>/people/<int:pk>/tokens/<int:token>/",
        accounts.MemberToken.as_view(),
        name="api-person-token",
    ),
    path("accounts/", accounts.Accounts.as_view(), name="api-accounts"),
    path("accounts/<int:pk>/", accounts.OneAccount.as_view(), name="api-account"),
    path("accounts/<int:pk>/deactivate/", accounts.Deactivate.as_view(), name="api-account-deactivate"),
    path("accounts/<int:pk>/reactivate/", accounts.Reactivate.as_view(), name="api-account-reactivate"),
    path("accounts/<int:pk>/end-sessions/", accounts.EndSessions.as_view(), name="api-account-end-sessions"),
    path("accounts/<int:pk>/password/", accounts.ResetPassword.as_view(), name="api-account-password"),
    path("accounts/<int:pk>/tokens/", accounts.AccountTokens.as_view(), name="api-account-tokens"),
    path("accounts/<int:pk>/tokens/<int:token>/", accounts.AccountToken.as_view(), name="api-account-token"),
    path("projects/<slug:slug>/keys/", projects.Keys.as_view(), name="api-keys"),
    path("projects/<slug:slug>/keys/<int:pk>/", projects.Key.as_view(), name="api-key"),
    path("projects/<slug:slug>/audit/", projects.Audit.as_view(), name="api-audit"),
    path("projects/<slug:slug>/runs/", projects.Runs.as_view(), name="api-runs"),
    path("projects/<slug:slug>/runs/<int:pk>/", projects.OneRun.as_view(), name="api-run"),
    path("projects/<slug:slug>/runs/<int:pk>/cancel/", projects.CancelRun.as_view(), name="api-run-cancel"),
]
