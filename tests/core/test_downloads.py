"""Downloads are made while they are sent, a portion at a time, and their CSV is harmless in a spreadsheet."""

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.http import StreamingHttpResponse

from core.downloads import AT_ONCE_EACH, CSV, ZIP, attachment, csv_line, pieces_of_file
from core.errors import TooMany
from core.models import User

ANNA = User(pk=1, name="Anna")
LARGE = b"x" * (1 << 18)


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

    response = attachment(pieces(), by=ANNA, name="a.zip", content_type=ZIP)
    assert made == []
    read(response, portions=2)
    assert made == [0, 1]
    response.close()
    assert ended == [True]


def test_small_lines_are_sent_together() -> None:
    response = attachment((f"{n}\n" for n in range(1000)), by=ANNA, name="a.csv", content_type=CSV)
    (only,) = read(response)
    assert only.decode().split() == [str(n) for n in range(1000)]
    assert response["Content-Disposition"] == 'attachment; filename="a.csv"'
    assert response["Cache-Control"] == "no-store"


def test_nothing_to_send_is_an_empty_file() -> None:
    assert read(attachment(iter([]), by=ANNA, name="a.csv", content_type=CSV)) == []


def test_a_file_goes_out_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(LARGE * 2 + b"end")
    response = attachment(
        pieces_of_file(path), by=ANNA, name="w", content_type=ZIP, length=path.stat().st_size
    )
    assert b"".join(read(response)) == path.read_bytes()
    assert response["Content-Length"] == str(path.stat().st_size)


def test_a_person_has_a_few_downloads_open_at_once_and_closing_one_makes_place() -> None:
    def one() -> StreamingHttpResponse:
        return attachment(iter([b"x"]), by=ANNA, name="a.zip", content_type=ZIP)

    opened = [one() for _ in range(AT_ONCE_EACH)]
    with pytest.raises(TooMany, match="downloads open already"):
        one()
    attachment(iter([]), by=User(pk=2), name="a.zip", content_type=ZIP).close()
    opened.pop().close()
    opened.append(one())
    # One that its server forgot without closing it counts no longer.
    opened.clear()
    gc.collect()
    one().close()


@pytest.mark.parametrize("words", ["=1+1", "+49 40", "-", "@SUM(A1)", " =1", "\tx", "\rx"])
def test_words_that_look_like_a_formula_stay_words(words: str) -> None:
    assert csv_line([words]).lstrip('"').startswith("'")


def test_numbers_and_nothing_stay_what_they_are() -> None:
    assert csv_line([-1.5, None, 3, "a,b"]) == '-1.5,,3,"a,b"\r\n'
