"""The record."""

import re

import pytest

from core.audit.entries import record
from tests.core.pages import SignIn, page
from tests.support.factories import World, make_run, make_user

pytestmark = pytest.mark.usefixtures("plain_stages")


@pytest.fixture
def actions(world: World) -> None:
    record(by=world.admin, project=world.project, action="member.added", obj=world.rater, roles=["rater"])
    record(by=world.annotator, project=world.project, action="example.submitted", obj=world.project)
    record(
        by=None, project=world.project, action="run.succeeded", obj=make_run(world.project, title="Import 7")
    )
    record(by=world.neighbour, project=world.other, action="secret.action", obj=world.other)


@pytest.mark.parametrize(
    ("wanted", "there", "gone"),
    [
        ({}, ["as rater", "submitted example", "Import 7 is done"], ["secret"]),
        ({"what": "member add"}, ["as rater"], ["Import 7"]),
        ({"object": "import 7"}, ["Import 7 is done"], ["as rater"]),
        ({"who": "Guildhall"}, ["Import 7 is done"], ["as rater"]),
        ({"since": "2999-01-01"}, ["Nothing matches"], ["Import 7"]),
        ({"until": "2000-01-01"}, ["Nothing matches"], ["Import 7"]),
        ({"page": "x"}, ["Import 7 is done"], []),
        ({"since": "not a date"}, ["Nothing to list", "Give a date as 2026-11-25."], ["Import 7 is done"]),
        ({"until": "9999-12-31"}, ["Import 7 is done"], []),
        ({"since": "0001-01-01"}, ["Import 7 is done"], []),
    ],
)
@pytest.mark.usefixtures("actions")
def test_the_record_is_found_by_its_filters(
    wanted: dict[str, str], there: list[str], gone: list[str], world: World, as_user: SignIn
) -> None:
    text = as_user(world.viewer).get(page("audit", world), wanted).content.decode()
    for words in there:
        assert words in text
    for words in gone:
        assert words not in text


@pytest.mark.usefixtures("actions")
def test_the_record_by_person(world: World, as_user: SignIn) -> None:
    text = as_user(world.viewer).get(page("audit", world), {"who": world.annotator.pk}).content.decode()
    assert "submitted example" in text
    assert "Import 7" not in text


@pytest.mark.usefixtures("actions")
def test_the_record_as_csv_is_filtered_and_harmless_in_a_spreadsheet(world: World, as_user: SignIn) -> None:
    evil = make_user('=cmd|"/c calc"!A1')
    record(by=evil, project=world.project, action="example.submitted", obj=world.project)
    answer = as_user(world.admin).get(page("audit-csv", world), {"what": "example"})
    lines = b"".join(answer).decode().splitlines()
    assert lines[0] == "at,actor,action,object_type,object_id,object_label,detail"
    assert len(lines) == 3
    assert all("example.submitted" in line for line in lines[1:])
    assert any("'=cmd" in line for line in lines)
    assert lines[1].endswith(",{}")
    assert not any(re.search(r'(^|,)"?=', line) for line in lines)
