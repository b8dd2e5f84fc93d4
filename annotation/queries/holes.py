"""What is missing in the data and what there is too much of, in words. Pure functions of the counts.

Without a target, "usual" is what a slice and a kind of edge case would have together if they were independent: their shares multiplied
(the expected count of a contingency table).
"""

from dataclasses import dataclass

from annotation.queries.coverage import Coverage, CoveragePart

MOST_NAMED = 12
# A cell is only called empty or thin where chance does not explain it: Poisson gives 0 with probability 0.05 at an expectation of 3,
# and at most a quarter of 12 with less than 0.003.
LEAST_EXPECTED = 3.0
THIN_EXPECTED, THIN = 12.0, 0.25
CROWDED = 3.0
LEAST_CROWD = 20
# One slice of several with more than this share is a crowd, when it is also far above an even share.
LARGE_SHARE, ABOVE_EVEN = 0.4, 2.0


@dataclass(frozen=True)
class Hole:
    """Something that is missing: words for people, and how many examples to ask for."""

    words: str
    part: CoveragePart
    missing: int


def holes_of(coverage: Coverage) -> list[Hole]:
    """Targets that are not reached, the largest gap first; then what the lists have and the examples do not; then empty cells."""
    short = sorted((part for part in _with_target(coverage) if part.missing), key=lambda part: -part.missing)
    holes = [Hole(_short_words(part), part, part.missing) for part in short]
    empty = [
        part
        for part in (*coverage.slices, *coverage.edges, *coverage.moods)
        if part.listed and not part.approved and not part.target
    ]
    if coverage.approved:
        holes += [Hole(f"{_name(part)}: no approved example", part, 10) for part in empty]
    return [*holes, *_thin_cells(coverage)][:MOST_NAMED]


def _with_target(coverage: Coverage) -> list[CoveragePart]:
    return [
        *coverage.slices,
        *coverage.edges,
        *coverage.cells,
        *coverage.lengths,
        *coverage.languages,
        *coverage.moods,
    ]


def _short_words(part: CoveragePart) -> str:
    has = f"has {part.approved:,}" if part.approved else "has none"
    return f"{_name(part)} {has} of {part.wanted:,} wanted"


def _name(part: CoveragePart) -> str:
    """A mood beside slices and edge cases: "Mood angry"."""
    return f"Mood “{part.name.lower()}”" if part.mood else part.name


def _thin_cells(coverage: Coverage) -> list[Hole]:
    found = []
    for row, cells in coverage.grid:
        for cell in cells:
            expected = _expected(coverage, row, cell)
            if cell.target or not cell.listed or expected < LEAST_EXPECTED:
                continue
            if cell.approved == 0:
                words = f"{cell.name}: none, where about {expected:,.0f} would be usual"
            elif expected >= THIN_EXPECTED and cell.approved <= THIN * expected:
                words = f"{cell.name}: only {cell.approved:,}, where about {expected:,.0f} would be usual"
            else:
                continue
            found.append(
                (
                    expected - cell.approved,
                    Hole(words, cell, min(max(round(expected) - cell.approved, 5), 50)),
                )
            )
    return [hole for _, hole in sorted(found, key=lambda item: -item[0])]


def _expected(coverage: Coverage, row: CoveragePart, cell: CoveragePart) -> float:
    column = next(part for part in coverage.edges if part.edge == cell.edge)
    return row.approved * column.approved / coverage.approved if coverage.approved else 0.0


def crowds_of(coverage: Coverage) -> list[str]:
    """Where there is much more than wanted, or than usual."""
    words = [
        f"{_name(part)} has {part.approved:,}, and {part.wanted:,} are wanted"
        for part in _with_target(coverage)
        if part.target and part.approved >= 2 * part.wanted and part.approved - part.wanted >= LEAST_CROWD
    ]
    total, used = coverage.approved, [part for part in coverage.slices if part.approved]
    for part in used:
        share = part.approved / total if total else 0
        if len(used) > 2 and not part.target and share > LARGE_SHARE and share > ABOVE_EVEN / len(used):
            words.append(f"{part.name} has {part.approved:,} of {total:,} approved examples ({share:.0%})")
    for row, cells in coverage.grid:
        for cell in cells:
            expected = _expected(coverage, row, cell)
            if (
                cell.approved >= LEAST_CROWD
                and expected
                and cell.approved >= CROWDED * expected
                and not cell.target
            ):
                words.append(f"{cell.name}: {cell.approved:,}, where about {expected:,.0f} would be usual")
    return words[:MOST_NAMED]


@dataclass(frozen=True)
class Milestone:
    """A size that the literature names, and how far it is."""

    size: int
    meaning: str
    left: int
    share: float


# The sizes are rules of thumb. 1,000: LIMA (Zhou et al. 2023, arXiv 2305.11206) trained a model of 65 billion parameters on 1,000 chosen
# pairs. 5,000: what practitioners name for specialised work. Neither says how many this project needs.
_SIZES = (
    (
        1_000,
        "Enough to learn a manner and a format, when every example is good: LIMA used 1,000 chosen pairs.",
    ),
    (
        2_000,
        "Enough to measure: a tenth for testing has about 200 examples, so a share is known to 7 points either way.",
    ),
    (5_000, "What is usually named for specialised work, with room for edge cases in every slice."),
)


def milestones(approved: int) -> list[Milestone]:
    return [
        Milestone(size, meaning, max(size - approved, 0), min(approved / size, 1.0))
        for size, meaning in _SIZES
    ]
