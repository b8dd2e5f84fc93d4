from django.urls import path

from core.views import (
    accounts,
    audit,
    health,
    keys,
    loop,
    me,
    people,
    runs,
    session,
    settings,
    start,
    status,
    theme,
)

app_name = "core"
urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("", start.start, name="start"),
    path("sign-in/", session.sign_in, name="sign-in"),
    path("sign-out/", session.sign_out, name="sign-out"),
    path("session/", session.session, name="session"),
    path("projects/new/", start.project_new, name="project-new"),
    path("status/", status.status, name="status"),
    path("status/parts/", status.status_parts, name="status-parts"),
    path("status/tag/", status.status_tag, name="status-tag"),
    path("runs/<int:pk>/card/", runs.deployment_run_card, name="deployment-run-card"),
    path("runs/<int:pk>/cancel/", runs.deployment_run_cancel, name="deployment-run-cancel"),
    path("runs/<int:pk>/resume/", runs.deployment_run_resume, name="deployment-run-resume"),
    path("me/", me.me, name="me"),
    path("me/name/", me.rename, name="rename"),
    path("me/password/", me.password, name="password"),
    path("me/theme/", theme.set_theme, name="theme"),
    path("me/keys/", me.api_keys, name="personal-keys"),
    path("me/keys/<int:pk>/revoke/", me.personal_key_revoke, name="personal-key-revoke"),
    path("accounts/", accounts.accounts, name="accounts"),
    path("accounts/<int:pk>/", accounts.account, name="account"),
    *(
        path(
            f"accounts/<int:pk>/{change}/",
            accounts.account_change,
            {"change": change},
            name=f"account-{change}",
        )
        for change in accounts.CHANGES
    ),
    path("accounts/<int:pk>/password/", accounts.account_password, name="account-password"),
    path(
        "accounts/<int:pk>/keys/<int:api_key>/revoke/",
        accounts.account_key_revoke,
        name="account-key-revoke",
    ),
    path("p/<slug:slug>/", loop.home, name="home"),
    path("p/<slug:slug>/loop/", loop.loop, name="loop"),
    path("p/<slug:slug>/menu/", start.project_menu, name="project-menu"),
    path("p/<slug:slug>/runs/", runs.runs, name="runs"),
    path("p/<slug:slug>/runs/<int:pk>/", runs.run, name="run"),
    path("p/<slug:slug>/runs/<int:pk>/card/", runs.run_card, name="run-card"),
    path("p/<slug:slug>/runs/<int:pk>/cancel/", runs.run_cancel, name="run-cancel"),
    path("p/<slug:slug>/runs/<int:pk>/resume/", runs.run_resume, name="run-resume"),
    path("p/<slug:slug>/people/", people.people, name="people"),
    path("p/<slug:slug>/people/add/", people.person_add, name="person-add"),
    path("p/<slug:slug>/people/<int:pk>/roles/", people.person_roles, name="person-roles"),
    path("p/<slug:slug>/people/<int:pk>/remove/", people.person_remove, name="person-remove"),
    path("p/<slug:slug>/people/<int:pk>/password/", people.person_password, name="person-password"),
    path("p/<slug:slug>/people/<int:pk>/account/", accounts.person_account, name="person-account"),
    *(
        path(
            f"p/<slug:slug>/people/<int:pk>/{change}/",
            accounts.person_change,
            {"change": change},
            name=f"person-{change}",
        )
        for change in accounts.CHANGES
    ),
    path(
        "p/<slug:slug>/people/<int:pk>/keys/<int:api_key>/revoke/",
        accounts.person_key_revoke,
        name="person-key-revoke",
    ),
    path("p/<slug:slug>/keys/", keys.keys, name="application-keys"),
    path("p/<slug:slug>/keys/<int:pk>/revoke/", keys.key_revoke, name="application-key-revoke"),
    path("p/<slug:slug>/settings/", settings.project_settings, name="settings"),
    path("p/<slug:slug>/audit/", audit.audit, name="audit"),
    path("p/<slug:slug>/audit.csv", audit.audit_csv, name="audit-csv"),
]
