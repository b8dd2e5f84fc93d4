"""What every test stands on: the tests' own embedded PostgreSQL and Valkey (see tests/settings.py)."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import pytest_django

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


@pytest.fixture(scope="session", autouse=True)
def _only_filled_tables_are_emptied() -> Iterator[None]:
    from django.db.backends.postgresql.operations import DatabaseOperations

    from tests.support import emptying

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", emptying.sql_flush)
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    servers: Path,
    django_db_modify_db_settings_parallel_suffix: None,
    django_db_blocker: pytest_django.DjangoDbBlocker,
) -> None:
    """pytest-django's hook before it makes the test database: by then the server must be up. The database is a copy."""
    from django.db import connection

    from tests.support.migrated import migrated_template

    with django_db_blocker.unblock():
        connection.settings_dict["TEST"]["TEMPLATE"] = migrated_template(servers)


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
