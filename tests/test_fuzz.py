"""No input breaks the API or a page: every operation and every page, with the kinds of tests/support/fuzzing.py.

FUZZ_TIMES (cases for each operation and page) and FUZZ_REPORT (a file for the counts) are set by benchmarks/fuzz.py.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.models import Membership
from core.roles import MEMBERS
from core.services.keys import create_api_key
from tests.inference.conftest import Served, answering, control, key, live, served
from tests.support.factories import World
from tests.support.fuzzing import Report, fuzz_api, fuzz_openai_api, fuzz_pages, unnamed
from tests.test_permission_walk import Address, addresses, full

__all__ = ["answering", "control", "full", "key", "live", "served"]  # fixtures

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.usefixtures("sent"),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning"),
]
TIMES = int(os.environ.get("FUZZ_TIMES", "0"))
# On a developer's machine, and in benchmarks/fuzz.py, new cases each time.
SEEDED = bool(os.environ.get("CI")) and not TIMES


@pytest.fixture
def everything(full: tuple[World, dict[str, Any]]) -> tuple[World, dict[str, Any]]:
    """The admin has every role and runs the deployment: no role stands before a view."""
    world, samples = full
    Membership.objects.filter(user=world.admin).update(roles=list(MEMBERS))
    world.admin.is_operator = True
    world.admin.save()
    return world, samples


def finished(report: Report) -> None:
    if target := os.environ.get("FUZZ_REPORT"):
        Path(f"{target}.{'pages' if report.pages else 'api'}").write_text(json.dumps(report.counts()))
    assert not report.told(), f"{report.counts()}\n\n{report.told()}"


def test_no_input_breaks_the_api(everything: tuple[World, dict[str, Any]]) -> None:
    world, samples = everything
    _, secret = create_api_key(by=world.admin, name="fuzz")
    paths = {}
    for address in addresses():
        template = "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", address.route)
        if template.startswith("/api/v1/"):
            paths[unnamed(template)] = _filled(address, world, samples)
    report = Report()
    fuzz_api(paths, secret, report, times=TIMES or 6, seeded=SEEDED)
    assert report.operations > 100
    finished(report)


def test_no_input_breaks_a_page(everything: tuple[World, dict[str, Any]], as_user: Any) -> None:
    world, samples = everything
    client = as_user(world.admin)
    client.raise_request_exception = False
    report = Report()
    routes = [
        one
        for one in addresses()
        if not one.route.startswith(("api/", "v1/")) and "sign-out" not in one.route
    ]
    places = {
        _filled(one, world, samples): one.pattern.callback
        for one in routes
        if "<int:" not in one.route or "slug" in one.route
    }
    fuzz_pages(places, client, report, times=TIMES or 8, seeded=SEEDED)
    assert report.pages > 80
    finished(report)


@pytest.mark.django_db(transaction=True)
def test_no_input_breaks_the_openai_style_api(served: Served, live: str, key: str) -> None:
    report = Report()
    head = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with httpx.Client(base_url=live, headers=head, timeout=30) as client:
        fuzz_openai_api(client, served.world.project.slug, report, times=TIMES or 6, seeded=SEEDED)
        # After all that it answers as before.
        hello = {
            "model": served.world.project.slug,
            "messages": [{"role": "user", "content": "say: still here"}],
        }
        assert (
            client.post("/v1/chat/completions", json=hello).json()["choices"][0]["message"]["content"]
            == "still here"
        )
    assert report.cases > 250
    assert not report.told(), f"{report.counts()}\n\n{report.told()}"


def _filled(address: Address, world: World, samples: dict[str, Any]) -> str:
    own = {r"(accounts/)<int:pk>": world.rater.pk, **samples, r"(tokens/)<int:pk>": 1}
    return address.filled(world.project.slug, own)
