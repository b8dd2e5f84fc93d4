"""The findings about what a run learns from: whether a dataset version has the rows that its objective needs."""

from core.wording import counted
from dataset.models import DatasetVersion
from training.counting import Counted, Counting
from training.objectives import Objective
from training.preflight.findings import PreflightFinding
from training.row_facts import Lengths, taken
from training.rows import SPLITS, TRAIN

_SPLIT_WORDS = {"train": "training", "validation": "validation"}


def kind_findings(objective: Objective, dataset: DatasetVersion | None) -> list[PreflightFinding]:
    if dataset is None or dataset.kind == objective.dataset_kind:
        return []
    kinds = dict(DatasetVersion.Kind.choices)
    return [
        PreflightFinding(
            "stop",
            f"{dataset} has {kinds[dataset.kind].lower()}, and “{objective.label}” learns from {objective.needs}.",
            f"Choose a version of the kind “{kinds[objective.dataset_kind]}”, or another objective.",
            "dataset",
        )
    ]


def row_kind_findings(
    objective: Objective, counts: Counted | Counting, dataset: DatasetVersion
) -> list[PreflightFinding]:
    """What only the rows themselves show, once they are counted."""
    if isinstance(counts, Counting) or objective.dataset_kind != DatasetVersion.Kind.PREFERENCE:
        return []
    found = []
    for split in SPLITS:
        part = counts.lengths[split]
        if len(part):  # a split without any rows is reported as such
            found += _split_findings(objective, part, split, dataset)
    return found


def _split_findings(
    objective: Objective, part: Lengths, split: str, dataset: DatasetVersion
) -> list[PreflightFinding]:
    words = _SPLIT_WORDS[split]
    rows = taken(part, objective)
    if not len(rows):
        return [
            PreflightFinding(
                "stop",
                f"None of the {counted(len(part), f'{words} row')} of {dataset} is of use: “{objective.label}” learns from "
                f"{objective.needs}.",
                "Freeze a version with such rows, or choose “Liked and disliked answers (KTO)”, which takes single answers.",
                "dataset",
            )
        ]
    if not objective.needs_baseline:
        return []
    if len(set(rows.position)) < 2:
        return [
            PreflightFinding(
                "stop",
                f"All {words} answers of {dataset} belong to one example, so there is no answer to another question to compare with.",
                "Freeze a version with answers to more questions.",
                "dataset",
            )
        ]
    liked, disliked = sum(map(bool, part.answer)), sum(map(bool, part.rejected))
    if liked and disliked:
        return []
    only, missing = ("liked", "disliked") if liked else ("disliked", "liked")
    return [
        PreflightFinding(
            "stop" if split == TRAIN else "warn",
            f"The {words} rows of {dataset} have {only} answers only.",
            f"Freeze a version with {missing} answers too."
            if split == TRAIN
            else "Reward margin and accuracy cannot be measured without both.",
            "dataset",
        )
    ]
