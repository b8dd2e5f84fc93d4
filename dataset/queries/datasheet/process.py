"""Facts for the later sections of a datasheet, from the collection to the maintenance. Each function is named after its question."""

from core.wording import counted, day, listed, noun
from dataset.models import DataRule
from dataset.queries.datasheet.known import (
    NOT_YET,
    KnownFacts,
    KnownVersion,
    SheetFacts,
    fact_table,
    people_lines,
)
from dataset.queries.provenance import HOW, Contributors
from dataset.queries.reports import CONSENT, EXPIRES, LICENSE, OWNER, WITHDRAWN


def _acquired(known: KnownVersion) -> SheetFacts:
    people = known.people
    ways = (
        (people.elsewhere, "Imported and not changed here"),
        (people.edited, "Imported and edited here"),
        (people.here, "Written here"),
    )
    lines = [f"{words}: {known.share(rows)}." for rows, words in ways if rows]
    return SheetFacts(lines + _review_lines(people))


def _review_lines(people: Contributors) -> list[str]:
    """How the rows were approved and reviewed, in sentences."""
    return [people.reviewed_words] + [
        f"{counted(rows, 'row was', 'rows were')} approved {HOW[how]}."
        for how, rows in people.approved_how.items()
        if how
    ]


def _collectors(known: KnownVersion) -> SheetFacts:
    return SheetFacts(people_lines(known))


def _period(known: KnownVersion) -> SheetFacts:
    report = known.report
    if report is None or report.first is None or report.last is None:
        return SheetFacts([NOT_YET])
    return SheetFacts(
        [
            f"The first row came into the project on {day(report.first)}, the last text is of {day(report.last)}.",
            "When texts from elsewhere were written is not known here.",
        ]
    )


def _directly(known: KnownVersion) -> SheetFacts:
    return _by_source(known, OWNER)


def _consent(known: KnownVersion) -> SheetFacts:
    return _by_source(known, CONSENT)


def _revoke(known: KnownVersion) -> SheetFacts:
    found = _by_source(known, WITHDRAWN)
    withdrawn = found.table and [row for row in found.table.rows if row[2]]
    if found.table and not withdrawn:
        return SheetFacts(["None of its sources is withdrawn today."])
    return (
        SheetFacts(found.lines, fact_table(found.table.columns, withdrawn))
        if found.table and withdrawn
        else found
    )


def _retention(known: KnownVersion) -> SheetFacts:
    return _by_source(known, EXPIRES)


def _licenses(known: KnownVersion) -> SheetFacts:
    found = _by_source(known, LICENSE, of_rows=True)
    rules = [str(DataRule(rule).label) for rule in known.dataset.settings.get("rules", ())]
    return SheetFacts(
        [f"Rules of the project at the freeze: {'; '.join(rules)}."] * bool(rules) + found.lines, found.table
    )


def _by_source(known: KnownVersion, label: str, *, of_rows: bool = False) -> SheetFacts:
    """Rows by source with one thing that its own entry says; with `of_rows` also by the license of the rows themselves."""
    report = known.report
    if report is None:
        return SheetFacts([NOT_YET])
    counts: dict[tuple[str, ...], int] = {}
    for source in report.sources:
        own = (source.license or "none",) if of_rows else ()
        key = (source.name or "no source", *own, dict(source.details).get(label, ""))
        counts[key] = counts.get(key, 0) + source.rows
    rows = [(key[0], f"{rows:,}", *key[1:]) for key, rows in counts.items()]
    lines = ["What the sources' own entries say is of today, not of the freeze."]
    if report.more_sources:
        lines.append(f"There are {counted(report.more_sources, 'more source')} with fewer rows.")
    columns = ("Source", "Rows", *(("License of the rows",) if of_rows else ()), label)
    return SheetFacts(lines, fact_table(columns, rows))


def _cleaning(known: KnownVersion) -> SheetFacts:
    counts, settings = known.dataset.counts, known.dataset.settings
    lines = ["Texts are in Unicode form NFC. Empty turns and records are left out."]
    if known.report:
        lines.append(f"These checks read every row: {', '.join(known.report.checks)}.")
    if counts.get("withheld_marked"):
        lines.append(
            f"{counted(counts['withheld_marked'], 'text')} with a control mark of chat templates left out."
        )
    lines.append(
        "Questions that nearly repeat a test row were kept out of training."
        if settings.get("separate_near_duplicates")
        else "Near-duplicates were not compared."
    )
    words = len(known.dataset.project.guideline.split())
    lines.append(
        f"The project has a guideline for writing answers ({counted(words, 'word')} today)."
        if words
        else "The project has no guideline for writing answers."
    )
    return SheetFacts(lines)


def _raw(known: KnownVersion) -> SheetFacts:
    return SheetFacts(
        [
            "Every earlier text of an example is kept, with its writer and its time.",
        ]
    )


def _software(known: KnownVersion) -> SheetFacts:
    return SheetFacts(["Guildhall: the checks, the freeze and the splits are part of its source code."])


# --- uses, distribution, maintenance -----------------------------------------------------------------------
def _used(known: KnownVersion) -> SheetFacts:
    return SheetFacts(known.uses or ["No training run in this project has used it yet."])


def _how(known: KnownVersion) -> SheetFacts:
    return SheetFacts(
        [
            "As files that Guildhall makes from the frozen rows.",
            f"Its permanent identifier is the SHA-256 of its content: {known.dataset.content_hash}",
        ]
    )


def _maintainer(known: KnownVersion) -> SheetFacts:
    names = listed(known.admins)
    verb = noun(len(known.admins), "The admin", "The admins")
    return SheetFacts([f"{verb} of the project today: {names}."] if names else [])


def _erratum(known: KnownVersion) -> SheetFacts:
    if not known.later:
        return SheetFacts(["There is no later version of this dataset."])
    last = known.later[-1]
    return SheetFacts(
        [f"Corrections are in later versions; the newest is dataset {last}. The comparison shows each one."]
    )


def _updates(known: KnownVersion) -> SheetFacts:
    return SheetFacts(
        [
            "A version never changes. New and corrected rows come in later versions.",
            f"There {noun(len(known.later), 'is', 'are')} {counted(len(known.later), 'later version')} today.",
        ]
    )


def _older(known: KnownVersion) -> SheetFacts:
    return SheetFacts(["Every version stays in the project with its rows and its content hash."])


PROCESS: dict[str, KnownFacts] = {
    "acquired": _acquired,
    "collectors": _collectors,
    "period": _period,
    "directly": _directly,
    "consent": _consent,
    "revoke": _revoke,
    "cleaning": _cleaning,
    "raw": _raw,
    "software": _software,
    "used": _used,
    "how": _how,
    "license": _licenses,
    "maintainer": _maintainer,
    "erratum": _erratum,
    "updates": _updates,
    "retention": _retention,
    "older": _older,
}
