"""What the documentation, docstrings and comments name exists: files, folders, modules, addresses, make targets."""

import ast
import io
import re
import subprocess
import tokenize
from functools import cache
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.urls import Resolver404, resolve

from tests.test_permission_walk import addresses

ROOT = Path(settings.BASE_DIR)
APPS = (
    "annotation",
    "benchmarks",
    "bin",
    "config",
    "core",
    "evaluation",
    "inference",
    "release",
    "tests",
    "tools",
    "training",
)
ENDINGS = "py|md|js|css|html|yaml|yml|toml|jsonl?|txt|sh|jinja"
FILE = re.compile(rf"(?<![\w/.*<>{{}}-])([\w.-]+(?:/[\w.-]+)*\.(?:{ENDINGS}))(?![\w/*-])")
TOP = "|".join(APPS)
PATH = re.compile(
    rf"(?<![\w/.:*<>-])((?:{TOP}|docs|static|templates|requirements)(?:/[\w.-]+)+/?)(?![\w*{{<])"
)
MODULE = re.compile(rf"(?<![\w./-])((?:{TOP})(?:\.[A-Za-z_]\w*)+)(?![\w/])")
# An address in a code span: what its placeholders stand for does not matter.
ADDRESS = re.compile(r"`(?:GET |POST |PUT |PATCH |DELETE )?(/[\w<>{}:./-]*)(?:\?[^`]*)?`")
MAKE = re.compile(r"`make ([a-z-]+)`")
# Names of other people's files, and of files that a program makes.
FOREIGN = re.compile(
    r"^(?:[\w.-]*/)?(?:adapter_config|bottleneck_config|adapter_model|config|generation_config|tokenizer|tokenizer_config|special_tokens_map"
    r"|model\.safetensors\.index|chat_template|merges|vocab|optimizer|added_tokens)\b|(?:torch_ops|lora_ops|lora_expand_op)"
    r"|^\.\./shared/|^utils/chat_template_utils|^integrations/sdpa_attention"
    r"|^(?:data|rows|upload|dataset|pairs|import|lines|openai|server|example|examples|manifest)\.|^huggingface|^llama\.cpp"
)


@cache
def tracked() -> frozenset[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return frozenset(name for name in listed.stdout.splitlines() if (ROOT / name).exists())


@cache
def _folders() -> frozenset[str]:
    return frozenset(str(parent) for name in tracked() for parent in Path(name).parents)


# Addresses of engines, not of Guildhall.
ENGINES = {"/tokenize", "/metrics", "/health", "/v1/completions"}


def _file_exists(name: str) -> bool:
    """A file of that path, or whose path ends so ("css/rate.css", "gate.py")."""
    name = name.removeprefix("./")
    return name in tracked() or any(one.endswith("/" + name) for one in tracked())


def _module_exists(dotted: str) -> bool:
    """A module, or a name in one, as written or as a column or key below it."""
    parts = dotted.split(".")
    if len(parts) == 2 and parts[0] in apps.app_configs and parts[1].lower() in apps.all_models[parts[0]]:
        return True  # a model, as Django writes it
    for length in range(len(parts), 0, -1):
        stem = "/".join(parts[:length])
        for path in (f"{stem}.py", f"{stem}/__init__.py"):
            if path in tracked():
                rest = parts[length:]
                text = (ROOT / path).read_text()
                return not rest or bool(re.search(rf"\b{re.escape(rest[0])}\b", text))
        if stem in tracked() and length == len(parts):
            return True
    return "/".join(parts) in _folders() or len(parts) == 1


@cache
def _routes() -> frozenset[str]:
    return frozenset("/" + address.route for address in addresses())


def _address_exists(path: str) -> bool:
    if path in ENGINES or (path.endswith("/") and any(route.startswith(path) for route in _routes())):
        return True
    for value in ("1", "demo", "00000000-0000-4000-8000-000000000000"):
        filled = re.sub(
            r"<[^>]*>|\{[^}]*\}", lambda found, v=value: "demo" if "slug" in found[0] else v, path
        )
        for one in (filled, filled + "/", filled.lstrip("/") and filled.rstrip("/")):
            try:
                resolve(one)
            except Resolver404:
                continue
            return True
    return False


def wrong_in(text: str, *, modules: bool = True) -> list[str]:
    """Each thing the text names that is not there."""
    found = [name for name in FILE.findall(text) if not FOREIGN.search(name) and not _file_exists(name)]
    for name in PATH.findall(text):
        bare = name.rstrip("/.")
        if (
            bare not in _folders()
            and bare not in tracked()
            and not _file_exists(bare)
            and not _file_exists(f"{bare}.py")
        ):
            found.append(name)
    if modules:
        found += [
            name for name in MODULE.findall(text) if not FILE.fullmatch(name) and not _module_exists(name)
        ]
    found += [
        path
        for path in ADDRESS.findall(text)
        if not path.startswith(("/tmp", "/dev", "/opt")) and not _address_exists(path)
    ]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    return found + [f"make {name}" for name in MAKE.findall(text) if name not in targets]


def _prose(path: Path) -> str:
    """Docstrings and comments of a Python file."""
    source = path.read_text()
    said = [
        ast.get_docstring(node) or ""
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return "\n".join(said + [token.string for token in tokens if token.type == tokenize.COMMENT])


def _markdown() -> list[str]:
    return sorted(name for name in tracked() if name.endswith(".md") and not name.startswith("dataset/demo/"))


@pytest.mark.parametrize("name", _markdown())
def test_a_document_names_only_what_is_there(name: str) -> None:
    text = (ROOT / name).read_text()
    # Where links lead is relative to the document and looked up below.
    wrong = wrong_in(re.sub(r"https?://\S+|\]\([^)\s]+\)", "", text))
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target and not (ROOT / name).parent.joinpath(target).exists():
            wrong.append(target)
    assert wrong == []


@pytest.mark.parametrize("folder", APPS)
def test_docstrings_and_comments_name_only_what_is_there(folder: str) -> None:
    wrong = {}
    for name in sorted(tracked()):
        ours = name.startswith(f"{folder}/") and name.endswith(".py") and "/migrations/" not in name
        if ours and (missing := wrong_in(_prose(ROOT / name))):
            wrong[name] = missing
    assert wrong == {}


def test_templates_and_scripts_name_only_what_is_there() -> None:
    wrong = {}
    for name in sorted(tracked()):
        if name.startswith("templates/"):
            said = "\n".join(
                re.findall(r"\{% comment %\}(.*?)\{% endcomment %\}", (ROOT / name).read_text(), re.DOTALL)
            )
        elif name.startswith("static/js/"):
            said = "\n".join(re.findall(r"^\s*//.*$", (ROOT / name).read_text(), re.MULTILINE))
        else:
            continue
        if missing := wrong_in(said):
            wrong[name] = missing
    assert wrong == {}


@pytest.mark.parametrize(
    "text",
    [
        "See core/nothing.py.", "See `docs/how-to/nothing.md`.", "as core.home.stages.nothing_here does", "`/p/<slug>/nothing/`",
        "`make nothing`", "in js/nothing.js", "below templates/nothing/",
    ],
)  # fmt: skip
def test_what_is_not_there_is_found(text: str) -> None:
    assert wrong_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "See core/home/stages.py and `docs/decisions/state.md`.", "as core.home.stages.register_stage does", "`/p/<slug>/runs/`", "`make run`",
        "in js/lib.js", "below templates/core/", "`/v1/chat/completions`", "tests/ops/test_docs.py::test_x",
    ],
)  # fmt: skip
def test_what_is_there_is_not_complained_of(text: str) -> None:
    assert wrong_in(text) == []
