"""Reads bias audits: their figures for pages and the API, their findings, and whether the record is complete."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Prefetch, Q, QuerySet

from annotation.text.hashes import canonical_json
from core.models import Project
from dataset.fairness.differences import LEVEL
from dataset.fairness.outcomes import OUTCOMES, Outcome
from dataset.fairness.power import USUAL, visible
from dataset.fairness.sentences import OTHERS, figure, gap, too_few
from dataset.models import AuditDecision, AuditFinding, BiasAudit, DatasetVersion
from dataset.queries.lexicons import lexicons_of

OPEN = AuditFinding.Status.OPEN


def audits_of(project: Project) -> QuerySet[BiasAudit]:
    """Newest first, with the number of findings and of open ones."""
    audits = BiasAudit.objects.filter(project=project).select_related(
        "project", "dataset", "run__project", "run__created_by", "created_by"
    )
    return audits.annotate(
        found=Count("findings"), still_open=Count("findings", filter=Q(findings__status=OPEN))
    ).order_by("-number")


def newest_made(project: Project, *, whole: bool = False) -> BiasAudit | None:
    """The newest finished audit; `whole`: of the approved examples, not of a version."""
    made = audits_of(project).filter(made_at__isnull=False)
    return (made.filter(dataset=None) if whole else made).first()


def audit_of_version(dataset: DatasetVersion) -> BiasAudit | None:
    return audits_of(dataset.project).filter(dataset=dataset).first()


def findings_in(audit: BiasAudit) -> QuerySet[AuditFinding]:
    """With their decisions, the newest first. Two queries."""
    decisions = AuditDecision.objects.select_related("by").order_by("-id")
    found = AuditFinding.objects.filter(audit=audit).select_related("audit__project")
    return found.prefetch_related(Prefetch("decisions", decisions)).annotate(
        twins_made=Count("twins", distinct=True),
        twins_accepted=Count("twins", filter=Q(twins__status="accepted"), distinct=True),
    )


# --- the record ------------------------------------------------------------------------------------------------
def audit_hash(audit: BiasAudit) -> str:
    """SHA-256 over what the audit is: settings, lexicons and facts."""
    whole = {"settings": audit.settings, "lexicons": audit.lexicons, "facts": audit.facts}
    return hashlib.sha256(canonical_json(whole).encode()).hexdigest()


def decision_hash(before: str, decision: AuditDecision) -> str:
    """SHA-256 over a decision and the hash before it. It names no row, so that it is the same in another installation."""
    finding = decision.finding
    content = {
        "before": before,
        "finding": [finding.characteristic, finding.group, finding.outcome],
        "decision": str(decision.decision),
        "reason": decision.reason,
        "by": decision.by_name,
        "at": decision.at.isoformat(),
        "carried_from": decision.carried_from,
    }
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def last_hash(audit: BiasAudit) -> str:
    """The hash of the whole record: of the newest decision, or of the audit without any."""
    newest = AuditDecision.objects.filter(finding__audit=audit).order_by("-id").first()
    return newest.record_hash if newest else audit.content_hash


def is_complete(audit: BiasAudit) -> bool:
    """Whether figures and decisions are what their hashes name."""
    before = audit.content_hash
    if audit_hash(audit) != before:
        return False
    for decision in (
        AuditDecision.objects.filter(finding__audit=audit).select_related("finding").order_by("id")
    ):
        if decision.record_hash != decision_hash(before, decision):
            return False
        before = decision.record_hash
    return True


# --- for pages -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Cell:
    """One outcome of one group, in words."""

    outcome: Outcome
    mean: str
    gap: str
    low: str
    high: str
    few: bool
    found: bool
    n: int
    against: str


@dataclass(frozen=True)
class GroupRow:
    label: str
    rows: int
    clusters: int
    share: str
    share_interval: str
    target: str
    off_target: bool
    few: str
    cells: list[Cell]


@dataclass(frozen=True)
class CharacteristicTable:
    key: str
    label: str
    named: int
    unknown: int
    several: int
    groups: list[GroupRow]
    absent: list[str]


def tables_of(facts: Mapping[str, Any]) -> list[CharacteristicTable]:
    """A table for each characteristic; groups that no row names are only listed."""
    return [
        CharacteristicTable(
            one["key"],
            one["label"],
            one["named"],
            one["unknown"],
            one["several"],
            [_group_row(group) for group in one["groups"] if group["rows"]],
            [group["label"] for group in one["groups"] if not group["rows"]],
        )
        for one in facts["characteristics"]
    ]


def _group_row(group: Mapping[str, Any]) -> GroupRow:
    share, cells = group["share"], [_cell(one) for one in group["outcomes"]]
    interval = (
        "" if share["low"] is None else f"{figure('share', share['low'])} to {figure('share', share['high'])}"
    )
    return GroupRow(
        label=group["label"],
        rows=group["rows"],
        clusters=group["clusters"],
        share=figure("share", share["mean"]),
        share_interval=interval,
        target=figure("share", share["rest"]) if share["rest"] is not None else "",
        off_target=share["found"],
        few=_too_few(group["outcomes"]) if all(cell.few for cell in cells) else "",
        cells=cells,
    )


def _too_few(outcomes: list[Mapping[str, Any]]) -> str:
    """By the outcome for which most rows have a value."""
    most = max(outcomes, key=lambda one: (one["n"], one["rest_n"]))
    return too_few(most["n"], most["clusters"], most["rest_n"], most["rest_clusters"])


def _cell(one: Mapping[str, Any]) -> Cell:
    key = one["outcome"]
    return Cell(
        OUTCOMES[key],
        figure(key, one["mean"]),
        gap(key, one["difference"]),
        gap(key, one["low"]),
        gap(key, one["high"]),
        one["few"],
        one["found"],
        one["n"],
        OTHERS[one["against"]],
    )


@dataclass(frozen=True)
class CanBeSeen:
    """What an audit of so many rows can find, in words. `measured`: the share of refusals is that of the newest audit."""

    base: str
    measured: bool
    sizes: list[tuple[int, str]]


def can_be_seen(project: Project, rows: int) -> CanBeSeen:
    """For groups of some sizes in so many rows: how often a group must be refused until an audit finds it. As many groups are compared
    as in the newest audit, or as the lexicons have."""
    newest = newest_made(project)
    # An audit in which no row could be judged has no share of refusals.
    refused = newest.facts["outcomes"].get("refusal", {}).get("mean") if newest else None
    base = refused or USUAL
    if newest:
        one_by_one = [
            not outcome["few"]
            for characteristic in newest.facts["characteristics"]
            for group in characteristic["groups"]
            for outcome in group["outcomes"]
            if outcome["outcome"] == "refusal"
        ]
        groups = max(sum(one_by_one), 1)
    else:
        groups = sum(len(one.characteristic.groups) for one in lexicons_of(project))
    sizes = [
        (one.rows, "not even if all are refused" if one.share is None else figure("refusal", one.share))
        for one in visible(rows, base=base, groups=groups)
    ]
    return CanBeSeen(figure("refusal", base), bool(refused), sizes)


@dataclass(frozen=True)
class ChartRow:
    name: str
    difference: float
    low: float
    high: float
    n: int


def chart_rows(facts: Mapping[str, Any], outcome: str) -> list[ChartRow]:
    """The differences of one outcome with their intervals, of all groups with enough rows."""
    return [
        ChartRow(group["label"], one["difference"], one["low"], one["high"], one["n"])
        for characteristic in facts["characteristics"]
        for group in characteristic["groups"]
        for one in group["outcomes"]
        if one["outcome"] == outcome and not one["few"]
    ]


def summary(audit: BiasAudit) -> str:
    """One sentence: how many comparisons, how many stand."""
    compared = audit.facts["comparisons"]
    if not compared:
        return "No group has enough rows to compare."
    found = audit.findings.count()
    rest = f"{found} of {compared} comparisons stand" if found else f"None of {compared} comparisons stands"
    method = (
        f"all together with at most {LEVEL:.0%} probability of a wrong one (Holm)"
        if audit.settings["correction"] == "holm"
        else f"with at most {LEVEL:.0%} of them expected to be wrong (Benjamini and Hochberg)"
    )
    return f"{rest} after the correction for many comparisons, {method}."
