"""Who did what, when."""

import json
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from core.access import Access, project_page
from core.audit.sentences import sentence
from core.forms import AuditFilter
from core.http.downloads import CSV, attachment, csv_line
from core.lists.paging import cut
from core.lists.rows import rows_by_key
from core.queries import audit_entries
from core.roles import READERS
from core.views.subnav import project_subnav

COLUMNS = ("at", "actor", "action", "object_type", "object_id", "object_label", "detail")


@project_page(*READERS)
@require_safe
def audit(request: HttpRequest, access: Access) -> HttpResponse:
    filters = AuditFilter(request.GET, project=access.project)
    page = cut(request, filters.shown(audit_entries(access.project, filters.criteria())))
    rows = [(entry, sentence(entry)) for entry in page]
    context = {
        "filters": filters,
        "page": page,
        "rows": rows,
        "subnav": project_subnav(access, "core:audit"),
    }
    return render(request, "core/audit.html", context, status=filters.http_status)


@project_page(*READERS)
@require_safe
def audit_csv(request: HttpRequest, access: Access) -> StreamingHttpResponse:
    """The filtered audit as CSV, streamed: memory does not grow with its length."""
    entries = audit_entries(access.project, AuditFilter(request.GET, project=access.project).checked())

    def lines() -> Iterator[str]:
        yield csv_line(COLUMNS)
        for entry in rows_by_key(entries, size=2000, newest_first=True):
            cells = [getattr(entry, name) for name in COLUMNS[1:-1]]
            yield csv_line([entry.at.isoformat(), *cells, json.dumps(entry.detail, ensure_ascii=False)])

    name = f"audit-{access.project.slug}.csv"
    return attachment(lines, method=request.method, by=access.user, name=name, content_type=CSV)
