"""The program's own settings, on servers and a state folder of the tests' own.

The developer's `.state`, DATABASE_URL and other settings are never touched. The first process to read this file makes a
folder and hands it on through the environment, so that all pytest-xdist workers share one PostgreSQL and one Valkey;
each worker has its own database, its own Valkey database number and its own folder for artifacts.
"""

import os
import tempfile
from pathlib import Path

from launcher import embedded

TEST_STATE_VARIABLE = "GUILDHALL_TEST_STATE"

for _name in list(os.environ):
    if _name.startswith("GUILDHALL_") and _name != TEST_STATE_VARIABLE:
        del os.environ[_name]
if TEST_STATE_VARIABLE not in os.environ:
    os.environ[TEST_STATE_VARIABLE] = tempfile.mkdtemp(prefix="guildhall-test-")
    os.environ["GUILDHALL_TEST_STATE_OWNER"] = str(os.getpid())

TEST_STATE = Path(os.environ[TEST_STATE_VARIABLE])
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
os.environ.update(
    GUILDHALL_ENV="test",
    GUILDHALL_STATE=str(TEST_STATE / WORKER),
    DATABASE_URL=embedded.database_url(TEST_STATE),
    REDIS_URL=f"{embedded.redis_url(TEST_STATE)}?db={int(WORKER.removeprefix('gw')) % 16}",
    HF_HUB_OFFLINE="1",
)

from config.settings import *
from config.settings import DATABASES

# A pool would keep connections open that stand in the way of dropping the test database.
DATABASES["default"]["OPTIONS"].pop("pool", None)
# Tests empty their own database by TRUNCATE, which the audit table refuses to everybody else.
DATABASES["default"]["OPTIONS"]["options"] = "-c guildhall.empty_audit=yes"
# Argon2 is slow on purpose, and there is nothing to protect here. Sign-in tests that are about hashing set it back.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
