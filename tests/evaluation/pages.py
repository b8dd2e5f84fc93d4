"""What the tests of the pages of evaluation share."""

from core.models import Role
from tests.support.factories import (
    join,
    make_user,
)

SCORES = {
    f"{criterion}_{side}": 4 for criterion in ("accuracy", "tone", "conciseness") for side in ("a", "b")
}


HTMX = {"HTTP_HX_REQUEST": "true"}


def _say(**values):
    return {"choice": "a", **SCORES} | values


def make_rater(world):
    user = make_user()
    join(world.project, user, Role.RATER)
    return user
