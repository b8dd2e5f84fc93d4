"""Sources as documents: their fields, names, pages and API."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.urls import reverse
from django.utils import timezone

from annotation.models import Example
from core.access import Access
from core.errors import Conflict, Invalid
from core.models import AuditEntry, Role, Run
from dataset.home import next_items
from dataset.models import Source
from dataset.services import sources as sources_module
from dataset.services.sources import change_source, create_source, source_stamp
from tests.datasets.desk import SignIn, approve
from tests.datasets.test_withdrawal import context
from tests.support.factories import World, make_example, make_frozen

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


@pytest.fixture
def source(world: World) -> Source:
    return create_source(by=world.admin, project=world.project, name="Desk 2024", license="CC BY 4.0")


def api(world: World, path: str = "") -> str:
    return f"/api/v1/projects/{world.project.slug}/sources/{path}"


# --- the service -------------------------------------------------------------------------------------------
def test_a_new_source_starts_with_an_unknown_consent_and_is_audited(world: World, source: Source):
    assert (source.consent, source.withdrawn_at, source.expires_on) == ("unknown", None, None)
    entry = AuditEntry.objects.get(action="source.created")
    assert (entry.object_label, entry.actor_id) == ("Desk 2024", world.admin.pk)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "Desk 2024"}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": "a", "consent": "perhaps"}, "consent"),
        ({"name": "a", "description": "x" * 10_001}, "description"),
    ],
)
def test_wrong_values_are_refused_with_their_field(world: World, source: Source, values, field):
    with pytest.raises(Invalid) as refused:
        create_source(by=world.admin, project=world.project, **values)
    assert list(refused.value.fields) == [field]
    assert Source.objects.count() == 1


def test_examples_follow_a_new_name(world: World, source: Source):
    example = make_example(world.project, source="Desk 2024", status="approved")
    elsewhere = Source.objects.create(project=world.other, name="Desk 2024")
    other = make_example(world.other, source="Desk 2024")
    change_source(by=world.admin, source=source, name="Desk, 2024")
    example.refresh_from_db()
    other.refresh_from_db()
    assert example.source == "Desk, 2024"
    assert (other.source, elsewhere.name) == ("Desk 2024", "Desk 2024")
    change = AuditEntry.objects.get(action="source.changed")
    assert change.detail["changed"] == {"name": ["Desk 2024", "Desk, 2024"]}
    assert make_frozen(world.project, world.admin).counts["total"] == 1


def test_examples_with_the_license_of_the_source_follow_a_new_one(world: World, source: Source):
    """An import writes the license of the source into each example: a correction must reach them."""
    same = make_example(world.project, source=source.name, license="CC BY 4.0")
    own = make_example(world.project, source=source.name, license="CC0-1.0")
    elsewhere = make_example(world.project, license="CC BY 4.0")
    change_source(by=world.admin, source=source, license="CC-BY-NC-4.0")
    for example, license_ in ((same, "CC-BY-NC-4.0"), (own, "CC0-1.0"), (elsewhere, "CC BY 4.0")):
        example.refresh_from_db()
        assert example.license == license_


def test_a_job_gives_examples_the_license_that_the_source_has_by_then(
    world: World, source: Source, monkeypatch
):
    from dataset.runner import withdrawals as runner

    monkeypatch.setattr(sources_module, "AT_ONCE", 2)
    monkeypatch.setattr(runner, "BATCH", 2)
    for _ in range(3):
        make_example(world.project, source=source.name, license="CC BY 4.0")

    def licenses() -> set[str]:
        return set(Example.objects.values_list("license", flat=True))

    change_source(by=world.admin, source=source, license="CC-BY-NC-4.0")
    first = Run.objects.get(kind="relicense_source")
    assert licenses() == {"CC BY 4.0"}
    change_source(by=world.admin, source=source, license="CC0-1.0")
    assert Run.objects.filter(kind="relicense_source").count() == 1  # nothing has the license in between
    runner.relicense(context(first))
    assert licenses() == {"CC0-1.0"}  # the one that the source has by now
    change_source(by=world.admin, source=source, license="MIT")
    second = Run.objects.filter(kind="relicense_source").latest("pk")
    change_source(by=world.admin, source=source, license="CC0-1.0")
    runner.relicense(context(second))
    assert licenses() == {"CC0-1.0"}  # it was changed back, and the job ends


def test_a_job_changes_the_license_in_batches(world: World, source: Source, monkeypatch):
    from dataset.runner import withdrawals as runner

    monkeypatch.setattr(sources_module, "AT_ONCE", 2)
    monkeypatch.setattr(runner, "BATCH", 2)
    for license_ in ("CC BY 4.0", "CC BY 4.0", "CC BY 4.0", "CC0-1.0"):
        make_example(world.project, source=source.name, license=license_)
    change_source(by=world.admin, source=source, license="MIT")
    runner.relicense(context(Run.objects.get(kind="relicense_source")))
    assert sorted(Example.objects.values_list("license", flat=True)) == ["CC0-1.0", "MIT", "MIT", "MIT"]


def test_a_name_that_another_source_has_is_refused(world: World, source: Source):
    create_source(by=world.admin, project=world.project, name="Handbook")
    with pytest.raises(Invalid, match=r"not saved"):
        change_source(by=world.admin, source=source, name="Handbook")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("lock", "word"), [("datasets.dataimport", "import"), ("annotation.freeze", "freeze")]
)
def test_a_source_keeps_its_name_while_a_job_uses_it(world: World, lock: str, word: str):
    source = create_source(by=world.admin, project=world.project, name="Desk 2024")
    key = f"{lock}.{world.project.pk}"
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [key])
        with pytest.raises(Conflict, match=f"(?i){word} of this project is running"):
            change_source(by=world.admin, source=source, name="Desk, 2024")
        change_source(by=world.admin, source=source, owner="The desk")
    finally:
        other.close()
    source.refresh_from_db()
    assert (source.name, source.owner) == ("Desk 2024", "The desk")


def test_two_people_who_change_it_do_not_overwrite_each_other(world: World, source: Source):
    seen = source_stamp(source)
    change_source(by=world.admin, source=source, seen=seen, owner="The desk")
    with pytest.raises(Conflict):
        change_source(by=world.admin, source=source, seen=seen, owner="Somebody")
    source.refresh_from_db()
    assert source.owner == "The desk"


def test_the_database_refuses_a_withdrawal_without_a_reason(source: Source):
    with pytest.raises(IntegrityError), transaction.atomic():
        Source.objects.filter(pk=source.pk).update(withdrawn_at=timezone.now())


# --- pages -------------------------------------------------------------------------------------------------
def test_an_admin_adds_and_changes_a_source_on_its_pages(world: World, as_user: SignIn):
    client = as_user(world.admin)
    new = reverse("datasets:source-new", args=[world.project.slug])
    values = {"name": "Handbook", "consent": "own", "license": "internal", "expires_on": "2031-05-01"}
    assert client.post(new, {**values, "name": ""}).status_code == 422
    assert client.post(new, values).status_code == 302
    made = Source.objects.get(project=world.project)
    assert (made.consent, made.license, made.expires_on) == ("own", "internal", date(2031, 5, 1))
    change = reverse("datasets:source-change", args=[world.project.slug, made.pk])
    shown = client.get(change).content.decode()
    assert "2031-05-01" in shown
    assert client.post(change, {**values, "owner": "Ops", "seen": source_stamp(made)}).status_code == 302
    stale = client.post(change, {**values, "owner": "Late", "seen": source_stamp(made)})
    assert stale.status_code == 409
    assert "changed after you loaded the page" in stale.content.decode()
    made.refresh_from_db()
    assert made.owner == "Ops"


def test_its_page_shows_facts_examples_versions_and_the_license(
    world: World, source: Source, as_user: SignIn
):
    approve(world.project, 3, source=source.name)
    make_example(world.project, source=source.name)
    make_frozen(world.project, world.admin)
    page = as_user(world.viewer).get(reverse("datasets:source", args=[world.project.slug, source.pk]))
    text = page.content.decode()
    assert "Creative Commons Attribution 4.0: commercial use allowed" in text
    assert "?source=Desk%202024&amp;status=approved" in text
    assert "Dataset 1" in text
    listed = as_user(world.admin).get(
        reverse("annotation:examples", args=[world.project.slug]),
        {"source": source.name, "status": "approved"},
    )
    assert listed.status_code == 200
    assert "3 examples" in listed.content.decode()


def test_the_list_is_filtered_and_its_queries_do_not_grow(
    world: World, as_user: SignIn, django_assert_max_num_queries
):
    url = reverse("datasets:sources", args=[world.project.slug])
    client = as_user(world.viewer)
    with django_assert_max_num_queries(12):
        assert "No sources yet" in client.get(url).content.decode()
    yesterday = timezone.localdate() - timedelta(days=1)
    for number in range(20):
        Source.objects.create(
            project=world.project,
            name=f"Source {number:02}",
            consent="own" if number % 2 else "unknown",
            expires_on=yesterday if number == 3 else None,
        )
    with django_assert_max_num_queries(12):
        assert "Source 19" in client.get(url).content.decode()
    expired = client.get(url, {"state": "expired"}).content.decode()
    assert "Source 03" in expired
    assert "Source 04" not in expired
    assert "Source 04" not in client.get(url, {"consent": "own"}).content.decode()
    assert client.get(url, {"consent": "perhaps"}).status_code == 422


# --- the API -----------------------------------------------------------------------------------------------
def test_the_api_creates_reads_and_changes(world: World, as_user: SignIn):
    client = as_user(world.admin)
    made = client.post(api(world), {"name": "Handbook", "license": "CC0"}, content_type="application/json")
    assert made.status_code == 201
    body = made.json()
    assert (body["known_license"], body["consent"]) == ("CC0-1.0", "unknown")
    changed = client.patch(
        api(world, f"{body['id']}/"),
        {"consent": "public", "expires_on": "2030-01-01", "seen": body["seen"]},
        content_type="application/json",
    )
    assert changed.status_code == 200
    assert (changed.json()["consent"], changed.json()["name"]) == ("public", "Handbook")
    late = client.patch(
        api(world, f"{body['id']}/"), {"owner": "x", "seen": body["seen"]}, content_type="application/json"
    )
    assert late.status_code == 409
    wrong = client.patch(api(world, f"{body['id']}/"), {"onwer": "x"}, content_type="application/json")
    assert wrong.status_code == 422
    listed = as_user(world.viewer).get(api(world), {"consent": "public"}).json()
    assert [source["name"] for source in listed["results"]] == ["Handbook"]


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.REVIEWER, Role.RATER])
def test_people_without_a_role_for_sources_see_none(
    world: World, source: Source, as_user: SignIn, role: Role
):
    client = as_user(getattr(world, role))
    assert client.get(api(world)).status_code == 403
    assert client.get(reverse("datasets:sources", args=[world.project.slug])).status_code == 403


# --- Home --------------------------------------------------------------------------------------------------
def test_home_says_when_a_source_expires(world: World, source: Source):
    access = Access(user=world.admin, project=world.project, roles=frozenset([Role.ADMIN]))
    make_example(world.project)
    assert next_items(access) == []
    Source.objects.filter(pk=source.pk).update(expires_on=timezone.localdate() + timedelta(days=31))
    assert next_items(access) == []
    Source.objects.filter(pk=source.pk).update(expires_on=timezone.localdate() + timedelta(days=30))
    (item,) = next_items(access)
    assert item.title.startswith("The source Desk 2024 expires on")
    Source.objects.filter(pk=source.pk).update(expires_on=timezone.localdate() - timedelta(days=1))
    create_source(by=world.admin, project=world.project, name="Handbook", expires_on=timezone.localdate())
    (item,) = next_items(access)
    assert item.title.startswith("The source Desk 2024 expired on")
    assert "1 other source has expired or will soon." in item.line
