"""Values of addresses and forms, read so that nothing breaks; and that nothing reads them in another way."""

import ast
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from django import forms
from django.http import QueryDict
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from core.lists.filters import Filter, search_field
from core.lists.numbers import LARGEST_ID, decimal_number
from core.lists.params import Params, day_end, day_start
from core.text import is_storable, storable

ROOT = Path(__file__).resolve().parents[2]
APPS = ("core", "annotation", "dataset", "training", "inference", "evaluation", "release")
ODD = [
    "²",
    "١٢",
    "9" * 5000,
    "-1",
    "1.5",
    "1e3",
    "0x10",
    " 7 ",
    "",
    "\x00",
    "7\x00",
    "\ud83d",
    "½",
    "𝟜",
    "NaN",
    "None",
]


def params(**values: str) -> Params:
    asked = QueryDict(mutable=True)
    asked.update(values)
    return Params(asked)


@pytest.mark.parametrize("odd", ODD)
def test_no_value_breaks_a_reader(odd: str) -> None:
    asked = params(a=odd)
    number = asked.number("a")
    assert number is None or 0 <= number <= LARGEST_ID
    assert asked.numbers("a") == ([number] if number else [])
    assert is_storable(asked.text("a"))
    assert all(is_storable(one) for one in asked.texts("a"))
    assert asked.choice("a", {"b"}, "c") == "c"
    assert asked.day("a") is None
    assert asked.flag("a") is False


def test_numbers_hold_to_the_column_they_are_for() -> None:
    assert params(a="2147483648").number("a", most=2**31 - 1) is None
    assert params(a=str(2**63)).number("a") is None
    assert params(a="0").number("a", least=1) is None
    assert params(a="12").number("a") == 12
    assert Params(QueryDict("a=1&a=x&a=0&a=3")).numbers("a") == [1, 3]


@given(st.text(st.characters(exclude_categories=()), max_size=60))
def test_storable_text_is_what_postgresql_takes(text: str) -> None:
    kept = storable(text)
    assert is_storable(kept)
    assert (kept == text) == is_storable(text)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_the_ends_of_the_calendar_are_no_bound(zone: str) -> None:
    with timezone.override(zone):
        assert day_end(date.max) is day_start(date.min) is None
        day = date(2026, 11, 25)
        first, end = day_start(day), day_end(day)
        assert first and end and (end - first).days == 1
        for day in (date(1, 1, 2), date(1, 1, 3), date(9999, 12, 28), date(9999, 12, 29), date(9999, 12, 30)):
            for moment in (day_start(day), day_end(day)):
                assert moment is None or moment.timestamp()


# --- filters -----------------------------------------------------------------------------------------------
class Sample(Filter):
    q = search_field("Search")
    status = forms.ChoiceField(required=False, choices=[("", "any"), ("open", "Open"), ("closed", "Closed")])
    number = forms.IntegerField(required=False, min_value=1)
    since = forms.DateField(required=False)


@pytest.mark.parametrize(
    ("query", "name", "words"),
    [
        ("status=opne", "status", "“opne” is not one of: open, closed."),
        ("stauts=open", "stauts", "There is no parameter “stauts”. Possible: q, status, number, since"),
        ("number=²", "number", "Give a whole number of 1 or more."),
        ("number=0", "number", "Give a whole number of 1 or more."),
        (f"number={'9' * 5000}", "number", "Give a whole number of 1 or more."),
        (f"number={2**63}", "number", "Give a whole number of 1 or more."),
        ("since=tomorrow", "since", "Give a date as 2026-11-25."),
        ("since=10000-01-01", "since", "Give a date as 2026-11-25."),
        ("q=%00", "q", "Remove the NUL character"),
        (f"q={'a' * 201}", "q", "at most 200 characters"),
        ("status=open&status=closed", "status", "Give it once."),
        ("%00=1", "\x00", "There is no parameter “\ufffd”"),
    ],
)
def test_a_filter_that_is_not_understood_is_refused(query: str, name: str, words: str) -> None:
    filters = Sample(QueryDict(query))
    with pytest.raises(Invalid) as refused:
        filters.checked()
    assert list(refused.value.fields) == [name]
    assert words in refused.value.fields[name][0]
    assert filters.http_status == 422
    assert any(words in told for told in filters.messages)


@pytest.mark.parametrize("odd", ODD)
def test_a_decimal_is_a_number_or_nothing(odd: str) -> None:
    number = decimal_number(odd)
    assert number is None or 0 <= number < 1e13
    assert (decimal_number("12,5"), decimal_number("0.25"), decimal_number("1.")) == (12.5, 0.25, None)


def test_filters_that_are_understood_come_without_what_is_empty() -> None:
    assert Sample(QueryDict("")).checked() == {}
    asked = Sample(QueryDict("q=+a+&status=&number=7&since=9999-12-31&page=x&page_size=9"))
    assert asked.checked() == {"q": "a", "number": 7, "since": date.max}
    assert asked.http_status == 200


# --- that everything is read this way ----------------------------------------------------------------------
GIVEN = {"GET", "query_params"}
GUESSES = {"isdigit", "isnumeric", "isdecimal"}
# Where text becomes a number: the one place for addresses, and those that read no request.
NUMBERS = {"core/api/parsing.py", "core/lists/numbers.py", "core/host/ports.py"}


def raw_uses(tree: ast.AST, *, converts: bool) -> Iterator[str]:
    """Where a request's values are taken apart by hand. Handing the whole of them to a form or to Params is fine."""
    handed = {
        id(argument)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for argument in (*call.args, *(keyword.value for keyword in call.keywords))
    }
    returned = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return)]
    handed |= {id(value.body if isinstance(value, ast.IfExp) else value) for value in returned}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in GIVEN and id(node) not in handed:
            yield f"line {node.lineno}: {ast.unparse(node)} is read by hand"
        if isinstance(node, ast.Attribute) and node.attr in GUESSES:
            yield f"line {node.lineno}: {node.attr} takes more than int does"
        if converts and isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"int", "float"}:
            yield f"line {node.lineno}: {ast.unparse(node)} fails on what is no number"


def test_raw_uses_are_found() -> None:
    for code in ('request.GET.get("a")', 'x = request.GET["a"]', "a.isdigit()", "int(text)"):
        assert list(raw_uses(ast.parse(code), converts=True)), code
    for code in (
        "Filter(request.GET)",
        "Params(request.GET).number('a')",
        "serializer(data=request.query_params)",
    ):
        assert not list(raw_uses(ast.parse(code), converts=True)), code


def test_no_view_reads_an_address_by_hand() -> None:
    found = []
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if name in NUMBERS or {"migrations", "runner", "checks"} & set(path.parts):
                continue
            takes_requests = (
                bool({"views", "api"} & set(path.relative_to(ROOT).parts)) or path.name == "forms.py"
            )
            tree = ast.parse(path.read_text())
            found += [f"{name} {use}" for use in raw_uses(tree, converts=takes_requests)]
    assert not found, "\n".join(found)
