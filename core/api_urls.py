from django.urls import path

from core.api import account, accounts, moving, openapi, projects
from core.views import archive_file

__all__ = ["openapi", "urlpatterns"]  # openapi registers itself

urlpatterns = [
    path("me/", account.MeView.as_view(), name="api-me"),
    path("me/password/", account.PasswordView.as_view(), name="api-password"),
    path("me/keys/", account.PersonalKeysView.as_view(), name="api-personal-keys"),
    path("me/keys/<int:pk>/", account.PersonalKeyView.as_view(), name="api-personal-key"),
    path("status/", account.StatusView.as_view(), name="api-status"),
    path("projects/", projects.ProjectsView.as_view(), name="api-projects"),
    path("projects/<slug:slug>/", projects.ProjectView.as_view(), name="api-project"),
    path("projects/<slug:slug>/loop/", projects.HomeView.as_view(), name="api-loop"),
    path("projects/<slug:slug>/people/", projects.MembersView.as_view(), name="api-people"),
    path("projects/<slug:slug>/people/<int:pk>/", projects.MemberView.as_view(), name="api-person"),
    path(
        "projects/<slug:slug>/people/<int:pk>/password/",
        projects.MemberPasswordView.as_view(),
        name="api-person-password",
    ),
    path(
        "projects/<slug:slug>/people/<int:pk>/account/",
        accounts.MemberAccountView.as_view(),
        name="api-person-account",
    ),
    path(
        "projects/<slug:slug>/people/<int:pk>/deactivate/",
        accounts.MemberDeactivateView.as_view(),
        name="api-person-deactivate",
    ),
    path(
        "projects/<slug:slug>/people/<int:pk>/reactivate/",
        accounts.MemberReactivateView.as_view(),
        name="api-person-reactivate",
    ),
    path(
        "projects/<slug:slug>/people/<int:pk>/end-sessions/",
        accounts.MemberEndSessionsView.as_view(),
        name="api-person-end-sessions",
    ),
    path(
        "projects/<slug:slug>/people/<int:pk>/keys/",
        accounts.MemberKeysView.as_view(),
        name="api-person-keys",
    ),
    path(
        "projects/<slug:slug>/people/<int:pk>/keys/<int:api_key>/",
        accounts.MemberKeyView.as_view(),
        name="api-person-key",
    ),
    path("accounts/", accounts.AccountsView.as_view(), name="api-accounts"),
    path("accounts/<int:pk>/", accounts.AccountView.as_view(), name="api-account"),
    path("accounts/<int:pk>/deactivate/", accounts.DeactivateView.as_view(), name="api-account-deactivate"),
    path("accounts/<int:pk>/reactivate/", accounts.ReactivateView.as_view(), name="api-account-reactivate"),
    path(
        "accounts/<int:pk>/end-sessions/", accounts.EndSessionsView.as_view(), name="api-account-end-sessions"
    ),
    path("accounts/<int:pk>/password/", accounts.AccountPasswordView.as_view(), name="api-account-password"),
    path("accounts/<int:pk>/keys/", accounts.AccountKeysView.as_view(), name="api-account-keys"),
    path("accounts/<int:pk>/keys/<int:api_key>/", accounts.AccountKeyView.as_view(), name="api-account-key"),
    path("projects/<slug:slug>/keys/", projects.ApplicationKeysView.as_view(), name="api-application-keys"),
    path(
        "projects/<slug:slug>/keys/<int:pk>/",
        projects.ApplicationKeyView.as_view(),
        name="api-application-key",
    ),
    path("projects/<slug:slug>/archives/", moving.ArchivesView.as_view(), name="api-archives"),
    path("projects/<slug:slug>/archives/<int:pk>/", moving.ArchiveView.as_view(), name="api-archive"),
    path(
        "projects/<slug:slug>/archives/<int:pk>/file/",
        archive_file.ArchiveFileView.as_view(),
        name="api-archive-file",
    ),
    path("project-imports/", moving.ProjectImportsView.as_view(), name="api-project-imports"),
    path("project-imports/<int:pk>/", moving.ProjectImportView.as_view(), name="api-project-import"),
    path("projects/<slug:slug>/audit/", projects.AuditView.as_view(), name="api-audit"),
    path("projects/<slug:slug>/runs/", projects.RunsView.as_view(), name="api-runs"),
    path("projects/<slug:slug>/runs/<int:pk>/", projects.RunView.as_view(), name="api-run"),
    path(
        "projects/<slug:slug>/runs/<int:pk>/cancel/", projects.CancelRunView.as_view(), name="api-run-cancel"
    ),
    path(
        "projects/<slug:slug>/runs/<int:pk>/resume/", projects.ResumeRunView.as_view(), name="api-run-resume"
    ),
]
