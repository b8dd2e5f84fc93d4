"""What core's pages do: signing in, people and roles, keys, settings, the record, runs, one's own account."""

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from core.audit import sentences
from core.audit.actions import AuditAction
from core.audit.entries import record
from core.models import ApiKey, AuditEntry, Membership, Project, Role, Run, User
from core.services.keys import create_api_key
from tests.support.factories import PASSWORD, World, join, make_project, make_run, make_user
from tests.support.reading import text_of

pytestmark = pytest.mark.usefixtures("plain_stages")
SignIn = Callable[[User | None], Client]


def page(name: str, world: World, *args: object) -> str:
    return reverse(f"core:{name}", args=[world.project.slug, *args])


def member(world: World, role: str) -> Membership:
    return Membership.objects.get(project=world.project, user=getattr(world, role))


# --- signing in and out ------------------------------------------------------------------------------------


def test_sign_in_ignores_case_of_the_address_and_leads_into_the_only_project(world: World) -> None:
    client = Client()
    given = {"username": f"  {world.rater.email.upper()} ", "password": PASSWORD}
    answer = client.post(reverse("core:sign-in"), given, follow=True)
    assert answer.redirect_chain[-1][0] == page("home", world)
    assert b"Rater Member" in answer.content


def test_wrong_password_says_so_and_keeps_nobody_in(world: World) -> None:
    client = Client()
    answer = client.post(reverse("core:sign-in"), {"username": world.rater.email, "password": "no"})
    assert answer.status_code == 422
    assert b"Wrong e-mail or password." in answer.content
    assert "_auth_user_id" not in client.session


def test_too_many_tries_lock_the_address_whatever_its_spelling(world: World, settings) -> None:
    settings.SIGN_IN_TRIES = 3
    client, email = Client(), world.rater.email
    for spelling in (email, email.upper(), email.title()):
        answer = client.post(reverse("core:sign-in"), {"username": spelling, "password": "guess"})
    assert answer.status_code == 429
    answer = client.post(reverse("core:sign-in"), {"username": email, "password": PASSWORD})
    assert answer.status_code == 429
    assert b"Too many attempts" in answer.content
    assert b"15 min" in answer.content
    # Others are not shut out with it.
    other = client.post(reverse("core:sign-in"), {"username": world.admin.email, "password": PASSWORD})
    assert other.status_code == 302


def test_sign_in_never_leads_to_another_host(world: World) -> None:
    given = {"username": world.rater.email, "password": PASSWORD, "next": "https://evil.example/"}
    answer = Client().post(reverse("core:sign-in"), given)
    assert answer["Location"] == reverse("core:start")


def test_a_made_up_password_has_to_be_replaced_first(world: World) -> None:
    fresh = make_user("Fresh", must_change_password=True)
    client = Client()
    answer = client.post(reverse("core:sign-in"), {"username": fresh.email, "password": PASSWORD})
    to = reverse("core:password")
    assert client.get(answer["Location"])["Location"] == to
    join(world.project, fresh, Role.ADMIN)
    for name in ("home", "people", "settings"):
        assert client.get(page(name, world))["Location"] == to
    assert client.get(page("loop", world), headers={"HX-Request": "true"})["HX-Redirect"] == to
    assert client.get("/api/v1/me/").status_code == 403
    assert client.get(to).status_code == 200
    given = {"old": PASSWORD, "new": "a-password-of-ones-own", "again": "a-password-of-ones-own"}
    assert client.post(to, given)["Location"] == reverse("core:start")
    assert client.get(page("home", world)).status_code == 200
    assert client.get("/api/v1/me/").status_code == 200


def test_sign_out_ends_the_session(world: World, as_user: SignIn) -> None:
    client = as_user(world.rater)
    assert client.post(reverse("core:sign-out"))["Location"] == reverse("core:sign-in")
    assert client.get(reverse("core:me")).status_code == 302


def test_a_switched_off_account_cannot_sign_in(world: World) -> None:
    User.objects.filter(pk=world.rater.pk).update(is_active=False)
    answer = Client().post(reverse("core:sign-in"), {"username": world.rater.email, "password": PASSWORD})
    assert answer.status_code == 422


# --- first page, projects, the loop ------------------------------------------------------------------------


def test_first_page_lists_the_projects_of_somebody_in_several(world: World, as_user: SignIn) -> None:
    join(world.other, world.rater, Role.RATER)
    archived = make_project(name="Old trade")
    join(archived, world.rater, Role.RATER)
    Project.objects.filter(pk=archived.pk).update(archived_at="2026-01-01T00:00Z")
    text = as_user(world.rater).get(reverse("core:start")).content.decode()
    assert "Freight desk" in text
    assert "Elsewhere" in text
    assert "Old trade" not in text


def test_only_operators_create_projects(world: World, as_user: SignIn) -> None:
    url = reverse("core:project-new")
    assert as_user(world.admin).get(url).status_code == 403
    assert as_user(world.admin).post(url, {"name": "Mine"}).status_code == 403
    answer = as_user(world.operator).post(url, {"name": "Cold chain"})
    assert answer["Location"] == reverse("core:people", args=["cold-chain"])
    made = Project.objects.get(slug="cold-chain")
    assert made.memberships.get().roles == ["admin"]
    again = as_user(world.operator).post(url, {"name": "Cold chain"})
    assert again.status_code == 422
    assert b"There is already a project at" in again.content


def test_home_shows_stages_of_the_role_and_what_is_next_first(world: World, as_user: SignIn) -> None:
    text = as_user(world.annotator).get(page("home", world)).content.decode()
    assert "approved in Freight desk" in text
    assert text.count("Not your role") == 1
    assert text.index("37 edge cases") < text.index("It can wait.")
    rater = as_user(world.rater).get(page("home", world)).content.decode()
    assert "Nothing to do" in rater


def test_home_lives_on_when_a_stage_cannot_tell(world: World, as_user: SignIn, plain_stages) -> None:
    from dataclasses import replace

    from core.errors import PartAway

    def away(access: object) -> object:
        raise PartAway("The engine does not answer.")

    plain_stages["rate"] = replace(plain_stages["rate"], glance=away)
    answer = as_user(world.admin).get(page("home", world))
    assert answer.status_code == 200
    assert b"The engine does not answer." in answer.content


def test_lately_tells_a_rater_only_of_their_own_actions(world: World, as_user: SignIn) -> None:
    record(by=world.admin, project=world.project, action="version.released", obj=world.project, name="v8")
    record(by=world.rater, project=world.project, action="rating.given", obj=world.project)
    rater = as_user(world.rater).get(page("home", world)).content.decode()
    assert "released" not in rater
    assert "gave rating" in rater
    assert "released version" in as_user(world.viewer).get(page("home", world)).content.decode()


def test_lately_leaves_out_actions_too_small_to_tell(world: World, as_user: SignIn, monkeypatch) -> None:
    small = AuditAction("DrawerAction", {"OPENED": ("drawer.opened", "{actor} opened drawer {label}", True)})
    monkeypatch.setattr(
        sentences, "_actions", {**sentences._actions, **{str(action): action for action in small}}
    )
    for action in ("drawer.opened", "drawer.emptied"):
        record(by=world.admin, project=world.project, action=action, obj=world.project)
    text = as_user(world.admin).get(page("home", world)).content.decode()
    assert "emptied drawer" in text
    assert "opened drawer" not in text


def test_project_menu_offers_the_rooms_of_the_role_and_other_projects(world: World, as_user: SignIn) -> None:
    join(world.other, world.rater, Role.RATER)
    rater = as_user(world.rater).get(page("project-menu", world)).content.decode()
    assert "Elsewhere" in rater
    assert page("audit", world) not in rater
    assert page("audit", world) in as_user(world.viewer).get(page("project-menu", world)).content.decode()


# --- people ------------------------------------------------------------------------------------------------


def test_adding_somebody_new_shows_the_first_password_once_and_it_works(
    world: World, as_user: SignIn
) -> None:
    client = as_user(world.admin)
    given = {"email": " New@Example.org ", "name": "Nia New", "roles": ["annotator", "rater"]}
    answer = client.post(page("person-add", world), given)
    secret = re.search(r'id="secret"[^>]*>([^<]+)<', answer.content.decode())
    assert secret
    person = User.objects.get(email="new@example.org")
    assert person.check_password(secret[1])
    assert person.must_change_password
    assert Membership.objects.get(user=person).roles == ["annotator", "rater"]
    assert secret[1] not in client.get(page("people", world)).content.decode()
    assert not AuditEntry.objects.filter(detail__icontains=secret[1]).exists()


def test_adding_an_existing_account_makes_no_new_password(world: World, as_user: SignIn) -> None:
    given = {"email": world.neighbour.email.upper(), "roles": ["viewer"]}
    answer = as_user(world.admin).post(page("person-add", world), given, follow=True)
    assert b"Neighbour is now in Freight desk" in answer.content
    world.neighbour.refresh_from_db()
    assert world.neighbour.check_password(PASSWORD)


@pytest.mark.parametrize(
    "given",
    [
        {"email": "nope", "roles": ["rater"]},
        {"email": "a@b.example", "roles": []},
        {"email": "a@b.example", "roles": ["emperor"]},
        {},
    ],
)
def test_adding_nonsense_changes_nothing(given: dict[str, object], world: World, as_user: SignIn) -> None:
    before = User.objects.count()
    answer = as_user(world.admin).post(page("person-add", world), given)
    assert answer.status_code == 422
    assert User.objects.count() == before


def test_adding_a_member_again_is_told_at_the_field(world: World, as_user: SignIn) -> None:
    answer = as_user(world.admin).post(
        page("person-add", world), {"email": world.rater.email, "roles": ["admin"]}
    )
    assert answer.status_code == 409
    assert "already in this project" in answer.context["form"].errors["email"][0]
    assert member(world, "rater").roles == ["rater"]


def test_roles_change_and_the_last_admin_stays(world: World, as_user: SignIn) -> None:
    client = as_user(world.admin)
    changed = client.post(
        page("person-roles", world, member(world, "rater").pk), {"roles": ["rater", "admin"]}
    )
    assert changed.status_code == 302
    assert member(world, "rater").roles == ["rater", "admin"]
    own = page("person-roles", world, member(world, "admin").pk)
    assert client.post(own, {"roles": ["viewer"]})["Location"] == page("home", world)
    refused = as_user(world.rater).post(
        page("person-roles", world, member(world, "rater").pk), {"roles": ["rater"]}
    )
    assert refused.status_code == 409
    assert b"A project needs an admin" in refused.content


def test_the_last_admin_cannot_be_removed_others_can(world: World, as_user: SignIn) -> None:
    client = as_user(world.admin)
    refused = client.post(page("person-remove", world, member(world, "admin").pk))
    assert refused.status_code == 409
    assert b"A project needs an admin" in refused.content
    # From the page with the button, the message comes on that page.
    people = page("people", world)
    there = client.post(
        page("person-remove", world, member(world, "admin").pk),
        headers={"Referer": f"http://testserver{people}?q=a"},
        follow=True,
    )
    assert there.redirect_chain == [(f"{people}?q=a", 302)]
    assert "A project needs an admin. First make another person admin." in there.content.decode()
    assert 'role="alert"' in there.content.decode()
    client.post(page("person-remove", world, member(world, "rater").pk))
    assert not world.rater.memberships.exists()
    assert as_user(world.rater).get(page("home", world)).status_code == 404


def test_a_new_password_is_not_given_to_somebody_of_another_project(world: World, as_user: SignIn) -> None:
    client = as_user(world.admin)
    url = page("person-password", world, member(world, "rater").pk)
    first = re.search(r'id="secret"[^>]*>([^<]+)<', client.post(url).content.decode())
    assert first
    world.rater.refresh_from_db()
    assert world.rater.check_password(first[1])
    # A member elsewhere too: this admin must not get into that project through their account.
    join(world.other, world.rater, Role.ADMIN)
    refused = client.post(url)
    assert refused.status_code == 400
    assert b"projects where you are not an admin" in refused.content
    world.rater.refresh_from_db()
    assert world.rater.check_password(first[1])


def test_people_are_found_by_name_and_role(world: World, as_user: SignIn) -> None:
    client = as_user(world.viewer)
    found = client.get(page("people", world), {"q": "rater mem"}).content.decode()
    assert world.rater.email in found
    assert world.annotator.email not in found
    found = client.get(page("people", world), {"role": "reviewer"}).content.decode()
    assert world.reviewer.email in found
    assert world.rater.email not in found
    assert b"No one matches" in client.get(page("people", world), {"q": "zzz"}).content


# --- keys and tokens ---------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_revoked_for_good(world: World, as_user: SignIn) -> None:
    client = as_user(world.admin)
    made = client.post(page("application-keys", world), {"name": "help desk"})
    secret = re.search(r'id="secret"[^>]*>(gk_[^<]+)<', made.content.decode())
    assert secret
    key = ApiKey.objects.get()
    assert secret[1] not in (key.digest, key.prefix)
    assert secret[1] not in client.get(page("application-keys", world)).content.decode()
    client.post(page("application-key-revoke", world, key.pk))
    key.refresh_from_db()
    assert key.revoked_at
    assert client.post(page("application-key-revoke", world, key.pk)).status_code == 409
    assert b"revoked" in client.get(page("application-keys", world)).content


def test_a_key_without_a_name_is_refused(world: World, as_user: SignIn) -> None:
    assert as_user(world.admin).post(page("application-keys", world), {"name": " "}).status_code == 422
    assert not ApiKey.objects.exists()


def test_personal_key_are_one_s_own(world: World, as_user: SignIn) -> None:
    made = as_user(world.rater).post(reverse("core:personal-keys"), {"name": "notebook"})
    assert b"gh_" in made.content
    api_key = ApiKey.objects.get(user=world.rater)
    url = reverse("core:personal-key-revoke", args=[api_key.pk])
    assert as_user(world.admin).post(url).status_code == 404
    assert as_user(world.rater).post(url).status_code == 302
    api_key.refresh_from_db()
    assert api_key.revoked_at


# --- settings ----------------------------------------------------------------------------------------------


def test_settings_are_saved_and_on_record(world: World, as_user: SignIn) -> None:
    given = {
        "name": "Freight",
        "description": "d",
        "guideline": "# Be kind",
        "system_prompt": "",
        "lease_minutes": 45,
        "temperature": 0.7,
        "max_tokens": 300,
    }
    assert as_user(world.admin).post(page("settings", world), given).status_code == 302
    world.project.refresh_from_db()
    assert (world.project.name, world.project.lease_minutes) == ("Freight", 45)
    assert (world.project.temperature, world.project.max_tokens) == (0.7, 300)
    entry = AuditEntry.objects.get(action="project.changed")
    assert entry.detail["changed"]["lease_minutes"] == [30, 45]
    assert entry.detail["changed"]["temperature"] == [0.2, 0.7]
    assert entry.detail["changed"]["max_tokens"] == [512, 300]


def test_guideline_and_system_prompt_are_kept_as_written_whoever_sends_them(
    world: World, as_user: SignIn
) -> None:
    """Browsers send other line ends than programs, and a first line may be indented."""
    written = "    if late:\n\tsay so\n"
    given = {
        "name": "Freight",
        "description": "",
        "guideline": written.replace("\n", "\r\n"),
        "system_prompt": written.replace("\n", "\r\n"),
        "lease_minutes": 45,
        "temperature": 0.7,
        "max_tokens": 300,
    }
    for _ in range(2):
        assert as_user(world.admin).post(page("settings", world), given).status_code == 302
        world.project.refresh_from_db()
        assert (world.project.guideline, world.project.system_prompt) == (written, written)
    # Saved again, it is no change.
    assert AuditEntry.objects.filter(action="project.changed").count() == 1


WRONG_SETTINGS: list[tuple[str, object]] = [
    ("lease_minutes", 0),
    ("lease_minutes", 481),
    ("name", ""),
    ("temperature", -0.1),
    ("temperature", 2.1),
    ("temperature", "nan"),
    ("temperature", ""),
    ("max_tokens", 0),
    ("max_tokens", 8193),
    ("max_tokens", "many"),
]


@pytest.mark.parametrize(("field", "value"), WRONG_SETTINGS)
def test_wrong_settings_are_refused_and_change_nothing(
    field: str, value: object, world: World, as_user: SignIn
) -> None:
    given = {
        "name": "X",
        "description": "",
        "guideline": "",
        "system_prompt": "",
        "lease_minutes": 30,
        "temperature": 0.2,
        "max_tokens": 512,
        field: value,
    }
    answer = as_user(world.admin).post(page("settings", world), given)
    assert answer.status_code == 422
    assert b"aria-invalid" in answer.content
    assert b"Freight desk" in answer.content, "the page still names the project as it is stored"
    world.project.refresh_from_db()
    assert world.project.name == "Freight desk"


# --- the record --------------------------------------------------------------------------------------------


@pytest.fixture
def actions(world: World) -> None:
    record(by=world.admin, project=world.project, action="member.added", obj=world.rater, roles=["rater"])
    record(by=world.annotator, project=world.project, action="example.submitted", obj=world.project)
    record(
        by=None, project=world.project, action="run.succeeded", obj=make_run(world.project, title="Import 7")
    )
    record(by=world.neighbour, project=world.other, action="secret.action", obj=world.other)


@pytest.mark.parametrize(
    ("wanted", "there", "gone"),
    [
        ({}, ["as rater", "submitted example", "Import 7 is done"], ["secret"]),
        ({"what": "member add"}, ["as rater"], ["Import 7"]),
        ({"object": "import 7"}, ["Import 7 is done"], ["as rater"]),
        ({"who": "Guildhall"}, ["Import 7 is done"], ["as rater"]),
        ({"since": "2999-01-01"}, ["Nothing matches"], ["Import 7"]),
        ({"until": "2000-01-01"}, ["Nothing matches"], ["Import 7"]),
        ({"page": "x"}, ["Import 7 is done"], []),
        ({"since": "not a date"}, ["Nothing to list", "Give a date as 2026-11-25."], ["Import 7 is done"]),
        ({"until": "9999-12-31"}, ["Import 7 is done"], []),
        ({"since": "0001-01-01"}, ["Import 7 is done"], []),
    ],
)
@pytest.mark.usefixtures("actions")
def test_the_record_is_found_by_its_filters(
    wanted: dict[str, str], there: list[str], gone: list[str], world: World, as_user: SignIn
) -> None:
    text = as_user(world.viewer).get(page("audit", world), wanted).content.decode()
    for words in there:
        assert words in text
    for words in gone:
        assert words not in text


@pytest.mark.usefixtures("actions")
def test_the_record_by_person(world: World, as_user: SignIn) -> None:
    text = as_user(world.viewer).get(page("audit", world), {"who": world.annotator.pk}).content.decode()
    assert "submitted example" in text
    assert "Import 7" not in text


@pytest.mark.usefixtures("actions")
def test_the_record_as_csv_is_filtered_and_harmless_in_a_spreadsheet(world: World, as_user: SignIn) -> None:
    evil = make_user('=cmd|"/c calc"!A1')
    record(by=evil, project=world.project, action="example.submitted", obj=world.project)
    answer = as_user(world.admin).get(page("audit-csv", world), {"what": "example"})
    lines = b"".join(answer).decode().splitlines()
    assert lines[0] == "at,actor,action,object_type,object_id,object_label,detail"
    assert len(lines) == 3
    assert all("example.submitted" in line for line in lines[1:])
    assert any("'=cmd" in line for line in lines)
    assert lines[1].endswith(",{}")
    assert not any(re.search(r'(^|,)"?=', line) for line in lines)


# --- runs --------------------------------------------------------------------------------------------------


def test_an_active_card_asks_again_and_an_ended_one_does_not(world: World, as_user: SignIn) -> None:
    client = as_user(world.admin)
    active = make_run(world.project, status=Run.Status.RUNNING, done=62, total=100, message="Step 62 of 100.")
    text = client.get(page("run-card", world, active.pk), {"link": "1"}).content.decode()
    assert "every 2s" in text
    assert 'value="62"' in text
    assert "Step 62 of 100." in text
    assert page("run", world, active.pk) in text
    failed = make_run(
        world.project,
        status=Run.Status.FAILED,
        error_message="12 rows <too> long.",
        error_advice="Shorten them.",
    )
    text = client.get(page("run-card", world, failed.pk)).content.decode()
    assert "every 2s" not in text
    assert "12 rows &lt;too&gt; long." in text
    assert "Shorten them." in text
    assert "Cancel" not in text


def test_cancelling_a_waiting_run_ends_it_and_the_second_time_is_a_conflict(
    world: World, as_user: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.runs import kinds

    # Other tests look at all kinds there are: this one is gone afterwards.
    monkeypatch.setattr(kinds, "_kinds", dict(kinds._kinds))
    kinds.register_kind(kinds.RunKind("pages-test", "Test", queue="default", runner="nowhere:run"))
    run = make_run(world.project, kind="pages-test")
    client = as_user(world.admin)
    answer = client.post(page("run-cancel", world, run.pk), headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert b"Cancelled" in answer.content
    again = client.post(page("run-cancel", world, run.pk), headers={"HX-Request": "true"})
    assert again.status_code == 409
    assert again["HX-Retarget"] == "#toasts"
    assert b"already ended" in again.content


def test_runs_are_found_by_status_and_title(world: World, as_user: SignIn) -> None:
    make_run(world.project, title="Import carrier FAQ", status=Run.Status.SUCCEEDED)
    make_run(world.project, title="LoRA on dataset 5", status=Run.Status.RUNNING)
    make_run(world.other, title="Their run")
    client = as_user(world.viewer)
    assert b"Their run" not in client.get(page("runs", world)).content
    active = client.get(page("runs", world), {"status": "active"}).content.decode()
    assert "LoRA on dataset 5" in active
    assert "carrier FAQ" not in active
    assert "data-action" not in active, "a viewer has no Cancel button"


def test_a_run_of_no_project_is_for_operators(world: World, as_user: SignIn) -> None:
    run = make_run(None, title="Fetch a base model", status=Run.Status.RUNNING)
    card = reverse("core:deployment-run-card", args=[run.pk])
    assert b"Fetch a base model" in as_user(world.operator).get(card).content
    assert as_user(world.admin).get(card).status_code == 404
    own = reverse("core:deployment-run-card", args=[make_run(world.project).pk])
    assert as_user(world.operator).get(own).status_code == 404
    cancel = reverse("core:deployment-run-cancel", args=[run.pk])
    assert as_user(world.admin).post(cancel).status_code == 404
    assert as_user(world.operator).post(cancel).status_code == 200
    run.refresh_from_db()
    assert run.status == Run.Status.CANCELLING


# --- one's own account -------------------------------------------------------------------------------------


def test_changing_the_password_keeps_this_browser_and_ends_the_others(world: World) -> None:
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        client.post(reverse("core:sign-in"), {"username": world.rater.email, "password": PASSWORD})
    new = "a much longer secret 7"
    given = {"old": PASSWORD, "new": new, "again": new}
    assert here.post(reverse("core:password"), given).status_code == 302
    assert here.get(reverse("core:me")).status_code == 200
    assert elsewhere.get(reverse("core:me")).status_code == 302
    world.rater.refresh_from_db()
    assert world.rater.check_password(new)


@pytest.mark.parametrize(
    "given",
    [
        {"old": "wrong", "new": "a much longer secret 7", "again": "a much longer secret 7"},
        {"old": PASSWORD, "new": "short", "again": "short"},
        {"old": PASSWORD, "new": "a much longer secret 7", "again": "another long secret 7"},
        {"old": PASSWORD, "new": "1234567890123", "again": "1234567890123"},
        {},
    ],
)
def test_a_password_that_will_not_do_changes_nothing(
    given: dict[str, str], world: World, as_user: SignIn
) -> None:
    answer = as_user(world.rater).post(reverse("core:password"), given)
    assert answer.status_code == 422
    world.rater.refresh_from_db()
    assert world.rater.check_password(PASSWORD)


def test_theme_is_stored_and_written_on_the_page(world: World, as_user: SignIn) -> None:
    client = as_user(world.rater)
    assert client.post(reverse("core:theme"), {"theme": "dark"}).status_code == 204
    assert b'data-theme="dark"' in client.get(reverse("core:me")).content
    assert client.cookies["gh_theme"].value == "dark"
    back = client.post(reverse("core:theme"), {"theme": "light", "next": "/me/"})
    assert back["Location"] == "/me/"
    assert client.post(reverse("core:theme"), {"theme": "light", "next": "//evil.example"}).status_code == 204
    assert client.post(reverse("core:theme"), {"theme": "pink"}).status_code == 422
    world.rater.refresh_from_db()
    assert world.rater.theme == "light"


def test_own_work_is_one_s_own(world: World, as_user: SignIn) -> None:
    record(by=world.annotator, project=world.project, action="example.submitted", obj=world.project)
    record(by=world.annotator, project=world.project, action="example.submitted", obj=world.project)
    text = as_user(world.annotator).get(reverse("core:me")).content.decode()
    assert "Examples submitted" in text
    assert "<dd>2</dd>" in text
    assert "Examples submitted" not in as_user(world.rater).get(reverse("core:me")).content.decode()


def test_renaming_oneself(world: World, as_user: SignIn) -> None:
    client = as_user(world.rater)
    client.post(reverse("core:rename"), {"name": "  Rosa  "})
    world.rater.refresh_from_db()
    assert world.rater.name == "Rosa"
    assert client.post(reverse("core:rename"), {"name": ""}).status_code == 422


def test_names_are_escaped_wherever_they_stand(world: World, as_user: SignIn) -> None:
    User.objects.filter(pk=world.rater.pk).update(name="<script>alert(1)</script>")
    world.rater.refresh_from_db()
    record(by=world.rater, project=world.project, action="thing.done", obj=world.project, note="<b>x</b>")
    client = as_user(world.admin)
    for name in ("home", "people", "audit"):
        assert b"<script>alert(1)" not in client.get(page(name, world)).content, name
    assert b"<script>alert(1)" not in as_user(world.rater).get(reverse("core:me")).content


# --- lists stay cheap --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["people", "application-keys", "audit", "runs", "home"])
def test_queries_of_a_list_do_not_grow_with_it(name: str, world: World, as_user: SignIn) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def fill(n: int) -> None:
        for _ in range(n):
            person = make_user()
            join(world.project, person, Role.RATER)
            create_api_key(by=world.admin, name="k", project=world.project)
            make_run(world.project, created_by=person, status=Run.Status.RUNNING)
            record(by=person, project=world.project, action="thing.done", obj=person)

    client = as_user(world.admin)
    fill(2)
    client.get(page(name, world))
    with CaptureQueriesContext(connection) as few:
        client.get(page(name, world))
    fill(12)
    with CaptureQueriesContext(connection) as many:
        client.get(page(name, world))
    assert len(many) == len(few), [q["sql"] for q in many.captured_queries]
    assert len(many) <= 12


def test_pagination_keeps_the_filters(world: World, as_user: SignIn) -> None:
    for n in range(60):
        join(world.project, make_user(f"Twin {n}"), Role.RATER)
    shown = as_user(world.viewer).get(page("people", world), {"q": "twin", "page": 2})
    assert "51–60 of 60 people" in text_of(shown)
    assert re.search(r'href="\?q=twin&amp;page=1"', shown.content.decode())
