"""Which engine serves which version: the plan, and the reconciler with a (fake) engine of each kind."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.db import IntegrityError, transaction

from inference import queries
from inference.engines import BACKENDS
from inference.models import Deployment, Engine, Route
from inference.reconcile import loop as module
from inference.reconcile.loop import Reconciler
from inference.reconcile.plan import EnginePlan, make_plan
from inference.services import request_load, request_unload
from tests.inference.conftest import PARITY, wait_for
from tests.support.factories import World, make_base_model, make_engine, make_version, make_world
from tests.support.fakes.engine import Fake
from training.models import BaseModel, ModelVersion

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fake_engines", "sent")]


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


@pytest.fixture
def base_model(world: World) -> BaseModel:
    return make_base_model(name="Small Language 135M", slug="small", parity_prompts=PARITY)


@pytest.fixture
def make(world: World, base_model: BaseModel) -> Callable[..., ModelVersion]:
    """make(serving, ...) is a trained version with a deployment that waits."""

    def one(serving: str, **fields: Any) -> ModelVersion:
        fields.setdefault("base_model", base_model)
        rank = 16 if serving == "adapter" else None
        if fields.get("kind") != ModelVersion.Kind.FULL:
            fields = {"adapter_rank": rank} | fields
        version: ModelVersion = make_version(world.project, world.admin, serving=serving, **fields)
        Deployment.objects.create(version=version)
        return version

    return one


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reconciler]:
    monkeypatch.setattr(module, "BACKOFF", (0,))
    one = Reconciler()
    yield one
    one.shut_down()


def plan(**options: Any) -> EnginePlan:
    rows = Deployment.objects.select_related("version__base_model", "version__project").order_by("pk")
    limits = {"live": (), "max_full": 1, "max_adapters": 4, "max_transformers": 1}
    return make_plan(rows, **(limits | options))


def turn_until(loop: Reconciler, condition: Callable[[], Any], what: str) -> Any:
    def step() -> Any:
        loop.tick()
        return condition()

    return wait_for(step, what)


def is_loaded(*versions: ModelVersion) -> bool:
    return Deployment.objects.filter(version__in=versions, status="loaded").count() == len(versions)


def reason_of(version: ModelVersion) -> str:
    return Deployment.objects.get(version=version).error


# --- the plan ----------------------------------------------------------------------------------------------
def test_each_version_goes_to_its_engine(make: Callable[..., ModelVersion], base_model: BaseModel) -> None:
    make("adapter", adapter_rank=100)
    make("transformers")
    made = plan()
    assert set(made.bases) == {("vllm", base_model.pk), ("transformers", base_model.pk)}
    assert made.bases["vllm", base_model.pk].rank == 100
    assert not made.bases["vllm", base_model.pk].prompt_embeds
    assert made.waiting == {}


def test_soft_prompts_need_an_engine_that_takes_them_and_no_place(
    make: Callable[..., ModelVersion], base_model: BaseModel
) -> None:
    for _ in range(3):
        make("prompt_embeds")
    made = plan(max_adapters=1)
    assert made.bases["vllm", base_model.pk].prompt_embeds
    assert made.waiting == {}
    Deployment.objects.filter(version__serving="prompt_embeds").update(status="failed")
    assert not plan().bases["vllm", base_model.pk].prompt_embeds


def test_soft_prompts_and_adapters_of_one_base_model_are_never_served_together(
    make: Callable[..., ModelVersion], base_model: BaseModel, world: World
) -> None:
    soft, lora = make("prompt_embeds"), make("adapter", adapter_rank=32)
    made = plan()
    assert made.bases["vllm", base_model.pk].prompt_embeds and made.bases["vllm", base_model.pk].rank == 0
    (why,) = made.waiting.values()
    assert "together" in why and f"serves {soft}" in why
    other = plan(live={lora.pk})
    assert not other.bases["vllm", base_model.pk].prompt_embeds
    assert other.bases["vllm", base_model.pk].rank == 32
    (why,) = other.waiting.values()
    assert f"serves {lora}" in why


def test_transformers_engines_are_limited_and_the_live_one_comes_first(
    make: Callable[..., ModelVersion], world: World
) -> None:
    first = make("transformers")
    other_base = make_base_model(parity_prompts=PARITY)
    second, third = make("transformers", base_model=other_base), make("transformers", base_model=other_base)
    made = plan()
    assert set(made.bases) == {("transformers", first.base_model_id)}
    assert set(made.waiting) == {second.deployment.pk, third.deployment.pk}
    assert f"used by {first}" in made.waiting[second.deployment.pk]
    assert "GUILDHALL_ENGINE_MAX_TRANSFORMERS" in made.waiting[second.deployment.pk]
    made = plan(live={third.pk})
    assert set(made.bases) == {("transformers", other_base.pk)}
    assert set(made.waiting) == {first.deployment.pk}
    assert plan(max_transformers=2).waiting == {}
    none = plan(max_transformers=0)
    assert len(none.waiting) == 3
    assert "runs no transformers engines" in none.waiting[first.deployment.pk]


def test_places_in_a_transformers_engine_are_limited_too(make: Callable[..., ModelVersion]) -> None:
    versions = [make("transformers") for _ in range(3)]
    made = plan(max_adapters=2)
    assert set(made.waiting) == {versions[2].deployment.pk}
    assert "room for 2 adapters" in made.waiting[versions[2].deployment.pk]


def test_full_weights_can_have_a_transformers_engine(
    make: Callable[..., ModelVersion], base_model: BaseModel
) -> None:
    whole = make("transformers", kind=ModelVersion.Kind.FULL)
    beside = make("transformers")
    made = plan(max_full=0)
    assert (set(made.full), set(made.bases), set(made.waiting)) == ({whole.pk}, set(), {beside.deployment.pk})
    made = plan(max_full=0, max_transformers=2)
    assert (set(made.full), set(made.bases)) == ({whole.pk}, {("transformers", base_model.pk)})


def test_a_failed_version_keeps_no_transformers_engine(make: Callable[..., ModelVersion]) -> None:
    version = make("transformers")
    Deployment.objects.filter(version=version).update(status="failed")
    assert plan().bases == {}


def test_a_base_has_one_engine_of_each_kind_and_no_other(base_model: BaseModel) -> None:
    make_engine(base_model)
    make_engine(base_model, backend="transformers", name="second")
    for backend in ("vllm", "transformers", "magic"):
        with pytest.raises(IntegrityError), transaction.atomic():
            make_engine(base_model, backend=backend, name=f"third {backend}")


# --- the reconciler ----------------------------------------------------------------------------------------
def served_by(backend: str) -> set[str]:
    engine = Engine.objects.get(backend=backend)
    return {model.name for model in BACKENDS[backend].served(engine.url)}


def test_two_engines_side_by_side(
    loop: Reconciler, make: Callable[..., ModelVersion], world: World, base_model: BaseModel
) -> None:
    base = make_version(world.project, base_model=base_model)
    adapter, odd = make("adapter"), make("transformers")
    turn_until(loop, lambda: is_loaded(base, adapter, odd), "all three")
    assert served_by("vllm") == {base_model.slug, adapter.served_name}
    assert served_by("transformers") == {base_model.slug, odd.served_name}
    first, second = Engine.objects.order_by("backend")
    assert (first.name, second.name) == (f"{base_model.slug}-transformers", base_model.slug)
    assert queries.serving(odd).url == first.url
    assert queries.serving(odd).backend == "transformers"
    assert queries.serving(adapter).url == queries.serving(base).url == second.url
    assert set(queries.versions_of(first)) == {odd}
    assert set(queries.versions_of(second)) == {base, adapter}
    assert first.weight_checks.filter(outcome="passed").exists()
    # A second version is loaded into the running one.
    another = make("transformers")
    turn_until(loop, lambda: is_loaded(another), "the second version")
    assert Engine.objects.get(backend="transformers").pid == first.pid
    # Killed, it comes back with both; the other engine is not touched.
    os.kill(first.pid, signal.SIGKILL)
    turn_until(loop, lambda: not is_loaded(odd), "the loss")
    turn_until(loop, lambda: is_loaded(odd, another), "serving again")
    assert Engine.objects.get(backend="vllm").pid == second.pid
    again = Engine.objects.get(backend="transformers")
    assert again.restarts == 1
    # Nothing to serve: it ends, and the memory is free.
    for version in (odd, another):
        request_unload(by=world.admin, version=version)
    turn_until(loop, lambda: Engine.objects.get(backend="transformers").status == "stopped", "its end")
    assert not psutil.pid_exists(again.pid)
    assert is_loaded(base, adapter)
    request_load(by=world.admin, version=odd)
    turn_until(loop, lambda: is_loaded(odd), "it again")


def test_what_waits_says_for_what(
    loop: Reconciler, make: Callable[..., ModelVersion], settings: Any, world: World
) -> None:
    settings.ENGINE_MAX_TRANSFORMERS = 0
    version = make("transformers")
    turn_until(loop, lambda: "GUILDHALL_ENGINE_MAX_TRANSFORMERS is 0" in reason_of(version), "the reason")
    assert not Engine.objects.filter(backend="transformers").exists()
    settings.ENGINE_MAX_TRANSFORMERS = 1
    turn_until(loop, lambda: is_loaded(version), "the version")
    # A live version of another base takes the only place.
    other = make("transformers", base_model=make_base_model(parity_prompts=PARITY))
    turn_until(loop, lambda: f"used by {version}" in reason_of(other), "the other reason")
    Route.objects.create(project=world.project, version=other)
    turn_until(loop, lambda: is_loaded(other), "the live one")
    assert f"used by {other}" in reason_of(version)


def test_the_first_soft_prompt_restarts_the_engine_for_it(
    loop: Reconciler, make: Callable[..., ModelVersion]
) -> None:
    adapter = make("adapter")
    turn_until(loop, lambda: is_loaded(adapter), "the adapter")
    engine = Engine.objects.get()
    assert engine.options["prompt_embeds"] is False
    soft = make("prompt_embeds")
    turn_until(loop, lambda: f"serves {adapter}" in reason_of(soft), "the reason")
    Deployment.objects.filter(version=adapter).update(wanted="unloaded")
    turn_until(loop, lambda: is_loaded(soft), "the soft prompt")
    again = Engine.objects.get()
    assert again.pid != engine.pid
    assert again.options["prompt_embeds"] is True
    assert again.adapter_loads == 0  # a soft prompt takes no place of an adapter
    command = psutil.Process(again.pid).cmdline()
    assert "--enable-prompt-embeds" in command
    assert command[command.index("--middleware") + 1].endswith("soft_prompts.SoftPrompts")


def test_attached_engines_of_each_kind_are_told_apart(
    loop: Reconciler, make: Callable[..., ModelVersion], settings: Any, base_model: BaseModel
) -> None:
    import threading

    fakes = [Fake(0, base_model.slug), Fake(0, base_model.slug)]
    fakes[0].owner = "guildhall-transformers"
    for fake in fakes:
        threading.Thread(target=fake.serve_forever, daemon=True).start()
    settings.ENGINE_URLS = [fake.url for fake in fakes]
    adapter, odd = make("adapter"), make("transformers")
    turn_until(loop, lambda: is_loaded(adapter, odd), "both")
    assert set(fakes[0].adapters) == {odd.served_name}
    assert set(fakes[1].adapters) == {adapter.served_name}
    settings.ENGINE_URLS = [fakes[1].url]
    turn_until(
        loop, lambda: Engine.objects.filter(backend="transformers", status="down").exists(), "the missing one"
    )
    assert is_loaded(adapter)
    for fake in fakes:
        fake.shutdown()
        fake.server_close()


def test_the_process_gets_its_method_and_no_secrets(
    make: Callable[..., ModelVersion], answering: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inference.engines import EngineSpec
    from inference.engines.transformers import Transformers

    spec = EngineSpec("x", tmp_path, "x", 1024, adapters=True, max_lora_rank=0)
    line, variables = Transformers().command(spec, 8101), Transformers().environment(spec)
    assert line[1:3] == ["-m", "inference.engines.transformers_server"]
    assert line[line.index("--max-adapters") + 1] == "4"
    assert line[line.index("--max-model-len") + 1] == "1024"
    assert variables["HF_HUB_OFFLINE"] == "1"
    assert not [name for name in variables if name.startswith(("DATABASE", "GUILDHALL", "REDIS"))]
    asked: list[Any] = []
    monkeypatch.setattr(Transformers, "_call", lambda self, *args, **more: asked.append(more["body"]))
    Transformers().load_adapter(answering.url, "v1", tmp_path, "lora")
    assert json.loads(json.dumps(asked)) == [
        {"lora_name": "v1", "lora_path": str(tmp_path), "method": "lora"}
    ]
