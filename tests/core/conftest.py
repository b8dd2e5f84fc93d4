"""Core is tested without the apps that stand on it: their stages are replaced by two plain ones, their wordings left out."""

from collections.abc import Iterator

import pytest

from core.access import Access
from core.audit import sentences
from core.home import stages
from core.home.stages import Glance, NextItem, Stage, StageCard
from core.models import Role


def _card(access: Access) -> StageCard:
    return StageCard("1,284", f"approved in {access.project.name}", f"/p/{access.project.slug}/")


def _glance(access: Access) -> Glance:
    later = NextItem("Later", "It can wait.", "/later/", "Look", order=90)
    first = NextItem("37 edge cases", "Oldest waits 2 days.", "/first/", "Continue", order=10, tone="copper")
    return Glance(_card(access), [later, first])


@pytest.fixture
def plain_stages(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Stage]]:
    """A stage for annotators, admins and viewers, and one for raters and admins; both live in core's own URLs."""
    readers = (Role.ADMIN, Role.VIEWER)
    one = Stage("annotate", "Annotate", 1, _glance, (Role.ANNOTATOR, *readers), "core:runs")
    two = Stage(
        "rate", "Rate", 2, lambda access: Glance(_card(access)), (Role.RATER, *readers), "core:people"
    )
    registry = {"rate": two, "annotate": one}
    monkeypatch.setattr(stages, "_stages", registry)
    monkeypatch.setattr(stages, "_loop_back", [])
    own = ("project.", "member.", "person.", "password.", "api_key.", "run.")
    actions = {name: action for name, action in sentences._actions.items() if name.startswith(own)}
    monkeypatch.setattr(sentences, "_actions", actions)
    yield registry
