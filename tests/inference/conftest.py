"""Fakes of engines, for this folder only."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.factories import World, load_onto, make_base_model, make_engine, make_version
from tests.support.fakes.backend import FakeTransformers, FakeVLLM
from tests.support.fakes.engine import Fake, token_ids
from tests.support.waiting import wait_for

__all__ = ["wait_for"]  # tests of inference take it from here

CHECK = [{"role": "user", "content": "Hello"}]
PARITY = [{"messages": CHECK, "token_ids": token_ids(CHECK)}]


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """control(shift=1): how fake engines behave from now on."""
    path = tmp_path / "control.json"
    path.write_text("{}")
    monkeypatch.setenv("FAKE_ENGINE_CONTROL", str(path))

    def change(**values: Any) -> None:
        path.write_text(json.dumps(values))

    return change


@pytest.fixture
def fake_engines(monkeypatch: pytest.MonkeyPatch, control: Callable[..., None], settings: Any) -> None:
    """Local engines are fakes, on ports that no other worker of this test run uses."""
    import os

    from inference.engines import BACKENDS

    monkeypatch.setitem(BACKENDS, "vllm", FakeVLLM())
    monkeypatch.setitem(BACKENDS, "transformers", FakeTransformers())
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    settings.ENGINE_PORTS_FROM = 21000 + worker * 600


@pytest.fixture
def answering(control: Callable[..., None]) -> Iterator[Fake]:
    """A fake engine in this process that answers under the name of the `served` base."""
    fake = Fake(0, "smollm2")
    thread = threading.Thread(target=fake.serve_forever, daemon=True)
    thread.start()
    yield fake
    fake.shutdown()
    fake.server_close()


@dataclass
class Served:
    """A project with a base and an adapter, both served by a fake engine, the adapter live."""

    world: World
    fake: Fake
    base: Any
    adapter: Any
    engine: Any
    names: list[str] = field(default_factory=list)


@pytest.fixture
def served(world: World, answering: Fake) -> Served:
    from inference.models import Route

    base_model = make_base_model(name="Small Language 135M", slug="smollm2", parity_prompts=PARITY)
    base = make_version(world.project, base_model=base_model)
    adapter = make_version(world.project, world.admin, base_model=base_model, number=7)
    engine = make_engine(base_model, answering.url)
    load_onto(base, engine)
    load_onto(adapter, engine)
    answering.adapters[adapter.served_name] = "/somewhere"
    Route.objects.create(project=world.project, version=adapter)
    names = [base_model.name, base_model.slug, adapter.served_name, base.served_name, "v7", "base"]
    return Served(world, answering, base, adapter, engine, names)


@pytest.fixture
def live(transactional_db: None) -> Iterator[str]:
    """The program itself on a real port, in a thread of this process: what streams can only be tried over a socket."""
    import uvicorn

    from config.asgi import application

    server = uvicorn.Server(
        uvicorn.Config(application, host="127.0.0.1", port=0, log_level="warning", lifespan="off")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started, "the web server")
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(15)


@pytest.fixture
def key(world: World) -> str:
    """An application key of the project."""
    from core.services.keys import create_api_key

    return create_api_key(by=world.admin, name="Help desk", project=world.project)[1]
