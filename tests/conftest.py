"""What every test stands on: the tests' own embedded PostgreSQL and Valkey (see tests/settings.py)."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from launcher import embedded

pytest_plugins = ["tests.support.fixtures"]

# A busy machine makes examples slowly; that is no fault of a test.
hypothesis.settings.register_profile(
    "guildhall", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("guildhall")


@pytest.fixture(scope="session")
def servers() -> Iterator[Path]:
    """Real PostgreSQL and Valkey in a folder of their own, shared by all workers of this run. Gives the folder."""
    state = Path(os.environ["GUILDHALL_TEST_STATE"])
    with embedded.services(state, ["postgres", "valkey"], durable=False):
        yield state


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    servers: Path,
    django_db_modify_db_settings_parallel_suffix: None,
) -> None:
    """pytest-django's hook before it makes the test database: by then the server must be up."""


@pytest.fixture(autouse=True)
def _clean_cache(request: pytest.FixtureRequest) -> Iterator[None]:
    """The cache and the broker's queues are not part of a transaction: tests that use the database get them empty."""
    if not {"db", "transactional_db"} & set(request.fixturenames) and not request.node.get_closest_marker(
        "django_db"
    ):
        yield
        return
    request.getfixturevalue("servers")
    from django.core.cache import cache

    cache.clear()
    yield


def pytest_unconfigure(config: pytest.Config) -> None:
    if os.environ.get("GUILDHALL_TEST_STATE_OWNER") == str(os.getpid()):
        shutil.rmtree(os.environ["GUILDHALL_TEST_STATE"], ignore_errors=True)
