"""Every address of the program, asked for by every kind of person: nobody sees more than their role shows.

The walk reads the URL configuration itself, so a page added tomorrow is walked tomorrow. A page that takes an
object must have a sample in `samples`; without one the walk fails and says so.
"""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from core.api.base import ProjectAPIView
from core.models import Membership, Role
from core.roles import MEMBERS
from core.services.keys import create_api_key
from tests.support.corrections import make_adapters
from tests.support.factories import (
    World,
    join,
    load_onto,
    make_answer_row,
    make_audit_rows,
    make_base_model,
    make_campaign,
    make_dataset,
    make_engine,
    make_example,
    make_learning_curve,
    make_run,
    make_user,
    make_version,
    rate_all,
)

pytestmark = pytest.mark.django_db

# Open to people who have not signed in; everything else must refuse them.
# session/ says to anybody who is signed in in their own browser, and nothing else.
# api/^.*$ is every address below /api/ where nothing is: 404 to everybody.
PUBLIC = {"healthz", "readyz", "sign-in/", "session/", r"api/^.*$"}
# Nobody's project: every signed-in person has these for themselves.
OWN = re.compile(
    r"^(?:$|me/|status/|projects/new/|sign-out/|api/$|api/schema/|api/v1/(?:me/|status/$|projects/$))"
)
# The lexicon of a characteristic is a part of every project, by the same name.
OF_EVERY_PROJECT = re.compile(r"lexicons/<slug:key>")
# Base models and their runs belong to the deployment; a project only shows them.
DEPLOYMENT_WIDE = re.compile(r"(?:bases|base-models|campaigns/new/base)/<int:pk>|^runs/<int:pk>")
OPENAI_API = re.compile(r"^v1/")
# Where a role that the view lets in may still be turned away: only those who run the deployment add base models, a
# rater sees results only when the campaign is closed, and a viewer reads pages that carry an admin's form.
OPERATORS_ONLY = re.compile(
    r"(bases/new/|bases/<int:pk>/retry/|base-models/$|base-models/<int:pk>/prepare/)$"
)
RATERS_WAIT = re.compile(r"campaigns/<int:pk>/(results/)?$")


@dataclass(frozen=True)
class Address:
    route: str
    pattern: URLPattern

    def roles(self, method: str) -> tuple[str, ...] | None:
        """Who may come in, by the view's own word; () is any member, None a view outside projects."""
        view = getattr(self.pattern.callback, "view_class", None)
        if view is not None and issubclass(view, ProjectAPIView):
            return tuple(view.read_roles if method == "GET" else view.write_roles)
        return getattr(self.pattern.callback, "roles", None)

    def filled(self, slug: str, samples: dict[str, Any]) -> str:
        """The path with the project's slug and the sample of each object in it."""
        route = self.route.replace("<slug:slug>", slug)
        for fragment, value in samples.items():
            route = re.sub(fragment, lambda match, value=value: match.group(1) + str(value), route)
        assert "<" not in route, f"{self.route} takes an object that `samples` does not name"
        return "/" + route


def addresses(patterns: Any = None, before: str = "") -> Iterator[Address]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, route)
        else:
            yield Address(route, pattern)


def in_projects() -> list[Address]:
    return [address for address in addresses() if "<slug:slug>" in address.route]


@pytest.fixture
def full(world: World) -> tuple[World, dict[str, Any]]:
    return samples_of(world)


def samples_of(world: World) -> tuple[World, dict[str, Any]]:
    """The world with one of every object in its project, and how addresses name them."""
    from annotation.models import AuthoringTask, Category, CoverageTarget, ExampleFinding, Review
    from core.models import Artifact, ProjectArchive
    from core.storage import storage
    from dataset.models import DataImport, DuplicateCluster, Source, SourcePartner, Upload, Withdrawal
    from inference.models import Conversation
    from release.models import Release

    project = world.project
    base = make_base_model()
    engine = make_engine(base)
    first, second = (
        make_version(project, base_model=base),
        make_version(project, world.admin, base_model=base),
    )
    for version in (first, second):
        load_onto(version, engine)
    example = make_example(project)
    review = Review.objects.create(
        example=example, revision=example.revisions.get(), verdict="accepted", by=world.reviewer,
        in_bulk=True, batch=uuid.uuid4(),
    )  # fmt: skip
    finding = ExampleFinding.objects.create(
        project=project, example=example, check_name="privacy", level="warn", says="An address.", fingerprint="a",
        content_hash=example.content_hash, status="dismissed", reason="Public.", decided_by=world.reviewer,
        decided_at=timezone.now(), batch=uuid.uuid4(),
    )  # fmt: skip
    campaign = make_campaign(project, world.admin, versions=(first, second))
    comparison = rate_all(campaign, world.rater, ["candidate"])[0].comparison
    conversation = Conversation.objects.create(project=project, user=world.rater, version=second)
    answer = make_answer_row(second, conversation=conversation, user=world.rater)
    upload = Artifact.objects.create(
        kind="upload", sha256="0" * 64, key="upload/00/" + "0" * 64, size_bytes=1, manifest=[]
    )
    storage().local_path(upload).mkdir(parents=True, exist_ok=True)
    batch = DataImport.objects.create(
        project=project,
        run=make_run(project, kind="import", status="succeeded", finished_at=timezone.now()),
        upload=upload,
        file_name="a.jsonl",
        created_by=world.admin,
    )
    pieces = Upload.objects.create(project=project, by=world.admin, file_name="b.csv", size_bytes=9)
    made = Release.objects.create(
        project=project, action="live", version=second, gate=[], signed_off_by=world.admin
    )
    key, _ = create_api_key(by=world.admin, project=project, name="app")
    extra = join(project, make_user("Extra"), Role.VIEWER)
    token, _ = create_api_key(by=extra.user, name="program")
    training = second.training_run
    source = Source.objects.create(project=project, name="Desk 2024")
    seen_by = SourcePartner.objects.create(
        source=source, membership=Membership.objects.get(project=project, user=world.partner)
    )
    withdrawal = Withdrawal.objects.create(
        source=source, reason="Asked to.", by=world.admin, restored_at=timezone.now(), restored_by=world.admin
    )
    cluster = DuplicateCluster.objects.create(
        project=project, kind="pair", first=example, size=2, in_use=2, found_at=timezone.now()
    )
    archive = ProjectArchive.objects.create(
        project=project,
        run=make_run(project, kind="project_archive", status="succeeded"),
        with_weights=False,
        created_by=world.admin,
    )
    audit, twin = make_audit_rows(project, example)
    category = Category.objects.filter(project=project).first()
    target = CoverageTarget.objects.create(project=project, edge="other", amount=5)
    task = AuthoringTask.objects.create(project=project, edge="other", wanted="Odd ones", quota=5)
    personal, team, caller, receipt = make_adapters(second, key)
    named = {
        r"(bias/audits/|bias-audits/)<int:number>": audit.number,
        r"(bias/findings/|bias-findings/)<int:pk>": audit.findings.get().pk,
        r"(bias/twins/|v1/projects/[\w-]+/twins/)<int:pk>": twin.pk,
        r"(lexicons/)<slug:key>": "gender",
        r"(lists/)<int:pk>": category.pk,
        r"(targets/)<int:pk>": target.pk,
        r"(tasks/)<int:pk>": task.pk,
        r"(sources/)<int:pk>": source.pk,
        r"(partners/)<int:partner>": seen_by.pk,
        r"(duplicates/)<int:pk>": cluster.pk,
        r"(withdrawals/)<int:pk>": withdrawal.pk,
        r"(settings/move/|archives/)<int:pk>": archive.pk,
        r"(item/|/review/|reviews/|queue/|examples/)<int:pk>": example.pk,
        r"(decisions?/)<int:pk>": review.pk,
        r"(decisions/)<uuid:batch>": review.batch,
        r"((?:findings|quality)/undo/)<uuid:batch>": finding.batch,
        r"(quality/findings/)<int:pk>": finding.pk,
        r"(imports/)<int:pk>": batch.pk,
        r"(uploads/)<uuid:public_id>": pieces.public_id,
        r"(datasets/)<int:number>": training.dataset.number,
        r"(compare/)<int:other>": make_dataset(project).number,
        r"(train/runs/|training-runs/)<int:number>": training.number,
        r"(learning-curves/)<int:number>": make_learning_curve(project, world.admin, base_model=base).number,
        r"(versions/|gate/)<int:pk>": second.pk,
        r"(bases/|base-models/|new/base/)<int:pk>": base.pk,
        r"(chat/|conversations/)<int:pk>": conversation.pk,
        r"(answers/|answers/)<uuid:\w+>": answer.public_id,
        r"(adapters/)<int:pk>": personal.pk,
        r"(teams/)<int:pk>": team.pk,
        r"(callers/)<int:pk>": caller.pk,
        r"(receipts/)<int:pk>": receipt.pk,
        r"(campaigns/)<int:pk>": campaign.pk,
        r"(compare/|comparisons/|rating/)<uuid:public_id>": comparison.public_id,
        r"(history/|releases/)<int:pk>": made.pk,
        r"(people/)<int:pk>": extra.pk,
        r"(keys/)<int:api_key>": token.pk,
        r"(keys/)<int:pk>": key.pk,
        r"(deployments/)<int:pk>": second.deployment.pk,
        r"(engines/)<int:pk>": engine.pk,
        r"(runs/)<int:pk>": training.run.pk,
    }
    return world, named


def ask(client: Client, method: str, path: str) -> int:
    """The answer's status; whatever the request wrote is taken back."""
    # No `atomic` block around it: a view that reads files refuses to do so inside a transaction.
    point = transaction.savepoint()
    response = getattr(client, method.lower())(path)
    if getattr(response, "streaming", False):
        list(response.streaming_content) if not response.is_async else None
    transaction.savepoint_rollback(point)
    return int(response.status_code)


def wrong_answers(
    addresses: list[Address], client: Client, slug: str, samples: dict[str, Any], allowed: Any
) -> list[str]:
    found = []
    for address in addresses:
        path = address.filled(slug, samples)
        for method in ("GET", "POST"):
            expected = allowed(address, method)
            if expected is None:
                continue
            status = ask(client, method, path)
            if status not in expected:
                found.append(f"{method} {path} said {status}, not one of {sorted(expected)}")
    return found


def test_every_address_is_walked():
    """The walk would be worthless if it found nothing to walk."""
    assert len(in_projects()) > 150


def test_someone_without_an_account_gets_the_sign_in_page_or_401(full):
    world, samples = full

    def allowed(address: Address, method: str) -> set[int]:
        return {401} if address.route.startswith("api/") else {302}

    wrong = wrong_answers(in_projects(), Client(), world.project.slug, samples, allowed)
    for address in addresses():
        if "<" in address.route or address.route in PUBLIC or OPENAI_API.match(address.route):
            continue
        status = ask(Client(), "GET", "/" + address.route)
        if status not in {302, 401, 405}:
            wrong.append(f"GET /{address.route} said {status} to somebody without an account")
    assert wrong == []


@pytest.mark.parametrize("person", ["stranger", "neighbour", "operator"])
def test_people_outside_the_project_learn_nothing(full, as_user, person):
    world, samples = full

    def allowed(address: Address, method: str) -> set[int]:
        return {404, 405}

    client = as_user(getattr(world, person))
    assert wrong_answers(in_projects(), client, world.project.slug, samples, allowed) == []


def test_objects_of_another_project_cannot_be_reached_through_ones_own(full, as_user):
    world, samples = full
    with_object = [
        address
        for address in in_projects()
        if "<" in address.route.replace("<slug:slug>", "")
        and not DEPLOYMENT_WIDE.search(address.route)
        and not OF_EVERY_PROJECT.search(address.route)
    ]
    assert len(with_object) > 60

    def allowed(address: Address, method: str) -> set[int]:
        # An empty body may be refused before the object is looked for: that says nothing about the object.
        return {404, 405} if method == "GET" else {404, 405, 415, 422}

    client = as_user(world.neighbour)
    assert wrong_answers(with_object, client, world.other.slug, samples, allowed) == []


@pytest.mark.parametrize("role", Role.values)
def test_each_role_comes_in_where_the_view_says_and_nowhere_else(full, as_user, role):
    world, samples = full

    def allowed(address: Address, method: str) -> set[int] | None:
        roles = address.roles(method)
        assert roles is not None, f"{address.route} does not say who may come in"
        if role not in (roles or MEMBERS):
            return {403, 405}
        narrower = (
            (role == Role.ADMIN and OPERATORS_ONLY.search(address.route))
            or (role == Role.RATER and RATERS_WAIT.search(address.route))
            or (role == Role.VIEWER and method == "POST")
        )
        if narrower:
            return {200, 403, 405, 409}
        # What an allowed request answers is its own page's test; here it must not be turned away or break.
        return {200, 201, 202, 204, 302, 303, 400, 404, 405, 409, 415, 422, 503}

    client = as_user(getattr(world, role))
    assert wrong_answers(in_projects(), client, world.project.slug, samples, allowed) == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.RATER, Role.ANNOTATOR, Role.REVIEWER])
def test_only_admins_change_people_keys_settings_and_what_is_live(full, as_user, role):
    world, samples = full
    guarded = re.compile(
        r"(people|keys|settings|imports|datasets|release|roll-back|campaigns/new|launch|releases)"
    )
    admin_only = [a for a in in_projects() if guarded.search(a.route) and a.roles("POST") == (Role.ADMIN,)]
    assert len(admin_only) > 15

    def allowed(address: Address, method: str) -> set[int] | None:
        return {403, 405} if method == "POST" else None

    client = as_user(getattr(world, role))
    assert wrong_answers(admin_only, client, world.project.slug, samples, allowed) == []


def test_viewers_change_nothing():
    """A viewer reads everything; no address takes a write from one, but for what is the viewer's own."""
    writers = [
        address.route
        for address in in_projects()
        if Role.VIEWER in (address.roles("POST") or ())
        and getattr(address.pattern.callback, "view_class", None)
    ]
    assert writers == []


def test_the_rest_is_ones_own_or_refuses(full, as_user):
    world, _ = full
    client = as_user(world.stranger)
    for address in addresses():
        if "<slug:slug>" in address.route or address.route in PUBLIC or OPENAI_API.match(address.route):
            continue
        if OWN.match(address.route) and "<" not in address.route:
            assert ask(client, "GET", "/" + address.route) in {200, 302, 403, 405}, address.route
        else:
            path = "/" + re.sub(r"<int:\w+>", str(make_run().pk), address.route)
            assert ask(client, "GET", path) in {403, 404, 405}, address.route


def test_accounts_are_for_operators(full, as_user):
    """The deployment-wide pages and API of accounts: every verb refuses everybody but operators."""
    world, samples = full
    of_accounts = [a for a in addresses() if re.match(r"^(api/v1/)?accounts/", a.route)]
    assert len(of_accounts) > 12
    named = {r"(accounts/)<int:pk>": world.rater.pk, **samples}
    for address in of_accounts:
        path = address.filled("", named)
        for method in ("GET", "POST", "DELETE"):
            for person in ("admin", "stranger", "rater"):
                status = ask(as_user(getattr(world, person)), method, path)
                assert status in {403, 405}, f"{method} {path} said {status} to {person}"
            status = ask(as_user(world.operator), method, path)
            assert status in {200, 204, 302, 404, 405, 409}, f"{method} {path} said {status} to an operator"


def test_the_openai_api_needs_a_key():
    for path in ("/v1/models", "/v1/models/freight-desk"):
        assert ask(Client(), "GET", path) == 401
    assert ask(Client(), "POST", "/v1/chat/completions") == 401
