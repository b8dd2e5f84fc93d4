"""Language and mood of examples: how they are read, kept, counted, filtered and asked for."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotation.checks.mood import mood_of
from annotation.checks.traits import Traits, traits_of
from annotation.models import AuthoringTask, CoverageTarget, Example, ExampleTrait
from annotation.moods import MOODS
from annotation.queries.counts import kept_count
from annotation.queries.coverage import coverage
from annotation.queries.examples import find_examples
from annotation.queries.holes import holes_of
from annotation.services.adopting import adopt_slices
from annotation.services.coverage import create_task, set_target
from annotation.services.found import check_and_store
from annotation.services.quality import start_check
from core.errors import Invalid
from core.runs.execution import execute
from tests.annotation.mood_sentences import SENTENCES
from tests.annotation.pages import SignIn
from tests.support.factories import World, make_example

GERMAN = "Wo bleibt mein Paket? Ich warte seit zwei Wochen auf die Lieferung aus Hamburg."
ANGRY = "This is ridiculous, I am furious. Where is my parcel with the spare parts?"


def chat(*turns: str, completion: str = "") -> dict[str, object]:
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": text} for at, text in enumerate(turns)]
    return {"messages": messages, "context": [], "completion": completion}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (chat(GERMAN), Traits("de", "")),
        (chat(ANGRY), Traits("en", "angry")),
        # Too short to tell: the conversation says it, or the completion.
        (chat("Where is the parcel that you sent to our office?", "It is in Bergen now.", "Ok"), Traits("en", "neutral")),
        (chat("A latte", completion="Certainly, that is one latte. Would you like anything with your order?"), Traits("en", "neutral")),
        (chat("Ok"), Traits("", "")),
        # The mood of all that the customer says, not of the last word.
        (chat("I am furious. This is the third time that you lost it.", "I am sorry.", "Order 12"), Traits("en", "angry")),
        ({"messages": [], "context": [], "completion": ""}, Traits("", "")),
    ],
)  # fmt: skip
def test_traits(content: dict[str, object], expected: Traits):
    assert traits_of(content) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I'd love a chai latte, please", "neutral"),
        ("Good morning, have a nice day", "neutral"),
        ("No rush, whenever you can", "neutral"),
        ("There is no need to worry, I found it", "neutral"),
        ("WHY IS IT NOT HERE, this is bad", "angry"),
        ("We ship to WMS ABCD", "neutral"),
    ],
)
def test_formulas_are_no_mood(text: str, expected: str):
    assert mood_of([text]) == expected


def test_the_measured_share_of_sentences_is_right():
    """The figures of docs/reference/coverage.md."""
    right = {mood: sum(mood_of([text]) == mood for text in texts) for mood, texts in SENTENCES.items()}
    assert right == {"angry": 8, "anxious": 8, "unhappy": 8, "neutral": 10, "pleased": 9}
    assert set(SENTENCES) == set(MOODS)


def test_a_long_text_takes_no_time():
    for text in ("!" * 200_000, "AAAA " * 50_000, "so good " * 30_000, "never " * 40_000):
        mood_of([text])


@pytest.fixture
def read(world: World) -> World:
    """Three examples that are approved and read: two angry English ones, a German one; and one that nobody has read."""
    for question in (ANGRY, f"{ANGRY} It is the second one.", GERMAN):
        example = make_example(world.project, question=question, status="approved")
        check_and_store(example, example.content(), world.project)
    make_example(world.project, question="Not read yet", status="approved")
    return world


pytestmark = pytest.mark.django_db


def test_coverage_counts_languages_and_moods(read: World):
    found = coverage(read.project)
    assert {part.language: part.approved for part in found.languages} == {"en": 2, "de": 1}
    assert {part.mood: part.approved for part in found.moods} == {
        "angry": 2, "anxious": 0, "unhappy": 0, "neutral": 0, "pleased": 0,
    }  # fmt: skip
    assert (found.no_mood.approved, found.no_language.approved, found.unread) == (1, 0, 1)
    assert found.languages[0].query == "?language=en"


def test_a_status_is_counted_with_its_example(read: World):
    one = Example.objects.filter(trait__mood="angry").order_by("pk")[:1].get()
    Example.objects.filter(pk=one.pk).update(status="retired")
    assert {part.mood: part.approved for part in coverage(read.project).moods}["angry"] == 1
    Example.objects.filter(pk=one.pk).update(status="in_review")
    (angry,) = [part for part in coverage(read.project).moods if part.mood == "angry"]
    assert (angry.approved, angry.in_work) == (1, 1)
    Example.objects.filter(pk=one.pk).delete()
    assert ExampleTrait.objects.filter(project=read.project).count() == 2


def test_a_check_reads_what_was_not_read(world: World):
    one = make_example(world.project, question=GERMAN)
    execute(start_check(by=world.admin, project=world.project).pk)
    assert (one.trait.language, one.trait.mood, one.trait.status) == ("de", "", "queued")
    # An edit reads it again.
    one.messages = [{"role": "user", "content": ANGRY}]
    one.save()
    check_and_store(one, one.content(), world.project)
    one.trait.refresh_from_db()
    assert (one.trait.language, one.trait.mood) == ("en", "angry")


def test_lists_are_filtered_and_counted(read: World):
    for criteria, n in (
        ({"language": "de"}, 1),
        ({"mood": "angry"}, 2),
        ({"mood": "-"}, 1),
        ({"language": "-"}, 0),
        ({"mood": "angry", "language": "de"}, 0),
        ({"mood": "angry", "status": "approved"}, 2),
        ({"mood": "angry", "status": "queued"}, 0),
    ):
        assert find_examples(read.project, criteria).count() == n
        assert kept_count(read.project, criteria) == n
    assert kept_count(read.project, {"mood": "angry", "tag": "x"}) is None
    assert find_examples(read.project, {"mood": "angry", "q": "the second one"}).count() == 1


def test_the_number_of_queries_does_not_grow(read: World):
    with CaptureQueriesContext(connection) as queries:
        coverage(read.project)
    assert len(queries) <= 10


def test_targets_are_for_a_language_or_a_mood_alone(read: World):
    set_target(by=read.admin, project=read.project, mood="angry", amount=20)
    set_target(by=read.admin, project=read.project, language="fr", amount=30, unit="number")
    words = {hole.words: hole.missing for hole in holes_of(coverage(read.project)) if hole.part.target}
    assert words == {"French has none of 30 wanted": 30, "Mood “angry” has 2 of 20 wanted": 18}
    for part in (
        {"mood": "angry", "language": "de"},
        {"mood": "angry", "slice": "customs"},
        {"mood": "cross"},
        {"language": "xx"},
    ):
        with pytest.raises(Invalid):
            set_target(by=read.admin, project=read.project, amount=1, **part)
    for part in ({"mood": "angry", "language": "de"}, {}):
        with pytest.raises(IntegrityError), transaction.atomic():
            CoverageTarget.objects.create(project=read.project, amount=1, **part)


def test_a_task_can_name_a_mood_in_a_slice(read: World):
    Example.objects.update(slice="customs")
    adopt_slices(read.project, origin="import")
    task = create_task(
        by=read.admin, project=read.project, quota=20, slice="customs", mood="angry", language="de"
    )
    assert task.wanted == "Angry customer, customs, in German"
    for part in ({"mood": "cross"}, {"language": "xx"}, {}):
        with pytest.raises(Invalid):
            create_task(by=read.admin, project=read.project, quota=1, **part)


def test_pages(read: World, as_user: SignIn):
    client, slug = as_user(read.admin), read.project.slug
    set_target(by=read.admin, project=read.project, mood="pleased", amount=5)
    page = client.get(reverse("quality:coverage", args=[slug])).content.decode()
    assert "By language" in page and "By the customer" in page
    assert "1 example was not read for language and mood yet" in " ".join(page.split())
    made = client.post(
        reverse("annotation:task-from-hole", args=[slug]), {"mood": "pleased", "quota": "5"}, follow=True
    )
    assert AuthoringTask.objects.get().mood == "pleased" and "Pleased customer" in made.content.decode()
    listed = client.get(f"{reverse('annotation:examples', args=[slug])}?mood=angry").content.decode()
    assert "It is the second one" in listed and "Wo bleibt" not in listed
    assert client.get(f"{reverse('annotation:examples', args=[slug])}?mood=cross").status_code == 422
    one = ExampleTrait.objects.filter(language="de").get().example_id
    assert "German" in client.get(reverse("annotation:example", args=[slug, one])).content.decode()
    target = client.get(f"{reverse('quality:coverage-target', args=[slug])}?language=de")
    assert "In German" in target.content.decode()


def test_by_program(read: World, as_user: SignIn):
    client, where = as_user(read.admin), f"/api/v1/projects/{read.project.slug}/"
    listed = client.get(f"{where}examples/?language=de").json()
    assert [(one["language"], one["mood"]) for one in listed["results"]] == [("de", "")] and listed[
        "count"
    ] == 1
    found = client.get(f"{where}coverage/").json()
    assert found["not_read"] == 1 and found["languages"][0]["language"] == "en"
    body = {"mood": "angry", "quota": 3}
    made = client.post(f"{where}authoring-tasks/", body, content_type="application/json")
    assert (made.status_code, made.json()["mood"], made.json()["wanted"]) == (201, "angry", "Angry customer")
    unread = client.get(f"{where}examples/?q=Not read yet").json()["results"]
    assert [one["language"] for one in unread] == [None]
