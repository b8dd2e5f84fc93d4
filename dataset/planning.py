"""Plans a freeze before anything is written: splits, withheld rows, and counts.

A freeze and its preview both use a Planner, so the preview shows what is frozen. No database; bounded memory: about 1.3
kilobytes for each row, and the texts themselves are not kept.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dataset.similarity import Prompts
from dataset.splits import SPLITS, TEST, TRAIN, VALIDATION, Group, assign_splits, untested

REPEATS_TEST, NEAR_TEST, CONTROL_MARK, RULE = "repeats_test", "near_test", "control_mark", "rule"


@dataclass(frozen=True)
class Withheld:
    """A row that must not be in training or validation, because of the test row of example `repeats`; or a row that is in no
    split, because its text contains the control mark `mark` or because it breaks the data rule `rule`.

    `similarity` is the Jaccard similarity of their turns (0.8 to 1), None for an equal prompt.
    """

    example: int
    split: str
    reason: str
    repeats: int | None
    similarity: float | None = None
    mark: str = ""
    rule: str = ""


@dataclass(frozen=True)
class FreezePlan:
    """`splits` of every group, `new` those decided now. `counts` as in DatasetVersion.counts."""

    splits: dict[str, str]
    new: dict[str, str]
    withheld: list[Withheld]
    counts: dict[str, Any]


@dataclass
class _Column:
    """Values repeated in many rows, each stored once; a row has their number."""

    numbers: dict[Any, int] = field(default_factory=dict)
    rows: "array[int]" = field(default_factory=lambda: array("l"))

    def add(self, value: Hashable) -> None:
        self.rows.append(self.numbers.setdefault(value, len(self.numbers)))

    def names(self) -> list[Any]:
        return list(self.numbers)


class Similar(Protocol):
    """Finds near-duplicates among prompts: dataset.similarity.Prompts, here or in a process of its own."""

    def add(self, messages: Sequence[Mapping[str, str]]) -> object: ...

    def numbers(self) -> Sequence[int]: ...

    def clusters(self, tell: Callable[[float], None] | None = None) -> list[int]: ...

    def nearest(self, numbers: Collection[int], targets: Collection[int]) -> dict[int, dict[int, float]]: ...


class Planner:
    """Takes the rows of a future version and the test rows of earlier ones, in any order, and plans.

    `settings` as DatasetVersion.settings: validation, test (shares of one), seed, separate_near_duplicates (bool, else True: an old queued run does not
    have this setting). `similar` finds near-duplicates, if the settings say so.
    """

    def __init__(self, settings: Mapping[str, Any], similar: Similar | None = None) -> None:
        self.settings = settings
        self._examples = array("q")
        self._left_out: list[Withheld] = []
        self.groups, self.slices, self._prompts = _Column(), _Column(), _Column()
        self._texts = array("l")  # which one it was of all texts
        self.texts = array("l")  # from `plan` on: the number of each row's text
        self._added = 0
        # Earlier test rows: their example, the number of their prompt and of their text.
        self._before: list[tuple[int, int, int]] = []
        self._similar: Similar | None = None
        if settings.get("separate_near_duplicates", True):
            self._similar = similar if similar is not None else Prompts()

    def __len__(self) -> int:
        return len(self._examples)

    def add(
        self, *, example: int, group: str, slice_name: str, prompt: str, messages: Sequence[Mapping[str, str]]
    ) -> None:
        """One approved row. `prompt` is annotation.text.hashes.prompt_hash of it."""
        self._examples.append(example)
        self.groups.add(group)
        self.slices.add(slice_name)
        self._prompts.add(bytes.fromhex(prompt))
        self._texts.append(self._text(messages))

    def leave_out(self, *, example: int, mark: str) -> None:
        """An approved row that must not be in training or test: its text contains a control mark."""
        self._left_out.append(Withheld(example, "", CONTROL_MARK, None, None, mark[:80]))

    def refuse(self, *, example: int, rule: str) -> None:
        """An approved row that must not be in the version: it breaks a data rule (dataset.data_rules)."""
        self._left_out.append(Withheld(example, "", RULE, None, rule=rule))

    def hold_out(self, *, example: int, prompt: str, messages: Sequence[Mapping[str, str]]) -> None:
        """A test row of an earlier version, with its text in that version."""
        numbers = self._prompts.numbers
        known = numbers.setdefault(bytes.fromhex(prompt), len(numbers))
        self._before.append((example, known, self._text(messages)))

    def _text(self, messages: Sequence[Mapping[str, str]]) -> int:
        if self._similar is None:
            return 0
        self._similar.add(messages)
        self._added += 1
        return self._added - 1

    def plan(self, decided: Mapping[str, str], tell: Callable[[float], None] | None = None) -> FreezePlan:
        """`decided` are the splits of groups from earlier versions; those of other groups do not count. `tell` gets the
        progress of the comparison of prompts, as a share of one."""
        clusters = self._clusters(self._similar, tell) if self._similar is not None else []
        units = _Units(self, decided, clusters)
        splits = units.assign()
        row_splits = [splits[number] for number in self.groups.rows]
        withheld = self._withheld(row_splits, clusters)
        names = self.groups.names()
        return FreezePlan(
            splits=dict(zip(names, splits, strict=True)),
            new={name: split for name, split in zip(names, splits, strict=True) if name not in decided},
            withheld=sorted(withheld + self._left_out, key=lambda row: row.example),
            counts={
                **self._counts(row_splits, withheld),
                "untested": units.untested(),
                "near": units.joined(),
                "validation_near_train": self._validation_near_train(row_splits, withheld, clusters),
            },
        )

    def _clusters(self, similar: Similar, tell: Callable[[float], None] | None) -> list[int]:
        numbers = similar.numbers()
        self.texts = array("l", (numbers[text] for text in self._texts))
        self._before = [(example, prompt, numbers[text]) for example, prompt, text in self._before]
        return similar.clusters(tell)

    # --- what would leak a test row ------------------------------------------------------------------------
    def _withheld(self, row_splits: list[str], clusters: list[int]) -> list[Withheld]:
        prompts = _lowest(
            (self._prompts.rows[row], self._examples[row]) for row in _rows_in(row_splits, TEST)
        )
        # An equal prompt of an earlier version counts only where this version has none.
        prompts = _lowest((prompt, example) for example, prompt, _ in self._before) | prompts
        repeats = {
            row: prompts[self._prompts.rows[row]]
            for row, split in enumerate(row_splits)
            if split != TEST and self._prompts.rows[row] in prompts
        }
        withheld = [
            Withheld(self._examples[row], row_splits[row], REPEATS_TEST, example)
            for row, example in repeats.items()
        ]
        if self._similar is not None:
            others = [row for row, split in enumerate(row_splits) if split != TEST and row not in repeats]
            withheld += self._near_test(others, row_splits, clusters)
        return sorted(withheld, key=lambda row: row.example)

    def _near_test(self, rows: list[int], row_splits: list[str], clusters: list[int]) -> Iterator[Withheld]:
        tested = _lowest(
            [(self.texts[row], self._examples[row]) for row in _rows_in(row_splits, TEST)]
            + [(text, example) for example, _, text in self._before]
        )
        near = self._nearest({self.texts[row] for row in rows}, set(tested), clusters)
        for row in rows:
            if shares := near.get(self.texts[row]):
                example, similarity = min(
                    ((tested[text], share) for text, share in shares.items()),
                    key=lambda pair: (-pair[1], pair[0]),
                )
                yield Withheld(self._examples[row], row_splits[row], NEAR_TEST, example, similarity)

    def _nearest(
        self, texts: set[int], targets: set[int], clusters: list[int]
    ) -> dict[int, dict[int, float]]:
        """Prompts.nearest of the texts that have a target in their cluster: other texts cannot be similar."""
        if self._similar is None:
            return {}
        shared = {clusters[text] for text in texts} & {clusters[text] for text in targets}
        return self._similar.nearest(
            [text for text in texts if clusters[text] in shared],
            [text for text in targets if clusters[text] in shared],
        )

    def _validation_near_train(
        self, row_splits: list[str], withheld: list[Withheld], clusters: list[int]
    ) -> int | None:
        """How many rows of validation are near-duplicates of one in training; None when they were not compared."""
        if self._similar is None:
            return None
        out = {row.example for row in withheld}
        texts: dict[str, Counter[int]] = {split: Counter() for split in SPLITS}
        for row, split in enumerate(row_splits):
            if self._examples[row] not in out:
                texts[split][self.texts[row]] += 1
        near = self._nearest(set(texts[VALIDATION]), set(texts[TRAIN]), clusters)
        return sum(texts[VALIDATION][text] for text in near)

    def _counts(self, row_splits: list[str], withheld: list[Withheld]) -> dict[str, Any]:
        out = {row.example for row in withheld}
        names = self.slices.names()
        by_slice: dict[str, Counter[str]] = defaultdict(Counter)
        for row, split in enumerate(row_splits):
            if self._examples[row] not in out:
                by_slice[names[self.slices.rows[row]]][split] += 1
        return {
            "total": len(self) - len(out),
            **{split: sum(counts[split] for counts in by_slice.values()) for split in SPLITS},
            "slices": {
                name: {split: counts[split] for split in SPLITS if counts[split]}
                for name, counts in sorted(by_slice.items())
            },
            "withheld": len(out) + len(self._left_out),
            "withheld_marked": sum(row.reason == CONTROL_MARK for row in self._left_out),
            "withheld_rules": dict(sorted(Counter(row.rule for row in self._left_out if row.rule).items())),
            "withheld_near": sum(row.reason == NEAR_TEST for row in withheld),
        }


class _Units:
    """The groups of a planner, with new groups joined when their prompts are near-duplicates: the units of assignment."""

    def __init__(self, planner: Planner, decided: Mapping[str, str], clusters: list[int]) -> None:
        self._settings = planner.settings
        self._names: list[str] = planner.groups.names()
        self._decided = [decided.get(name) for name in self._names]
        self._parent = list(range(len(self._names)))
        bound = self._join(planner, clusters) if clusters else {}
        self._units = self._build(planner, bound)

    def _root(self, group: int) -> int:
        while self._parent[group] != group:
            self._parent[group] = self._parent[self._parent[group]]
            group = self._parent[group]
        return group

    def _join(self, planner: Planner, clusters: list[int]) -> dict[int, str]:
        """Joins new groups by cluster. Returns {group: split} for those that must follow a training or validation group.

        A new near-duplicate of a training row cannot become a test row: the training row would have to be removed. A new
        near-duplicate of a test row is not joined: it is withheld unless the draw makes it a test row.
        """
        first: dict[int, int] = {}
        splits: dict[int, set[str]] = defaultdict(set)
        for group, text in zip(planner.groups.rows, planner.texts, strict=True):
            cluster = clusters[text]
            if split := self._decided[group]:
                splits[cluster].add(split)
            else:
                joined = sorted((self._root(group), self._root(first.setdefault(cluster, group))))
                self._parent[joined[1]] = joined[0]
        bound = {}
        for split in (VALIDATION, TRAIN):  # training decides when both are near
            for cluster, group in first.items():
                if split in splits[cluster]:
                    bound[self._root(group)] = split
        return bound

    def _build(self, planner: Planner, bound: Mapping[int, str]) -> dict[int, Group]:
        roots = [self._root(group) for group in range(len(self._names))]
        slices: dict[int, dict[str, int]] = {}
        slice_names = planner.slices.names()
        for group, number in zip(planner.groups.rows, planner.slices.rows, strict=True):
            counts = slices.setdefault(roots[group], {})
            counts[slice_names[number]] = counts.get(slice_names[number], 0) + 1
        members: dict[int, list[str]] = {}
        for root, name in zip(roots, self._names, strict=True):
            members.setdefault(root, []).append(name)
        return {
            root: Group(
                name=min(members[root]),
                rows=sum(counts.values()),
                split=self._decided[root] or bound.get(root),
                slices=dict(sorted(counts.items())) if len(counts) > 1 else counts,
                parts=len(members[root]),
            )
            for root, counts in slices.items()
        }

    def assign(self) -> list[str]:
        """The split of every group, in the planner's order."""
        assigned = assign_splits(
            self._units.values(),
            validation=self._settings["validation"],
            test=self._settings["test"],
            seed=str(self._settings["seed"]),
        )
        self._units = {
            root: unit
            if unit.split
            else Group(unit.name, unit.rows, assigned[unit.name], unit.slices, unit.parts)
            for root, unit in self._units.items()
        }
        return [str(self._units[root].split) for root in map(self._root, range(len(self._names)))]

    def untested(self) -> dict[str, str]:
        """{slice: reason} of the slices with too few test rows."""
        return untested(self._units.values(), test=self._settings["test"])

    def joined(self) -> dict[str, int]:
        """How many new groups were joined, into how many units, and the rows of all and of the largest."""
        joined = [unit for unit in self._units.values() if unit.parts > 1]
        return {
            "groups": sum(unit.parts for unit in joined),
            "clusters": len(joined),
            "rows": sum(unit.rows for unit in joined),
            "largest": max((unit.rows for unit in joined), default=0),
        }


def _rows_in(row_splits: list[str], chosen_split: str) -> Iterator[int]:
    return (row for row, split in enumerate(row_splits) if split == chosen_split)


def _lowest(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """{key: its lowest value}."""
    lowest: dict[int, int] = {}
    for key, value in pairs:
        lowest[key] = min(value, lowest.get(key, value))
    return lowest
