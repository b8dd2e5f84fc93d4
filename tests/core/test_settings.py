"""Settings."""

import pytest

from core.models import AuditEntry
from tests.core.pages import SignIn, page
from tests.support.factories import World

pytestmark = pytest.mark.usefixtures("plain_stages")


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
