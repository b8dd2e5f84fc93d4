"""That answers come from the weights they claim: slots that are never all taken, the check, and what a failed one does."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from asgiref.sync import async_to_sync
from django.db import IntegrityError, transaction
from django.utils import timezone

from core.errors import PartAway
from core.models import AuditEntry
from inference.engines import BACKENDS, TokenStep
from inference.engines import vllm as vllm_module
from inference.models import Answer, Deployment, Engine, WeightCheck
from inference.queries import serving
from inference.queries.doubt import doubt_since
from inference.reconcile import checking as checking_module
from inference.reconcile import loop as module
from inference.reconcile import weights
from inference.reconcile.loop import Reconciler
from inference.reconcile.marking import finish_marks, mark_answers
from inference.reconcile.probing import Probe
from inference.services import generate, open_answer, request_load, request_unload, stream_answer
from tests.inference.conftest import PARITY, Served, wait_for
from tests.support.factories import (
    World,
    make_answer_row,
    make_base_model,
    make_project,
    make_version,
    make_world,
)
from tests.support.fakes.engine import Fake

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fake_engines", "sent")]


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reconciler]:
    monkeypatch.setattr(module, "BACKOFF", (0,))
    monkeypatch.setattr(checking_module, "AGAIN_SECONDS", 0)
    one = Reconciler()
    yield one
    one.shut_down()


def turn_until(loop: Reconciler, condition: Callable[[], Any], what: str) -> Any:
    def step() -> Any:
        loop.tick()
        return condition()

    return wait_for(step, what, 90)


def is_loaded(*versions: Any) -> bool:
    return all(Deployment.objects.filter(version=v, status="loaded").exists() for v in versions)


def outcomes() -> list[str]:
    return list(WeightCheck.objects.order_by("pk").values_list("outcome", flat=True))


def family(world: World, adapters: int) -> tuple[Any, list[Any]]:
    base_model = make_base_model(slug="smollm2", parity_prompts=PARITY)
    base = make_version(world.project, base_model=base_model)
    return base, [make_version(world.project, world.admin, base_model=base_model) for _ in range(adapters)]


def names_in(engine: Engine) -> set[str]:
    return {one.name for one in BACKENDS["vllm"].served(engine.url) if one.parent}


@pytest.fixture
def leaking(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Callable[[bool], None]:
    """leaking(True): engines started from now on have two slots and no empty one."""
    settings.ENGINE_MAX_LORAS = 2
    monkeypatch.setattr(vllm_module, "SPARE_LOADS", 0)

    def change(leaks: bool) -> None:
        monkeypatch.setattr(vllm_module, "EMPTY_SLOTS", 0 if leaks else 1)

    return change


# --- comparing ---------------------------------------------------------------------------------------------
def answers(*steps: TokenStep) -> weights.Answers:
    return tuple(tuple(steps) for _ in weights.PROMPTS)


def step(token: str, logprob: float, **others: float) -> TokenStep:
    return TokenStep(token, logprob, {token: logprob, **others})


def test_the_same_numbers_are_no_difference() -> None:
    said = answers(step("a", -0.1, b=-3), step("b", -0.2, a=-2))
    assert weights.compare(said, said, 0.15) == (0.0, None)


def test_a_near_tie_that_falls_the_other_way_is_noise_and_ends_the_comparison() -> None:
    alone = answers(step("a", -0.70, b=-0.72), step("x", -0.1, y=-4))
    beside = answers(step("b", -0.70, a=-0.71), step("y", -0.1, x=-4))
    largest, difference = weights.compare(alone, beside, 0.15)
    assert difference is None
    assert largest == pytest.approx(0.02)


def test_another_token_that_alone_was_unlikely_counts() -> None:
    alone, beside = answers(step("a", -0.01, b=-5)), answers(step("c", -0.01, d=-6))
    largest, difference = weights.compare(alone, beside, 0.15)
    assert difference is not None
    assert (difference.position, difference.alone, difference.beside) == (1, "a", "c")
    assert largest > 4


def test_the_same_tokens_with_other_numbers_count() -> None:
    """A leak that was seen: every token stayed the same and its log probability moved by 1.3."""
    alone, beside = answers(step("a", -0.2, b=-3)), answers(step("a", -1.5, b=-2))
    _, difference = weights.compare(alone, beside, 0.15)
    assert difference is not None
    assert difference.by == pytest.approx(1.3)


def test_noise_that_was_measured_widens_what_counts_as_noise() -> None:
    assert weights.limit_of(0.0) == weights.NOISE_LEAST
    assert weights.limit_of(0.2) == pytest.approx(0.6)


def test_answers_survive_the_database() -> None:
    said = answers(step("a", -0.5, b=-1.5))
    assert weights.from_json(json.loads(json.dumps(weights.as_json(said)))) == said
    with pytest.raises(ValueError, match="other prompts"):
        weights.from_json([])


# --- slots -------------------------------------------------------------------------------------------------
def test_no_order_of_loads_and_unloads_takes_the_last_slot(
    loop: Reconciler, world: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ENGINE_MAX_LORAS = 2
    monkeypatch.setattr(vllm_module, "SPARE_LOADS", 1)
    base, (first, second) = family(world, 2)
    turn_until(loop, lambda: is_loaded(base, first, second), "serving")
    engine = Engine.objects.get()
    assert engine.options["max_loras"] == 4
    assert engine.adapter_loads == 2
    # Unloading frees no slot in the engine: the third load is the last one it may be given.
    request_unload(by=world.admin, version=first)
    turn_until(loop, lambda: Deployment.objects.get(version=first).status == "unloaded", "unloading")
    request_load(by=world.admin, version=first)
    turn_until(loop, lambda: is_loaded(first), "the third load")
    engine.refresh_from_db()
    assert (engine.adapter_loads, engine.restarts) == (3, 0)
    pid = engine.pid
    request_unload(by=world.admin, version=second)
    turn_until(loop, lambda: Deployment.objects.get(version=second).status == "unloaded", "unloading")
    third = make_version(world.project, world.admin, base_model=base.base_model)
    turn_until(loop, lambda: is_loaded(base, first, third), "the fourth load, after a restart")
    engine.refresh_from_db()
    assert engine.pid != pid
    assert engine.adapter_loads == 2
    assert names_in(engine) == {first.served_name, third.served_name}
    assert set(outcomes()) == {"passed"}


def test_a_restart_for_room_waits_for_answers_that_are_being_written(
    loop: Reconciler, world: World, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ENGINE_MAX_LORAS = 1
    monkeypatch.setattr(vllm_module, "SPARE_LOADS", 0)
    base, (first,) = family(world, 1)
    turn_until(loop, lambda: is_loaded(base, first), "serving")
    pid = Engine.objects.get().pid
    writing = make_answer_row(base, status="streaming", duration_ms=None)
    request_unload(by=world.admin, version=first)
    second = make_version(world.project, world.admin, base_model=base.base_model)
    turn_until(
        loop, lambda: Deployment.objects.get(version=second).status == "loading", "the wish being taken up"
    )
    for _ in range(3):
        loop.tick()
    assert Engine.objects.get().pid == pid
    assert is_loaded(base)
    Answer.objects.filter(pk=writing.pk).update(status="done")
    turn_until(loop, lambda: is_loaded(base, second), "serving after the restart")
    assert Engine.objects.get().pid != pid


def test_on_a_gpu_no_slot_is_kept_and_loads_are_not_counted_out(settings: Any, tmp_path: Any) -> None:
    from inference.engines import EngineSpec

    settings.ENGINE_MAX_LORAS = 4
    for gpu, slots, loads in ((False, 9, 8), (True, 4, None)):
        spec = EngineSpec("x", tmp_path, "x", 1024, adapters=True, max_lora_rank=8, gpu=gpu)
        line = BACKENDS["vllm"].command(spec, 8101)
        assert line[line.index("--max-loras") + 1] == str(slots)
        assert line[line.index("--generation-config") + 1] == "vllm"  # not the sampling settings of the model
        assert BACKENDS["vllm"].options(spec)["adapter_loads"] == loads


def test_an_adapter_too_many_waits_and_says_which_to_unload(
    loop: Reconciler, world: World, settings: Any
) -> None:
    settings.ENGINE_MAX_LORAS = 2
    base, (first, second) = family(world, 2)
    turn_until(loop, lambda: is_loaded(base, first, second), "serving")
    third = make_version(world.project, world.admin, base_model=base.base_model)
    turn_until(
        loop, lambda: "has room for 2 adapters" in Deployment.objects.get(version=third).error, "the wait"
    )
    waiting = Deployment.objects.get(version=third)
    assert waiting.status == "waiting"
    assert f"{first} and {second}" in waiting.error
    assert "Unload one of this project" in waiting.error
    assert names_in(Engine.objects.get()) == {first.served_name, second.served_name}
    request_unload(by=world.admin, version=second)
    turn_until(loop, lambda: is_loaded(third), "its turn")
    assert third.served_name in names_in(Engine.objects.get())


def test_what_waits_for_another_project_is_not_named(loop: Reconciler, world: World, settings: Any) -> None:
    settings.ENGINE_MAX_LORAS = 1
    base, (first,) = family(world, 1)
    turn_until(loop, lambda: is_loaded(base, first), "serving")
    other = make_project(name="Secret plans")
    late = make_version(other, world.admin, base_model=base.base_model)
    turn_until(loop, lambda: "of other projects" in Deployment.objects.get(version=late).error, "the wait")
    error = Deployment.objects.get(version=late).error
    assert world.project.name not in error
    assert "An admin of another project" in error


# --- the check ---------------------------------------------------------------------------------------------
def test_every_load_is_checked_before_it_is_served(loop: Reconciler, world: World) -> None:
    base, (first,) = family(world, 1)
    turn_until(loop, lambda: is_loaded(base, first), "serving")
    assert outcomes() == ["passed", "passed"]  # the base alone, and with the adapter
    newest = WeightCheck.objects.first()
    assert newest is not None
    assert newest.models_checked == ["smollm2", first.served_name]
    assert newest.report["largest_shift"] == 0
    assert newest.process == f"process {Engine.objects.get().pid}"
    second = make_version(world.project, world.admin, base_model=base.base_model)
    turn_until(loop, lambda: is_loaded(second), "the second")
    assert outcomes() == ["passed"] * 3
    for _ in range(3):
        loop.tick()
    assert outcomes() == ["passed"] * 3  # nothing changed, so nothing is due


def test_the_check_is_made_again_after_an_hour(loop: Reconciler, world: World, monkeypatch: Any) -> None:
    base, _ = family(world, 0)
    turn_until(loop, lambda: is_loaded(base), "serving")
    before = len(outcomes())
    monkeypatch.setattr(checking_module, "EVERY_SECONDS", 0.0)
    turn_until(loop, lambda: len(outcomes()) > before, "another check")
    assert is_loaded(base)


def test_a_leak_takes_the_engine_out_marks_answers_and_is_gone_after_a_restart(
    loop: Reconciler, world: World, leaking: Callable[[bool], None]
) -> None:
    leaking(True)
    base, (first,) = family(world, 1)
    turn_until(loop, lambda: is_loaded(base, first), "serving")
    safe = make_answer_row(base, "before")
    Answer.objects.filter(pk=safe.pk).update(created_at=timezone.now() - timedelta(hours=1))
    doubtful, writing = make_answer_row(base, "garbage"), make_answer_row(first, "", status="streaming")
    elsewhere = make_answer_row(make_version(world.project, base_model=make_base_model(slug="other")))
    leaking(False)
    pid = Engine.objects.get().pid
    second = make_version(world.project, world.admin, base_model=base.base_model)
    turn_until(loop, lambda: "failed" in outcomes(), "the failure")
    engine, check = Engine.objects.get(name="smollm2"), WeightCheck.objects.get(outcome="failed")
    assert engine.status == Engine.Status.DOWN
    assert "answered with the wrong weights" in engine.error
    assert first.served_name not in engine.error  # other projects read this as well
    assert engine.restarts == 1
    # Nobody is answered, and each is given the reason.
    loop.stop.set()
    with pytest.raises(PartAway, match="answered with the wrong weights"):
        serving(base)
    for one in (safe, doubtful, writing, elsewhere):
        one.refresh_from_db()
    assert (safe.doubt, elsewhere.doubt) == ("", "")
    assert f"check {check.pk}" in doubtful.doubt
    assert writing.doubt == doubtful.doubt
    for name in (base.base_model.name, "smollm2", first.served_name):
        assert name not in doubtful.doubt  # people who rate blind read it
    assert check.marked == 2
    difference = check.report["difference"]
    assert (difference["model"], difference["companions"]) == ("smollm2", [first.served_name])
    assert difference["alone"] != difference["beside"]
    entry = AuditEntry.objects.get(action="engine.weights_differed")
    assert (entry.project_id, entry.detail["marked"]) == (world.project.pk, 2)
    # Started again with room, it is checked before it serves.
    turn_until(loop, lambda: is_loaded(base, first, second), "serving again")
    engine.refresh_from_db()
    assert engine.pid != pid
    assert engine.error == ""
    assert WeightCheck.objects.filter(
        outcome="passed", pk__gt=check.pk, process=f"process {engine.pid}"
    ).exists()


def test_an_engine_that_leaks_again_never_serves(
    loop: Reconciler, world: World, leaking: Callable[[bool], None]
) -> None:
    leaking(True)
    _, versions = family(world, 2)
    served = []

    def failed_twice() -> bool:
        served.append(is_loaded(versions[0]) or is_loaded(versions[1]))
        return outcomes().count("failed") >= 2

    turn_until(loop, failed_twice, "two failures")
    assert not any(served)


def test_noise_is_no_leak(loop: Reconciler, world: World, control: Callable[..., None]) -> None:
    control(noise=0.2)
    base, (first,) = family(world, 1)
    turn_until(loop, lambda: is_loaded(base, first), "serving")
    newest = WeightCheck.objects.first()
    assert newest is not None
    assert newest.report["noise"] == pytest.approx(0.2)
    assert set(outcomes()) == {"passed"}


def test_a_check_that_cannot_be_made_is_no_pass(
    loop: Reconciler, world: World, control: Callable[..., None]
) -> None:
    base, (first,) = family(world, 1)
    turn_until(loop, lambda: is_loaded(base, first), "serving")
    answer = make_answer_row(base)
    control(refuse_text="no log probabilities here")
    second = make_version(world.project, world.admin, base_model=base.base_model)
    turn_until(loop, lambda: "not_made" in outcomes(), "the attempt")
    assert not is_loaded(second)
    assert is_loaded(base, first)  # they go on meanwhile
    pid = Engine.objects.get().pid
    turn_until(loop, lambda: Engine.objects.get().status == Engine.Status.DOWN, "the end of patience")
    assert outcomes().count("not_made") == 3
    assert "could not be done 3 times in a row" in Engine.objects.get().error
    assert "no log probabilities here" in Engine.objects.get().error
    answer.refresh_from_db()
    assert answer.doubt == ""
    control()
    turn_until(loop, lambda: is_loaded(base, first, second), "serving after a restart")
    assert Engine.objects.get().pid != pid


def test_an_engine_that_is_away_gives_no_pass(world: World) -> None:
    probe = Probe(BACKENDS["vllm"], "http://127.0.0.1:9", "smollm2", [], {})
    result = probe.run()
    assert result.outcome == "not_made"
    assert "did not respond" in result.reason


def test_a_check_that_breaks_is_no_pass_and_ends(monkeypatch: pytest.MonkeyPatch, answering: Fake) -> None:
    monkeypatch.setattr(weights, "compare", lambda *_: 1 / 0)
    assert Probe(BACKENDS["vllm"], answering.url, "smollm2", [], {}).run().outcome == "not_made"


def test_an_adopted_engine_is_compared_with_what_its_base_said_before(loop: Reconciler, world: World) -> None:
    base, (first,) = family(world, 1)
    turn_until(loop, lambda: is_loaded(base, first), "serving")
    known = len(outcomes())
    held = dict(loop.processes)
    loop.processes.clear()
    successor = Reconciler()
    successor.recover()
    try:
        (watch,) = successor.watches.values()
        assert set(watch.checking.alone) == {"smollm2", first.served_name}
        assert is_loaded(base, first)
        turn_until(successor, lambda: len(outcomes()) > known, "its own check")
        assert set(outcomes()) == {"passed"}
    finally:
        successor.shut_down()
        for process in held.values():
            process.stop(grace=1)


# --- engines of others -------------------------------------------------------------------------------------
def test_an_attached_engine_that_leaks_is_not_served_and_says_what_to_do(
    loop: Reconciler, world: World, settings: Any, answering: Fake
) -> None:
    settings.ENGINE_URLS = [answering.url]
    answering.slots = [None]  # vLLM's own default
    base, (first,) = family(world, 1)
    turn_until(loop, lambda: "failed" in outcomes(), "the failure")
    assert not is_loaded(first)
    engine = Engine.objects.get()
    assert engine.status == Engine.Status.DOWN
    assert f"--max-loras {settings.ENGINE_MAX_LORAS + 1}" in engine.error
    assert engine.restarts == 0
    # Its owner starts it again with room.
    answering.adapters.clear()
    answering.slots = [None, None]
    turn_until(loop, lambda: is_loaded(base, first), "serving")


def test_an_adapter_that_somebody_else_loads_is_noticed(
    loop: Reconciler, world: World, settings: Any, answering: Fake
) -> None:
    settings.ENGINE_URLS = [answering.url]
    answering.slots = [None, None]
    base, (first,) = family(world, 1)
    turn_until(loop, lambda: is_loaded(base, first), "serving")
    BACKENDS["vllm"].load_adapter(answering.url, "a-stranger", Path("/tmp"))
    turn_until(loop, lambda: "failed" in outcomes(), "the failure")


# --- answers and marks -------------------------------------------------------------------------------------
def failed_check(engine: Engine, **fields: Any) -> WeightCheck:
    now = timezone.now()
    values = {"outcome": "failed", "reason": "It differs.", "process": "x", "began_at": now, "ended_at": now}
    values |= {"doubtful_since": now - timedelta(minutes=10)}
    return WeightCheck.objects.create(engine=engine, **(values | fields))


def test_marks_follow_when_an_answer_was_being_written(served: Served) -> None:
    now = timezone.now()

    def at(minutes: float, **fields: Any) -> Answer:
        one = make_answer_row(served.base, **fields)
        Answer.objects.filter(pk=one.pk).update(created_at=now - timedelta(minutes=minutes))
        return one

    long_before = at(30)
    ended_before = at(11, duration_ms=30_000)
    reached_into_it = at(11, duration_ms=90_000)
    inside, unfinished = at(5), at(5, status="streaming", duration_ms=None)
    marked_already = at(5, doubt="for another reason")
    check = failed_check(served.engine)
    later = make_answer_row(served.base)
    assert mark_answers(check=check) == 3
    assert mark_answers(check=check) == 3  # once only
    doubts = {one.pk: one.doubt for one in Answer.objects.all()}
    assert all(doubts[one.pk] for one in (reached_into_it, inside, unfinished))
    assert not any(doubts[one.pk] for one in (long_before, ended_before, later))
    assert doubts[marked_already.pk] == "for another reason"


def test_marks_left_undone_by_a_crash_are_made_later(served: Served) -> None:
    check = failed_check(served.engine)
    answer = make_answer_row(served.adapter)
    Answer.objects.filter(pk=answer.pk).update(created_at=check.ended_at - timedelta(seconds=1))
    finish_marks()
    answer.refresh_from_db()
    check.refresh_from_db()
    assert answer.doubt
    assert check.marked == 1


def test_full_weights_are_not_marked_with_their_base(served: Served) -> None:
    full = make_version(
        served.world.project, served.world.admin, base_model=served.base.base_model, kind="full"
    )
    answer = make_answer_row(full)
    check = failed_check(served.engine)
    Answer.objects.filter(pk=answer.pk).update(created_at=check.ended_at - timedelta(seconds=1))
    assert mark_answers(check=check) == 0


def test_an_answer_noted_after_the_marking_is_marked_when_it_ends(served: Served) -> None:
    """The race: the engine was looked up before the check failed, the answer noted after its answers were marked."""
    opened = open_answer(
        by=None, project=served.world.project, version=served.base, messages=[{"role": "user", "content": "say: one two"}],
        context=[], params={}, purpose="chat",
    )  # fmt: skip
    check = failed_check(served.engine)
    Answer.objects.filter(pk=opened.answer.pk).update(created_at=check.ended_at + timedelta(seconds=1))
    assert mark_answers(check=check) == 0

    async def read() -> str:
        return "".join([text async for text in stream_answer(opened)])

    with pytest.raises(PartAway, match="wrong weights"):
        async_to_sync(read)()
    opened.answer.refresh_from_db()
    assert (opened.answer.status, opened.answer.text) == ("done", "one two")
    assert f"check {check.pk}" in opened.answer.doubt


def test_a_campaign_is_not_given_an_answer_in_doubt(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    original = BACKENDS["vllm"].chat

    def chat(url: str, request: Any) -> Any:
        yield from original(url, request)
        failed_check(served.engine)

    monkeypatch.setattr(BACKENDS["vllm"], "chat", chat)
    with pytest.raises(PartAway, match="wrong weights"):
        generate(
            by=None, project=served.world.project, version=served.base, context=[], purpose="campaign",
            messages=[{"role": "user", "content": "say: one"}],
        )  # fmt: skip
    assert Answer.objects.get().doubt


def test_a_check_that_failed_before_an_answer_was_opened_says_nothing_about_it(served: Served) -> None:
    check = failed_check(served.engine)
    assert serving(served.base).last_check == check.pk
    assert doubt_since(served.engine.pk, check.pk) == ""
    assert doubt_since(served.engine.pk, check.pk - 1)


def test_the_database_refuses_a_failure_without_a_reason(served: Served) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        failed_check(served.engine, reason="")
    with pytest.raises(IntegrityError), transaction.atomic():
        failed_check(served.engine, ended_at=timezone.now() - timedelta(hours=1))


# --- pages and API -----------------------------------------------------------------------------------------
def test_marks_are_shown_wherever_an_answer_is(served: Served, as_user: Any) -> None:
    world, doubt = served.world, "This answer may come from other weights than the version's."
    conversation = make_conversation(served)
    answer = make_answer_row(
        served.base, "garbage", doubt=doubt, conversation=conversation, turn=1, user=world.admin
    )
    fine = make_answer_row(served.base, "fine words")
    client, slug = as_user(world.admin), world.project.slug
    for url in (
        f"/p/{slug}/serve/answers/",
        f"/p/{slug}/serve/answers/{answer.public_id}/",
        f"/p/{slug}/serve/chat/{conversation.pk}/",
    ):
        assert "in doubt" in client.get(url).content.decode().lower(), url
    only = client.get(f"/p/{slug}/serve/answers/?doubt=yes").content.decode()
    assert ("garbage" in only, "fine words" in only) == (True, False)
    rest = client.get(f"/p/{slug}/serve/answers/?doubt=no").content.decode()
    assert ("garbage" in rest, "fine words" in rest) == (False, True)
    told = client.get(f"/api/v1/projects/{slug}/answers/?doubt=yes").json()["results"]
    assert [(one["public_id"], one["doubt"]) for one in told] == [(str(answer.public_id), doubt)]
    assert client.get(f"/api/v1/projects/{slug}/answers/{fine.public_id}/").json()["doubt"] == ""


def make_conversation(served: Served) -> Any:
    from inference.models import Conversation

    return Conversation.objects.create(
        project=served.world.project, user=served.world.admin, version=served.base, title="x"
    )


def test_the_serving_page_and_the_api_tell_of_checks(served: Served, as_user: Any) -> None:
    world = served.world
    client, slug = as_user(world.viewer), world.project.slug
    assert "have not been checked yet" in client.get(f"/p/{slug}/serve/").content.decode()
    url = f"/p/{slug}/serve/engines/{served.engine.pk}/checks/"
    assert "No check yet" in client.get(url).content.decode()
    failed_check(served.engine, marked=3, models_checked=["smollm2", "a-secret-name"])
    page = client.get(f"/p/{slug}/serve/").content.decode()
    assert "3 answers marked" in " ".join(page.split())
    assert url in page
    page = client.get(url).content.decode()
    assert "It differs." in page
    assert "a-secret-name" not in page
    assert as_user(world.rater).get(url).status_code == 403
    assert as_user(world.stranger).get(url).status_code == 404
    assert (
        as_user(world.neighbour)
        .get(f"/p/{world.other.slug}/serve/engines/{served.engine.pk}/checks/")
        .status_code
        == 404
    )
    (engine,) = client.get(f"/api/v1/projects/{slug}/engines/").json()["results"]
    assert (
        engine["weight_checks"][0] | {"outcome": "failed", "adapters": 1, "marked": 3}
        == engine["weight_checks"][0]
    )


def test_more_checks_cost_no_more_queries(
    served: Served, as_user: Any, django_assert_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client, url = as_user(served.world.admin), f"/p/{served.world.project.slug}/serve/"
    client.get(url)
    with CaptureQueriesContext(connection) as few:
        client.get(url)
    for _ in range(15):
        failed_check(served.engine, outcome="passed", reason="")
    with CaptureQueriesContext(connection) as many:
        client.get(url)
    assert len(many) == len(few)


# --- the engine in the tests -------------------------------------------------------------------------------
def test_the_fake_leaks_as_the_real_one_does(answering: Fake) -> None:
    answering.slots = [None, None]
    backend = BACKENDS["vllm"]
    alone = backend.continuation(answering.url, "smollm2", "x", 3, 10)
    stop = threading.Event()

    def write(name: str) -> None:
        for _ in backend.keep_writing(answering.url, name, "x", 100, 10):
            if stop.is_set():
                return

    def beside(name: str) -> Any:
        stop.clear()
        thread = threading.Thread(target=write, args=(name,))
        thread.start()
        wait_for(answering.busy, "the companion")
        said = backend.continuation(answering.url, "smollm2", "x", 3, 10)
        stop.set()
        thread.join()
        return said

    for name in ("one", "two"):
        httpx.post(f"{answering.url}/v1/load_lora_adapter", json={"lora_name": name, "lora_path": "/tmp"})
        changed = beside("one") != alone
        assert changed is (name == "two")
    httpx.post(f"{answering.url}/v1/unload_lora_adapter", json={"lora_name": "two"})
    assert beside("one") != alone  # the slot stays taken
