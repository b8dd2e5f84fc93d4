"""The lexicons of the bias audit: read, changed, and taken back to those that come with Guildhall."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.links import annotation_subnav
from core.access import Access, project_page
from core.errors import ExpectedError
from core.lists.numbers import decimal_number
from core.lists.params import Params
from core.roles import EXAMPLE_DECIDERS, EXAMPLE_READERS
from dataset.fairness.wordlists import as_lines, from_lines
from dataset.fairness.words import PARTS, LexiconGroup
from dataset.queries.audits import newest_made
from dataset.queries.lexicons import ProjectLexicon, lexicon_of, lexicons_of, word_counts
from dataset.services.lexicons import MOST_GROUPS, change_lexicon, reset_lexicon


@project_page(*EXAMPLE_READERS)
@require_safe
def lexicons(request: HttpRequest, access: Access) -> HttpResponse:
    audit = newest_made(access.project)
    rows = []
    for one in lexicons_of(access.project):
        counts = word_counts(audit, one.characteristic.key)
        groups = one.characteristic.groups
        words = sum(len(group.every()) for group in groups)
        rows.append((one, words, sum(len(counts.get(group.key, {})) for group in groups)))
    context = {
        "subnav": annotation_subnav(access, "quality:findings"),
        "rows": rows,
        "audit": audit,
        "may_change": access.has(*EXAMPLE_DECIDERS),
    }
    return render(request, "datasets/lexicons.html", context)


def _lexicon(access: Access, key: str) -> ProjectLexicon:
    found = lexicon_of(access.project, key)
    if found is None:
        raise Http404("No such lexicon.")
    return found


@project_page(*EXAMPLE_READERS)
@require_http_methods(["GET", "HEAD"])
def lexicon(request: HttpRequest, access: Access, key: str) -> HttpResponse:
    return _page(request, access, _lexicon(access, key))


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def lexicon_change(request: HttpRequest, access: Access, key: str) -> HttpResponse:
    found, params = _lexicon(access, key), Params(request.POST)
    typed = [_typed(params, at) for at in range(MOST_GROUPS + 1) if f"label-{at}" in params]
    try:
        groups = [_read(one) for one in typed if one["label"].strip()]
        change_lexicon(
            by=access.user,
            project=access.project,
            characteristic=key,
            groups=groups,
            revision=params.number("revision"),
        )
    except ExpectedError as error:
        return _page(request, access, found, typed=typed, error=error)
    messages.success(request, "The lexicon was changed. The next audit uses it.")
    return redirect("datasets:lexicon", access.project.slug, key)


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def lexicon_reset(request: HttpRequest, access: Access, key: str) -> HttpResponse:
    _lexicon(access, key)
    reset_lexicon(by=access.user, project=access.project, characteristic=key)
    messages.success(request, "The project uses the lexicon that comes with Guildhall.")
    return redirect("datasets:lexicon", access.project.slug, key)


def _typed(params: Params, at: int) -> dict[str, str]:
    """What a group's fields have."""
    return {name: params.text(f"{name}-{at}") for name in ("key", "label", "target", *PARTS)}


def _read(typed: Mapping[str, str]) -> dict[str, Any]:
    """A group as the service takes it. A target that is not a number stays text, which it refuses."""
    written = typed["target"].strip().rstrip("%").strip()
    share = decimal_number(written)
    target = share / 100 if share is not None else written or None
    return {**typed, "target": target, **{part: from_lines(typed[part]) for part in PARTS}}


def _shown(group: LexiconGroup) -> dict[str, str]:
    return {
        "key": group.key,
        "label": group.label,
        "target": "" if group.target is None else f"{100 * group.target:g}",
        **{part: as_lines(group.words.get(part, {})) for part in PARTS},
    }


def _page(
    request: HttpRequest,
    access: Access,
    found: ProjectLexicon,
    *,
    typed: list[dict[str, str]] | None = None,
    error: ExpectedError | None = None,
) -> HttpResponse:
    groups: list[dict[str, Any]] = [*(typed or [_shown(group) for group in found.characteristic.groups])]
    may_change = access.has(*EXAMPLE_DECIDERS)
    if may_change and typed is None and len(groups) < MOST_GROUPS:
        groups.append({"key": "", "label": "", "target": "", **dict.fromkeys(PARTS, "")})
    audit = newest_made(access.project)
    counts = word_counts(audit, found.characteristic.key)
    for group in groups:
        group["counts"] = list(counts.get(group["key"], {}).items())[:60]
        group["lines"] = {
            part: max(2, group[part].count("\n") + len(group[part]) // 70 + 1) for part in PARTS
        }
    context = {
        "lexicon": found,
        "groups": groups,
        "audit": audit,
        "error": error,
        "may_change": may_change,
        "parts": PARTS,
    }
    return render(request, "datasets/lexicon.html", context, status=error.status if error else 200)
