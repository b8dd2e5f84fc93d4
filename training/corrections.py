"""The corrections of people, for their personal adapters: annotation has them with author and conversation."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from annotation.models import Example, Revision
from annotation.text.hashes import content_hash, prompt_hash
from core.models import Project, User
from dataset.models import DatasetRow, GroupSplit
from training.models import CorrectionSplit, ModelVersion, PersonalAdapter, Team
from training.personal import MOST_TRAIN_ROWS, counts, decide, shortage
from training.queries import system_prompt_of
from training.serving import Serving

ORIGINS = (Example.Origin.RATING, Example.Origin.CHAT)
HELD_OUT = (GroupSplit.Split.TEST, GroupSplit.Split.VALIDATION)


@dataclass(frozen=True)
class OwnCorrection:
    """What a person wrote in place of a model's answer: their own last text, not what others made of it."""

    example: int
    revision: int
    group: str
    author: int
    content: dict[str, Any]  # {messages, context, completion}

    @property
    def hash(self) -> str:
        return content_hash(**self.content)

    @property
    def prompt(self) -> str:
        return prompt_hash(messages=self.content["messages"], context=self.content["context"])


@dataclass(frozen=True)
class Chosen:
    """Rows as in PersonalAdapter.rows, what was left out, the decisions that are new, and what is missing (empty: nothing)."""

    rows: list[dict[str, Any]]
    left_out: dict[str, int] = field(default_factory=dict)
    decided: dict[str, bool] = field(default_factory=dict)

    @property
    def train(self) -> int:
        return counts(self.rows)[0]

    @property
    def held_out(self) -> int:
        return counts(self.rows)[1]

    @property
    def shortage(self) -> str:
        train, held_out, groups = counts(self.rows)
        return shortage(train=train, held_out=held_out, held_out_groups=groups)


def people_of(owner: User | Team) -> list[int]:
    """The people whose corrections an adapter of `owner` learns."""
    if isinstance(owner, Team):
        return list(owner.memberships.values_list("user", flat=True))
    return [owner.pk]


def owned_by(owner: User | Team) -> dict[str, User | Team]:
    """The filter for adapters of a person or team."""
    return {"team": owner} if isinstance(owner, Team) else {"owner": owner}


def corrections_of(project: Project, people: Collection[int]) -> list[OwnCorrection]:
    """Their corrections of answers in chats and ratings, the oldest first, without retired ones. One query."""
    revisions = (
        Revision.objects.filter(
            example__project=project,
            example__origin__in=ORIGINS,
            example__created_by__in=people,
            by__in=people,
        )
        .exclude(example__status=Example.Status.RETIRED)
        # An answer that was marked good is a model's own words.
        .exclude(example__rejected="")
        .order_by("example", "-number")
        .distinct("example")
    )
    found = revisions.values_list("example", "number", "example__group", "by", "content")
    return [
        OwnCorrection(example, number, group, author, _texts(content))
        for example, number, group, author, content in found
        if content.get("completion")
    ]


def _texts(content: dict[str, Any]) -> dict[str, Any]:
    return {name: content[name] for name in ("messages", "context", "completion")}


def contents_of(rows: Iterable[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """{example: its text} of rows as in PersonalAdapter.rows, for those that are still the same and not retired. One query."""
    wanted = {(row["example"], row["revision"]): row["hash"] for row in rows}
    found = Revision.objects.filter(example__in=[example for example, _ in wanted]).exclude(
        example__status=Example.Status.RETIRED
    )
    texts = {}
    for example, number, content in found.values_list("example", "number", "content"):
        expected = wanted.get((example, number))
        if expected is not None and content_hash(**_texts(content)) == expected:
            texts[example] = _texts(content)
    return texts


def choose(project: Project, owner: User | Team, shared: ModelVersion) -> Chosen:
    """The rows that an adapter of `owner` on top of `shared` would train on and be measured on. Writes nothing. Six queries."""
    corrections = corrections_of(project, people_of(owner))
    groups = Counter(correction.group for correction in corrections)
    in_data = dict(GroupSplit.objects.filter(project=project, group__in=groups).values_list("group", "split"))
    kept = dict(
        CorrectionSplit.objects.filter(project=project, group__in=groups).values_list("group", "held_out")
    )
    # What a dataset version holds out is held out here too.
    from_data = {group: True for group, split in in_data.items() if split in HELD_OUT and group not in kept}
    decided = from_data | decide(groups, kept | from_data, seed=str(project.pk))
    held_out = kept | decided
    left_out: Counter[str] = Counter()
    measured = [one for one in corrections if held_out[one.group]]
    train = [one for one in corrections if not held_out[one.group]]
    known_examples, known_prompts = _known(shared, measured)
    rows = []
    for one in measured:
        if one.example in known_examples or one.prompt in known_prompts:
            left_out["known"] += 1
        else:
            rows.append(_row(one, held_out=True))
    asked = {one.prompt for one in measured}
    held_examples = _held_out_examples(train)
    learnt = []
    for one in train:
        if in_data.get(one.group) in HELD_OUT or one.example in held_examples:
            left_out["in_test"] += 1
        elif one.prompt in asked:
            left_out["like_held_out"] += 1
        else:
            learnt.append(_row(one, held_out=False))
    if len(learnt) > MOST_TRAIN_ROWS:
        left_out["too_many"] = len(learnt) - MOST_TRAIN_ROWS
    return Chosen([*learnt[-MOST_TRAIN_ROWS:], *rows], dict(left_out), decided)


def _row(one: OwnCorrection, *, held_out: bool) -> dict[str, Any]:
    return {
        "example": one.example,
        "revision": one.revision,
        "hash": one.hash,
        "group": one.group,
        "author": one.author,
        "held_out": held_out,
    }


def _known(shared: ModelVersion, corrections: Sequence[OwnCorrection]) -> tuple[set[int], set[str]]:
    """(examples, prompts) of these that are among the training rows of the shared version, or of one that it continues from."""
    datasets = []
    version: ModelVersion | None = shared
    while version is not None and version.training_run is not None:
        datasets.append(version.training_run.dataset_id)
        version = version.parent
    if not datasets or not corrections:
        return set(), set()
    rows = DatasetRow.objects.filter(dataset__in=datasets, split=GroupSplit.Split.TRAIN)
    return (
        set(rows.filter(example__in=[one.example for one in corrections]).values_list("example", flat=True)),
        set(
            rows.filter(prompt_hash__in=[one.prompt for one in corrections]).values_list(
                "prompt_hash", flat=True
            )
        ),
    )


def _held_out_examples(corrections: Sequence[OwnCorrection]) -> set[int]:
    """Those that any dataset version holds out: a cluster of near-duplicates can have moved one to another split than its group's."""
    return set(
        DatasetRow.objects.filter(
            example__in=[one.example for one in corrections], split__in=HELD_OUT
        ).values_list("example", flat=True)
    )


# --- versions ------------------------------------------------------------------------------------------------
def unsupported(shared: ModelVersion) -> str:
    """Why no adapter can be trained on top of this version, as a sentence; empty when one can."""
    if shared.kind == ModelVersion.Kind.BASE:
        return ""
    if shared.kind == ModelVersion.Kind.FULL:
        return (
            f"{shared} is a complete model with an engine of its own, and this engine loads no adapters. Personal adapters are "
            "trained on top of LoRA versions and base models."
        )
    if shared.serving != Serving.ADAPTER:
        return (
            f"{shared} is served as “{shared.get_serving_display()}”, and an engine answers a request with one such version only. "
            "Personal adapters are trained on top of LoRA versions and base models."
        )
    return ""


def prompt_of_adapter(adapter: PersonalAdapter) -> str:
    """The system prompt that its rows are trained with: that of the shared version, as it is served."""
    return system_prompt_of(adapter.shared)
