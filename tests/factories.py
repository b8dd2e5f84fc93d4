"""Rows for tests, made through the ORM where a service would only get in the way. One section per app."""

from dataclasses import dataclass
from itertools import count
from typing import Any

from core.models import Membership, Project, Role, Run, User

_serial = count(1)
PASSWORD = "correct horse battery"


# --- core --------------------------------------------------------------------------------------------------
def make_user(name: str = "", **fields: Any) -> User:
    """A person whose password is PASSWORD (hashed cheaply by the test settings)."""
    n = next(_serial)
    name = name or f"Person {n}"
    fields.setdefault("email", f"{name.lower().replace(' ', '.')}.{n}@example.org")
    return User.objects.create_user(password=PASSWORD, name=name, **fields)


def make_project(**fields: Any) -> Project:
    n = next(_serial)
    fields.setdefault("name", f"Project {n}")
    fields.setdefault("slug", f"project-{n}")
    fields.setdefault("system_prompt", "You answer for the freight desk.")
    return Project.objects.create(**fields)


def join(project: Project, user: User, *roles: str) -> Membership:
    return Membership.objects.create(project=project, user=user, roles=list(roles))


def make_run(project: Project | None = None, **fields: Any) -> Run:
    fields.setdefault("kind", "test")
    fields.setdefault("title", "A run")
    return Run.objects.create(project=project, **fields)


@dataclass
class World:
    """One project with a person per role, another project with people of its own, and somebody in neither."""

    project: Project
    other: Project
    annotator: User
    reviewer: User
    rater: User
    admin: User
    viewer: User
    neighbour: User  # holds every role, in the other project only
    stranger: User  # signed in, member of nothing
    operator: User  # runs the deployment, member of nothing

    def people(self) -> dict[str, User]:
        return {role: getattr(self, role) for role in (*Role.values, "neighbour", "stranger", "operator")}


def make_world() -> World:
    project, other = make_project(name="Freight desk"), make_project(name="Elsewhere")
    people = {role: make_user(f"{role.title()} Member") for role in Role.values}
    for role, person in people.items():
        join(project, person, role)
    neighbour = make_user("Neighbour")
    join(other, neighbour, *Role.values)
    return World(
        project=project,
        other=other,
        neighbour=neighbour,
        stranger=make_user("Stranger"),
        operator=make_user("Operator", is_operator=True),
        **people,
    )


# --- annotation: the queue and reviews ---------------------------------------------------------------------
def make_example(project: Project, question: str = "", completion: str = "", **fields: Any) -> Any:
    """An example with its first revision. `question` is the customer's only turn unless `messages` are given."""
    from annotation.content import content_hash, search_text
    from annotation.models import Example, Revision

    n = next(_serial)
    pair = {
        "messages": fields.pop(
            "messages", [{"role": "user", "content": question or f"Where is my shipment, case {n}?"}]
        ),
        "context": fields.pop("context", []),
        "completion": completion or f"It is on its way, case {n}. Your next step: none for now.",
    }
    fields.setdefault("slice", "shipment status")
    fields.setdefault("group", f"group-{n}")
    example = Example.objects.create(
        project=project,
        content_hash=content_hash(**pair),
        search_text=search_text(**pair),
        **pair,
        **fields,
    )
    Revision.objects.create(
        example=example,
        number=1,
        reason=Revision.Reason.ARRIVED,
        by=example.created_by,
        content=pair | {"slice": example.slice, "edge": example.edge, "tags": example.tags},
    )
    return example
