"""Changes a project's own lists: slices and kinds of edge cases."""

import re
import unicodedata

from django.db import IntegrityError, transaction

from annotation.actions import AnnotationAction
from annotation.models import AuthoringTask, Category, CoverageTarget, Example
from annotation.models.categories import LONGEST_EDGE, LONGEST_NAME
from annotation.queries.categories import examples_of
from annotation.services.adopting import MOST_LISTED
from annotation.text.cleaning import clean_name, clean_text
from core.audit.entries import record
from core.errors import Conflict, Invalid
from core.json_types import JsonLike
from core.models import Project, User
from core.runs.control import launch_run
from core.seen import must_be_as_seen, stamp
from core.text import one_line

# With more examples than this a background job moves them.
AT_ONCE = 2_000
LONGEST_DESCRIPTION = 300
RELABEL = "relabel_examples"


def category_stamp(category: Category) -> str:
    """The stamp that the form of a category sends."""
    return stamp(*_standing(category))


def _standing(category: Category) -> list[str]:
    return [str(getattr(category, name)) for name in ("name", "description", "active", "merged_into_id")]


@transaction.atomic
def add_category(
    *, by: User, project: Project, kind: str, name: str, description: str = "", key: str = ""
) -> Category:
    """A new slice or kind of edge case at the end of its list. An edge case's `key`, the one of files, is made from its name unless
    it is given. Raises Invalid without a name, and for one that the list has."""
    name, description = _name(name), _description(description)
    key = name if kind == Category.Kind.SLICE else _edge_key(key or name)
    number = Category.objects.filter(project=project, kind=kind).count()
    if number >= MOST_LISTED:
        raise _wrong("name", f"A list has at most {MOST_LISTED} entries. Merge some.")
    try:
        with transaction.atomic():
            category = Category.objects.create(
                project=project, kind=kind, key=key, name=name, description=description, position=number + 1
            )
    except IntegrityError:
        raise _wrong("name", f"The list already has “{name}”, or had it: see the retired ones.") from None
    _record(by, category, AnnotationAction.CATEGORY_ADDED)
    return category


@transaction.atomic
def change_category(
    *, by: User, category: Category, name: str | None = None, description: str | None = None, seen: str = ""
) -> Category:
    """Another name or description. Examples have a new name at once, or, for a slice with more than AT_ONCE examples, when the
    background job has moved them. Returns the category with the new name: for a slice that is another one.

    Raises Invalid for a name that the list has, and Conflict when the category changed since `seen`.
    """
    category = _locked(category, seen)
    new_name = category.name if name is None else _name(name)
    new_description = category.description if description is None else _description(description)
    if category.kind == Category.Kind.SLICE and new_name != category.name:
        return _rename_slice(by, category, new_name, new_description)
    changed = {
        field: [old, new]
        for field, new in (("name", new_name), ("description", new_description))
        if (old := getattr(category, field)) != new
    }
    if not changed:
        return category
    category.name, category.description = new_name, new_description
    try:
        with transaction.atomic():
            category.save(update_fields=["name", "description"])
    except IntegrityError:
        raise _wrong("name", f"The list already has “{new_name}”.") from None
    _record(by, category, AnnotationAction.CATEGORY_CHANGED, changed=changed)
    return category


def _rename_slice(by: User, old: Category, name: str, description: str) -> Category:
    """The slice with the new name; the old one stays as its old name, and the examples move."""
    new = Category.objects.select_for_update().filter(project=old.project, kind=old.kind, key=name).first()
    if new is not None and new.merged_into_id is not None and not _became(new, old):
        raise _wrong("name", f"“{name}” is an old name of {new.merged_into}. Choose another name.")
    if new is not None and new.merged_into_id is None:
        raise _wrong("name", f"The list already has “{name}”. To join the two, merge them.")
    if new is None:
        new = Category(project=old.project, kind=old.kind, key=name, name=name)
    new.description, new.position, new.origin = description, old.position, old.origin
    new.active, new.merged_into = old.active, None
    new.save()
    _record(by, old, AnnotationAction.CATEGORY_RENAMED, into=name)
    _join(by, old, new)
    return new


def _became(category: Category, other: Category) -> bool:
    """Whether `category` is an old name of `other`, over any number of steps: then it may have its name again."""
    at: Category | None = category
    while at is not None:
        if at.pk == other.pk:
            return True
        at = at.merged_into
    return False


@transaction.atomic
def merge_categories(*, by: User, category: Category, into: Category, seen: str = "") -> Category:
    """Every example of `category` gets `into` instead, and so do targets and tasks. `category` stays as an old name: files and drafts
    that have it get the new one. Conflict when one of the two is not on the list any more."""
    category = _locked(category, seen)
    into = _locked(into)
    if (into.project_id, into.kind) != (category.project_id, category.kind) or into.pk == category.pk:
        raise _wrong("into", "Choose another entry of the same list.")
    _record(by, category, AnnotationAction.CATEGORY_MERGED, into=into.name)
    _join(by, category, into)
    return into


def _join(by: User, old: Category, new: Category) -> None:
    old.active, old.merged_into = False, new
    old.save(update_fields=["active", "merged_into"])
    _move_plans(old, new)
    if examples_of(old) <= AT_ONCE:
        move_examples(old, new)
        return
    launch_run(
        by=by,
        project=old.project,
        kind=RELABEL,
        title=f"{old.name} becomes {new.name}"[:200],
        params={"category": old.pk},
    )


def _move_plans(old: Category, new: Category) -> None:
    """Targets and tasks of the old one. Where both have a target for the same part, that of the new one stays."""
    field = str(old.kind)
    AuthoringTask.objects.filter(project=old.project, **{field: old.key}).update(**{field: new.key})
    other = "edge" if field == "slice" else "slice"
    targets = CoverageTarget.objects.filter(project=old.project)
    there = targets.filter(**{field: new.key}).values(other)
    targets.filter(**{field: old.key, f"{other}__in": there}).delete()
    targets.filter(**{field: old.key}).update(**{field: new.key})


def move_examples(old: Category, new: Category, *, ids: list[int] | None = None) -> int:
    """Gives examples of the old category (of these ids) the new one. Their texts, and so their revisions, do not change."""
    field = str(old.kind)
    examples = Example.objects.filter(project=old.project_id, **{field: old.key})
    if ids is not None:
        examples = examples.filter(pk__in=ids)
    return examples.update(**{field: new.key})


@transaction.atomic
def set_active(*, by: User, category: Category, active: bool, seen: str = "") -> Category:
    """Retires a category, or brings it back. A retired one cannot be chosen; the examples that have it keep it."""
    category = _locked(category, seen)
    if category.active == active:
        return category
    category.active = active
    try:
        with transaction.atomic():
            category.save(update_fields=["active"])
    except IntegrityError:
        raise Conflict(f"The list has another “{category.name}” now.", "Rename one of the two.") from None
    _record(by, category, AnnotationAction.CATEGORY_RESTORED if active else AnnotationAction.CATEGORY_RETIRED)
    return category


@transaction.atomic
def move_up(*, by: User, category: Category) -> None:
    """One place up in the order in which people see the list."""
    category = _locked(category)
    on_list = Category.objects.filter(project=category.project, kind=category.kind, active=True)
    order = list(on_list.order_by("position", "pk").select_for_update())
    at = next((place for place, one in enumerate(order) if one.pk == category.pk), 0)
    if at == 0:
        return
    order[at - 1], order[at] = order[at], order[at - 1]
    for place, one in enumerate(order, 1):
        one.position = place
    Category.objects.bulk_update(order, ["position"])


def _locked(category: Category, seen: str = "") -> Category:
    category = Category.objects.select_for_update(of=("self",)).select_related("project").get(pk=category.pk)
    must_be_as_seen(seen, *_standing(category), label=category.name)
    if category.merged_into_id is not None:
        raise Conflict(f"“{category.name}” was merged into another one.", "Reload the page.")
    return category


def _name(typed: str) -> str:
    name = clean_name(typed)
    if not name:
        raise _wrong("name", "Give it a name.")
    if len(name) > LONGEST_NAME:
        raise _wrong("name", f"At most {LONGEST_NAME} characters.")
    return name


def _description(typed: str) -> str:
    return one_line(clean_text(typed), most=LONGEST_DESCRIPTION)


def _edge_key(name: str) -> str:
    """ "Wütender Kunde" is wutender_kunde; Invalid for a name without Latin letters or digits."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    key = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:LONGEST_EDGE].strip("_")
    if not key:
        raise _wrong("key", "Give it a key for files: small Latin letters, digits and “_”, at most 24.")
    return key


def _wrong(field: str, message: str) -> Invalid:
    return Invalid("Nothing was changed.", fields={field: [message]})


def _record(by: User, category: Category, action: AnnotationAction, **more: JsonLike) -> None:
    record(by=by, project=category.project, action=action, obj=category, noun=category.noun, **more)
