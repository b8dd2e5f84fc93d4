"""The map of the examples: intents that are found again, places, the page."""

import random

import pytest
from django.urls import reverse

from annotation.models import Example, ExampleMap, ExamplePlace
from annotation.queries.coverage import coverage
from annotation.queries.map_drawing import HEIGHT, WIDTH, drawing_of
from annotation.queries.mapping import Point, read_facts
from annotation.runner.intents import IntentModel, NoWords, number_of_groups
from annotation.runner.mapping import make_map
from annotation.services.mapping import start_map
from core.errors import Conflict
from core.models import Run
from core.runs.context import RunFailed
from tests.annotation.pages import SignIn
from tests.support.factories import World, make_example, quiet

pytestmark = pytest.mark.django_db

TOPICS = {
    "customs": ["duties", "customs", "tariff", "broker", "clearance"],
    "refund": ["refund", "money", "invoice", "payment", "charged"],
    "delay": ["late", "vessel", "arrival", "harbour", "schedule"],
}
FILLER = ["please", "shipment", "order", "when", "number", "today"]


def question(topic: str, dice: random.Random) -> str:
    return " ".join(dice.sample(TOPICS[topic], 3) + dice.sample(FILLER, 2))


def planted(n: int, seed: int = 0) -> tuple[list[str], list[str]]:
    dice = random.Random(seed)
    topics = [dice.choice(sorted(TOPICS)) for _ in range(n)]
    return [question(topic, dice) for topic in topics], topics


def fill(world: World, n: int) -> None:
    texts, topics = planted(n)
    for at, (text, topic) in enumerate(zip(texts, topics, strict=True)):
        status = "approved" if at % 2 else "queued"
        make_example(
            world.project, question=text, slice=topic, status=status, completion="Yes. " * (5 + 60 * (at % 3))
        )


def made(world: World) -> ExampleMap:
    one = start_map(by=world.admin, project=world.project)
    make_map(one, report=quiet)
    Run.objects.filter(pk=one.run_id).update(status="succeeded")
    one.refresh_from_db()
    return one


def page_of(world: World, name: str = "coverage-map") -> str:
    return reverse(f"quality:{name}", args=[world.project.slug])


def test_planted_topics_are_found_and_named_by_their_words():
    texts, topics = planted(90)
    model = IntentModel(texts)
    assert number_of_groups(90) == 3
    groups = model.place(texts).groups
    for topic, words in TOPICS.items():
        own = [int(group) for group, name in zip(groups, topics, strict=True) if name == topic]
        most = max(set(own), key=own.count)
        assert own.count(most) / len(own) > 0.9
        assert set(model.groups[most].words[:5]) & set(words)


def test_likely_questions_are_near_each_other_and_the_map_is_the_same_each_time():
    texts, topics = planted(90)
    points = IntentModel(texts).place(texts).points
    assert abs(points).max() <= 1
    again = IntentModel(texts).place(texts).points
    assert (points == again).all()

    def mean_distance(same: bool) -> float:
        pairs = [
            ((points[i] - points[j]) ** 2).sum() ** 0.5
            for i in range(90)
            for j in range(i)
            if (topics[i] == topics[j]) == same
        ]
        return sum(pairs) / len(pairs)

    assert mean_distance(same=True) < 0.7 * mean_distance(same=False)


def test_a_question_of_unknown_words_has_a_place_too():
    model = IntentModel(planted(60)[0])
    placed = model.place(["", "完全に別の話", "zzz qqq"])
    assert placed.groups.shape == (3,) and abs(placed.points).max() <= 1


@pytest.mark.parametrize(
    "texts", [["1 2 3"] * 40, [""] * 40, ["the and of"] * 40], ids=["numbers", "empty", "common"]
)
def test_texts_without_words_are_refused(texts: list[str]):
    with pytest.raises(NoWords):
        IntentModel(texts)


def test_every_example_gets_a_place_and_the_facts_add_up(world: World):
    fill(world, 40)
    gone = make_example(world.project, status="retired")
    make_example(world.other)
    facts = read_facts(made(world))
    assert facts is not None
    assert facts.examples == 40 == sum(intent.examples for intent in facts.intents) == facts.drawn
    assert sum(intent.approved for intent in facts.intents) == 20
    assert [intent.examples for intent in facts.intents] == sorted(
        (intent.examples for intent in facts.intents), reverse=True
    )
    places = ExamplePlace.objects.filter(project=world.project)
    assert places.count() == 40 and not places.filter(example=gone).exists()
    assert {part.length: part.approved + part.in_work for part in coverage(world.project).lengths} == {
        "short": 14, "medium": 13, "long": 13, "very_long": 0,
    }  # fmt: skip


def test_a_later_map_replaces_the_earlier_one(world: World):
    fill(world, 35)
    made(world)
    Example.objects.filter(project=world.project).first().delete()
    fill_more = make_example(world.project, question="Where are my customs duties?")
    made(world)
    assert ExamplePlace.objects.filter(project=world.project).count() == 35
    assert ExamplePlace.objects.filter(example=fill_more).exists()
    assert ExampleMap.objects.count() == 1


def test_too_few_examples_and_no_words_end_with_advice(world: World):
    for _ in range(29):
        make_example(world.project, question="1234")
    one = start_map(by=world.admin, project=world.project)
    with pytest.raises(RunFailed) as few:
        make_map(one, report=quiet)
    assert few.value.code == "too_few"
    make_example(world.project, question="5678")
    with pytest.raises(RunFailed) as wordless:
        make_map(one, report=quiet)
    assert wordless.value.code == "no_words"


def test_one_map_at_a_time(world: World):
    start_map(by=world.admin, project=world.project)
    with pytest.raises(Conflict):
        start_map(by=world.admin, project=world.project)


def test_points_stay_inside_the_drawing_and_have_a_legend():
    corners = [(-1.0, -1.0), (1.0, 1.0), (0.0, 0.0)]
    points = [Point(n, x, y, n, f"slice {n}", "approved", "de", None) for n, (x, y) in enumerate(corners)]
    drawing = drawing_of(points, [], colour="slice", chosen=1)
    assert all(0 < dot.x < WIDTH and 0 < dot.y < HEIGHT for dot in drawing.dots)
    assert [dot.css.endswith("faint") for dot in drawing.dots] == [True, False, True]
    assert sum(n for _, _, n in drawing.legend) == 3
    many = [Point(n, 0, 0, 0, f"slice {n}", "approved", "en", "angry" if n else "") for n in range(9)]
    assert drawing_of(many, [], colour="slice", chosen=None).legend[-1] == ("", "others", 4)
    assert len(drawing_of(many, [], colour="status", chosen=None).legend) == 1
    assert drawing_of(many, [], colour="language", chosen=None).legend == [("c1", "English", 9)]
    legend = drawing_of(many, [], colour="mood", chosen=None).legend
    assert legend == [("c1", "Angry", 8), ("c2", "not read", 1)]
    assert drawing_of(points, [], colour="mood", chosen=None).legend == [("c1", "not read yet", 3)]


def test_the_page_before_while_and_after(world: World, as_user: SignIn):
    client = as_user(world.reviewer)
    assert "No map yet" in client.get(page_of(world)).content.decode()
    fill(world, 33)
    assert client.post(page_of(world, "coverage-map-make")).status_code == 302
    assert client.post(page_of(world, "coverage-map-make")).status_code == 409
    one = ExampleMap.objects.get()
    make_map(one, report=quiet)
    Run.objects.filter(pk=one.run_id).update(status="succeeded")
    page = client.get(page_of(world)).content.decode()
    assert page.count("<circle") > 33 and "Map them again" in page
    number = read_facts(ExampleMap.objects.get()).intents[0].number
    chosen = client.get(page_of(world) + f"?intent={number}&colour=status")
    assert "Words that set it apart" in chosen.content.decode()
    assert client.get(page_of(world) + "?intent=99").status_code == 404
    assert client.get(page_of(world) + "?intent=x").status_code == 404
    assert as_user(world.rater).get(page_of(world)).status_code == 403
    assert as_user(world.annotator).post(page_of(world, "coverage-map-make")).status_code == 403
