"""Downloads are made while they are sent, a portion at a time, and their CSV is harmless in a spreadsheet."""

import asyncio
import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.http import StreamingHttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.errors import TooMany
from core.http.downloads import AT_ONCE_EACH, CSV, ZIP, attachment, csv_line, pieces_of_file
from core.models import AuditEntry, User
from core.storage.folder import FolderStorage
from tests.support.factories import World, make_example, make_frozen
from tests.test_permission_walk import in_projects, samples_of

# Closing an answer looks at the process's connection, which another test may have opened.
pytestmark = pytest.mark.django_db
ANNA = User(pk=1, name="Anna")
LARGE = b"x" * (1 << 20)


def read(response: StreamingHttpResponse, portions: int | None = None) -> list[bytes]:
    """The first `portions` of the answer (all of them by default), as the server takes them."""

    async def take() -> list[bytes]:
        taken: list[bytes] = []
        stream = aiter(response)  # type: ignore[call-overload]
        async for portion in stream:
            taken.append(portion)
            if len(taken) == portions:
                break
        await stream.aclose()
        return taken

    return asyncio.run(take())


def test_a_reader_that_leaves_early_stops_the_making_of_the_rest() -> None:
    made: list[int] = []
    ended: list[bool] = []

    def pieces() -> Iterator[bytes]:
        try:
            for number in range(100):
                made.append(number)
                yield LARGE
        finally:
            ended.append(True)

    response = attachment(pieces, method="GET", by=ANNA, name="a.zip", content_type=ZIP)
    assert made == []
    read(response, portions=2)
    assert made == [0, 1]
    response.close()
    assert ended == [True]


def test_small_lines_are_sent_together() -> None:
    lines = [f"{n}\n" for n in range(1000)]
    response = attachment(lambda: lines, method="GET", by=ANNA, name="a.csv", content_type=CSV)
    (only,) = read(response)
    assert only.decode().split() == [str(n) for n in range(1000)]
    assert response["Content-Disposition"] == 'attachment; filename="a.csv"'
    assert response["Cache-Control"] == "no-store"


def test_nothing_to_send_is_an_empty_file() -> None:
    assert read(attachment(list, method="GET", by=ANNA, name="a.csv", content_type=CSV)) == []


def test_a_file_goes_out_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(LARGE * 2 + b"end")
    response = attachment(
        lambda: pieces_of_file(path),
        method="GET",
        by=ANNA,
        name="w",
        content_type=ZIP,
        length=path.stat().st_size,
    )
    assert b"".join(read(response)) == path.read_bytes()
    assert response["Content-Length"] == str(path.stat().st_size)


def test_a_person_has_a_few_downloads_open_at_once_and_closing_one_makes_place() -> None:
    def one() -> StreamingHttpResponse:
        return attachment(lambda: [b"x"], method="GET", by=ANNA, name="a.zip", content_type=ZIP)

    opened = [one() for _ in range(AT_ONCE_EACH)]
    with pytest.raises(TooMany, match="downloads open already"):
        one()
    attachment(list, method="GET", by=User(pk=2), name="a.zip", content_type=ZIP).close()
    opened.pop().close()
    opened.append(one())
    # One that its server forgot without closing it counts no longer.
    opened.clear()
    gc.collect()
    one().close()


def test_head_on_a_download_makes_nothing_of_the_file(
    world: World, as_user: Callable[[User], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every address of the program that streams a file, found by asking all of them: HEAD has the headers of GET, asks the
    database no more than GET does before the first byte, reads no file and writes nothing."""
    world, samples = samples_of(world)
    for _ in range(3):
        make_example(world.project, status="approved")
    samples[r"(datasets/)<int:number>"] = make_frozen(world.project).number
    client = as_user(world.admin)
    files = {}
    for path in [one.filled(world.project.slug, samples) for one in in_projects()]:
        with CaptureQueriesContext(connection) as asked:
            answer = client.get(path)
        if answer.streaming:
            files[path] = dict(answer.headers), len(asked)
            del answer
            gc.collect()  # closing it would close the test's connection, too
    assert len(files) >= 9, sorted(files)

    monkeypatch.setattr(FolderStorage, "local_path", _read)
    record = AuditEntry.objects.count()
    for path, (by_get, before_the_first_byte) in files.items():
        with CaptureQueriesContext(connection) as asked:
            by_head = client.head(path)
            body = read(by_head)
        assert by_head.status_code == 200 and body == [], path
        for name in ("Content-Type", "Content-Disposition", "Content-Length"):
            assert by_head.headers.get(name) == by_get.get(name), (path, name)
        assert len(asked) <= before_the_first_byte, (path, [one["sql"][:80] for one in asked])
        # More downloads than may be open at once: none of them counts as one.
        kept = [client.head(path) for _ in range(AT_ONCE_EACH + 1)]
        assert {one.status_code for one in kept} == {200}, path
    assert AuditEntry.objects.count() == record


def _read(*args: object) -> Path:
    raise AssertionError("A file was asked for.")


@pytest.mark.parametrize("words", ["=1+1", "+49 40", "-", "@SUM(A1)", " =1", "\tx", "\rx"])
def test_words_that_look_like_a_formula_stay_words(words: str) -> None:
    assert csv_line([words]).lstrip('"').startswith("'")


def test_numbers_and_nothing_stay_what_they_are() -> None:
    assert csv_line([-1.5, None, 3, "a,b"]) == '-1.5,,3,"a,b"\r\n'
