"""No pooled connection is held by anything long. Counted in pg_stat_activity and in queries, never in seconds."""

import ast
import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction

from core.database.connections import release_connection, without_connection
from core.http.downloads import AT_ONCE_EACH
from core.lists.rows import rows_by_key
from core.models import AuditEntry
from tests.support.asgi import Exchange, scope, session_of
from tests.support.factories import World, make_example, make_world

ROOT = Path(settings.BASE_DIR)
# Who makes a streamed response: everything else goes through these.
STREAMS = {"core/http/downloads.py", "inference/views/streams.py", "inference/openai_api/views.py"}


def others() -> int:
    """Connections to this database beside the test's own. A closed one is gone a moment later."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )
        return int(cursor.fetchone()[0])


def none_held(seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while others():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@contextlib.contextmanager
def unread(*scopes: dict[str, Any], at: str = "http.response.body") -> Iterator[list[Exchange]]:
    """The requests, each answered up to the first message that its reader does not take."""
    from config.asgi import application

    exchanges = [Exchange(one, stop_at_first=at) for one in scopes]
    waiting, leave = threading.Event(), threading.Event()

    async def go() -> None:
        tasks = [asyncio.create_task(one.run(application)) for one in exchanges]
        await asyncio.gather(*(one.stuck.wait() for one in exchanges))
        waiting.set()
        await asyncio.to_thread(leave.wait)
        for one in exchanges:
            one.gone.set()
        await asyncio.gather(*tasks)

    thread = threading.Thread(target=lambda: asyncio.run(go()))
    thread.start()
    try:
        assert waiting.wait(60), "an answer did not begin"
        yield exchanges
    finally:
        leave.set()
        thread.join(60)
        assert not thread.is_alive()


# --- the mechanism ------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_a_connection_is_given_back_outside_transactions_only():
    connection.ensure_connection()
    with transaction.atomic():
        release_connection()
        assert connection.connection is not None
        with pytest.raises(RuntimeError, match="inside a transaction"), without_connection():
            pass
    with without_connection():
        assert connection.connection is None


@pytest.mark.django_db
def test_rows_come_by_key_each_once_and_none_that_was_added_later(django_assert_num_queries: Any):
    for number in range(7):
        AuditEntry.objects.create(actor="a", action=f"test.{number}")
    found = AuditEntry.objects.filter(action__startswith="test.")
    with django_assert_num_queries(5):  # where it ends, three portions, an empty one
        assert [one.action[-1] for one in rows_by_key(found, size=3)] == list("0123456")
    assert [one.action[-1] for one in rows_by_key(found, size=3, newest_first=True)] == list("6543210")
    assert [one.action[-1] for one in rows_by_key(found, size=2, by="action")] == list("0123456")
    reading = rows_by_key(found, size=3)
    next(reading)
    AuditEntry.objects.create(actor="a", action="test.9")
    assert [one.action[-1] for one in reading] == list("123456")
    assert list(rows_by_key(found.none())) == []


def test_streams_are_made_in_few_places_and_no_cursor_outlives_a_portion():
    """A new streamed answer goes through core.http.downloads, or is added to STREAMS and walked below."""
    made, cursors = set(), set()
    for app in ("core", "annotation", "training", "inference", "evaluation", "release", "config"):
        for path in (ROOT / app).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    called = ast.unparse(node.func).rpartition(".")[2]
                    if called in {"StreamingHttpResponse", "FileResponse"}:
                        made.add(name)
                    if called == "iterator" and "/runner/" not in name and "/migrations/" not in name:
                        cursors.add(name)
                if isinstance(node, ast.ClassDef) and any(
                    "StreamingHttpResponse" in ast.unparse(b) for b in node.bases
                ):
                    made.add(name)
    assert made == STREAMS
    # Read at once, and never while an answer is being sent.
    assert cursors <= {
        "dataset/queries/preview.py",
        "evaluation/queries/preferences.py",
        "inference/queries/marks.py",
    }


# --- the walk -----------------------------------------------------------------------------------------------------
@pytest.mark.timeout(600)
@pytest.mark.django_db(transaction=True)
def test_no_answer_is_sent_with_a_connection_in_hand(as_user: Any):
    """Every address that GET may open, streamed or not, by somebody who may: when the first byte is to be read, nothing
    is held."""
    from tests.test_permission_walk import addresses, samples_of

    world, samples = samples_of(make_world())
    clients = {
        name: session_of(as_user(getattr(world, name)))
        for name in ("admin", "rater", "annotator", "reviewer", "operator")
    }
    streamed, held = set(), []
    for address in addresses():
        path = address.filled(world.project.slug, samples) if "<slug:slug>" in address.route else None
        if path is None:
            if "<" in address.route:
                continue
            path = "/" + address.route
        roles = address.roles("GET") if "<slug:slug>" in address.route else None
        who = next((name for name in clients if not roles or name in roles), "admin")
        with unread(scope("GET", path, headers=clients[who]), at="http.response.start") as (one,):
            if not none_held():
                held.append(path)
        if "attachment" in one.headers.get("content-disposition", ""):
            streamed.add(address.route)
    assert held == []
    assert len(streamed) >= 9, streamed


# --- the whole ----------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_more_slow_readers_than_connections_keep_nobody_from_anything(world: World, as_user: Any):
    """Each of them downloads and reads nothing. Nobody's thread or connection waits for them."""
    for number in range(400):
        make_example(world.project, question=f"Question {number}? " + "x" * 2000)
    people = [world.admin, world.reviewer, world.annotator, world.viewer]
    paths = [f"/p/{world.project.slug}/annotate/examples/download/"] * AT_ONCE_EACH
    readers = [scope("GET", path, headers=session_of(as_user(one))) for one in people for path in paths]
    assert len(readers) > 10  # what GUILDHALL_DB_POOL is when nobody sets it
    with unread(*readers) as opened:
        assert {one.status for one in opened} == {200}
        assert none_held()
        # One more of the same person is told so in words; all else works.
        client = as_user(world.admin)
        assert client.get(paths[0]).status_code == 429
        assert client.get(f"/p/{world.project.slug}/annotate/examples/").status_code == 200
    assert as_user(world.admin).get(paths[0]).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_statement_that_takes_too_long_is_stopped_and_said_in_words(
    world: World, as_user: Any, monkeypatch: pytest.MonkeyPatch
):
    def slow(*args: Any, **more: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 1")
            try:
                cursor.execute("SELECT pg_sleep(60)")
            finally:
                cursor.execute("SET statement_timeout = 0")

    monkeypatch.setattr("core.views.runs.runs_of", slow)
    client = as_user(world.admin)
    answer = client.get(f"/p/{world.project.slug}/runs/")
    assert answer.status_code == 503 and "took too long and was stopped" in answer.content.decode()
