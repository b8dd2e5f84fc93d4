"""What the editor's page shows, for an item of the queue, a new example and a reviewer's correction alike."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django_htmx.http import HttpResponseClientRedirect

from annotation.checks import Finding, marks, run_checks
from annotation.errors import NeedsReason
from annotation.forms import PairForm
from annotation.models import Draft, Example, Review
from annotation.queries import queue as queries
from annotation.queries.examples import slices_of
from annotation.services.examples import content_of
from annotation.text.changes import Changes, changes
from core.access import Access
from core.errors import Conflict, ExpectedError, Invalid
from core.models import Project
from core.services.drafts import Words


def go(request: HttpRequest, name: str, *args: object) -> HttpResponse:
    """To another page, whether the browser or htmx asked."""
    target = redirect(f"annotation:{name}", *args)
    return HttpResponseClientRedirect(target.url) if getattr(request, "htmx", False) else target


def is_shown_again(error: ExpectedError, words: Words) -> bool:
    """Whether a refused form comes back with the reason inside it. What may not be a draft any more (the item was sent in
    another tab) stays in the page as it is, with the reason beside it."""
    return isinstance(error, Invalid) or (isinstance(error, Conflict) and words.kept)


def whole_main(response: HttpResponse) -> HttpResponse:
    """Tells htmx to put the page's main part in place whatever the status: words and notices in one piece."""
    response["HX-Retarget"] = "#main"
    response["HX-Reselect"] = "#main"
    response["HX-Reswap"] = "outerHTML"
    return response


def form_with(error: ExpectedError, form: PairForm) -> PairForm:
    """The same form again, saying what is wrong; a check's objection asks for a reason."""
    if isinstance(error, NeedsReason):
        form.objections = [finding.says for finding in error.findings]
    form.errors = error.fields if isinstance(error, Invalid) else {}
    form.refused = error
    return form


def side(access: Access) -> dict[str, Any]:
    """What every editor has beside it."""
    return {
        "slices": slices_of(access.project),
        "known_tags": queries.tags_of(access.project),
    }


@dataclass(frozen=True)
class SentBack:
    """Why an item came back, and what its author has changed since."""

    review: Review
    since: Changes | None


def sent_back(example: Example, content: Mapping[str, Any]) -> SentBack | None:
    if example.status != Example.Status.RETURNED:
        return None
    review = queries.last_review(example)
    if review is None:
        return None
    since = changes(review.revision.content, content)
    return SentBack(review, None if since.nothing else since)


def item_form(example: Example, draft: Draft | None) -> PairForm:
    """The item as it stands, or as this person left it."""
    content = draft.content if draft else content_of(example)
    return PairForm(example.project, content, draft.base_revision if draft else example.revision)


@dataclass(frozen=True)
class LiveSide:
    """The side of the editor that follows the typing."""

    findings: list[Finding]
    known: dict[str, list[str]]
    since: Changes | None

    @property
    def words(self) -> str:
        """`known` as the page's script reads it."""
        return json.dumps(self.known, ensure_ascii=False)

    @property
    def wrong(self) -> int:
        """How many findings say that something is wrong."""
        return sum(finding.level == "bad" for finding in self.findings)

    @property
    def look(self) -> int:
        """How many findings ask to look again."""
        return sum(finding.level == "warn" for finding in self.findings)


def live(
    content: Mapping[str, Any], project: Project, example: Example | None, base: Mapping[str, Any] | None
) -> LiveSide:
    """Checks the pair as it is being written. `known` gives the words to mark, by field and tone."""
    findings = run_checks(content, project, example_id=example.pk if example else None)
    return LiveSide(findings, marks(findings, content), changes(base, content) if base is not None else None)
