"""Every address of the API, asked with parameters that it does not know: refused, and never as if there were none."""

import re
from typing import Any

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from core.api.base import APIView
from core.models import Membership
from core.roles import MEMBERS
from tests.support.factories import World, make_held_out
from tests.test_permission_walk import Address, addresses, full

__all__ = ["full"]  # a fixture

pytestmark = pytest.mark.django_db


def of_the_api() -> list[Address]:
    return [one for one in addresses() if one.route.startswith("api/v1/")]


def test_every_view_of_the_api_refuses_what_it_does_not_know() -> None:
    views = {one.route: getattr(one.pattern.callback, "view_class", None) for one in of_the_api()}
    assert len(views) > 100
    assert {route for route, view in views.items() if view is None or not issubclass(view, APIView)} == set()


def test_a_misspelt_parameter_is_named_and_pages_are_only_turned_where_there_are_some(
    full: tuple[World, dict[str, Any]],
) -> None:
    world, samples = full
    Membership.objects.filter(user=world.admin).update(roles=list(MEMBERS))
    world.admin.is_operator = True
    world.admin.save()
    client = APIClient()
    client.force_authenticate(world.admin)
    asked, lists = 0, 0
    for one in of_the_api():
        if not hasattr(one.pattern.callback.view_class, "get"):
            continue
        path = one.filled(world.project.slug, {r"(accounts/)<int:pk>": world.rater.pk, **samples})
        told = client.get(path, {"statsu": "x"})
        asked += 1
        assert told.status_code == 422, path
        assert list(told.json()["fields"]) == ["statsu"], path
        paged = client.get(path, {"page": "0"})
        if "count" in (getattr(client.get(path), "data", None) or {}):
            lists += 1
        # Where pages are turned 0 is none of them; elsewhere the name is not known.
        assert paged.status_code in (404, 422), path
    assert asked > 50
    assert lists > 15


def test_the_tabs_of_pages_show_nothing_for_a_name_they_do_not_know(
    full: tuple[World, dict[str, Any]], as_user: Any
) -> None:
    """A dataset's rows in a split "tset", an import's lines of a kind "rejcted": not all of them."""
    from dataset.models import DataImport

    world, samples = full
    number, batch = make_held_out(world.project).number, samples[r"(imports/)<int:pk>"]
    DataImport.objects.filter(pk=batch).update(rejected=1)
    client = as_user(world.admin)
    for path, wrong, right in (
        (reverse("datasets:dataset-rows", args=[world.project.slug, number]), "split=tset", "split=test"),
        (reverse("datasets:import", args=[world.project.slug, batch]), "kind=rejcted", "kind=rejected"),
    ):
        told = client.get(f"{path}?{wrong}")
        assert told.status_code == 422, path
        assert "Nothing to list" in told.content.decode(), path
        assert client.get(f"{path}?{right}").status_code == 200, path


def test_a_misspelt_filter_of_accounts_lists_nobody(world: World) -> None:
    client = APIClient()
    client.force_authenticate(world.operator)
    for query in ({"state": "actve"}, {"stat": "active"}, {"q": "a\x00"}, {"state": ["active", "operator"]}):
        told = client.get("/api/v1/accounts/", query)
        assert told.status_code == 422, query
        assert re.search("state|stat|q", ",".join(told.json()["fields"]))
    assert client.get("/api/v1/accounts/", {"state": "operator"}).json()["count"] == 1
