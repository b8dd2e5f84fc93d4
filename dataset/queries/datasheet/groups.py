"""Facts of the datasheet about groups of people: those of the version's bias audit."""

from typing import Any

from core.wording import counted, day
from dataset.models import BiasAudit
from dataset.queries.audits import audit_of_version, findings_in, summary
from dataset.queries.datasheet.known import FactTable, KnownFacts, KnownVersion, SheetFacts, fact_table


def _subpopulations(known: KnownVersion) -> SheetFacts:
    """Which groups its rows name, and what the audit found about their completions, with every decision."""
    audit = audit_of_version(known.dataset)
    if audit is None or audit.made_at is None:
        return SheetFacts(["No bias audit of this version has been made."])
    lines = [
        f"{audit} looked for names, pronouns and terms of groups in {counted(audit.facts['rows'], 'row')} on {day(audit.made_at)}.",
        *[_named(one) for one in audit.facts["characteristics"]],
        summary(audit),
        *_findings(audit),
        f"Audit (SHA-256): {audit.content_hash}.",
    ]
    return SheetFacts(lines, _table(audit))


def _named(one: dict[str, Any]) -> str:
    return f"{one['label']}: {counted(one['named'], 'row names', 'rows name')} a group; in {one['unknown']:,} it is unknown."


def _findings(audit: BiasAudit) -> list[str]:
    lines = []
    for finding in findings_in(audit):
        decision = next(iter(finding.decisions.all()), None)
        if decision is None:
            lines.append(f"{finding.says} Open.")
        else:
            by = decision.by_name or "Guildhall"
            lines.append(
                f"{finding.says} {finding.get_status_display()} by {by} on {day(decision.at)}: {decision.reason}"
            )
    return lines


def _table(audit: BiasAudit) -> FactTable | None:
    rows = [
        (one["label"], group["label"], f"{group['rows']:,}")
        for one in audit.facts["characteristics"]
        for group in one["groups"]
        if group["rows"]
    ]
    return fact_table(("Characteristic", "Group", "Rows"), rows) if rows else None


GROUPS: dict[str, KnownFacts] = {"subpopulations": _subpopulations}
