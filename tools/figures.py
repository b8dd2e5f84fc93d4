"""The figures of the code's structure, and the bounds that `make check` holds.

What is counted, and how:

* Source: every Python file at the root, in bin/ and in the packages, benchmarks/ included; without tests, migrations and
  generated files. Lines are all lines.
* A function's length runs from its `def` to its last line, without decorators. Methods and nested functions count as
  functions of their own. A percentile p is the value at position int(p * n) of the sorted lengths.
* A public function's name, and the names of the classes around it, do not begin with an underscore.
* A circle is a group of modules of which each imports the others, directly or by way of the group. Imports inside
  functions count, in a list of their own; imports for type checkers only do not.
* A lazy import is an import statement inside a function. `reason_for` lists the reasons that are accepted.
* An `Any` annotation is a parameter whose whole annotation is `Any` (171 at commit b25e35f); `dict[str, Any]` is not
  one. A `type: ignore` is a line with such a comment (74 at that commit).
* A doubled class is a public class at the top level of two or more modules under the same name. Two things are exempt:
  `Command`, which Django demands of every management command, and classes inside classes such as `Meta`.
"""

import ast
import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.source import (
    Function,
    Graph,
    ImportedName,
    SourceFile,
    circles,
    graph_of,
    imported_names,
    module_of,
    read,
)

LONG_FILE = 350
LONGEST_SHOWN = 15

# Libraries that take seconds or much memory to load, or that only some installations need: they are loaded where they are used.
HEAVY = {
    "accelerate", "altair", "boto3", "botocore", "gguf", "huggingface_hub", "peft", "safetensors",
    "torch", "transformers", "vl_convert", "vllm",
}  # fmt: skip
NAMED = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
ENTRY_POINT = re.compile(r"^ *(django\.setup\(|setup\(\)|execute_from_command_line)", re.MULTILINE)


@dataclass(frozen=True)
class Bounds:
    p90: int = 22
    longest: int = 60
    long_files: int = 6
    circles: int = 0
    doubled_classes: int = 0
    any_annotations: int = 56
    type_ignores: int = 24


@dataclass
class Figures:
    files: int
    lines: int
    functions: int
    median: int
    p90: int
    p99: int
    longest: int
    longest_functions: list[tuple[str, int]]
    too_long: list[tuple[str, int]]
    over_p90_bound: int
    long_files: list[tuple[str, int]]
    public_functions: int
    with_docstring: int
    circles: list[list[str]]
    lazy_circles: list[list[str]]
    lazy_imports: int
    unexplained_lazy_imports: list[str]
    any_annotations: list[str]
    type_ignores: list[str]
    doubled_classes: dict[str, list[str]]
    doubled_functions: dict[str, list[str]]

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def measure(root: Path) -> Figures:
    files = read(root)
    lengths = _lengths(files)
    ordered = sorted(length for _, length in lengths)
    public = [node for source in files for name, node in source.functions if _is_public(name)]
    graph = graph_of(files)
    heavy = _heavy_modules(files, graph)
    lazy = [place for source in files for place in _lazy_imports(source, heavy)]
    at_the_top = circles(graph.at_the_top)
    return Figures(
        files=len(files),
        lines=sum(source.lines for source in files),
        functions=len(ordered),
        median=_percentile(ordered, 0.5),
        p90=_percentile(ordered, 0.9),
        p99=_percentile(ordered, 0.99),
        longest=ordered[-1] if ordered else 0,
        longest_functions=lengths[:LONGEST_SHOWN],
        too_long=[pair for pair in lengths if pair[1] > Bounds.longest],
        over_p90_bound=sum(length > Bounds.p90 for length in ordered),
        long_files=_long_files(files),
        public_functions=len(public),
        with_docstring=sum(ast.get_docstring(node) is not None for node in public),
        circles=at_the_top,
        lazy_circles=[group for group in circles(graph.all) if group not in at_the_top],
        lazy_imports=len(lazy),
        unexplained_lazy_imports=[place for place, reason in lazy if reason is None],
        any_annotations=[place for source in files for place in _any_annotations(source)],
        type_ignores=[place for source in files for place in _type_ignores(source)],
        doubled_classes=_doubled(files, ast.ClassDef),
        doubled_functions=_doubled(files, ast.FunctionDef, ast.AsyncFunctionDef),
    )


def broken(figures: Figures, bounds: Bounds = Bounds()) -> list[str]:
    """One sentence for each bound that does not hold, with the places."""
    problems = []
    if figures.p90 > bounds.p90:
        problems.append(
            f"The 90th percentile of the functions' lengths is {figures.p90} lines, the bound is {bounds.p90}: "
            f"{figures.over_p90_bound} of {figures.functions} functions are longer than that."
        )
    if figures.too_long:
        listed = ", ".join(f"{place} ({length})" for place, length in figures.too_long)
        problems.append(f"Functions have at most {bounds.longest} lines; longer: {listed}.")
    if len(figures.long_files) > bounds.long_files:
        listed = ", ".join(f"{path} ({lines})" for path, lines in figures.long_files)
        problems.append(
            f"At most {bounds.long_files} files have more than {LONG_FILE} lines; there are {len(figures.long_files)}: {listed}."
        )
    groups = figures.circles + figures.lazy_circles
    if len(groups) > bounds.circles:
        listed = "; ".join(" <-> ".join(group) for group in groups)
        problems.append(
            f"No modules import each other in a circle, not even inside functions; {len(groups)} do: {listed}."
        )
    if len(figures.doubled_classes) > bounds.doubled_classes:
        listed = "; ".join(
            f"{name} ({', '.join(places)})" for name, places in figures.doubled_classes.items()
        )
        problems.append(f"A public class has a name of its own; doubled: {listed}.")
    for noun, places, bound in (
        ("parameters annotated `Any`", figures.any_annotations, bounds.any_annotations),
        ("`type: ignore` comments", figures.type_ignores, bounds.type_ignores),
    ):
        if len(places) > bound:
            problems.append(f"There are at most {bound} {noun}; there are {len(places)}: {_by_file(places)}.")
    return problems


def _by_file(places: list[str]) -> str:
    """The places with each file named once, before the numbers of its lines."""
    lines: dict[str, list[str]] = defaultdict(list)
    for place in places:
        path, _, line = place.split(" ")[0].partition(":")
        lines[path].append(line)
    return "; ".join(f"{path}:{','.join(numbers)}" for path, numbers in lines.items())


def table(figures: Figures, bounds: Bounds = Bounds()) -> str:
    share = round(100 * figures.with_docstring / figures.public_functions) if figures.public_functions else 0
    rows = [
        ("source lines (no tests, no migrations)", f"{figures.lines:,} in {figures.files} files", ""),
        ("functions", f"{figures.functions:,}", ""),
        (
            "function length: median / p90 / p99 / longest",
            f"{figures.median} / {figures.p90} / {figures.p99} / {figures.longest}",
            f"p90 <= {bounds.p90}, longest <= {bounds.longest}",
        ),
        (f"files over {LONG_FILE} lines", str(len(figures.long_files)), f"<= {bounds.long_files}"),
        ("public functions with a docstring", f"{share}%", ""),
        ("circles of imports at module level", str(len(figures.circles)), f"<= {bounds.circles}"),
        ("more circles with lazy imports", str(len(figures.lazy_circles)), f"<= {bounds.circles}"),
        ("lazy imports", str(figures.lazy_imports), ""),
        ("lazy imports without an accepted reason", str(len(figures.unexplained_lazy_imports)), ""),
        ("parameters annotated `Any`", str(len(figures.any_annotations)), f"<= {bounds.any_annotations}"),
        ("`type: ignore` comments", str(len(figures.type_ignores)), f"<= {bounds.type_ignores}"),
        ("doubled public class names", str(len(figures.doubled_classes)), f"<= {bounds.doubled_classes}"),
        ("doubled public function names", str(len(figures.doubled_functions)), ""),
    ]
    wide = [max(len(row[column]) for row in rows) for column in range(3)]
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, wide, strict=True)).rstrip() for row in rows
    ]
    for title, lines in (
        (
            f"The {LONGEST_SHOWN} longest functions",
            [f"{length:4} {place}" for place, length in figures.longest_functions],
        ),
        (f"Files over {LONG_FILE} lines", [f"{lines:4} {path}" for path, lines in figures.long_files]),
        ("Circles", [" <-> ".join(group) for group in figures.circles]),
        ("Circles with lazy imports", [" <-> ".join(group) for group in figures.lazy_circles]),
        ("Lazy imports without an accepted reason", figures.unexplained_lazy_imports),
        (
            "Doubled public classes",
            [f"{name}: {', '.join(places)}" for name, places in figures.doubled_classes.items()],
        ),
        (
            "Doubled public functions (for information)",
            [f"{name}: {', '.join(places)}" for name, places in figures.doubled_functions.items()],
        ),
    ):
        if lines:
            text += ["", title, *(f"  {line}" for line in lines)]
    return "\n".join(text)


def _lengths(files: list[SourceFile]) -> list[tuple[str, int]]:
    """(place, lines) of every function, the longest first."""
    lengths = [
        (f"{source.path}:{node.lineno} {name}", _length(node))
        for source in files
        for name, node in source.functions
    ]
    return sorted(lengths, key=lambda pair: (-pair[1], pair[0]))


def _length(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _percentile(ordered: list[int], share: float) -> int:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0


def _is_public(name: str) -> bool:
    return not any(part.startswith("_") for part in name.split("."))


def _long_files(files: list[SourceFile]) -> list[tuple[str, int]]:
    long = [(str(source.path), source.lines) for source in files if source.lines > LONG_FILE]
    return sorted(long, key=lambda pair: (-pair[1], pair[0]))


def _heavy_modules(files: list[SourceFile], graph: Graph) -> set[str]:
    """Modules of ours that load a heavy library when they are imported, themselves or by way of others."""
    heavy = {
        source.module
        for source in files
        for imported in imported_names(source)
        if not imported.function
        and not imported.only_for_types
        and imported.module.partition(".")[0] in HEAVY
    }
    while more := {
        name for name, targets in graph.at_the_top.items() if name not in heavy and targets & heavy
    }:
        heavy |= more
    return heavy


def _lazy_imports(source: SourceFile, heavy: set[str]) -> list[tuple[str, str | None]]:
    """(place, accepted reason or None) of each import statement inside a function."""
    statements: dict[tuple[int, str], list[str | None]] = defaultdict(list)
    for imported in imported_names(source):
        if imported.function:
            reason = reason_for(source, imported, heavy)
            statements[imported.line, imported.module].append(reason)
    return [
        (f"{source.path}:{line} {module}", None if None in reasons else reasons[0])
        for (line, module), reasons in statements.items()
    ]


def reason_for(source: SourceFile, imported: ImportedName, heavy: set[str]) -> str | None:
    """Why this import may be inside a function; None when no reason on the list explains it."""
    if imported.module.partition(".")[0] in HEAVY or module_of(imported, heavy):
        return "it is slow to load"
    if source.path.name == "apps.py":
        return "AppConfig.ready and its steps: models are not loaded before it"
    if source.path.parts[0] in ("bin", "benchmarks") or ENTRY_POINT.search(source.text):
        return "an entry point: settings are chosen before Django is imported"
    return None


def _any_annotations(source: SourceFile) -> list[str]:
    return [
        f"{source.path}:{parameter.lineno} {name}({parameter.arg})"
        for name, node in source.functions
        for parameter in _parameters(node.args)
        if isinstance(parameter.annotation, ast.Name) and parameter.annotation.id == "Any"
    ]


def _parameters(arguments: ast.arguments) -> list[ast.arg]:
    stars = [star for star in (arguments.vararg, arguments.kwarg) if star is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *stars]


def _type_ignores(source: SourceFile) -> list[str]:
    return [
        f"{source.path}:{number}"
        for number, line in enumerate(source.text.splitlines(), 1)
        if re.search(r"#.*\btype:\s*ignore", line)
    ]


def _doubled(files: list[SourceFile], *kinds: type[ast.stmt]) -> dict[str, list[str]]:
    places: dict[str, list[str]] = defaultdict(list)
    for source in files:
        exempt = {"Command"} if "commands" in source.path.parts else set()
        names = {
            node.name for node in source.tree.body if isinstance(node, NAMED) and isinstance(node, kinds)
        }
        for name in sorted(names - exempt):
            if not name.startswith("_"):
                places[name].append(str(source.path))
    return {name: paths for name, paths in sorted(places.items()) if len(paths) > 1}
