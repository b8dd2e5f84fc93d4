"""The context of the editor's pages: an example of the queue, a new example, a reviewer's correction."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django_htmx.http import HttpResponseClientRedirect

from annotation.checks import CHECKS, Finding, marks, run_checks, texts_of
from annotation.errors import NeedsReason
from annotation.forms import PairForm
from annotation.models import Draft, Example, Review
from annotation.queries import queue as queries
from annotation.queries.categories import edge_names
from annotation.queries.examples import slices_to_choose
from annotation.services.examples import content_of
from annotation.text.changes import Changes, changes
from core.access import Access
from core.errors import Conflict, ExpectedError, Invalid
from core.http.requests import by_htmx
from core.models import Project


def go(request: HttpRequest, name: str, *args: object) -> HttpResponse:
    """Redirects, for the browser and for htmx."""
    return go_to(request, redirect(f"annotation:{name}", *args).url)


def go_to(request: HttpRequest, url: str) -> HttpResponse:
    """Redirects to an address of ours, for the browser and for htmx."""
    return HttpResponseClientRedirect(url) if by_htmx(request) else redirect(url)


def is_shown_again(error: ExpectedError) -> bool:
    """Whether a refused form is shown again with the reason inside it. Text that can no longer be a draft (the example was
    submitted in another tab) stays in the page as it is, with the reason beside it."""
    return isinstance(error, Invalid) or (isinstance(error, Conflict) and error.draft_kept)


def whole_main(response: HttpResponse) -> HttpResponse:
    """Makes htmx replace the page's main part for any status: text and notices together."""
    response["HX-Retarget"] = "#main"
    response["HX-Reselect"] = "#main"
    response["HX-Reswap"] = "outerHTML"
    return response


def form_with(error: ExpectedError, form: PairForm) -> PairForm:
    """The same form again with its errors; a failed check needs a reason."""
    if isinstance(error, NeedsReason):
        form.objections = [finding.says for finding in error.findings]
    form.errors = error.fields if isinstance(error, Invalid) else {}
    form.refused = error
    return form


class Suggestions(TypedDict):
    """Names that are in use in the project, for the fields of an editor."""

    slices: list[str]
    known_tags: list[str]


def side(access: Access) -> Suggestions:
    """The context that all editors share."""
    return {
        "slices": slices_to_choose(access.project),
        "known_tags": queries.tags_of(access.project),
    }


@dataclass(frozen=True)
class SentBack:
    """Why an example was sent back, and what its author has changed after that."""

    review: Review
    since: Changes | None


def sent_back(example: Example, content: Mapping[str, Any]) -> SentBack | None:
    if example.status != Example.Status.RETURNED:
        return None
    review = queries.last_review(example)
    if review is None:
        return None
    since = changes(review.revision.content, content, edges=edge_names(example.project))
    return SentBack(review, None if since.nothing else since)


def item_form(example: Example, draft: Draft | None) -> PairForm:
    """The present text of the example, or this person's draft."""
    content = draft.content if draft else content_of(example)
    return PairForm(example.project, content, draft.base_revision if draft else example.revision)


@dataclass(frozen=True)
class FixButton:
    """One click that makes all replacements of a finding. `data` is for the page's script."""

    label: str
    data: str

    @classmethod
    def of(cls, finding: Finding, content: Mapping[str, Any]) -> "FixButton | None":
        if not finding.fixes:
            return None
        texts = texts_of(content)
        steps = []
        for fix in finding.fixes:
            text = texts[fix.field][fix.index]
            # The script finds the place by its words: what a person sees can have spaces that the checked text has not.
            before = text[max(0, fix.start - 16) : fix.start]
            steps.append(
                {
                    "field": fix.field,
                    "index": fix.index,
                    "start": fix.start,
                    "before": before,
                    "was": text[fix.start : fix.end],
                    "text": fix.text,
                }
            )
        return cls(_fix_label(steps), json.dumps(steps, ensure_ascii=False))


def _fix_label(steps: list[dict[str, Any]]) -> str:
    becomes = {step["text"] for step in steps}
    text = next(iter(becomes))
    if len(becomes) > 1 or len(text) > 60:
        return f"Replace in {len(steps)} places" if len(steps) > 1 else "Replace it"
    if not text.strip():
        return "Remove it" if not text else "Use one space"
    if all(not step["was"] for step in steps):
        return f"Add “{text}”"
    places = f" in {len(steps)} places" if len(steps) > 1 else ""
    return f"Replace with “{text}”{places}"


@dataclass(frozen=True)
class Shown:
    """A finding with its button, if it has one and the text can be changed here."""

    finding: Finding
    button: FixButton | None


@dataclass(frozen=True)
class LiveSide:
    """The part of the editor that updates during typing."""

    findings: list[Finding]
    known: dict[str, list[str]]
    since: Changes | None
    shown: list[Shown]

    @property
    def silent(self) -> list[str]:
        """The checks that found nothing and say nothing."""
        return [name for name in CHECKS if all(finding.check != name for finding in self.findings)]

    @property
    def words(self) -> str:
        """`known` as the page's script reads it."""
        return json.dumps(self.known, ensure_ascii=False)

    @property
    def wrong(self) -> int:
        """The number of findings with level "bad"."""
        return sum(finding.level == "bad" for finding in self.findings)

    @property
    def look(self) -> int:
        """The number of findings with level "warn"."""
        return sum(finding.level == "warn" for finding in self.findings)


def live(
    content: Mapping[str, Any],
    project: Project,
    example: Example | None,
    base: Mapping[str, Any] | None,
    *,
    can_fix: bool = False,
) -> LiveSide:
    """Checks the text during writing. `known` gives the words to mark, by field and tone. `can_fix`: the page has an editor."""
    findings = run_checks(content, project, example_id=example.pk if example else None)
    order = {"bad": 0, "warn": 1, "ok": 2}
    shown = [
        Shown(finding, FixButton.of(finding, content) if can_fix else None)
        for finding in sorted(findings, key=lambda finding: order[finding.level])
    ]
    since = changes(base, content, edges=edge_names(project)) if base is not None else None
    return LiveSide(findings, marks(findings, content), since, shown)
