"""Search finds what looks the same, in every script, by the index."""

import unicodedata

import pytest
from django.db import connection

from annotation.models import Example
from annotation.queries.examples import find_examples
from core.lists.search import either_form, pattern, searchable
from tests.support.factories import World, make_example

SAME = [
    ("Café Zürich", unicodedata.normalize("NFD", "café")),
    (unicodedata.normalize("NFD", "Café Zürich"), "ZÜRICH"),
    ("STRASSE 5", "straße"),
    ("the ofﬁce", "office"),
    ("ＦＤ－４２", "fd-42"),
    ("FD-42", "ＦＤ－４２"),
    ("ｶﾞﾗｽ", "ガラス"),
    ("ΟΔΟΣ", "οδος"),
    ("荷物は東京にあります", "東京"),
    ("荷物は東京にあります", "京"),
    ("包裹在北京", "北京"),
    ("包裹在北京海关", "北京海关"),
    ("배송 조회", "배송"),
    (unicodedata.normalize("NFD", "배송 조회"), "배송"),
    ("สินค้าอยู่ที่ไหน", "ที่"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("text", "typed"), SAME)
def test_what_looks_the_same_is_found(world: World, text: str, typed: str) -> None:
    wanted = make_example(world.project, question=text)
    make_example(world.project, question="京 and 都 apart, nothing else")
    assert wanted in find_examples(world.project, {"q": typed})


@pytest.mark.django_db
def test_letters_that_stand_apart_are_no_word(world: World) -> None:
    make_example(world.project, question="東 and 京 are two letters")
    assert not find_examples(world.project, {"q": "東京"}).exists()
    assert not find_examples(world.project, {"q": "東京 京都"}).exists()


def test_what_is_too_short_is_not_looked_for() -> None:
    assert [pattern(typed) for typed in ("", " ", "a", "ab", "é", "\x1f東")] == [""] * 5 + ["\x1f東\x1f"]
    assert pattern("abc") == "abc"
    assert pattern("a東") == "a東"


def test_plain_text_is_stored_as_before() -> None:
    assert searchable("Where is FD-1?\nIt IS at sea.") == "where is fd-1?\nit is at sea."


@pytest.mark.django_db
def test_columns_as_written_are_searched_in_either_form(world: World) -> None:
    decomposed = unicodedata.normalize("NFD", "é")
    made = [make_example(world.project, completion=f"Caf{letter}") for letter in ("é", decomposed)]
    for letter in ("é", decomposed):
        found = Example.objects.filter(either_form("completion", f"caf{letter}"))
        assert set(found) == set(made)


def fill_table(world: World, words: dict[int, str], rows: int = 20_000) -> None:
    """Examples with "shipment 0", "shipment 1" and so on, and `words` in some of them, indexed."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO annotation_example (project_id, status, messages, context, completion, slice, edge, tags, "group",
                license, external_id, origin, origin_detail, content_hash, revision, waiting_since, created_at, changed_at)
            SELECT %s, 'queued', '[]', '[]', '', '', '', '{}', 'g', '', '', 'written', '{}', '', 1, now(), now(), now()
            FROM generate_series(1, %s) RETURNING id
            """,
            [world.project.pk, rows],
        )
        made = [pk for (pk,) in cursor.fetchall()]
        with cursor.copy(
            "COPY annotation_examplesearch (example_id, project_id, text, question) FROM STDIN"
        ) as copy:
            for at, pk in enumerate(made):
                text = searchable(f"shipment {at} {words.get(at, '大阪の荷物')}")
                copy.write_row((pk, world.project.pk, text, ""))
        # What autovacuum does after such a load: the index takes in what waits beside it.
        cursor.execute("SELECT gin_clean_pending_list('example_search'::regclass)")
        cursor.execute("ANALYZE annotation_example, annotation_examplesearch")


@pytest.mark.django_db
def test_the_index_serves_short_words_among_20_000_rows(world: World) -> None:
    """Counts rows that the plan reads, not seconds."""
    fill_table(world, {7: "東京都の荷物", 8: "배송 중"})
    with connection.cursor() as cursor:
        for typed in ("東京", "京", "東京都", "shipment 19999", "배송"):
            found = find_examples(world.project, {"q": typed}).order_by().values("pk")
            query, values = found.query.sql_with_params()
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", values)
            plan = cursor.fetchone()[0][0]["Plan"]
            nodes = [plan]
            for node in nodes:
                nodes.extend(node.get("Plans", []))
            assert "example_search" in {node.get("Index Name") for node in nodes}, (typed, plan)
            assert plan["Actual Rows"] == 1
            removed = ("Rows Removed by Index Recheck", "Rows Removed by Filter")
            assert sum(node.get(name, 0) for node in nodes for name in removed) < 50
