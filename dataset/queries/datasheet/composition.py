"""Facts for the sections Motivation and Composition of a datasheet. Each function is named after its question."""

from core.wording import counted, day, filesize, listed, percent
from dataset.models import DataRule
from dataset.queries.datasheet.known import (
    NOT_YET,
    FactTable,
    KnownFacts,
    KnownVersion,
    SheetFacts,
    fact_table,
    people_lines,
)
from dataset.queries.reports import ReportFacts
from dataset.splits import SPLITS


def _creators(known: KnownVersion) -> SheetFacts:
    by = known.dataset.created_by
    lines = [f"Project: {known.dataset.project.name}."]
    if by is not None:
        lines.append(f"Frozen by {by.name} on {day(known.dataset.created_at)}.")
    return SheetFacts([*lines, *people_lines(known)])


def _instances(known: KnownVersion) -> SheetFacts:
    lines = ["One row is a conversation with the completion that a model should give."]
    if known.report:
        lines += [
            f"With more than one turn of the customer: {known.share(known.report.several_turns)}.",
            f"With records from the back office: {known.share(known.report.records)}.",
        ]
    return SheetFacts(lines)


def _count(known: KnownVersion) -> SheetFacts:
    counts = known.dataset.counts
    slices = sorted(counts.get("slices", {}).items(), key=lambda item: (-sum(item[1].values()), item[0]))
    rows = [
        (name or "no slice", *(f"{row.get(split, 0):,}" for split in SPLITS), f"{sum(row.values()):,}")
        for name, row in slices
    ]
    lines = [f"{counted(known.total, 'row')}, by slice and split:"]
    if known.report and known.report.edges:
        edges = listed([f"{name.lower()} {rows_:,}" for name, rows_ in known.report.edges])
        lines.insert(0, f"Edge cases: {edges}.")
    if known.report and known.report.words:
        lines.insert(0, _lengths(known.report))
    return SheetFacts(lines, fact_table(("Slice", "Train", "Validation", "Test", "Rows"), rows))


def _lengths(report: ReportFacts) -> str:
    parts = [
        f"{what} {words.get('median', 0):,} (95% at most {words.get('p95', 0):,}, the longest {words.get('most', 0):,})"
        for what, words in (
            ("a prompt has", report.words.get("prompt", {})),
            ("a completion", report.words.get("completion", {})),
        )
    ]
    return f"Words, at the median: {'; '.join(parts)}."


def _sample(known: KnownVersion) -> SheetFacts:
    settings, counts = known.dataset.settings, known.dataset.counts
    lines = [f"It has the examples that were approved on {day(known.dataset.created_at)}."]
    lines += [
        f"Only these {name} were chosen: {', '.join(settings[name])}."
        for name in ("slices", "sources")
        if settings.get(name)
    ]
    if counts.get("withheld"):
        marked, withheld = counts.get("withheld_marked", 0), counts["withheld"]
        rules = counts.get("withheld_rules", {})
        tested = withheld - marked - sum(rules.values())
        lines.append(f"{counted(withheld, 'approved example is', 'approved examples are')} withheld.")
        if tested:
            lines.append(f"{tested:,} of them ask the same or nearly the same as a test row.")
        if marked:
            lines.append(f"{marked:,} of them contain a control mark of chat templates.")
        lines += [f"{rows:,} of them by the rule “{DataRule(rule).label}”." for rule, rows in rules.items()]
    return SheetFacts(lines)


def _fields(known: KnownVersion) -> SheetFacts:
    return SheetFacts(
        [],
        FactTable(
            ("Field", "Meaning"),
            [
                ("messages", "the conversation, turn by turn, with the role of each turn"),
                ("context", "records from the back office, as text"),
                ("completion", "the answer that a model should give"),
                ("rejected", "a worse answer to the same question, where one is known"),
                ("slice, edge, tags", "the topic, the kind of difficult case, free labels"),
                ("group", "rows that must stay in one split"),
                ("source, license", "where the row comes from, and under which license"),
            ],
        ),
    )


def _target(known: KnownVersion) -> SheetFacts:
    lines = ["The target of every row is its completion."]
    if known.report:
        lines.append(f"With a worse answer, too: {known.share(known.report.rejected)}.")
    return SheetFacts(lines)


def _missing(known: KnownVersion) -> SheetFacts:
    report = known.report
    if report is None:
        return SheetFacts([NOT_YET])
    sliceless = sum(known.dataset.counts.get("slices", {}).get("", {}).values())
    sourceless = sum(one.rows for one in report.sources if not one.name)
    licenseless = sum(rows for name, rows in report.licenses if not name)
    missing = (
        ("records", report.rows - report.records),
        ("a slice", sliceless),
        ("a source", sourceless),
        ("a license", licenseless),
    )
    lines = [f"Without {what}: {known.share(rows)}." for what, rows in missing if rows]
    return SheetFacts(lines or ["Every row has records, a slice, a source and a license."])


def _relations(known: KnownVersion) -> SheetFacts:
    lines = ["Rows of one conversation or document share a group."]
    if known.report and known.report.groups:
        lines.append(f"There are {counted(known.report.groups, 'group')}.")
    near = known.dataset.counts.get("near") or {}
    if near.get("rows"):
        lines.append(f"{near['rows']:,} rows are near-duplicates of others; these are in one split together.")
    return SheetFacts(lines)


def _splits(known: KnownVersion) -> SheetFacts:
    counts, settings = known.dataset.counts, known.dataset.settings
    parts = [f"{split} {known.share(counts.get(split, 0))}" for split in SPLITS]
    lines = [
        f"{listed(parts).capitalize()}.",
        f"Requested were {percent(settings['validation'])} for validation and {percent(settings['test'])} for test."
        if "validation" in settings and "test" in settings
        else "",
        "A group is in one split, for ever: what was once test never trains.",
    ]
    return SheetFacts([line for line in lines if line])


def _errors(known: KnownVersion) -> SheetFacts:
    report = known.report
    if report is None:
        return SheetFacts([NOT_YET])
    lines = [
        f"Rows in whose frozen text the checks still find something: {known.share(report.with_findings)}.",
    ]
    if report.noted:
        lines.append(f"For {counted(report.noted, 'row')} the writer gave a reason for a finding.")
    table = FactTable(
        ("Check", "Level", "Rows"),
        [
            (
                one.about or one.check,
                one.level_label,
                f"{one.rows:,}" + (f" ({one.dismissed:,} dismissed by people)" if one.dismissed else ""),
            )
            for one in report.findings
        ],
    )
    return SheetFacts(lines, table if table.rows else None)


def _resources(known: KnownVersion) -> SheetFacts:
    size = known.dataset.artifact.size_bytes if known.dataset.artifact else 0
    return SheetFacts([f"It is one file of {filesize(size)}; no row refers to another file."])


def _identifiable(known: KnownVersion) -> SheetFacts:
    if known.report is None:
        return SheetFacts([NOT_YET])
    rows = max((one.rows for one in known.report.findings if one.check == "privacy"), default=0)
    return SheetFacts(
        [
            f"Rows with a finding of the privacy check: {known.share(rows)}.",
            "It looks for e-mail addresses, phone numbers, accounts, cards and national ids, not for names of people.",
        ]
    )


COMPOSITION: dict[str, KnownFacts] = {
    "creators": _creators,
    "instances": _instances,
    "count": _count,
    "sample": _sample,
    "fields": _fields,
    "target": _target,
    "missing": _missing,
    "relations": _relations,
    "splits": _splits,
    "errors": _errors,
    "resources": _resources,
    "identifiable": _identifiable,
}
