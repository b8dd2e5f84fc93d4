"""What people said of two answers to one prompt, and the rows that it becomes. Pure functions: no table, no request.

A row says which of two answers is better, or that one answer is bad. docs/decisions/preferences.md has the reasons of the rules.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

LEAST_AGREEMENT = 0.5  # a share has to be above it, so that at most one outcome reaches it
DEFAULT_AGREEMENT = 0.6
MOST_RATERS = 20
DEFAULT_DIFFERENCE = 1.0  # of scores from 1 to 5
MOST_DIFFERENCE = 4.0


class Take(StrEnum):
    """Where preferences come from."""

    COMPARISONS = "comparisons"
    SCORES = "scores"
    CORRECTIONS = "corrections"
    EXAMPLES = "examples"
    MARKS = "marks"


TAKE_LABELS = {
    Take.COMPARISONS: "Comparisons: which of two answers a rater would send, and “Both bad”",
    Take.SCORES: "Scores: the answer with the higher scores, where the rater did not prefer one",
    Take.CORRECTIONS: "Corrections: the approved correction of an answer, against that answer",
    Take.EXAMPLES: "Examples that came with a worse answer",
    Take.MARKS: "Marks: answers of chats that people marked good or bad, each without a second answer (for KTO)",
}


class Said(StrEnum):
    """What one person said. A and B are better than the other answer; good and bad are said of one answer alone."""

    A = "a"
    B = "b"
    TIE = "tie"
    BOTH_BAD = "both_bad"
    GOOD = "good"
    BAD = "bad"


class Outside(StrEnum):
    """Why something that people said is not in the rows. The labels are in OUTSIDE_LABELS."""

    # Single judgements.
    NOT_CLOSED = "not_closed"
    SET_ASIDE = "set_aside"
    IN_DOUBT = "in_doubt"
    # Both answers together.
    FEW = "few"
    DISAGREE = "disagree"
    TIE = "tie"
    SAME = "same"
    EMPTY = "empty"
    RETIRED = "retired"
    # An answer that is good or bad without a second one.
    REPEATED = "repeated"
    CONTRADICTED = "contradicted"


# Each continues a number.
OUTSIDE_LABELS = {
    Outside.NOT_CLOSED: (
        "rating of a campaign that is not closed",
        "ratings of campaigns that are not closed",
    ),
    Outside.SET_ASIDE: ("rating that was set aside", "ratings that were set aside"),
    Outside.IN_DOUBT: (
        "rating of an answer that may come from other weights",
        "ratings of answers that may come from other weights",
    ),
    Outside.FEW: ("pair that too few people judged", "pairs that too few people judged"),
    Outside.DISAGREE: ("pair on which people disagree", "pairs on which people disagree"),
    Outside.TIE: ("pair of equally good answers", "pairs of equally good answers"),
    Outside.SAME: ("pair of equal texts", "pairs of equal texts"),
    Outside.EMPTY: ("pair with an empty answer", "pairs with an empty answer"),
    Outside.RETIRED: ("row whose example was retired", "rows whose examples were retired"),
    Outside.REPEATED: ("row that is in it already", "rows that are in it already"),
    Outside.CONTRADICTED: (
        "answer alone that another judgement contradicts",
        "answers alone that other judgements contradict",
    ),
}


def outside_words(counts: Mapping[str, int]) -> list[str]:
    """ "3 pairs on which people disagree", for what was left out, in the order of Outside."""
    return [
        f"{counts[reason]:,} {OUTSIDE_LABELS[reason][counts[reason] != 1]}"
        for reason in Outside
        if counts.get(reason)
    ]


@dataclass(frozen=True)
class Choice:
    """What a preference version takes, as DatasetVersion.settings["preferences"] has it.

    `campaigns` are names, none means all. `raters` is the least number of people who judged a pair, `agreement` the least share
    of them with the same opinion (above 0.5, at most 1), `difference` the least difference of two mean scores (above 0, at most 4).
    """

    take: tuple[str, ...] = (Take.COMPARISONS, Take.CORRECTIONS, Take.EXAMPLES)
    campaigns: tuple[str, ...] = ()
    raters: int = 1
    agreement: float = DEFAULT_AGREEMENT
    difference: float = DEFAULT_DIFFERENCE

    def as_values(self) -> dict[str, Any]:
        return {
            "take": sorted(str(name) for name in set(self.take)),
            "campaigns": sorted(set(self.campaigns)),
            "raters": self.raters,
            "agreement": self.agreement,
            "difference": self.difference,
        }

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Choice":
        """Of `as_values`."""
        return cls(
            take=tuple(values["take"]),
            campaigns=tuple(values["campaigns"]),
            raters=values["raters"],
            agreement=values["agreement"],
            difference=values["difference"],
        )


@dataclass(frozen=True)
class Opinion:
    """What one person said of a pair. `source` is a Take, `key` names what it stands in ("comparison:12"), `by` is the id of
    a user."""

    source: str
    key: str
    by: int | None
    said: Said
    at: datetime

    def turned(self) -> "Opinion":
        """The same of the pair with a and b exchanged."""
        other = {Said.A: Said.B, Said.B: Said.A}.get(self.said, self.said)
        return Opinion(self.source, self.key, self.by, other, self.at)


@dataclass
class Judged:
    """Two answers to the prompt of a revision (annotation.Revision), and what people said of them.

    `a_from` and `b_from` say who answered: they are shown only to those who see the results of campaigns. A `settled` pair was decided by
    writing and review, so that the number of people and their agreement do not count. An answer that was judged alone is `a`, and `b` is
    empty.
    """

    revision: int
    a: str
    b: str
    a_from: str = ""
    b_from: str = ""
    opinions: list[Opinion] = field(default_factory=list)
    settled: bool = False
    alone: bool = False


@dataclass(frozen=True)
class Preferred:
    """A row: `completion` is better than `rejected`; one of them is empty when only the other one was judged. In `opinions`, a is the
    completion and b the rejected answer."""

    completion: str
    rejected: str
    completion_from: str
    rejected_from: str
    opinions: tuple[Opinion, ...]


def latest(opinions: Iterable[Opinion]) -> list[Opinion]:
    """One opinion for each person, the last one. Opinions of nobody known count each."""
    kept: dict[Any, Opinion] = {}
    for opinion in sorted(opinions, key=lambda opinion: (opinion.at, opinion.key)):
        kept[opinion.key if opinion.by is None else opinion.by] = opinion
    return list(kept.values())


def outcome(opinions: Sequence[Opinion], choice: Choice) -> Said | Outside:
    """What the people say together. Everybody who judged the pair counts in the share, those who said “equal” too."""
    if len(opinions) < choice.raters:
        return Outside.FEW
    said, most = Counter(opinion.said for opinion in opinions).most_common(1)[0]
    # As the shares are above one half, no second outcome can reach them.
    if most < choice.agreement * len(opinions) - 1e-9 or 2 * most <= len(opinions):
        return Outside.DISAGREE
    return said


def found_rows(pairs: Sequence[Judged], choice: Choice, outside: Counter[str]) -> list[Preferred]:
    """The rows of all judged pairs of one prompt. What is left out is added to `outside` by its reason."""
    rows: list[Preferred] = []
    alone: list[Preferred] = []
    for pair in pairs:
        if pair.alone:
            alone += _judged_alone(pair, choice, outside)
            continue
        if not pair.a.strip() or not pair.b.strip():
            outside[Outside.EMPTY] += 1
            continue
        if pair.a.strip() == pair.b.strip():
            outside[Outside.SAME] += 1
            continue
        opinions = latest(pair.opinions)
        said = outcome(opinions, Choice() if pair.settled else choice)
        if said == Said.A:
            rows.append(Preferred(pair.a, pair.b, pair.a_from, pair.b_from, tuple(opinions)))
        elif said == Said.B:
            turned = tuple(opinion.turned() for opinion in opinions)
            rows.append(Preferred(pair.b, pair.a, pair.b_from, pair.a_from, turned))
        elif said == Said.BOTH_BAD:
            alone.append(
                Preferred("", pair.a, "", pair.a_from, tuple(opinion.turned() for opinion in opinions))
            )
            alone.append(Preferred("", pair.b, "", pair.b_from, tuple(opinions)))
        else:
            outside[Outside.TIE if said == Said.TIE else said] += 1
    return rows + _once(alone, rows, outside)


def _judged_alone(judged: Judged, choice: Choice, outside: Counter[str]) -> list[Preferred]:
    if not judged.a.strip():
        outside[Outside.EMPTY] += 1
        return []
    opinions = tuple(latest(judged.opinions))
    said = outcome(opinions, choice)
    if said == Said.GOOD:
        return [Preferred(judged.a, "", judged.a_from, "", opinions)]
    if said == Said.BAD:
        return [Preferred("", judged.a, "", judged.a_from, opinions)]
    outside[said] += 1
    return []


def _once(alone: list[Preferred], rows: list[Preferred], outside: Counter[str]) -> list[Preferred]:
    """Each answer that was judged alone, once, unless a pair says so already or anything says the opposite."""
    better = {row.completion for row in rows}
    worse = {row.rejected for row in rows}
    good = {row.completion for row in alone if row.completion}
    bad = {row.rejected for row in alone if row.rejected}
    kept: dict[str, Preferred] = {}
    for row in alone:
        text = row.completion or row.rejected
        same, opposite = (better, worse | bad) if row.completion else (worse, better | good)
        if text in opposite:
            outside[Outside.CONTRADICTED] += 1
        elif text in same:
            outside[Outside.REPEATED] += 1
        elif text in kept:
            outside[Outside.REPEATED] += 1
            before = kept[text]
            kept[text] = replace(before, opinions=before.opinions + row.opinions)
        else:
            kept[text] = row
    return list(kept.values())
