"""The container health check of processes that listen on no port."""

import pytest

from core import health
from core.health import SystemPart
from launcher import alive


def part(name: str, up: bool) -> SystemPart:
    return SystemPart(name, name, up, "", None, "")


@pytest.mark.parametrize(
    ("name", "parts", "code"),
    [
        ("worker", [part("postgres", True), part("worker", True)], 0),
        ("worker", [part("postgres", True), part("worker", False)], 1),
        ("worker", [part("postgres", False), part("worker", True)], 1),
        # An engine that is down or loading is the engines process's business, and it is at work.
        ("engines", [part("postgres", True), part("engine-1", False)], 0),
        ("engines", [part("postgres", True), part("engines", False)], 1),
        ("web", [part("postgres", True)], 2),
    ],
)
def test_one_part_is_asked_for(monkeypatch, name: str, parts: list[SystemPart], code: int):
    monkeypatch.setattr(health, "parts", lambda: parts)
    assert alive.main(name) == code


@pytest.mark.django_db
def test_it_reads_the_real_signs_of_life():
    assert alive.main("postgres") == 0
    assert alive.main("worker") == 1
