"""The container files agree with the program. Nothing here starts a container: that needs a Docker engine."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from config import settings as _settings
from config.procfile import read_procfile

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_compose_runs_the_processes_of_the_procfile(compose):
    names = set(read_procfile(ROOT / "Procfile"))
    assert names <= set(compose["services"])
    assert set(compose["services"]) - names == {"postgres", "valkey", "house", "migrate"}


def test_workers_listen_to_the_queues_of_the_procfile(compose):
    for name in ("worker", "gpu"):
        here = read_procfile(ROOT / "Procfile")[name]
        there = compose["services"][name]["command"]
        for option in (r"-Q \S+", r"--max-tasks-per-child \d+", r"--prefetch-multiplier \d+"):
            assert re.findall(option, here) == re.findall(option, there)


def test_every_service_but_the_empty_one_says_whether_it_is_well(compose):
    without = {name for name, service in compose["services"].items() if "healthcheck" not in service}
    assert without == {"house", "migrate"}


def test_only_the_web_port_is_published_and_by_default_on_loopback(compose):
    published = {
        name: service["ports"] for name, service in compose["services"].items() if "ports" in service
    }
    assert published == {"house": ["${GUILDHALL_PUBLISH:-127.0.0.1:8000}:8000"]}


def test_secrets_come_from_the_environment_and_have_no_default(compose):
    text = (ROOT / "docker-compose.yml").read_text()
    for name in ("GUILDHALL_SECRET_KEY", "POSTGRES_PASSWORD", "GUILDHALL_ALLOWED_HOSTS"):
        assert re.findall(rf"\$\{{{name}(:[-?])", text), name
        assert f"${{{name}:-" not in text
    assert compose["services"]["web"]["environment"]["GUILDHALL_ENV"] == "production"


def test_every_variable_that_compose_sets_is_read(compose):
    read = (ROOT / "config" / "settings.py").read_text() + (ROOT / "Dockerfile").read_text()
    known_elsewhere = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    for service in compose["services"].values():
        for name in service.get("environment", {}):
            assert name in read or name in known_elsewhere or name.startswith("POSTGRES_"), name


def test_everything_in_the_example_is_used_by_compose():
    text = (ROOT / "docker-compose.yml").read_text()
    for name in re.findall(r"^#?([A-Z_0-9]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE):
        assert f"${{{name}" in text, name


def test_dependencies_start_in_an_order_that_exists(compose):
    services = compose["services"]
    for service in services.values():
        for name, condition in service.get("depends_on", {}).items():
            assert name in services
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in services[name]
        if service.get("network_mode"):
            assert service["network_mode"].removeprefix("service:") in services
    for name in compose["volumes"]:
        assert any(
            volume.startswith(f"{name}:")
            for service in services.values()
            for volume in service.get("volumes", [])
        )


def test_the_gpu_file_changes_only_services_that_exist(compose):
    extra = yaml.safe_load((ROOT / "docker-compose.gpu.yml").read_text())
    assert set(extra["services"]) == {"gpu", "engines"}
    assert set(extra["services"]) <= set(compose["services"])


def test_the_image_copies_and_runs_what_exists():
    text = (ROOT / "Dockerfile").read_text()
    assert text.count("FROM ") == 3
    for path in re.findall(r"/requirements/([a-z]+)\.lock", text):
        assert (ROOT / "requirements" / f"{path}.lock").exists()
    for kind in ("cpu", "gpu"):
        assert (ROOT / "requirements" / f"{kind}.lock").read_text().count("torch==") == 1
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ".env" in ignored
    assert ".state" in ignored
    assert _settings.BASE_DIR == ROOT


def test_the_image_runs_as_an_ordinary_user():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER guildhall"]
    assert lines.index("USER guildhall") < next(i for i, line in enumerate(lines) if line.startswith("CMD"))
