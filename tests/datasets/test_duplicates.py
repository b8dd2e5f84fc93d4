"""Duplicates: clusters found, answers that disagree, examples near test rows."""

import random
from collections.abc import Iterable
from typing import Any

import pytest
from datasketch import MinHash, MinHashLSH

from annotation.models import Example
from core.errors import Conflict
from core.models import Run
from core.runs.control import request_cancel, start_again
from core.tasks import execute_run
from dataset.duplicates import (
    Cluster,
    Duplicates,
    Member,
    asked_of,
    denier_of,
    denies,
    question_key,
    questions,
)
from dataset.models import (
    DatasetRow,
    DuplicateCluster,
    DuplicateMember,
    DuplicateSearch,
    NearTest,
)
from dataset.queries.duplicates import near_test_of
from dataset.runner import duplicates as runner
from dataset.services.duplicate_searches import start_search
from dataset.similarity import jaccard, shingles
from tests.datasets.copies import ASKED, SAID, clusters, search, three
from tests.support.factories import make_example, make_frozen, quiet, spelled

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


# --- the pure part -------------------------------------------------------------------------------------------


def found_in(rows: Iterable[tuple[str, str]]) -> list[Cluster]:  # a group each
    duplicates = Duplicates()
    for number, (question, answer) in enumerate(rows, start=1):
        duplicates.add(
            example=number,
            group=f"group-{number}",
            messages=[{"role": "user", "content": question}],
            completion=answer,
            may_leak=True,
        )
    return duplicates.find()[0]


def test_clusters_by_question_by_answer_and_by_both():
    answer = "Your order is on its way and will arrive at your address tomorrow."
    rows = [
        (ASKED, answer),
        (ASKED.lower(), answer.upper()),
        (ASKED + " Thanks", "I do not know, sorry."),
        ("When does the office open?", answer),
        ("Something else altogether, I think", "No."),
        ("Another thing that I would like to know", "No."),
        ("Not answered yet, this question of mine", ""),
        ("Neither is this one, as far as one can see", ""),
    ]
    found = {(c.kind, tuple(c.examples)): c.exact for c in found_in(rows)}
    # "No." is too short to be a standard reply, and two empty completions are not the same answer.
    assert found == {
        ("pair", (1, 2)): True,
        ("prompt", (1, 2, 3)): False,
        ("completion", (1, 2, 4)): True,
    }


def test_a_cluster_of_questions_that_is_also_one_of_pairs_is_shown_once():
    found = found_in([(ASKED, SAID), (ASKED, SAID + " Bye"), ("Else?", "Nothing of that kind at all.")])
    assert [c.kind for c in found if c.kind != "completion"] == ["pair"]


def test_turns_of_one_conversation_are_no_duplicates():
    duplicates = Duplicates()
    turns = [{"role": "user", "content": f"{ASKED} {SAID}"}, {"role": "assistant", "content": "Yes."}]
    longer = [*turns, {"role": "user", "content": "Thanks."}]
    for example, group, messages in (
        (1, "a", turns[:1]),
        (2, "a", longer),
        (3, "b", turns[:1]),
        (4, "b", turns[:1]),
    ):
        duplicates.add(example=example, group=group, messages=messages, completion="", may_leak=True)
    (cluster,) = duplicates.find()[0]
    assert cluster.examples == [1, 2, 3, 4]  # with other conversations they are
    alone = Duplicates()
    for example, messages in ((1, turns[:1]), (2, longer)):
        alone.add(example=example, group="a", messages=messages, completion="", may_leak=True)
    assert alone.find()[0] == []


def test_datasketch_finds_the_same_near_duplicates():
    """The oracle: another library's MinHash finds the pairs, the exact similarity decides."""
    draw, words = random.Random(5), [spelled(at) for at in range(60)]
    texts: list[str] = []
    for _ in range(150):
        base = [draw.choice(words) for _ in range(draw.randint(8, 20))]
        texts.append(" ".join(base))
        for _ in range(draw.randint(0, 2)):
            changed = list(base)
            changed[draw.randrange(len(changed))] = draw.choice(words)
            texts.append(" ".join(changed))
    index, digests = MinHashLSH(threshold=0.6, num_perm=256), []
    sets = [shingles([{"role": "user", "content": text}]) for text in texts]
    for at, parts in enumerate(sets):
        digest = MinHash(num_perm=256, seed=3)
        digest.update_batch([part.encode() for part in parts])
        index.insert(at, digest)
        digests.append(digest)
    expected = {
        frozenset((at, other))
        for at, digest in enumerate(digests)
        for other in index.query(digest)
        if at != other and jaccard(sets[at], sets[other]) >= 0.8
    }
    found = [c for c in found_in([(text, "") for text in texts]) if c.kind == "prompt"]
    together = {example - 1: number for number, c in enumerate(found) for example in c.examples}
    assert len(expected) > 20
    assert all(together[a] == together[b] for a, b in map(tuple, expected))
    # And nothing is in a cluster without a near-duplicate in it.
    near = {at for pair in expected for at in pair}
    assert near == set(together)


def test_a_question_is_the_same_only_with_the_same_numbers_and_records():
    def key(said: str, *records: str) -> bytes:
        return question_key([{"role": "system", "content": "7"}, {"role": "user", "content": said}], records)

    assert key("Where is FD-1?", '{"a": 1}') == key("where  is FD-1", '{"a":1}')
    assert key("Where is FD-1?") != key("Where is FD-2?")
    assert key("Where is FD-1?", '{"a": 1}') != key("Where is FD-1?", '{"a": 2}')


@pytest.mark.parametrize(
    ("text", "expected"),
    [("We don’t ship there.", True), ("No problem, it is done.", False), ("It is not here", True), ("I know it", False)],
    ids=["dont", "no-problem", "not", "know"],
)  # fmt: skip
def test_denials(text, expected):
    assert denies(text) is expected


@pytest.mark.parametrize(
    ("mine", "theirs", "share", "denier"),
    [
        ("I have a mocha.", "I do not have mocha.", 0.85, 2),
        ("The invoice has VAT.", "The invoice has not VAT.", 0.9, 2),
        ("Yes we do.", "I do not have mocha.", 0.1, 2),  # yes, and a refusal
        ("We cannot cancel it.", "I have cancelled it.", 0.7, 1),
        ("We cannot cancel it.", "I have cancelled it.", 0.5, None),  # of another subject
        ("We don't have soy milk.", "We only have oat milk, not soy.", 0.7, None),  # a "not" in other words
        ("I'm sorry, I cannot help with that.", "Sorry, we can't do that.", 0.95, None),  # both refuse
    ],
)
def test_who_denies_what_the_other_says(mine: str, theirs: str, share: float, denier: int | None):
    assert denier_of({1: mine, 2: theirs}, 1, 2, share) == denier


def test_the_last_turn_makes_the_question():
    """Long conversations are near-duplicates although they end with different questions."""
    begun = [{"role": "user", "content": "Hello, what is on your menu today, please?"}]
    asks = ("Can I get a Manhattan?", "Show me the menu again please.", "can I get a manhattan")
    asked = {at: asked_of([*begun, {"role": "user", "content": last}], []) for at, last in enumerate(asks, 1)}
    cluster = Cluster("prompt", [Member(at, 1.0, at) for at in asked], exact=False)
    (found,) = questions([cluster], asked)
    assert found.answers == [1, 3] and cluster.parts == {1: 1, 3: 1}


# --- a search ------------------------------------------------------------------------------------------------


def test_a_search_stores_clusters_with_their_members(world):
    examples = three(world)
    found = search(world)
    (cluster,) = clusters(world)
    assert (cluster.kind, cluster.size, cluster.first_id, cluster.tested) == (
        "pair",
        3,
        examples[0].pk,
        False,
    )
    assert [m.example_id for m in cluster.members.all()] == [e.pk for e in examples]
    assert found.counts["examples"] == 4
    assert found.counts["clusters"] == {"pair": 1, "prompt": 0, "completion": 1}
    similar = cluster.members.get(example=examples[2]).similarity
    assert similar == pytest.approx(jaccard(shingles(examples[0].messages), shingles(examples[2].messages)))


def test_retired_examples_and_other_projects_are_not_compared(world):
    first, second, third = three(world)
    Example.objects.filter(pk__in=[first.pk, second.pk]).update(status="retired")
    make_example(world.other, ASKED, SAID)
    search(world)
    assert clusters(world) == []
    assert not DuplicateMember.objects.filter(example=third).exists()


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("It arrives on 3 December.", "It arrives on 9 December.", "values"),
        ("Yes, we ship there every week.", "No, we only ship inside Europe.", "yes_no"),
    ],
    ids=["dates", "yes-no"],
)
def test_answers_to_one_question_that_disagree_are_named(world, one, other, kind):
    make_example(world.project, ASKED, one, context=['{"order": "FD-1"}'])
    make_example(world.project, ASKED, other, context=['{"order":"FD-1"}'])
    search(world)
    (cluster,) = clusters(world)
    assert cluster.disagreement == kind
    assert cluster.says
    assert {m.part for m in cluster.members.all()} == {1}
    assert clusters(world, disagreeing=True) == [cluster]


@pytest.mark.slow
def test_meaning_is_compared_by_embeddings(world):
    """A denial in nearly the same words is named; other words for the same are not."""
    same = "Which milk do you have for a large latte in this shop?"
    for question, answers in (
        (ASKED, ("We have a ship to Oslo this week.", "We do not have a ship to Oslo this week.")),
        (same, ("We have oat milk and soy milk.", "You can have it with soy milk or oat milk.")),
    ):
        for answer in answers:
            make_example(world.project, question, answer)
    search(world)
    denial, other = clusters(world)
    assert (denial.disagreement, other.disagreement) == ("denial", "")
    assert denial.likeness is not None
    assert other.likeness is not None
    assert 0.6 < denial.likeness < 1
    assert 0.4 < other.likeness < 1


def test_other_records_explain_another_answer(world):
    make_example(world.project, ASKED, "It arrives on 3 December.", context=["FD-1"])
    make_example(world.project, ASKED, "It arrives on 9 December.", context=["FD-2"])
    search(world)
    (cluster,) = clusters(world)
    assert cluster.disagreement == ""
    assert cluster.likeness is None


def test_clusters_that_disagree_come_first_and_then_the_largest(world):
    for _ in range(4):
        make_example(world.project, "What are your opening hours on weekends?", "From nine.")
    for at in (3, 9):
        make_example(world.project, ASKED, f"It arrives on {at} December.")
    three_more = "Do you deliver large furniture to islands in the north?"
    for _ in range(3):
        make_example(world.project, three_more, "Yes, by ship.")
    search(world)
    assert [(bool(c.disagreement), c.size) for c in clusters(world)] == [(True, 2), (False, 4), (False, 3)]


def test_one_search_at_a_time(world):
    first = start_search(by=world.admin, project=world.project)
    with pytest.raises(Conflict):
        start_search(by=world.reviewer, project=world.project)
    request_cancel(by=world.admin, run=first.run)
    second = start_search(by=world.admin, project=world.project)
    with pytest.raises(Conflict):
        start_again(by=world.admin, run=Run.objects.get(pk=first.run_id))
    execute_run(second.run_id)
    assert DuplicateSearch.objects.get(pk=second.pk).found_at


def test_a_killed_search_starts_again_and_stores_once(world, monkeypatch):
    three(world)
    found = start_search(by=world.admin, project=world.project)
    stored = runner._store

    def dies(model, rows):
        stored(model, rows)
        if model is DuplicateMember:
            raise KeyboardInterrupt  # the worker is killed before the commit

    monkeypatch.setattr(runner, "_store", dies)
    with pytest.raises(KeyboardInterrupt):
        execute_run(found.run_id)
    assert DuplicateCluster.objects.count() == 0
    monkeypatch.undo()
    Run.objects.filter(pk=found.run_id).update(status="queued", claim=None)
    execute_run(found.run_id)
    execute_run(found.run_id)
    assert len(clusters(world)) == 1
    assert DuplicateMember.objects.count() == 6  # the pair, and the standard reply


def test_a_cancelled_search_leaves_what_the_last_one_found(world, monkeypatch):
    three(world)
    search(world)
    (before,) = clusters(world)
    again = start_search(by=world.admin, project=world.project)

    def cancelled(*args: Any, **kwargs: Any) -> Any:
        request_cancel(by=world.admin, run=Run.objects.get(pk=again.run_id))
        return found(*args, **kwargs)

    found = runner.find_duplicates
    monkeypatch.setattr(runner, "find_duplicates", cancelled)
    execute_run(again.run_id)
    assert Run.objects.get(pk=again.run_id).status == "cancelled"
    assert [c.pk for c in clusters(world)] == [before.pk]


# --- near test rows ------------------------------------------------------------------------------------------


def test_examples_near_a_test_row_are_listed_before_the_freeze_withholds_them(world):
    for at in range(12):
        make_example(
            world.project,
            f"{spelled(at * 31)}, {spelled(at * 77)} and {spelled(at * 5)} of the old ship?",
            status="approved",
        )
    first = make_frozen(world.project, world.admin, test=0.3, validation=0.1)
    row = DatasetRow.objects.filter(dataset=first, split="test").first()
    assert row is not None
    tested = row.example.question
    near = make_example(world.project, f"{tested} 17", status="approved")
    in_group = make_example(world.project, f"{tested} 18", status="approved", group=row.example.group)
    waiting = make_example(world.project, tested.upper(), status="queued")
    search(world)
    listed = {one.example_id: one for one in near_test_of(world.project)}
    # What belongs to the test row's own group will be a test row itself.
    assert listed.keys() == {near.pk, waiting.pk}
    assert in_group.pk not in listed
    assert listed[near.pk].row == row
    second = make_frozen(world.project, world.admin)
    withheld = set(second.withheld.values_list("example", flat=True))
    assert withheld == {near.pk}
    assert near_test_of(world.project).filter(similarity__lt=0.8).count() == 0
    Example.objects.filter(pk=near.pk).update(status="retired")
    assert [one.example_id for one in near_test_of(world.project)] == [waiting.pk]


def test_search_of_nothing(world):
    found = search(world)
    assert found.counts["examples"] == 0
    assert clusters(world) == []
    assert NearTest.objects.count() == 0
    runner.search_now(start_search(by=world.admin, project=world.project), tell=quiet)
