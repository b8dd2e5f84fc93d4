"""Bodies of requests to the API: nothing in them is lost, rewritten or answered in a programmer's words."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework import serializers
from rest_framework.test import APIClient

from annotation.models import Example
from core.api.fields import Body, TextField, WrittenField
from core.text import trimmed
from tests.core.test_limits_of_fields import MODULES, all_of
from tests.support.factories import World, make_example

pytestmark = pytest.mark.django_db


def bodies() -> dict[str, type[Body]]:
    return {one.__name__: one for one in all_of(Body, MODULES)}


def fields_of(serializer: Any) -> Iterator[tuple[str, Any]]:
    """Every field that is read from a request, those of lists and inner objects too."""
    for name, field in serializer.fields.items():
        if field.read_only:
            continue
        inner = field
        while isinstance(inner, (serializers.ListField, serializers.ListSerializer)):
            inner = inner.child
        yield name, inner
        if isinstance(inner, serializers.BaseSerializer):
            yield from fields_of(inner)


def test_every_body_of_the_schema_is_one() -> None:
    """Found in the schema, so that one added tomorrow is looked at tomorrow."""
    from drf_spectacular.generators import SchemaGenerator

    schema = json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True), default=str))
    said = json.dumps(
        [
            operation.get("requestBody", {})
            for path, operations in schema["paths"].items()
            if path.startswith("/api/")
            for operation in operations.values()
            if isinstance(operation, dict)
        ]
    )
    names = {
        re.sub(r"^Patched|Request$", "", name) for name in re.findall(r"#/components/schemas/(\w+)", said)
    }
    assert len(names) > 20
    assert {f"{name}Serializer" for name in names} <= set(bodies())


@pytest.mark.parametrize("name", sorted(bodies()))
def test_a_body_refuses_names_it_does_not_know_and_numbers_for_text(name: str) -> None:
    serializer = bodies()[name](data={"tgas": ["x"]})
    assert not serializer.is_valid()
    assert "There is no field “tgas”" in str(serializer.errors["tgas"])
    for field_name, field in fields_of(serializer):
        if isinstance(field, serializers.CharField) and type(field) not in (
            serializers.SlugField,
            serializers.EmailField,
        ):
            assert isinstance(field, TextField), f"{field_name}: 1.10 would become 1.1"
        if isinstance(field, serializers.BaseSerializer):
            assert isinstance(field, Body), field_name


@pytest.mark.parametrize(
    "name", ["guideline", "system_prompt", "comment", "completion", "content", "text", "a"]
)
def test_texts_in_which_indentation_means_something_keep_it(name: str) -> None:
    found = [
        field
        for one in bodies().values()
        for field_name, field in fields_of(one())
        if field_name == name and not isinstance(field, serializers.BaseSerializer)
    ]
    assert found
    assert [field for field in found if not isinstance(field, WrittenField)] == []


def test_a_comment_keeps_the_indentation_of_its_first_line() -> None:
    assert trimmed("\n  \n    - a\n    - b\n\n ") == "    - a\n    - b"
    assert trimmed(" \n\t") == ""


def test_a_misspelt_field_and_a_number_change_nothing(world: World) -> None:
    client = APIClient()
    client.force_authenticate(world.annotator)
    pair: dict[str, Any] = {"messages": [{"role": "user", "content": "How much?"}], "completion": "1.10"}
    address = f"/api/v1/projects/{world.project.slug}/examples/"
    for change, field in (
        ({"tgas": ["x"]}, "tgas"),
        ({"completion": 1.10}, "completion"),
        ({"context": [1e3]}, "context"),
        ({"tags": [1.0]}, "tags"),
        ({"messages": [{"role": "user", "content": "x", "wieght": 0}]}, "messages.0.wieght"),
    ):
        told = client.post(address, pair | change, format="json")
        assert told.status_code == 422, change
        assert any(name.startswith(field) for name in told.json()["fields"]), told.json()
    assert not Example.objects.exists()


@pytest.mark.parametrize(
    "odd", [None, True, 1, 1.5, "x", [1], {"a": 1}, [[None]], [{"role": ["user"]}], [{"role": None}]]
)
def test_no_answer_speaks_python(world: World, odd: Any) -> None:
    client = APIClient()
    client.force_authenticate(world.annotator)
    example = make_example(world.project)
    for name in ("messages", "context", "completion", "tags", "edge", "slice"):
        for address in ("examples/", f"queue/{example.pk}/draft/"):
            body = {"messages": [{"role": "user", "content": "a"}], "completion": "b", name: odd}
            send = client.post if address == "examples/" else client.put
            told = send(
                f"/api/v1/projects/{world.project.slug}/{address}", body, format="json"
            ).content.decode()
            assert not re.search(r"NoneType|\bdict|\bstr\b|got type|\bNone\b|\bTrue\b|&#x27;|{'", told), told
