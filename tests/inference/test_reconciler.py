"""The engines process against real processes (the fake engine) and the real database."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings as django_settings
from django.db import connection

from core.models import AuditEntry
from inference.engines import process as processes
from inference.models import Answer, Deployment, Engine
from inference.reconcile import loop as module
from inference.reconcile.loop import Reconciler
from inference.services import point_route, request_load, request_unload
from tests.inference.conftest import PARITY, wait_for
from tests.support.factories import World, make_answer_row, make_base_model, make_version, make_world
from tests.support.fakes.engine import Fake
from tests.support.processes import alive, family
from training.models import ModelVersion

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fake_engines", "sent")]


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reconciler]:
    """A reconciler that the test turns by hand; its engines are gone afterwards."""
    monkeypatch.setattr(module, "BACKOFF", (0,))
    one = Reconciler()
    yield one
    one.shut_down()


def turn_until(loop: Reconciler, condition: Callable[[], Any], what: str) -> Any:
    def step() -> Any:
        loop.tick()
        return condition()

    return wait_for(step, what)


def status_of(version: Any) -> str:
    return Deployment.objects.get(version=version).status


def is_loaded(*versions: Any) -> bool:
    return all(Deployment.objects.filter(version=v, status="loaded").exists() for v in versions)


def make_pair(world: World, **fields: Any) -> tuple[Any, Any]:
    base_model = make_base_model(parity_prompts=PARITY)
    base = make_version(world.project, base_model=base_model)
    return base, make_version(world.project, world.admin, base_model=base_model, **fields)


def served_names(engine: Engine) -> list[str]:
    from inference.engines import BACKENDS

    return sorted(one.name for one in BACKENDS["vllm"].served(engine.url))


def test_starts_the_engine_loads_the_adapter_and_marks_both_ready(loop: Reconciler, world: World) -> None:
    base, adapter = make_pair(world)
    turn_until(loop, lambda: is_loaded(base, adapter), "serving")
    engine = Engine.objects.get()
    assert engine.status == Engine.Status.UP
    assert engine.since is not None
    assert engine.heartbeat_at is not None
    assert engine.options["max_lora_rank"] == 64
    assert 0 < engine.options["start_seconds"] < 60
    assert served_names(engine) == sorted([base.base_model.slug, adapter.served_name])
    for version in (base, adapter):
        version.refresh_from_db()
        assert version.status == ModelVersion.Status.READY
        assert version.parity_report["checked"] == 1
        assert version.parity_report["differing"] == []
    assert (Deployment.objects.get(version=adapter).seconds_to_load or 0) > 0
    assert AuditEntry.objects.filter(action="deployment.loaded", actor="Guildhall").count() == 2


def test_a_new_adapter_is_loaded_into_the_running_engine(loop: Reconciler, world: World) -> None:
    base, first = make_pair(world)
    turn_until(loop, lambda: is_loaded(base, first), "serving")
    pid = Engine.objects.get().pid
    second = make_version(world.project, world.admin, base_model=base.base_model)
    turn_until(loop, lambda: is_loaded(second), "the second adapter")
    assert Engine.objects.get().pid == pid


def test_an_adapter_of_higher_rank_gets_an_engine_with_room_for_it(loop: Reconciler, world: World) -> None:
    base, first = make_pair(world)
    turn_until(loop, lambda: is_loaded(base, first), "serving")
    pid = Engine.objects.get().pid
    second = make_version(world.project, world.admin, base_model=base.base_model, adapter_rank=100)
    turn_until(loop, lambda: is_loaded(base, first, second), "all three")
    engine = Engine.objects.get()
    assert engine.pid != pid
    assert engine.options["max_lora_rank"] == 128


def test_differing_tokens_reject_the_version_and_show_both(
    loop: Reconciler, world: World, control: Callable[..., None]
) -> None:
    base, adapter = make_pair(world)
    control(shift=1)
    turn_until(loop, lambda: status_of(base) == status_of(adapter) == "failed", "the refusal")
    adapter.refresh_from_db()
    assert adapter.status == ModelVersion.Status.REJECTED
    one = adapter.parity_report["differing"][0]
    assert one["trainer"][0] + 1 == one["engine"][0]
    assert str(one["trainer"]) in Deployment.objects.get(version=adapter).error
    assert served_names(Engine.objects.get()) == [base.base_model.slug]


def test_without_prompts_to_check_nothing_is_called_ready(loop: Reconciler, world: World) -> None:
    _, adapter = make_pair(world, parity_prompts=[])
    turn_until(loop, lambda: status_of(adapter) == "failed", "the refusal")
    adapter.refresh_from_db()
    assert adapter.status == ModelVersion.Status.REGISTERED
    assert "No prompts for the token check" in Deployment.objects.get(version=adapter).error
    assert adapter.served_name not in served_names(Engine.objects.get())


def test_a_killed_engine_comes_back_with_its_adapters(
    loop: Reconciler, world: World, control: Callable[..., None]
) -> None:
    base, adapter = make_pair(world)
    turn_until(loop, lambda: is_loaded(base, adapter), "serving")
    first = Engine.objects.get()
    child = psutil.Process(first.pid).children()[0]
    os.kill(first.pid, signal.SIGKILL)
    turn_until(loop, lambda: not is_loaded(adapter), "the loss being noticed")
    wait_for(lambda: not alive(child), "the end of its child", 10)
    turn_until(loop, lambda: is_loaded(base, adapter), "serving again")
    second = Engine.objects.get()
    assert second.pid != first.pid
    assert second.restarts == 1
    assert adapter.served_name in served_names(second)


def test_tokens_are_compared_again_after_a_restart(
    loop: Reconciler, world: World, control: Callable[..., None]
) -> None:
    base, adapter = make_pair(world)
    turn_until(loop, lambda: is_loaded(base, adapter), "serving")
    control(shift=1)
    os.kill(Engine.objects.get().pid, signal.SIGKILL)
    turn_until(loop, lambda: status_of(adapter) == "failed", "the refusal")
    adapter.refresh_from_db()
    # It was good enough to be ready once; what changed is the engine, and that is what is said.
    assert adapter.status == ModelVersion.Status.READY
    assert "differ between trainer and engine" in Deployment.objects.get(version=adapter).error


def test_an_engine_that_cannot_start_says_why_and_is_tried_again(
    loop: Reconciler, world: World, control: Callable[..., None]
) -> None:
    base, _ = make_pair(world)
    control(fail_start="No room for the cache")
    turn_until(loop, lambda: Engine.objects.filter(restarts__gte=2).exists(), "two failures")
    turn_until(loop, lambda: "No room for the cache" in Engine.objects.get().error, "the reason")
    control()
    turn_until(loop, lambda: is_loaded(base), "serving after all")
    assert Engine.objects.get().error == ""


def test_failures_are_spaced_further_and_further(loop: Reconciler, world: World, monkeypatch: Any) -> None:
    base, _ = make_pair(world)
    engine = Engine.objects.create(base_model=base.base_model, name="x")
    monkeypatch.setattr(module, "BACKOFF", (1, 2, 5))
    waits = []
    for _ in range(4):
        began = time.monotonic()
        loop._failed(engine, "why")
        waits.append(round(loop.watches[engine.pk].not_before - began))
    assert waits == [1, 2, 5, 5]


def test_a_silent_engine_is_ended_and_started_anew(
    loop: Reconciler, world: World, control: Callable[..., None]
) -> None:
    base, _ = make_pair(world)
    turn_until(loop, lambda: is_loaded(base), "serving")
    pid = Engine.objects.get().pid
    control(sick=True)
    turn_until(loop, lambda: Engine.objects.get().pid != pid, "its end")
    assert not psutil.pid_exists(pid)
    control()
    turn_until(loop, lambda: is_loaded(base), "serving again")


def test_a_port_that_a_stranger_uses_is_left_alone(loop: Reconciler, world: World, settings: Any) -> None:
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", settings.ENGINE_PORTS_FROM))
        stranger.listen()
        base, _ = make_pair(world)
        turn_until(loop, lambda: is_loaded(base), "serving")
        assert Engine.objects.get().port == settings.ENGINE_PORTS_FROM + 1


def test_unloading_and_loading_again(loop: Reconciler, world: World) -> None:
    base, adapter = make_pair(world)
    turn_until(loop, lambda: is_loaded(base, adapter), "serving")
    request_unload(by=world.admin, version=adapter)
    turn_until(loop, lambda: status_of(adapter) == "unloaded", "unloading")
    assert adapter.served_name not in served_names(Engine.objects.get())
    request_load(by=world.admin, version=adapter)
    turn_until(loop, lambda: is_loaded(adapter), "loading")
    assert adapter.served_name in served_names(Engine.objects.get())


def test_an_engine_that_nothing_needs_is_stopped(loop: Reconciler, world: World) -> None:
    base, adapter = make_pair(world)
    turn_until(loop, lambda: is_loaded(base, adapter), "serving")
    pid = Engine.objects.get().pid
    request_unload(by=world.admin, version=base)
    request_unload(by=world.admin, version=adapter)
    turn_until(loop, lambda: Engine.objects.get().status == Engine.Status.STOPPED, "the end")
    assert not psutil.pid_exists(pid)
    assert status_of(base) == status_of(adapter) == "unloaded"


def test_a_name_that_stands_for_other_files_is_never_loaded_over(loop: Reconciler, world: World) -> None:
    from inference.engines import BACKENDS

    base, first = make_pair(world)
    turn_until(loop, lambda: is_loaded(base, first), "serving")
    engine = Engine.objects.get()
    second = make_version(world.project, world.admin, base_model=base.base_model)
    BACKENDS["vllm"].load_adapter(engine.url, second.served_name, Path("/"))
    turn_until(loop, lambda: status_of(second) == "failed", "the refusal")
    assert "already taken by other files" in Deployment.objects.get(version=second).error


def test_damaged_files_are_not_served(loop: Reconciler, world: World, tmp_path: Path) -> None:
    from core.storage import storage

    base, _ = make_pair(world)
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(os.urandom(32))
    artifact = storage().put(folder, kind="model")
    path = storage().local_path(artifact) / "adapter_model.safetensors"
    path.chmod(0o644)
    path.write_bytes(b"something else")
    adapter = make_version(world.project, world.admin, base_model=base.base_model, artifact=artifact)
    turn_until(loop, lambda: status_of(adapter) == "failed", "the refusal")
    assert "adapter_model.safetensors" in Deployment.objects.get(version=adapter).error


def test_full_weights_get_engines_of_their_own_as_many_as_allowed(
    loop: Reconciler, world: World, settings: Any
) -> None:
    settings.ENGINE_MAX_FULL = 1
    base_model = make_base_model(parity_prompts=PARITY)
    kind = ModelVersion.Kind.FULL
    first = make_version(world.project, world.admin, base_model=base_model, kind=kind)
    second = make_version(world.project, world.admin, base_model=base_model, kind=kind)
    turn_until(loop, lambda: is_loaded(first), "the first")
    assert status_of(second) == "waiting"
    assert f"used by {first}" in Deployment.objects.get(version=second).error
    assert [engine.version_id for engine in Engine.objects.all()] == [first.pk]
    assert served_names(Engine.objects.get()) == [first.served_name]
    request_unload(by=world.admin, version=first)
    turn_until(loop, lambda: is_loaded(second), "the second")


def test_a_rejected_version_is_taken_out(loop: Reconciler, world: World) -> None:
    base, adapter = make_pair(world)
    turn_until(loop, lambda: is_loaded(base, adapter), "serving")
    ModelVersion.objects.filter(pk=adapter.pk).update(status=ModelVersion.Status.REJECTED)
    turn_until(
        loop,
        lambda: adapter.served_name not in served_names(Engine.objects.get()),
        "taking it out",
    )
    assert status_of(adapter) == "failed"


def test_a_healthy_engine_left_behind_is_adopted(loop: Reconciler, world: World) -> None:
    base, adapter = make_pair(world)
    turn_until(loop, lambda: is_loaded(base, adapter), "serving")
    pid = Engine.objects.get().pid
    process = psutil.Process(pid)
    # What a predecessor that vanished leaves: its engine, its note, its rows.
    held = dict(loop.processes)
    loop.processes.clear()
    successor = Reconciler()
    successor.recover()
    successor.tick()
    try:
        assert Engine.objects.get().pid == pid
        assert is_loaded(base, adapter)
        assert list(successor.processes) == list(held)
    finally:
        successor.shut_down()
    wait_for(lambda: not alive(process), "its end")
    next(iter(held.values())).child.wait()


def test_a_sick_engine_left_behind_is_ended(
    loop: Reconciler, world: World, control: Callable[..., None]
) -> None:
    base, _ = make_pair(world)
    turn_until(loop, lambda: is_loaded(base), "serving")
    old = next(iter(loop.processes.values()))
    loop.processes.clear()
    control(sick=True)
    successor = Reconciler()
    successor.recover()
    assert not old.alive()
    assert Engine.objects.get().status == Engine.Status.WANTED
    control()
    turn_until(successor, lambda: is_loaded(base), "serving again")
    successor.shut_down()


def test_a_note_whose_number_belongs_to_somebody_else_harms_nobody(loop: Reconciler, world: World) -> None:
    bystander = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True
    )
    try:
        loop.folder.mkdir(parents=True, exist_ok=True)
        note = {"pid": bystander.pid, "created": time.time() - 9999, "port": 1, "details": {}}
        (loop.folder / "old.json").write_text(json.dumps(note))
        (loop.folder / "torn.json").write_text('{"pid": 1')
        loop.recover()
        assert bystander.poll() is None
        assert not list(loop.folder.glob("*.json"))
    finally:
        bystander.kill()
        bystander.wait()


def test_only_one_holds_the_lock(loop: Reconciler) -> None:
    second = Reconciler()
    assert loop._hold_lock()
    assert not second._hold_lock()
    loop._drop_lock()
    assert second._hold_lock()
    second._drop_lock()


def test_attached_engines_are_found_by_what_they_serve(
    loop: Reconciler, world: World, settings: Any, answering: Fake
) -> None:
    settings.ENGINE_URLS = ["http://127.0.0.1:9", answering.url + "/"]
    base_model = make_base_model(slug="smollm2", parity_prompts=PARITY)
    base = make_version(world.project, base_model=base_model)
    adapter = make_version(world.project, world.admin, base_model=base_model)
    turn_until(loop, lambda: is_loaded(base, adapter), "serving")
    engine = Engine.objects.get()
    assert engine.attached
    assert engine.url == answering.url
    assert not loop.processes
    answering.name = "another"
    loop.watches[engine.pk].looked_at = 0
    turn_until(loop, lambda: not is_loaded(base), "the loss being noticed")


def test_attached_engine_that_serves_something_else_says_what_to_do(
    loop: Reconciler, world: World, settings: Any, answering: Fake
) -> None:
    settings.ENGINE_URLS = [answering.url]
    make_version(world.project, base_model=make_base_model(slug="other", parity_prompts=PARITY))
    loop.tick()
    engine = Engine.objects.get()
    assert engine.status == Engine.Status.DOWN
    assert "serves smollm2" in engine.error
    assert "--served-model-name other" in engine.error


def test_archived_projects_are_not_served(loop: Reconciler, world: World) -> None:
    from django.utils import timezone

    world.project.archived_at = timezone.now()
    world.project.save()
    make_pair(world)
    loop.tick()
    assert not Engine.objects.exists()


def test_answers_whose_writer_died_are_ended(loop: Reconciler, world: World) -> None:
    from datetime import timedelta

    from django.utils import timezone

    base, _ = make_pair(world)
    old = make_answer_row(base, status="streaming")
    fresh = make_answer_row(base, status="streaming")
    Answer.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(hours=1))
    loop.tick()
    old.refresh_from_db()
    fresh.refresh_from_db()
    assert (old.status, fresh.status) == ("failed", "streaming")


# --- as a process of its own -------------------------------------------------------------------------------
def start_process(ports_from: int) -> "subprocess.Popen[bytes]":
    script = Path(__file__).resolve().parents[1] / "support" / "fakes" / "reconcile.py"
    return subprocess.Popen(
        [sys.executable, str(script)],
        env=os.environ
        | {"FAKE_DATABASE": connection.settings_dict["NAME"], "FAKE_PORTS_FROM": str(ports_from)},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_child_outlives_the_engines_process(world: World, settings: Any, number: int) -> None:
    base, adapter = make_pair(world)
    process = start_process(settings.ENGINE_PORTS_FROM)
    try:
        wait_for(lambda: is_loaded(base, adapter), "serving", 60)
        members = family(Engine.objects.get().pid)
        assert len(members) == 2
        process.send_signal(number)
        process.communicate(timeout=20)
        wait_for(lambda: not any(map(alive, members)), "the end of every child", 15)
    finally:
        process.kill()
        process.wait()
    engine = Engine.objects.get()
    if number == signal.SIGKILL:
        # Nobody could write the rows; a new one corrects them and serves again.
        assert engine.status == Engine.Status.UP
        successor = start_process(settings.ENGINE_PORTS_FROM)
        try:
            wait_for(lambda: Engine.objects.get().pid not in (None, engine.pid), "a new engine", 60)
            wait_for(lambda: is_loaded(base, adapter), "serving again", 60)
        finally:
            successor.terminate()
            successor.communicate(timeout=20)
    else:
        assert process.returncode == 0
        assert engine.status == Engine.Status.STOPPED
        assert status_of(adapter) == "waiting"


def test_a_second_engines_process_waits_and_takes_over(world: World, settings: Any) -> None:
    base, adapter = make_pair(world)
    first = start_process(settings.ENGINE_PORTS_FROM)
    second = None
    try:
        wait_for(lambda: is_loaded(base, adapter), "serving", 60)
        pid = Engine.objects.get().pid
        second = start_process(settings.ENGINE_PORTS_FROM)
        lines: list[str] = []
        reader = threading.Thread(
            target=lambda: lines.extend(line.decode() for line in second.stderr), daemon=True
        )
        reader.start()
        wait_for(lambda: any("this one waits" in line for line in lines), "the wait", 60)
        assert Engine.objects.get().pid == pid
        first.terminate()
        first.communicate(timeout=20)
        wait_for(lambda: Engine.objects.get().pid not in (None, pid), "the takeover", 60)
        wait_for(lambda: is_loaded(base, adapter), "serving again", 60)
    finally:
        for process in (first, second):
            if process is not None:
                process.terminate()
                process.wait(20)


def test_a_database_that_was_away_costs_no_engine(world: World, settings: Any) -> None:
    base, adapter = make_pair(world)
    process = start_process(settings.ENGINE_PORTS_FROM)
    try:
        wait_for(lambda: is_loaded(base, adapter), "serving", 60)
        pid = Engine.objects.get().pid
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert cursor.fetchone()[0] >= 2  # its lock and its work
        second = make_version(world.project, world.admin, base_model=base.base_model)
        wait_for(lambda: is_loaded(second), "work going on", 60)
        assert Engine.objects.get().pid == pid
        assert process.poll() is None
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_a_pass_that_fails_is_not_the_end(loop: Reconciler, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []

    def tick() -> None:
        passes.append(1)
        if len(passes) == 1:
            raise ValueError("a surprise")
        loop.stop.set()

    monkeypatch.setattr(loop, "tick", tick)
    loop.run()
    assert len(passes) == 2


@pytest.mark.parametrize("gpu", [False, True])
def test_the_command_line(settings: Any, tmp_path: Path, gpu: bool) -> None:
    from inference.engines import EngineSpec
    from inference.engines.vllm import VLLM

    spec = EngineSpec("x", tmp_path, "x", 1024, adapters=True, max_lora_rank=65, gpu=gpu)
    line, variables = VLLM().command(spec, 8101), VLLM().environment(spec)
    told = dict(itertools.pairwise(line))
    assert (told["--host"], told["--port"], told["--max-model-len"]) == ("127.0.0.1", "8101", "1024")
    assert told["--max-lora-rank"] == "128"
    assert told["--load-format"] == "safetensors"
    assert "--trust-remote-code" not in line
    assert variables["HF_HUB_OFFLINE"] == "1"
    assert variables["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "True"
    assert ("VLLM_CPU_KVCACHE_SPACE" in variables) is not gpu
    assert ("--gpu-memory-utilization" in told) is gpu
    full = VLLM().command(EngineSpec("y", tmp_path, "y", 4096, adapters=False, max_lora_rank=0), 8102)
    assert "--enable-lora" not in full
    assert "--dtype" not in full
    (tmp_path / "config.json").write_text('{"dtype": "float32"}')
    merged = EngineSpec("y", tmp_path, "y", 4096, adapters=False, max_lora_rank=0, gpu=gpu)
    # An adapter merged into its base; a GPU may not hold it so.
    told = dict(itertools.pairwise(VLLM().command(merged, 8102)))
    assert told.get("--dtype") == (None if gpu else "float32")


def test_engines_are_not_given_our_secrets(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("GUILDHALL_SECRET_KEY", "hush")
    monkeypatch.setenv("DATABASE_URL", "postgresql://somebody:hush@host/db")
    started = processes.start(
        name="x",
        command=[sys.executable, "-c", "import os; print(sorted(os.environ)); print('GIVEN' in os.environ)"],
        variables={"GIVEN": "1"},
        port=1,
        folder=tmp_path,
        scratch=tmp_path / "scratch",
        details={},
    )
    assert started.child is not None
    started.child.wait(20)
    told = started.log.read_text()
    assert "GUILDHALL_SECRET_KEY" not in told
    assert "DATABASE_URL" not in told
    assert told.strip().endswith("True")
    assert django_settings.SECRET_KEY


def test_what_an_engine_leaves_in_its_temporary_folder_goes_with_it(tmp_path: Path) -> None:
    scratch = tmp_path / "run" / "e1"
    scratch.mkdir(parents=True)
    (scratch / "from a killed one").touch()
    made = "import os, pathlib, tempfile, time; p = pathlib.Path(tempfile.gettempdir()); print(*os.listdir(p)); (p / 'socket').touch(); time.sleep(60)"
    started = processes.start(
        name="x", command=[sys.executable, "-u", "-c", made], variables={}, port=1, folder=tmp_path,
        scratch=scratch, details={},
    )  # fmt: skip
    wait_for((scratch / "socket").exists, "the file in its temporary folder")
    assert started.log.read_text().strip() == ""
    (found,) = processes.left_behind(tmp_path).values()
    found.stop(grace=0)
    started.kill_rest()
    assert not scratch.exists()


def test_point_route_needs_a_served_version(loop: Reconciler, world: World) -> None:
    from core.errors import Refused

    base, adapter = make_pair(world)
    with pytest.raises(Refused, match="not ready"):
        point_route(by=world.admin, project=world.project, version=adapter)
    turn_until(loop, lambda: is_loaded(base, adapter), "serving")
    adapter.refresh_from_db()
    assert point_route(by=world.admin, project=world.project, version=adapter).way_back == []
