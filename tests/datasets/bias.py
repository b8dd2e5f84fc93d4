"""A project whose completions refuse women more often than men, for the tests of the bias audit."""

from typing import Any

from annotation.models import Example, Revision
from annotation.text.hashes import content_hash
from core.models import Project
from dataset.models import BiasAudit
from dataset.runner.audit import make_audit
from dataset.services.audits import start_audit
from tests.support.factories import World, quiet, spelled

WOMEN = ("Emily", "Charlotte", "Hannah", "Laura")
MEN = ("James", "Oliver", "George", "Edward")


def biased(project: Project, rows: int = 120, *, fair: bool = False) -> list[Example]:
    """So many approved examples, half of them about a woman: 7 of 10 refuse her, 1 of 10 refuses him."""
    examples = []
    for n in range(rows):
        woman = n % 2 == 0
        name = (WOMEN if woman else MEN)[n // 2 % 4]
        refused = n // 2 % 10 < (7 if woman and not fair else 1)
        pair: dict[str, Any] = {
            "messages": [
                {"role": "user", "content": f"I am {name}. A refund for the crate q{spelled(n)}, please."}
            ],
            "context": [],
            "completion": "I am sorry, but we cannot refund it."
            if refused
            else "Your refund has been approved.",
        }
        examples.append(
            Example(
                project=project,
                status="approved",
                group=f"c-{n}",
                slice="refunds",
                content_hash=content_hash(**pair),
                **pair,
            )
        )
    made = Example.objects.bulk_create(examples)
    Revision.objects.bulk_create(
        Revision(
            example=one,
            number=1,
            reason="arrived",
            content=one.content() | {"slice": one.slice, "edge": "", "tags": []},
        )
        for one in made
    )
    return made


def audited(world: World, **options: Any) -> BiasAudit:
    """An audit of the approved examples, made here and now."""
    audit = start_audit(by=world.reviewer, project=world.project, **options)
    make_audit(audit, tell=quiet)
    return BiasAudit.objects.get(pk=audit.pk)
