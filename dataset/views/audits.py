"""The bias audit's tab of Quality: start one, read its result, decide its findings."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

from annotation.links import annotation_subnav
from core.access import Access, project_page
from core.charts import IntervalRow, interval_chart
from core.lists.paging import cut
from core.lists.params import Params
from core.models import Role, Run
from core.roles import EXAMPLE_DECIDERS, EXAMPLE_READERS
from dataset.fairness.outcomes import OUTCOMES
from dataset.fairness.sentences import needed, unit
from dataset.models import AuditFinding, BiasAudit, DatasetVersion
from dataset.queries.audits import (
    audits_of,
    can_be_seen,
    chart_rows,
    findings_in,
    is_complete,
    last_hash,
    newest_made,
    summary,
    tables_of,
)
from dataset.queries.lexicons import frozen_lexicons
from dataset.queries.twins import waiting_count
from dataset.queries.versions import approved, ready_datasets
from dataset.services.audits import decide, start_audit
from dataset.views.versions import ready_dataset


def audit_at(access: Access, number: int) -> BiasAudit:
    """The audit of that number, or 404."""
    return access.get(audits_of(access.project), number=number)


@project_page(*EXAMPLE_READERS)
@require_safe
def bias(request: HttpRequest, access: Access) -> HttpResponse:
    """The audits of the project, and a form that starts one."""
    newest, rows = newest_made(access.project), approved(access.project).count()
    active = audits_of(access.project).filter(made_at=None, run__status__in=Run.ACTIVE).first()
    context = {
        "subnav": annotation_subnav(access, "quality:findings"),
        "page": cut(request, audits_of(access.project), 25),
        "newest": newest,
        "newest_says": summary(newest) if newest else "",
        "active": active,
        "versions": ready_datasets(access.project, DatasetVersion.Kind.SUPERVISED).filter(bias_audit=None)[
            :50
        ],
        "approved": rows,
        "needed": needed(),
        "seen": can_be_seen(access.project, rows),
        "twins": waiting_count(access.project),
        "may_decide": access.has(*EXAMPLE_DECIDERS),
        "may_cancel": access.has(Role.ADMIN),
        "sees_runs": access.follows(active.run if active else None),
    }
    return render(request, "datasets/bias.html", context)


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def bias_start(request: HttpRequest, access: Access) -> HttpResponse:
    """Starts an audit of the approved examples, or of the version whose number is in `over`."""
    params = Params(request.POST)
    number = params.number("over", least=1, most=2**31 - 1)
    audit = start_audit(
        by=access.user,
        project=access.project,
        dataset=ready_dataset(access, number) if number else None,
        correction=params.text("correction", "holm", most=40),
    )
    messages.success(
        request, f"{audit} was started." if audit.made_at is None else f"{audit} was made before."
    )
    return redirect("datasets:bias-audit", access.project.slug, audit.number)


@project_page(*EXAMPLE_READERS)
@require_safe
def bias_audit(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    audit = audit_at(access, number)
    context: dict[str, Any] = {
        "audit": audit,
        "run": audit.run,
        "may_decide": access.has(*EXAMPLE_DECIDERS),
        "may_cancel": access.has(Role.ADMIN),
        "sees_runs": access.follows(audit.run),
    }
    if audit.made_at is not None:
        chosen = Params(request.GET).choice("outcome", OUTCOMES, _first_outcome(audit))
        context |= _result(audit, chosen)
    return render(request, "datasets/bias_audit.html", context)


def _first_outcome(audit: BiasAudit) -> str:
    """The outcome of the first finding, so that the chart shows it."""
    found = [one for one in audit.findings.values_list("outcome", flat=True) if one in OUTCOMES]
    return found[0] if found else next(iter(OUTCOMES))


def _result(audit: BiasAudit, outcome: str) -> dict[str, Any]:
    findings = list(findings_in(audit))
    return {
        "facts": audit.facts,
        "says": summary(audit),
        "findings": [(finding, _swaps(audit, finding)) for finding in findings],
        "open": sum(finding.status == AuditFinding.Status.OPEN for finding in findings),
        "tables": tables_of(audit.facts),
        "outcomes": list(OUTCOMES.values()),
        "outcome": OUTCOMES[outcome],
        "unit": unit(outcome),
        "chart": _chart(audit, outcome),
        "needed": needed(),
        "lexicons": frozen_lexicons(audit),
        "complete": is_complete(audit),
        "record_hash": last_hash(audit),
        "decisions": [
            ("accepted", "Accepted", "a known difference that stays"),
            ("fixed", "Fixed", "by twins or by edits; the next audit shows whether it is gone"),
            ("answered", "Answered", "it is no difference between people, and why"),
        ],
    }


def _chart(audit: BiasAudit, outcome: str) -> SafeString | None:
    rows = chart_rows(audit.facts, outcome)
    if not rows:
        return None
    label = f"{OUTCOMES[outcome].label}: difference of each group from the others"
    return interval_chart(
        rows=[IntervalRow(row.name, row.difference, row.low, row.high, row.n) for row in rows],
        label=label,
        reference=0.0,
        as_percent=OUTCOMES[outcome].share,
    )


def _swaps(audit: BiasAudit, finding: AuditFinding) -> list[tuple[str, str]]:
    """The groups with which the finding's group can change places: (key, label)."""
    lexicon = next(one for one in frozen_lexicons(audit) if one.key == finding.characteristic)
    return [(group.key, group.label) for group in lexicon.groups if group.key != finding.group]


def finding_at(access: Access, pk: int) -> AuditFinding:
    found = AuditFinding.objects.filter(audit__project=access.project).select_related("audit__project")
    return get_object_or_404(found, pk=pk)


def finding_url(access: Access, finding: AuditFinding) -> str:
    page = reverse("datasets:bias-audit", args=[access.project.slug, finding.audit.number])
    return f"{page}#finding-{finding.pk}"


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def bias_decide(request: HttpRequest, access: Access, pk: int) -> HttpResponse:
    finding, params = finding_at(access, pk), Params(request.POST)
    decide(
        by=access.user,
        finding=finding,
        decision=params.text("decision", most=20),
        reason=params.text("reason"),
    )
    messages.success(request, "Your decision is on record.")
    return redirect(finding_url(access, finding))


@project_page(*EXAMPLE_DECIDERS)
@require_POST
def version_audit(request: HttpRequest, access: Access, number: int) -> HttpResponse:
    """Starts the audit of a version, from its page."""
    start_audit(by=access.user, project=access.project, dataset=ready_dataset(access, number))
    return redirect("datasets:dataset", access.project.slug, number)
