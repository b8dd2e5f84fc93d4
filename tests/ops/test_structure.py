"""bin/structure finds what it should, and bin/architecture notices that a page is stale."""

import json
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest
from django.apps import apps
from django.conf import settings

from tools.figures import Bounds, broken, measure, table
from tools.pages import stale_pages, write_pages
from tools.picture import arrows, draw
from tools.source import circles, graph_of, layers_of, read
from tools.states import page

ROOT = Path(settings.BASE_DIR)
CONTRACTS = """
[[tool.importlinter.contracts]]
name = "Apps"
type = "layers"
layers = ["shop", "store | (paper)", "ground"]

[[tool.importlinter.contracts]]
name = "Inside"
type = "layers"
containers = ["shop", "store"]
layers = ["(urls)", "(views) | (api)", "(models)"]
"""


@pytest.fixture
def tree(tmp_path):
    """A function that writes a small program: path -> text."""

    def write(files: dict[str, str]) -> Path:
        (tmp_path / "pyproject.toml").write_text(CONTRACTS)
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            for folder in path.relative_to(tmp_path).parents[:-1]:
                (tmp_path / folder / "__init__.py").touch()
            path.write_text(text)
        return tmp_path

    return write


def _function(lines: int, name: str = "work") -> str:
    return f"def {name}():\n" + "    x = 1\n" * (lines - 1)


def test_a_circle_that_only_a_lazy_import_closes_is_named(tree):
    root = tree(
        {
            "shop/a.py": "from shop import b\n",
            "shop/b.py": "def f():\n    from shop.a import x\n",
            "shop/c.py": "import shop.a\n",
        }
    )
    figures = measure(root)
    assert figures.circles == []
    assert figures.lazy_circles == [["shop.a", "shop.b"]]
    assert figures.lazy_imports == 1
    assert figures.unexplained_lazy_imports == ["shop/b.py:2 shop.a"]
    assert any("shop.a <-> shop.b" in problem for problem in broken(figures))


def test_a_circle_at_module_level_is_named_once_and_imports_for_types_are_none(tree):
    root = tree(
        {
            "shop/a.py": "from .b import x\n",
            "shop/b.py": "import shop.c\n",
            "shop/c.py": "from shop.a import y\n",
            "store/a.py": "from store import b\n",
            "store/b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from store.a import x\n",
        }
    )
    figures = measure(root)
    assert figures.circles == [["shop.a", "shop.b", "shop.c"]]
    assert figures.lazy_circles == []


def test_a_package_and_what_it_collects_are_no_circle_of_their_own(tree):
    root = tree(
        {
            "shop/desk/__init__.py": "from shop.desk.one import x\n",
            "shop/desk/one.py": "from shop.desk import two\n",
            "shop/desk/two.py": "",
        }
    )
    assert circles(graph_of(read(root)).all) == []


def test_a_doubled_class_is_named_with_its_places_and_commands_are_exempt(tree):
    command = "class Command:\n    class Meta:\n        pass\n"
    root = tree(
        {
            "shop/a.py": "class Line:\n    class Meta:\n        pass\n\nclass _Own:\n    pass\n",
            "store/a.py": "class Line:\n    class Meta:\n        pass\n\nclass _Own:\n    pass\n",
            "shop/management/commands/one.py": command,
            "store/management/commands/one.py": command,
        }
    )
    figures = measure(root)
    assert figures.doubled_classes == {"Line": ["shop/a.py", "store/a.py"]}
    assert "Line (shop/a.py, store/a.py)" in " ".join(broken(figures))


@pytest.mark.parametrize(("lines", "says"), [(60, False), (61, True)])
def test_the_longest_function_may_have_sixty_lines(tree, lines, says):
    short = "".join(_function(2, f"short_{number}") for number in range(20))
    figures = measure(tree({"shop/a.py": short + "@decorator\n" + _function(lines)}))
    assert figures.longest == lines
    assert figures.p90 == 2
    assert bool(broken(figures)) is says
    if says:
        assert "shop/a.py:42 work (61)" in broken(figures)[0]


def test_every_function_over_the_bound_is_named_not_only_those_shown(tree):
    figures = measure(tree({"shop/a.py": "".join(_function(61, f"long_{number}") for number in range(20))}))
    assert all(f"long_{number} (61)" in " ".join(broken(figures)) for number in range(20))


def test_ninety_percent_of_the_functions_are_short(tree):
    short = "".join(_function(3, f"short_{number}") for number in range(8))
    long = "".join(_function(23, f"long_{number}") for number in range(2))
    figures = measure(tree({"shop/a.py": short + long}))
    assert figures.p90 == 23
    assert "90th percentile" in broken(figures)[0]


def test_six_files_may_be_long(tree):
    long = "x = 1\n" * 351
    root = tree({f"shop/m{number}.py": long for number in range(6)} | {"shop/edge.py": "x = 1\n" * 350})
    assert broken(measure(root)) == []
    tree({"shop/one_more.py": long})
    figures = measure(root)
    assert len(figures.long_files) == 7
    assert "shop/one_more.py (351)" in broken(figures)[0]


def test_any_and_type_ignore_are_counted(tree):
    root = tree(
        {
            "shop/a.py": "def f(a: Any, *b: Any, c: dict[str, Any], **d: Any) -> Any:\n    pass\n\nx = 1  # type: ignore[misc]\n"
        }
    )
    figures = measure(root)
    assert [place.split("(")[1] for place in figures.any_annotations] == ["a)", "b)", "d)"]
    assert figures.type_ignores == ["shop/a.py:4"]
    problems = broken(figures, Bounds(any_annotations=2, type_ignores=0))
    assert [problem.split(";")[0] for problem in problems] == [
        "There are at most 2 parameters annotated `Any`",
        "There are at most 0 `type: ignore` comments",
    ]


@pytest.mark.parametrize(
    ("name", "text", "accepted"),
    [
        ("shop/a.py", "def f():\n    import torch.nn\n", True),
        ("shop/a.py", "def f():\n    from shop import slow\n", True),
        ("shop/apps.py", "class A:\n    def ready(self):\n        from shop import b\n", True),
        ("shop/a.py", "def f():\n    from shop import b\n\ndjango.setup()\n", True),
        ("shop/a.py", "def f():\n    import json\n", False),
        ("shop/a.py", "def f():\n    from shop import b\n", False),
    ],
)
def test_which_lazy_imports_have_an_accepted_reason(tree, name, text, accepted):
    figures = measure(tree({name: text, "shop/b.py": "", "shop/slow.py": "import altair\n"}))
    assert figures.lazy_imports == 1
    assert (figures.unexplained_lazy_imports == []) is accepted


def test_tests_migrations_and_generated_files_are_left_out(tree):
    root = tree(
        {
            "tests/test_a.py": "x = 1\n",
            "shop/migrations/one.py": "x = 1\n",
            "shop/made.py": "# Generated by a tool\nx = 1\n",
            "shop/a.py": "x = 1\ny = 2\n",
        }
    )
    (root / "bin").mkdir()
    (root / "bin/go").write_text("#!/usr/bin/env python3\nx = 1\n")
    (root / "bin/shell").write_text("#!/bin/sh\necho\n")
    assert [str(source.path) for source in read(root) if source.lines] == ["bin/go", "shop/a.py"]
    assert measure(root).lines == 4
    assert "4 in" in table(measure(root))


def test_the_last_line_of_json_holds_every_figure():
    done = subprocess.run(
        [sys.executable, "bin/structure", "--json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["functions"] > 1000
    assert figures["circles"] == []
    assert done.returncode == (1 if figures["broken"] else 0), done.stderr


# --- The picture and the states


def test_the_picture_counts_the_importing_modules_and_shows_layers_in_order(tree):
    root = tree(
        {
            "shop/views.py": "from store import models\nimport ground.a\n",
            "shop/models.py": "def f():\n    import store.models\n    import store.help\n",
            "shop/help.py": "",
            "store/models.py": "",
            "store/help.py": "",
            "paper/a.py": "",
            "ground/a.py": "",
        }
    )
    counts = arrows(graph_of(read(root)), ["shop", "store", "paper", "ground"])
    assert counts == {("shop", "ground"): 1, ("shop", "store"): 2}
    assert layers_of(root).apps == [["shop"], ["store", "paper"], ["ground"]]
    picture = draw(root)
    assert "2 modules of shop import store." in picture
    assert picture.index(">views<") < picture.index(">models<") < picture.index(">help<")
    assert picture == draw(root)


def test_an_import_upwards_is_shown_as_wrong(tree):
    root = tree({"shop/a.py": "", "store/a.py": "import shop.a\n", "paper/a.py": "", "ground/a.py": ""})
    assert 'class="wrong"' in draw(root)


def test_a_page_is_stale_when_the_code_has_changed(tree):
    root = tree({"shop/a.py": "", "store/a.py": "", "paper/a.py": "", "ground/a.py": ""})
    assert stale_pages(root, {"picture.svg": draw(root)}) == ["picture.svg"]
    assert write_pages(root, {"picture.svg": draw(root)}) == ["picture.svg"]
    assert stale_pages(root, {"picture.svg": draw(root)}) == []
    tree({"shop/a.py": "import store.a\n"})
    assert stale_pages(root, {"picture.svg": draw(root)}) == ["picture.svg"]


def test_the_command_fails_until_it_has_written_what_is_stale(tree, capsys):
    command = _script("bin/architecture")
    root = tree({"shop/a.py": "", "store/a.py": "", "paper/a.py": "", "ground/a.py": ""})
    (root / "docs/reference").mkdir(parents=True)
    assert command.main(["--check"], root) == 1
    assert "docs/reference/architecture.svg does not show the code as it is." in capsys.readouterr().out
    assert command.main([], root) == 0
    assert command.main(["--check"], root) == 0
    tree({"shop/a.py": "import store.a\n"})
    capsys.readouterr()
    assert command.main(["--check"], root) == 1
    assert "states.md" not in capsys.readouterr().out


def _script(name: str) -> ModuleType:
    """A script without the ending .py as a module; its main is not run."""
    loader = SourceFileLoader("script", str(ROOT / name))
    module = module_from_spec(spec_from_loader("script", loader))
    loader.exec_module(module)
    return module


def test_every_table_of_transitions_has_its_diagram():
    models = [model for model in apps.get_models() if hasattr(model, "TRANSITIONS")]
    text = page(apps.get_models())
    assert models
    assert text.count("```mermaid\nstateDiagram-v2\n") == len(models)
    for model in models:
        section = text.split(f"## {model.__name__}\n")[1].split("\n## ")[0]
        moves = {(old, new) for old, targets in model.TRANSITIONS.items() for new in targets}
        assert all(f"    {old} --> {new}\n" in section for old, new in moves)
        assert section.count(" --> ") - section.count("[*]") == len(moves)
