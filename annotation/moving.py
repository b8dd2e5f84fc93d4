"""What of annotation belongs to an archive of a project (core.moving)."""

from django.db.models import Q

from annotation.models import (
    ApprovedChange,
    AuthoringTask,
    Category,
    CoverageTarget,
    Draft,
    Example,
    ExampleCount,
    ExampleFinding,
    ExampleMap,
    ExamplePlace,
    ExampleSearch,
    ExampleTrait,
    Lease,
    Review,
    Revision,
    SearchBacklog,
)
from annotation.services.adopting import adopt_slices, start_lists
from annotation.services.search_index import index_soon
from annotation.text.hashes import content_hash, prompt_hash
from core.json_types import Json
from core.moving.fields import is_texts, is_turns
from core.moving.parts import (
    Arrival,
    Part,
    Renumber,
    Row,
    plain,
    register_finisher,
    register_left_out,
    register_part,
)


def _origin(value: Json, new: Renumber) -> Json:
    """Where feedback came from: the address of a page."""
    if isinstance(value, dict) and isinstance(value.get("url"), str):
        return value | {"url": new.url(str(value["url"]))}
    return value


def _wrong_example(row: Row) -> str:
    messages, context = row["messages"], row["context"]
    if not is_turns(messages) or not is_texts(context):
        return "its conversation is not one"
    if row["content_hash"] != content_hash(messages=messages, context=context, completion=row["completion"]):
        return "its hash does not fit its text"
    if row.get("prompt_hash") and row["prompt_hash"] != prompt_hash(messages=messages, context=context):
        return "the hash of its prompt does not fit its text"
    return ""


def _wrong_revision(row: Row) -> str:
    content = row["content"]
    fits = (
        isinstance(content, dict)
        and is_turns(content.get("messages"))
        and is_texts(content.get("context"))
        and isinstance(content.get("completion"), str)
    )
    return "" if fits else "its text is not one"


def _wrong_finding(row: Row) -> str:
    return "" if _is_places(row["spans"]) and _is_places(row["fixes"]) else "its places are not places"


def _is_places(value: Json) -> bool:
    """[[field, index, start, end, text], ...]"""
    return isinstance(value, list) and all(
        isinstance(one, list)
        and [type(part) for part in one] == [str, int, int, int, str]
        and one[0] in ("completion", "messages", "context")
        for one in value
    )


def _index(arrival: Arrival) -> None:
    index_soon(Example.objects.filter(project=arrival.project))


def _lists(arrival: Arrival) -> None:
    """An archive from before projects had lists of their own gets those of a new project, and the slices of its examples."""
    if not Category.objects.filter(project=arrival.project).exists():
        start_lists(arrival.project)
    adopt_slices(arrival.project, origin=Category.Origin.IMPORT)


def register_moving() -> None:
    register_part(Part(Category, "project"))
    register_part(Part(CoverageTarget, "project"))
    register_part(Part(AuthoringTask, "project"))
    register_part(
        Part(
            Example,
            "project",
            refs={"import_id": "datasets.DataImport"},
            json={"messages": plain, "context": plain, "origin_detail": _origin},
            check=_wrong_example,
        )
    )
    register_part(Part(Revision, "example__project", json={"content": plain}, check=_wrong_revision))
    register_part(Part(Review, "example__project"))
    register_part(
        Part(ExampleFinding, "project", json={"spans": plain, "fixes": plain}, check=_wrong_finding)
    )
    register_part(Part(Lease, "project", only=~Q(outcome=Lease.Outcome.OPEN)))
    register_left_out(
        Draft,
        "They are private to the people who type them. Ask people to submit them first.",
        words="Drafts",
    )
    register_left_out(
        "open leases",
        "They end here. There the examples wait in their queue.",
        words="Leases that are open now",
    )
    counted = "The database counts again."
    register_left_out(ExampleCount, counted)
    register_left_out(ApprovedChange, counted)
    register_left_out(ExampleSearch, "The search index is made again.")
    register_left_out(
        ExampleTrait,
        "Choose “Check all examples” there.",
        words="Which language an example is in, and the mood of its customer",
    )
    mapped = "Choose “Map the examples” on the coverage page there."
    register_left_out(ExampleMap, mapped, words="The map of the examples")
    register_left_out(ExamplePlace, mapped)
    register_left_out(SearchBacklog, "The search index is made again.")
    register_finisher(_index)
    register_finisher(_lists)
