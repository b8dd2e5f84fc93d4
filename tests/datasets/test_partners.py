"""An outside partner sees the sources that an admin has chosen for them, and nothing else of the project."""

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from core.access import Access
from core.errors import Conflict, Invalid
from core.models import AuditEntry, Membership, Role
from core.roles import MEMBERS
from core.services.projects import change_roles, invite
from dataset.models import Source, SourcePartner
from dataset.queries.sources import sources_seen_by
from dataset.services.sources import hide_from_partner, let_partner_see
from tests.datasets.desk import SignIn
from tests.support.factories import World, join, make_example, make_user
from tests.test_permission_walk import ask, in_projects, samples_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]

# Every address that lets a partner in; a new one must be thought about here.
OPEN = {
    "p/<slug:slug>/",
    "p/<slug:slug>/menu/",
    "p/<slug:slug>/data/sources/",
    "p/<slug:slug>/data/sources/<int:pk>/",
    "p/<slug:slug>/data/sources/<int:pk>/examples/",
    "api/v1/projects/<slug:slug>/sources/",
    "api/v1/projects/<slug:slug>/sources/<int:pk>/",
    "api/v1/projects/<slug:slug>/sources/<int:pk>/examples/",
}


@pytest.fixture
def mine(world: World) -> Source:
    """A source that the partner sees, with one example that people worked on."""
    source = Source.objects.create(project=world.project, name="Partner's desk", contact="desk@example.org")
    let_partner_see(by=world.admin, source=source, membership=membership(world))
    make_example(
        world.project, "Where is the partner's crate?", "It is at sea.", source=source.name,
        status="approved", created_by=world.annotator, submitted_by=world.reviewer,
    )  # fmt: skip
    return source


@pytest.fixture
def theirs(world: World) -> Source:
    source = Source.objects.create(project=world.project, name="Somebody else's desk")
    make_example(world.project, "Where is the other crate?", "In port.", source=source.name)
    return source


def membership(world: World) -> Membership:
    return Membership.objects.get(project=world.project, user=world.partner)


# --- what they see -----------------------------------------------------------------------------------------
def test_a_partner_reads_their_source_and_its_examples(
    world: World, mine: Source, theirs: Source, as_user: SignIn
):
    client = as_user(world.partner)
    home = client.get(reverse("core:home", args=[world.project.slug]))
    assert (home.status_code, home["Location"]) == (
        302,
        reverse("datasets:sources", args=[world.project.slug]),
    )
    listed = client.get(home["Location"]).content.decode()
    assert mine.name.replace("'", "&#x27;") in listed
    assert "Somebody else" not in listed
    page = client.get(reverse("datasets:source", args=[world.project.slug, mine.pk])).content.decode()
    assert "desk@example.org" in page
    examples = client.get(reverse("datasets:source-examples", args=[world.project.slug, mine.pk]))
    assert "It is at sea." in examples.content.decode()
    api = f"/api/v1/projects/{world.project.slug}/sources/"
    assert [row["id"] for row in client.get(api).json()["results"]] == [mine.pk]
    (row,) = client.get(f"{api}{mine.pk}/examples/").json()["results"]
    assert row["completion"] == "It is at sea."
    assert not {"created_by", "submitted_by", "origin_detail", "source"} & set(row)


@pytest.mark.parametrize("page", ["source", "source-examples"])
def test_another_source_does_not_exist_for_them(
    world: World, mine, theirs: Source, as_user: SignIn, page: str
):
    client = as_user(world.partner)
    assert client.get(reverse(f"datasets:{page}", args=[world.project.slug, theirs.pk])).status_code == 404
    tail = "examples/" if page == "source-examples" else ""
    assert client.get(f"/api/v1/projects/{world.project.slug}/sources/{theirs.pk}/{tail}").status_code == 404


def test_no_page_of_theirs_names_a_person_a_version_or_another_page(
    world: World, mine: Source, as_user: SignIn
):
    from tests.support.factories import make_frozen, make_training, make_version

    dataset = make_frozen(world.project, world.admin)
    training = make_training(world.project, world.admin, dataset=dataset, status="succeeded")
    make_version(world.project, world.admin, training_run=training, base_model=training.base_model)
    client = as_user(world.partner)
    slug = world.project.slug
    pages = [
        reverse("datasets:sources", args=[slug]),
        reverse("datasets:source", args=[slug, mine.pk]),
        reverse("datasets:source-examples", args=[slug, mine.pk]),
        reverse("core:project-menu", args=[slug]),
    ]
    hidden = [person.name for role, person in world.people().items() if role != "partner"]
    hidden += [
        "Dataset 1",
        "/people/",
        "/audit/",
        "/settings/",
        "/train/",
        "/datasets/",
        "/imports/",
        "/annotate/examples/",
    ]
    for url in pages:
        text = client.get(url).content.decode()
        assert [words for words in hidden if words in text] == [], url


# --- what they do not see ----------------------------------------------------------------------------------
def test_every_other_address_of_the_project_refuses_them(world: World, as_user: SignIn):
    """Each address, read and written: 403 (or the method is wrong), but for those of OPEN."""
    world, samples = samples_of(world)
    client = as_user(world.partner)
    wrong, opened = [], set()
    for address in in_projects():
        path = address.filled(world.project.slug, samples)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            status = ask(client, method, path)
            if address.route in OPEN and method == "GET":
                opened.add(address.route)
                if status not in {200, 302}:
                    wrong.append(f"{method} {path}: {status}")
            elif status not in {403, 405}:
                wrong.append(f"{method} {path}: {status}")
    assert wrong == []
    assert opened == OPEN


def test_only_the_addresses_that_name_the_role_let_them_in():
    named = {address.route for address in in_projects() if Role.PARTNER in (address.roles("GET") or ())}
    assert named == OPEN
    assert not [
        address.route
        for address in in_projects()
        if "api/" in address.route and Role.PARTNER in (address.roles("POST") or ())
    ]


def test_their_key_opens_no_more_than_their_session(world: World, mine: Source):
    from core.services.keys import create_api_key

    _, secret = create_api_key(by=world.partner, name="program")
    headers = {"Authorization": f"Bearer {secret}"}
    api = f"/api/v1/projects/{world.project.slug}/"
    client = Client()
    assert client.get(f"{api}sources/", headers=headers).status_code == 200
    for path in (
        "",
        "examples/",
        "datasets/",
        "people/",
        "audit/",
        "loop/",
        "withdrawals/",
        f"sources/{mine.pk}/partners/",
    ):
        assert client.get(api + path, headers=headers).status_code == 403, path


def test_the_installation_wide_lists_show_them_no_settings(world: World, as_user: SignIn):
    """The list of one's own projects gives names, but to a partner not the guideline or the system prompt."""
    world.project.guideline = "Secret guideline"
    world.project.save()
    for url in ("/api/v1/projects/", "/api/v1/me/", "/?all"):
        text = as_user(world.partner).get(url).content.decode()
        assert "Secret guideline" not in text, url
        assert "You answer for the freight desk" not in text, url
    assert "Secret guideline" in as_user(world.rater).get("/api/v1/projects/").content.decode()


# --- the role ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("role", MEMBERS)
def test_the_role_is_held_alone(world: World, role: Role):
    with pytest.raises(Invalid, match="no other role"):
        change_roles(by=world.admin, membership=membership(world), roles=[Role.PARTNER, role])
    with pytest.raises(Invalid):
        invite(
            by=world.admin,
            project=world.project,
            email="new@example.org",
            name="New",
            roles=[role, Role.PARTNER],
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.filter(pk=membership(world).pk).update(roles=[Role.PARTNER, role])


def test_a_partner_who_becomes_a_member_sees_what_members_see(world: World, mine: Source, theirs: Source):
    changed = change_roles(by=world.admin, membership=membership(world), roles=[Role.VIEWER])
    access = Access(user=world.partner, project=world.project, roles=frozenset(changed.roles))
    assert set(sources_seen_by(access)) == {mine, theirs}


# --- choosing their sources --------------------------------------------------------------------------------
def test_an_admin_chooses_on_the_page_of_the_source(world: World, theirs: Source, as_user: SignIn):
    client = as_user(world.admin)
    page = reverse("datasets:source", args=[world.project.slug, theirs.pk])
    assert "Partner Member" in client.get(page).content.decode()
    add = reverse("datasets:source-partner-add", args=[world.project.slug, theirs.pk])
    assert client.post(add, {"partner": membership(world).pk}).status_code == 302
    shown = SourcePartner.objects.get()
    assert (shown.membership, shown.added_by) == (membership(world), world.admin)
    assert as_user(world.partner).get(page).status_code == 200
    remove = reverse("datasets:source-partner-remove", args=[world.project.slug, theirs.pk, shown.pk])
    assert client.post(remove).status_code == 302
    assert as_user(world.partner).get(page).status_code == 404
    actions = AuditEntry.objects.filter(action__in=["source.shown", "source.hidden"]).order_by("pk")
    assert [entry.detail["partner"] for entry in actions] == ["Partner Member"] * 2


def test_the_page_of_people_leads_to_the_sources_of_a_partner(
    world: World, mine: Source, theirs: Source, as_user: SignIn
):
    client = as_user(world.admin)
    people = client.get(reverse("core:people", args=[world.project.slug])).content.decode()
    url = f"{reverse('datasets:sources', args=[world.project.slug])}?partner={membership(world).pk}"
    assert people.count(url) == 1
    listed = client.get(url).content.decode()
    assert "Only the sources that one partner sees" in listed
    assert theirs.name.replace("'", "&#x27;") not in listed
    SourcePartner.objects.all().delete()
    assert "This partner sees no source" in client.get(url).content.decode()


def test_nobody_but_a_partner_of_this_project_can_be_chosen(world: World, theirs: Source, as_user: SignIn):
    rater = Membership.objects.get(project=world.project, user=world.rater)
    elsewhere = join(world.other, make_user("Partner elsewhere"), Role.PARTNER)
    for wrong in (rater, elsewhere):
        with pytest.raises(Invalid):
            let_partner_see(by=world.admin, source=theirs, membership=wrong)
        add = reverse("datasets:source-partner-add", args=[world.project.slug, theirs.pk])
        as_user(world.admin).post(add, {"partner": wrong.pk})
    assert not SourcePartner.objects.exists()


def test_choosing_twice_is_a_conflict(world: World, mine: Source):
    with pytest.raises(Conflict):
        let_partner_see(by=world.admin, source=mine, membership=membership(world))
    shown = SourcePartner.objects.get()
    hide_from_partner(by=world.admin, partner=shown)
    with pytest.raises(Conflict):
        hide_from_partner(by=world.admin, partner=shown)


def test_the_api_chooses_and_hides(world: World, theirs: Source, as_user: SignIn):
    url = f"/api/v1/projects/{world.project.slug}/sources/{theirs.pk}/partners/"
    client = as_user(world.admin)
    made = client.post(url, {"membership": membership(world).pk}, content_type="application/json")
    assert made.status_code == 201
    assert client.post(url, {"membership": 10**9}, content_type="application/json").status_code == 404
    assert [row["user"]["name"] for row in client.get(url).json()["results"]] == ["Partner Member"]
    assert client.delete(f"{url}{made.json()['id']}/").status_code == 204
    assert client.delete(f"{url}{made.json()['id']}/").status_code == 404


def test_removing_the_person_removes_what_they_saw(world: World, mine: Source):
    from core.services.projects import remove_member

    remove_member(by=world.admin, membership=membership(world))
    assert not SourcePartner.objects.exists()
