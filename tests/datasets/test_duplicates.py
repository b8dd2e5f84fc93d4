"""Duplicates: clusters found, answers that disagree, examples near test rows, and how people settle clusters."""

import json
import random
from collections.abc import Iterable
from typing import Any

import pytest
from datasketch import MinHash, MinHashLSH
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.models import Example, Lease
from core.errors import Conflict, Invalid
from core.models import AuditEntry, Project, Run
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
    GroupSplit,
    NearTest,
    Source,
)
from dataset.queries.duplicates import chosen_at_first, clusters_of, members_of, near_test_of
from dataset.runner import duplicates as runner
from dataset.runner.imports import store
from dataset.services.duplicate_searches import start_search
from dataset.services.duplicates import cluster_stamp, settle, undo_settlement
from dataset.services.imports import remove_import
from dataset.similarity import jaccard, shingles
from tests.datasets.desk import SignIn
from tests.support.factories import World, make_example, make_frozen, quiet, spelled
from tests.support.reading import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]
ASKED = "Where is the red crate that left Hamburg for Oslo on Monday?"
SAID = "The crate is at sea and arrives on 3 December at the port of Oslo."


def search(world: World) -> DuplicateSearch:
    """A finished search, without a worker: its heartbeat does not see the rows of this transaction."""
    found = start_search(by=world.admin, project=world.project)
    runner.search_now(found, tell=quiet)
    Run.objects.filter(pk=found.run_id).update(status="succeeded")
    return found


def clusters(world: World, **asked: Any) -> list[DuplicateCluster]:
    return list(clusters_of(world.project, **asked))


def three(world: World, **fields: Any) -> list[Example]:
    """Three examples with one question, and one that has nothing to do with them."""
    make_example(world.project, "May I bring my dog to the office?", "Yes, on Fridays.")
    return [
        make_example(world.project, question, SAID, status="approved", **fields)
        for question in (ASKED, ASKED.upper(), ASKED.replace("Monday", "Monday please"))
    ]


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


# --- settlements ---------------------------------------------------------------------------------------------


def test_keeping_one_retires_the_others_by_one_action_with_undo(world):
    first, second, third = three(world)
    Example.objects.filter(pk=third.pk).update(status="in_review")
    lease = Lease.objects.create(
        example=third, project=world.project, user=world.reviewer, purpose="review", expires_at="2099-01-01T00:00Z"
    )  # fmt: skip
    search(world)
    (cluster,) = clusters(world)
    settle(by=world.reviewer, cluster=cluster, keep=[second.pk], seen=cluster_stamp(cluster))
    assert [e.status for e in Example.objects.filter(pk__in=[first.pk, second.pk, third.pk]).order_by("pk")] == [
        "retired", "approved", "retired",
    ]  # fmt: skip
    lease.refresh_from_db()
    assert lease.outcome == "released"
    assert clusters(world) == []
    (settled,) = clusters(world, state="settled")
    assert (settled.outcome, settled.settled_by, settled.in_use) == ("retired", world.reviewer, 1)
    # The standard reply has one example left: nothing to look at.
    assert clusters(world, kind="completion") == []
    actions = list(AuditEntry.objects.filter(project_id=world.project.pk).values_list("action", flat=True))
    assert actions.count("example.retired") == 2
    assert actions.count("duplicates.settled") == 1
    undo_settlement(by=world.admin, cluster=settled)
    assert Example.objects.get(pk=first.pk).status == "approved"
    assert Example.objects.get(pk=third.pk).status == "in_review"
    (opened,) = clusters(world)
    assert (opened.pk, opened.in_use, opened.settled_by) == (cluster.pk, 3, None)
    assert len(clusters(world, kind="completion")) == 1


def test_a_settlement_outlives_later_searches(world):
    first, _, third = three(world)
    search(world)
    (cluster,) = clusters(world)
    settle(by=world.admin, cluster=cluster, keep=[first.pk, third.pk], reason="Two ways to ask.")
    search(world)
    assert clusters(world) == []  # the two that were kept are not found again
    fourth = make_example(world.project, ASKED, SAID)
    search(world)
    (grown,) = clusters(world)
    assert [m.example_id for m in grown.members.all()] == [first.pk, third.pk, fourth.pk]
    with pytest.raises(Conflict, match="found this cluster again"):
        undo_settlement(by=world.admin, cluster=cluster)


def test_all_are_wanted_needs_a_reason_and_retires_nothing(world):
    three(world)
    search(world)
    (cluster,) = clusters(world)
    with pytest.raises(Invalid, match="Say why"):
        settle(by=world.admin, cluster=cluster, keep=None, reason="  ")
    settle(by=world.admin, cluster=cluster, keep=None, reason="Customers ask it in many ways.")
    assert not Example.objects.filter(status="retired").exists()
    search(world)
    assert clusters(world) == []
    assert len(clusters(world, state="settled")) == 1


def test_wanted_duplicates_come_back_when_their_answers_begin_to_disagree(world):
    first, second = (make_example(world.project, ASKED, SAID) for _ in range(2))
    search(world)
    settle(by=world.admin, cluster=clusters(world)[0], keep=None, reason="Fine.")
    Example.objects.filter(pk=second.pk).update(completion=SAID.replace("3 December", "9 December"))
    search(world)
    (cluster,) = clusters(world)
    assert cluster.disagreement == "values"
    assert cluster.first_id == first.pk


@pytest.mark.parametrize("keep", [[], "all", [10**9]], ids=["none", "all", "stranger"])
def test_what_cannot_be_settled_changes_nothing(world, keep):
    examples = three(world)
    search(world)
    (cluster,) = clusters(world)
    chosen = [e.pk for e in examples] if keep == "all" else keep
    with pytest.raises(Invalid):
        settle(by=world.admin, cluster=cluster, keep=chosen)
    assert clusters(world)[0].status == "open"
    assert not Example.objects.filter(status="retired").exists()


def test_what_changed_after_the_page_was_loaded_is_not_settled(world):
    first, second, _ = three(world)
    search(world)
    (cluster,) = clusters(world)
    seen = cluster_stamp(cluster)
    Example.objects.filter(pk=second.pk).update(revision=2)
    with pytest.raises(Conflict, match="changed after you loaded"):
        settle(by=world.admin, cluster=cluster, keep=[first.pk], seen=seen)


def test_the_second_person_is_told_who_was_first(world):
    first, second, _ = three(world)
    search(world)
    (cluster,) = clusters(world)
    settle(by=world.reviewer, cluster=cluster, keep=[first.pk])
    with pytest.raises(Conflict, match=world.reviewer.name):
        settle(by=world.admin, cluster=cluster, keep=[second.pk])
    assert Example.objects.get(pk=first.pk).status == "approved"


def test_a_cluster_that_a_search_replaced_is_a_conflict(world):
    first, *others = three(world)
    search(world)
    (cluster,) = clusters(world)
    Example.objects.filter(pk__in=[e.pk for e in others]).update(status="retired")
    search(world)
    with pytest.raises(Conflict, match="replaced"):
        settle(by=world.admin, cluster=cluster, keep=[first.pk])


def test_an_example_of_a_withdrawn_source_stays_retired(world):
    source = Source.objects.create(project=world.project, name="Archive")
    first, *_ = three(world, source="Archive")
    search(world)
    (cluster,) = clusters(world)
    settle(by=world.admin, cluster=cluster, keep=[first.pk])
    Source.objects.filter(pk=source.pk).update(
        withdrawn_at="2026-11-01T00:00Z", withdrawn_by=world.admin, withdrawn_reason="Asked to."
    )
    with pytest.raises(Conflict, match="stays retired"):
        undo_settlement(by=world.admin, cluster=cluster)
    assert clusters(world, state="settled")[0].pk == cluster.pk


def test_an_import_with_open_clusters_can_be_removed(world, upload):
    line = json.dumps({"prompt": ASKED, "completion": SAID})
    data_import = upload(f"{line}\n{line.replace('Monday', 'Monday please')}\n".encode())
    store(data_import, report=quiet)
    Run.objects.filter(pk=data_import.run_id).update(status="succeeded")
    search(world)
    assert len(clusters(world)) == 1
    data_import.refresh_from_db()
    assert remove_import(by=world.admin, data_import=data_import) == 2
    assert DuplicateCluster.objects.count() == 0


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(min_value=0, max_value=2**32))
def test_settling_never_changes_versions_test_rows_or_splits(world, seed):
    """Whatever is kept, retired, undone or called wanted."""
    draw = random.Random(seed)
    project = world.project
    if not DatasetRow.objects.filter(dataset__project=project).exists():
        for at in range(30):
            question = f"{spelled(at // 3 * 91)}, {spelled(at // 3 * 7)} and {spelled(at // 3)} of the ship?"
            make_example(
                project, question + " please" * (at % 3), SAID, status="approved", group=f"g{at // 2}"
            )
        make_frozen(project, world.admin, test=0.3, validation=0.2)
    search(world)
    before = _held(project)
    for _ in range(3):
        found = [*clusters(world), *clusters(world, kind="completion")]
        if not found:
            break
        cluster = draw.choice(found)
        usable = [one.example.pk for one in members_of(cluster) if one.usable]
        if len(usable) > 1 and draw.random() < 0.7:
            keep = draw.sample(usable, draw.randint(1, len(usable) - 1))
            settle(by=world.admin, cluster=cluster, keep=keep)
        else:
            settle(by=world.admin, cluster=cluster, keep=None, reason="Wanted.")
        assert _held(project) == before
        if draw.random() < 0.5:
            undo_settlement(by=world.admin, cluster=cluster)
            assert _held(project) == before
    after = make_frozen(project, world.admin) if draw.random() < 0.3 else None
    if after:
        tested = set(DatasetRow.objects.filter(split="test").values_list("example", flat=True))
        trained = (
            DatasetRow.objects.filter(dataset=after).exclude(split="test").values_list("example", flat=True)
        )
        assert tested.isdisjoint(trained)


def _held(project: Project) -> tuple[Any, ...]:
    rows = DatasetRow.objects.filter(dataset__project=project).order_by("pk")
    splits = GroupSplit.objects.filter(project=project).order_by("pk")
    versions = project.dataset_versions.order_by("pk")
    return tuple(map(list, (
        rows.values_list(), splits.values_list("group", "split"), versions.values_list("content_hash", "counts"),
    )))  # fmt: skip


# --- pages ---------------------------------------------------------------------------------------------------


def page(name: str, world: World, *args: object) -> str:
    return reverse(f"datasets:{name}", args=[world.project.slug, *args])


def test_the_pages_show_and_settle(world, as_user: SignIn):
    first, _second, third = three(world)
    client = as_user(world.reviewer)
    assert "No search yet" in text_of(client.get(page("duplicates", world)))
    assert client.post(page("duplicates-find", world)).status_code == 302
    execute_run(DuplicateSearch.objects.get().run_id)
    listed = text_of(client.get(page("duplicates", world)))
    assert ASKED in listed
    assert "Same question and answer" in listed
    (cluster,) = clusters(world)
    shown = client.get(page("duplicate-cluster", world, cluster.pk))
    assert "<mark>" in shown.content.decode()
    assert f"Keep #{third.pk}" in text_of(shown)
    refused = client.post(page("duplicate-settle", world, cluster.pk), {})
    assert refused.status_code == 422
    assert "Choose at least one" in text_of(refused)
    client.post(page("duplicate-settle", world, cluster.pk), {"keep": [first.pk]})
    settled = text_of(client.get(page("duplicate-cluster", world, cluster.pk)))
    assert "Some kept, the others retired" in settled
    assert "2 examples retired" in settled
    client.post(page("duplicate-undo", world, cluster.pk))
    assert clusters(world)[0].in_use == 3
    bad = client.get(page("duplicates", world) + "?kind=nonsense")
    assert bad.status_code == 422


def test_what_the_page_proposes_to_keep(world):
    """One of copies, all of a standard reply, and none where answers disagree."""
    examples = three(world)
    question = "Do you deliver large furniture to islands in the north?"
    for answer in ("Yes, by ship.", "No, we do not."):
        make_example(world.project, question, answer)
    search(world)
    disagree, copies = clusters(world)
    (reply,) = clusters(world, kind="completion")

    def proposed(cluster: DuplicateCluster) -> list[int]:
        return chosen_at_first(cluster, members_of(cluster))

    assert proposed(copies) == [examples[0].pk]
    assert proposed(reply) == [one.pk for one in examples]
    assert proposed(disagree) == []


def test_the_page_says_the_consequences_first(world, as_user: SignIn):
    for at in range(12):
        make_example(
            world.project,
            f"{spelled(at * 31)}, {spelled(at * 77)} and {spelled(at * 5)} of the old ship?",
            status="approved",
        )
    first = make_frozen(world.project, world.admin, test=0.3, validation=0.1)
    row = DatasetRow.objects.filter(dataset=first, split="test").first()
    assert row is not None
    copy = make_example(world.project, row.example.question, row.example.completion, status="approved")
    search(world)
    (cluster,) = clusters(world, tested=True)
    text = text_of(as_user(world.reviewer).get(page("duplicate-cluster", world, cluster.pk)))
    assert "1 is a test row" in text
    assert "frozen datasets" in text
    assert [one.suggested for one in members_of(cluster)] == [True, False]
    assert f"#{copy.pk}" in text_of(as_user(world.viewer).get(page("near-test", world)))


def test_viewers_and_annotators_read_and_do_not_settle(world, as_user: SignIn):
    three(world)
    search(world)
    (cluster,) = clusters(world)
    for person in (world.viewer, world.annotator):
        client = as_user(person)
        assert "Keep the chosen" not in text_of(client.get(page("duplicate-cluster", world, cluster.pk)))
        assert client.post(page("duplicate-settle", world, cluster.pk), {"wanted": "1"}).status_code == 403
    assert as_user(world.neighbour).get(page("duplicate-cluster", world, cluster.pk)).status_code == 404
    other = reverse("datasets:duplicate-cluster", args=[world.other.slug, cluster.pk])
    assert as_user(world.neighbour).get(other).status_code == 404


def test_the_list_costs_the_same_for_many_clusters(world, as_user: SignIn, django_assert_max_num_queries):
    for at in range(20):
        question = f"{spelled(at * 91)}, {spelled(at * 7)} and {spelled(at * 13)} of the ship?"
        for _ in range(2):
            make_example(world.project, question, f"It is {spelled(at)}.")
    search(world)
    client = as_user(world.reviewer)
    with django_assert_max_num_queries(14):
        assert "20 clusters" in text_of(client.get(page("duplicates", world)))


def test_the_api_searches_lists_and_settles(world, as_user: SignIn):
    first, _second, third = three(world)
    client, root = as_user(world.admin), f"/api/v1/projects/{world.project.slug}/duplicates/"
    assert client.get(f"{root}search/").json()["id"] is None
    assert client.post(f"{root}search/").status_code == 202
    assert client.post(f"{root}search/").status_code == 409
    execute_run(DuplicateSearch.objects.get().run_id)
    assert client.get(f"{root}search/").json()["counts"]["examples"] == 4
    (listed,) = client.get(root).json()["results"]
    one = client.get(f"{root}{listed['id']}/").json()
    assert [m["example"] for m in one["members"]][::2] == [first.pk, third.pk]

    def send(what: str, body: dict[str, Any]) -> Any:
        return client.post(f"{root}{listed['id']}/{what}/", json.dumps(body), content_type="application/json")

    assert send("settle", {"keep": [first.pk], "all_wanted": True}).status_code == 422
    assert send("settle", {"keep": [first.pk], "seen": "old"}).status_code == 409
    settled = send("settle", {"keep": [first.pk], "seen": one["seen"]})
    assert settled.status_code == 200, settled.content
    assert [m["kept"] for m in settled.json()["members"]] == [True, False, False]
    assert send("settle", {"all_wanted": True, "reason": "Wanted."}).status_code == 409
    assert send("undo", {}).json()["status"] == "open"
    assert client.get(f"{root}near-test/").json()["results"] == []


def test_search_of_nothing(world):
    found = search(world)
    assert found.counts["examples"] == 0
    assert clusters(world) == []
    assert NearTest.objects.count() == 0
    runner.search_now(start_search(by=world.admin, project=world.project), tell=quiet)
