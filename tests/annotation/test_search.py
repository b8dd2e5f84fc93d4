"""Search finds what looks the same, in every script, by the index."""

import unicodedata
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotation.models import Example
from annotation.queries import search
from annotation.queries.examples import find_examples
from annotation.queries.search import newest_matches
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


def words_of_a_large_table() -> dict[int, str]:
    """Common, rare, in every hundredth, only in the oldest, only in the newest, in none."""
    words = {}
    for at in range(20_000):
        words[at] = " ".join(
            word
            for word, has in (
                ("everywhere", True), ("often", at % 3 == 0), ("seldom", at % 100 == 7), ("once", at == 4711),
                ("ancient", at < 3000), ("recent", at >= 19_000), ("middle", 9000 <= at < 9500),
            )
            if has
        )  # fmt: skip
    return words


@pytest.mark.django_db
def test_every_way_finds_the_same_newest_matches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever PostgreSQL estimates: by reading, from the index at once, and block by block."""
    fill_table(world, words_of_a_large_table())
    make_example(world.other, question="everywhere often seldom once ancient recent")
    Example.objects.filter(project=world.project, pk__gt=0).extra(where=["id %% 5 = 0"]).update(
        status="retired"
    )
    slices = Example.objects.filter(project=world.project).extra(where=["id %% 7000 = 1"])
    slices.update(slice="few")
    ways = [{"_RARE": 10**9}, {"_RARE": -1, "_FEW": 10**9}, {"_RARE": -1, "_FEW": -1}, {"_READ": 10}, {}]
    for way in ways:
        with monkeypatch.context() as patched:
            patched.setattr(search, "MOST", 100)
            for name, value in way.items():
                patched.setattr(search, name, value)
            for q in (
                "everywhere",
                "often",
                "seldom",
                "once",
                "ancient",
                "recent",
                "middle",
                "nowhere",
                "SHIPMENT 1999",
            ):
                for others in ({}, {"status": "retired"}, {"slice": "few"}, {"status": "queued", "tag": "x"}):
                    criteria: dict[str, Any] = {"q": q, **others}
                    everything = list(find_examples(world.project, criteria).values_list("pk", flat=True))
                    found = newest_matches(world.project, criteria)
                    assert found is not None
                    assert found.ids == everything[:100], (way, criteria)
                    assert found.more == (len(everything) > 100), (way, criteria)


@pytest.mark.django_db
def test_a_search_reads_a_bounded_number_of_texts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts rows that the plans read, not seconds."""
    fill_table(world, words_of_a_large_table())
    monkeypatch.setattr(search, "MOST", 100)
    monkeypatch.setattr(search, "_READ", 400)
    with connection.cursor() as cursor:  # 20,000 short rows are read from end to end when they may be
        cursor.execute("SET LOCAL enable_seqscan = off")
    # "ancient" is in the block of the oldest: its texts may be read from the newest on.
    bounds = {
        "everywhere": 250,
        "often": 1100,
        "seldom": 1400,
        "once": 10,
        "ancient": 3 * 8192,
        "nowhere": 10,
    }
    for q, most in bounds.items():
        with CaptureQueriesContext(connection) as captured:
            newest_matches(world.project, {"q": q})
        assert len(captured) <= 20
        read = 0
        for query in captured.captured_queries:
            if query["sql"].startswith("EXPLAIN") or "examplesearch" not in query["sql"]:
                continue
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query['sql']}")
                nodes = [cursor.fetchone()[0][0]["Plan"]]
            for node in nodes:
                nodes.extend(node.get("Plans", []))
                if "Plans" not in node or node["Node Type"] == "Bitmap Heap Scan":
                    missed = node.get("Rows Removed by Filter", 0) + node.get(
                        "Rows Removed by Index Recheck", 0
                    )
                    looked_up = 0 if node["Node Type"] == "Bitmap Index Scan" else node["Actual Rows"]
                    read += (looked_up + missed) * node["Actual Loops"]
        assert read <= most, (q, read)


@pytest.mark.django_db
def test_the_list_says_that_more_match_and_pages_through_the_newest(
    world: World, as_user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST", 60)
    made = [make_example(world.project, question="Where is the crate?").pk for _ in range(61)]
    client, url = as_user(world.viewer), f"/p/{world.project.slug}/annotate/examples/"
    page = client.get(url, {"q": "crate", "page": 3})
    assert "More than 60 match" in page.content.decode()
    assert [example.pk for example in page.context["page"]] == made[1:11][::-1]
    page = client.get(url, {"q": "crate", "status": "approved"})
    assert "Nothing matches" in page.content.decode()
    page = client.get(url, {"q": f"#{made[3]}"})
    assert [example.pk for example in page.context["page"]] == [made[3]]
    assert client.get(url, {"q": "crate", "page": "x"}).status_code == 200
