"""Finds clusters of examples that say nearly the same, and where answers to one question disagree. Pure functions and bounded
memory: about two kilobytes for each example; the texts themselves are not kept.

Similarity is that of freezes (dataset.similarity): Jaccard 0.8 of word pairs with masked numbers. docs/reference/duplicates.md says
what is found and what is not.
"""

import re
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import combinations, islice
from typing import Literal

from rapidfuzz.distance import Indel

from annotation.checks.repeated import Stance, against, stance_of
from annotation.text.hashes import loosely, prompt_hash
from dataset.fairness.decisions import granted, refused
from dataset.similarity import Prompts

Kind = Literal["pair", "prompt", "completion"]
PAIR: Kind = "pair"
PROMPT: Kind = "prompt"
COMPLETION: Kind = "completion"
LEAST_WORDS = (
    8  # shorter completions are equal in many examples ("Yes, please."), so they are no cluster of their own
)
MOST_GROUPS = 200  # different last turns of one cluster that a further one is compared with
MOST_ANSWERS = 20  # different answers to one question that are compared with each other
# Cosine similarities of two answers. From the first on they are one sentence with few changes, so that a "not" in one of them turns it
# round; from the second on they speak of the same, so that a refusal and a grant disagree. Read on real pairs (docs/reference/duplicates.md):
# from 0.6 on a "not" alone is wrong in 4 of 5.
DENIES_FROM = 0.8
REFUSES_FROM = 0.6
ALIKE = 0.85  # of two last turns, as in the check `repeated`: 1 less the share of letters that are added and removed
_MOST_LETTERS = 400  # of a last turn that are compared

Messages = Sequence[Mapping[str, str]]
Tell = Callable[[float], None]
_NUMBERED = re.compile(r"\w*\d\w*")
_DENIES = re.compile(
    r"\b(?:not|never|cannot|unable|none|neither|nor|(?:ca|wo|do|does|did|is|are|was|were|has|have|had|could|would|should)n'?t|"
    r"no(?! (?:problem|worries|doubt|need)\b))\b"
)


@dataclass(frozen=True)
class Member:
    """An example of a cluster. `similarity` is that to the first one. `answer` is a key of its completion's text without case and
    spaces."""

    example: int
    similarity: float
    answer: int


@dataclass
class Cluster:
    """At least two examples, the lowest first. `parts` as in DuplicateMember.part, by example."""

    kind: Kind
    members: list[Member]
    exact: bool
    parts: dict[int, int] = field(default_factory=dict)
    disagreement: str = ""
    says: str = ""
    likeness: float | None = None

    @property
    def examples(self) -> list[int]:
        return [member.example for member in self.members]


@dataclass(frozen=True)
class Near:
    """An example whose prompt is a near-duplicate of that of a test row."""

    example: int
    row: int
    similarity: float


def _key(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def question_key(messages: Messages, context: Sequence[str]) -> bytes:
    """Equal for prompts of one cluster that ask the same: the same numbers in the turns, and the same records. The masked numbers
    of near-duplicates would make two questions about two shipments one."""
    said = " ".join(loosely(turn["content"]) for turn in messages if turn["role"] != "system")
    numbers = " ".join(sorted(_NUMBERED.findall(said)))
    records = prompt_hash(messages=[], context=list(context))
    return blake2b(f"{numbers}\n{records}".encode("utf-8", "surrogatepass"), digest_size=12).digest()


@dataclass(frozen=True)
class Asked:
    """What an example asks: the key of its numbers and records, and its last turn without case and spaces."""

    key: bytes
    last: str


def asked_of(messages: Messages, context: Sequence[str]) -> Asked:
    """Two long conversations are near-duplicates with quite different last questions, so the last turn is kept."""
    said = [turn["content"] for turn in messages if turn["role"] != "system"]
    return Asked(question_key(messages, context), loosely(said[-1])[:_MOST_LETTERS] if said else "")


class Duplicates:
    """Takes the examples of a project, the lowest id first, and the test rows of its dataset versions."""

    def __init__(self) -> None:
        self._prompts, self._completions = Prompts(), Prompts()
        self._examples = array("q")
        self._asked, self._answered = array("l"), array("l")  # the numbers of their texts
        self._turns, self._answers = array("Q"), array("Q")  # the keys of their texts without case and spaces
        self._groups, self._lengths = array("Q"), array("L")  # which conversation, and its turns so far
        self._long, self._may_leak = bytearray(), bytearray()
        self._tests: dict[int, int] = {}  # {number of a prompt: test row}

    def __len__(self) -> int:
        return len(self._examples)

    def add(self, *, example: int, group: str, messages: Messages, completion: str, may_leak: bool) -> None:
        """`group` as in Example; `may_leak`: it would not be a test row itself. An empty completion is no duplicate of another."""
        said = loosely(completion)
        self._examples.append(example)
        self._asked.append(self._prompts.add(messages))
        self._answered.append(
            self._completions.add([{"role": "assistant", "content": completion}]) if said else -1
        )
        self._turns.append(
            _key("\n".join(loosely(turn["content"]) for turn in messages if turn["role"] != "system"))
        )
        self._answers.append(_key(said))
        self._groups.append(_key(group))
        self._lengths.append(len(messages))
        self._long.append(said.count(" ") >= LEAST_WORDS - 1)
        self._may_leak.append(may_leak)

    def hold_out(self, *, row: int, messages: Messages) -> None:
        """A test row with its text in its version."""
        number = self._prompts.add(messages)
        self._tests[number] = min(row, self._tests.get(number, row))

    def find(self, tell: Tell | None = None) -> tuple[list[Cluster], list[Near]]:
        """The clusters (pairs, prompts, completions) and the examples that are too near to a test row."""
        asked = self._prompts.clusters(lambda share: tell and tell(share * 0.45))
        said = self._completions.clusters(lambda share: tell and tell(0.45 + share * 0.45))
        pairs = list(self._pairs(asked, said))
        same = {tuple(cluster.examples) for cluster in pairs}
        prompts = [c for c in self._by_prompt(asked) if tuple(c.examples) not in same]
        near = self._near(asked)
        return [*pairs, *prompts, *self._by_completion(said)], near

    def _pairs(self, asked: list[int], said: list[int]) -> Iterator[Cluster]:
        rows: dict[tuple[int, int], list[int]] = defaultdict(list)
        for row, (prompt, answer) in enumerate(zip(self._asked, self._answered, strict=True)):
            if answer >= 0:
                rows[asked[prompt], said[answer]].append(row)
        for members in rows.values():
            if len(members) > 1 and not self._one_chat(members):
                exact = self._equal(self._turns, members) and self._equal(self._answers, members)
                yield self._cluster(PAIR, members, exact, self._asked, self._answered)

    def _by_prompt(self, asked: list[int]) -> Iterator[Cluster]:
        rows: dict[int, list[int]] = defaultdict(list)
        for row, prompt in enumerate(self._asked):
            rows[asked[prompt]].append(row)
        for members in rows.values():
            if len(members) > 1 and not self._one_chat(members):
                yield self._cluster(PROMPT, members, self._equal(self._turns, members), self._asked)

    def _by_completion(self, said: list[int]) -> Iterator[Cluster]:
        rows: dict[int, list[int]] = defaultdict(list)
        for row, answer in enumerate(self._answered):
            if answer >= 0 and self._long[row]:
                rows[said[answer]].append(row)
        for members in rows.values():
            if len(members) > 1:
                yield self._cluster(
                    COMPLETION, members, self._equal(self._answers, members), answered=self._answered
                )

    def _one_chat(self, rows: list[int]) -> bool:
        """Whether they are one conversation, each after another number of turns: a long prompt is near to the same with a turn more."""
        return self._equal(self._groups, rows) and len({self._lengths[row] for row in rows}) == len(rows)

    @staticmethod
    def _equal(keys: "array[int]", rows: list[int]) -> bool:
        return len({keys[row] for row in rows}) == 1

    def _cluster(
        self,
        kind: Kind,
        rows: list[int],
        exact: bool,
        asked: "array[int] | None" = None,
        answered: "array[int] | None" = None,
    ) -> Cluster:
        def similarity(row: int) -> float:
            parts = [(self._prompts, asked), (self._completions, answered)]
            return min(
                texts.similarity(numbers[rows[0]], numbers[row])
                for texts, numbers in parts
                if numbers is not None
            )

        return Cluster(
            kind, [Member(self._examples[row], similarity(row), self._answers[row]) for row in rows], exact
        )

    def _near(self, asked: list[int]) -> list[Near]:
        held = {asked[number] for number in self._tests}
        rows = [row for row, leaks in enumerate(self._may_leak) if leaks and asked[self._asked[row]] in held]
        near = self._prompts.nearest({self._asked[row] for row in rows}, set(self._tests))
        found = []
        for row in rows:
            if shares := near.get(self._asked[row]):
                number = min(shares, key=lambda number: (-shares[number], self._tests[number]))
                found.append(Near(self._examples[row], self._tests[number], shares[number]))
        return found


# --- answers to one question ---------------------------------------------------------------------------------


@dataclass
class AskedQuestion:
    """Examples of one cluster that ask the same with the same records, and their different answers, each by its lowest example."""

    cluster: Cluster
    answers: list[int]


def _same_last(members: Sequence[Member], asked: Mapping[int, Asked]) -> list[list[Member]]:
    """The members whose last turns are nearly equal, together; each is compared with the first of a group."""
    groups: dict[str, list[Member]] = {}
    known: dict[str, str] = {}  # {last turn: that of its group}
    for member in members:
        last = asked[member.example].last
        if last not in known:
            close = (
                one for one in islice(groups, MOST_GROUPS) if Indel.normalized_similarity(last, one) >= ALIKE
            )
            known[last] = next(close, last)
        groups.setdefault(known[last], []).append(member)
    return list(groups.values())


def questions(clusters: Iterable[Cluster], asked: Mapping[int, Asked]) -> list[AskedQuestion]:
    """The questions with more than one answer, largest first; numbers the members of each in `Cluster.parts`. `asked` has all examples in
    clusters by prompt or pair."""
    found = []
    for cluster in clusters:
        same: dict[bytes, list[Member]] = defaultdict(list)
        for member in cluster.members if cluster.kind != COMPLETION else []:
            if one := asked.get(member.example):
                same[one.key].append(member)
        # Two examples are one pair only with the same records.
        cluster.exact = cluster.exact and (cluster.kind != PAIR or len(same) == 1)
        for members in (group for all_ in same.values() for group in _same_last(all_, asked)):
            first: dict[int, int] = {}
            for member in members:
                first.setdefault(member.answer, member.example)
            if len(first) > 1:
                number = max(cluster.parts.values(), default=0) + 1
                cluster.parts.update({member.example: number for member in members})
                found.append(AskedQuestion(cluster, sorted(first.values())[:MOST_ANSWERS]))
    return found


def disagree(question: AskedQuestion, stances: Mapping[int, Stance]) -> None:
    """Names in the cluster where two of the answers disagree in values, or yes and no. `stances` by example."""
    cluster = question.cluster
    if cluster.disagreement:
        return
    for mine, theirs in combinations(question.answers, 2):
        if mine in stances and theirs in stances:
            kind, words = against(stances[mine], stances[theirs])
            if kind:
                cluster.disagreement = kind
                cluster.says = f"#{mine} and #{theirs}: {words}"[:300]
                return


def compare_meaning(
    question: AskedQuestion, texts: Mapping[int, str], likeness: Callable[[int, int], float]
) -> None:
    """Stores the lowest cosine similarity of two answers, and names an answer that denies what a similar one says. `texts` by example,
    without structured calls."""
    cluster = question.cluster
    for mine, theirs in combinations([example for example in question.answers if example in texts], 2):
        share = likeness(mine, theirs)
        cluster.likeness = share if cluster.likeness is None else min(share, cluster.likeness)
        if cluster.disagreement:
            continue
        if denier := denier_of(texts, mine, theirs, share):
            other = theirs if denier == mine else mine
            cluster.disagreement = "denial"
            cluster.says = f"#{denier} denies what #{other} says"


def denier_of(texts: Mapping[int, str], mine: int, theirs: int, share: float) -> int | None:
    """`share` is the cosine similarity of the two texts. The example of two whose answer denies the other: it has a "not" that the other, nearly the same, has not; or it refuses what the
    other, of the same subject, grants or answers with yes."""
    refuse = {example for example in (mine, theirs) if refused(texts[example])}
    deny = {example for example in (mine, theirs) if denies(texts[example])}
    if share >= DENIES_FROM and len(deny) == 1 and len(refuse) < 2:
        return deny.pop()
    if len(refuse) == 1:
        denier = refuse.pop()
        other = texts[theirs if denier == mine else mine]
        if stance_of(other).yes_or_no == "yes" or (share >= REFUSES_FROM and granted(other)):
            return denier
    return None


def denies(answer: str) -> bool:
    return bool(_DENIES.search(loosely(answer).replace("’", "'")))
