"""Who did what, when."""

import csv
import json
from collections.abc import AsyncIterator
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from core.access import Access, project_page
from core.forms import AuditFilter, cut
from core.models import AuditEntry, Role
from core.queries import audit_entries
from core.sentences import sentence

COLUMNS = ("at", "actor", "verb", "object_type", "object_id", "object_label", "detail")


@project_page(Role.ADMIN, Role.VIEWER)
@require_safe
def audit(request: HttpRequest, access: Access) -> HttpResponse:
    filters = AuditFilter(request.GET, project=access.project)
    page = cut(request, audit_entries(access.project, filters.wanted()))
    told = [(entry, sentence(entry)) for entry in page]
    return render(request, "core/audit.html", {"filters": filters, "page": page, "told": told})


class _Line:
    """A file for csv.writer that hands each line straight on."""

    def write(self, line: str) -> str:
        return line


def _safe(value: Any) -> str:
    """Spreadsheets run cells that begin like a formula; an apostrophe keeps them text."""
    text = str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


@project_page(Role.ADMIN, Role.VIEWER)
@require_safe
def audit_csv(request: HttpRequest, access: Access) -> StreamingHttpResponse:
    """The filtered record as CSV, all of it, streamed: memory does not grow with its length."""
    entries = audit_entries(access.project, AuditFilter(request.GET, project=access.project).wanted())
    writer = csv.writer(_Line())

    async def lines() -> AsyncIterator[str]:
        yield writer.writerow(COLUMNS)
        entry: AuditEntry
        async for entry in entries.aiterator(chunk_size=2000):
            cells = [_safe(getattr(entry, name)) for name in COLUMNS[1:-1]]
            detail = json.dumps(entry.detail, ensure_ascii=False)
            yield writer.writerow([entry.at.isoformat(), *cells, detail])

    return StreamingHttpResponse(
        lines(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="audit-{access.project.slug}.csv"'},
    )
