"""The facts of an export as a whole: its card, and its Croissant metadata."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Count, Max, Min, QuerySet
from django.utils import timezone

from annotation.models import Example
from core.models import Project
from core.wording import counted, listed, percent
from dataset.models import DatasetRow, DatasetVersion
from dataset.preferences import outside_words
from dataset.queries.exports import licenses_of_version, with_licenses_of_sources
from dataset.queries.provenance import people_behind
from dataset.queries.withdrawals import withdrawn_rows, withdrawn_words
from dataset.splits import SPLITS
from dataset.writers.card import Card
from dataset.writers.croissant import JSONL_ENCODING, DataFile, croissant

_WHAT: dict[str, str] = {
    DatasetVersion.Kind.SUPERVISED: "approved examples, each a conversation with the answer that a model should give",
    DatasetVersion.Kind.PREFERENCE: "preferences, each a conversation with a better and a worse answer, or with one that people disliked",
}


def card_of_version(dataset: DatasetVersion, *, split: str = "", url: str = "") -> Card:
    """The card of a ready version, or of one split. `url` is the version's page. At most nine queries."""
    project = dataset.project
    splits = {name: dataset.counts.get(name, 0) for name in SPLITS if split in ("", name)}
    part = f", {split} split" if split else ""
    about = [
        project.description.strip(),
        f"Dataset {dataset.number} of the project {project.name}{part}: {_WHAT[dataset.kind]}.",
        dataset.note.strip(),
    ]
    return Card(
        title=f"{project.name}, dataset {dataset.number}{part}",
        slug=f"{project.slug}-dataset-{dataset.number}{f'-{split}' if split else ''}",
        description=" ".join(_sentence(text) for text in about if text),
        creator=project.name,
        created_on=timezone.localdate(dataset.created_at),
        url=url,
        version=f"{dataset.number}.0.0",
        content_hash=dataset.content_hash,
        splits={name: count for name, count in splits.items() if count},
        licenses=licenses_of_version(dataset, split),
        facts=_facts(dataset, split),
    )


def _sentence(text: str) -> str:
    return text if text[-1] in ".!?" else f"{text}."


def _facts(dataset: DatasetVersion, split: str) -> dict[str, list[str]]:
    """What is known about how the rows were made, by property of Croissant's RAI vocabulary. No names of people."""
    if dataset.kind == DatasetVersion.Kind.PREFERENCE:
        return _facts_of_preferences(dataset)
    people = people_behind(dataset, split=split)
    origins = [
        (people.elsewhere, "imported as it is"),
        (people.edited, "imported and edited by annotators"),
        (people.here, "written by annotators"),
    ]
    where = listed([f"{count:,} {words}" for count, words in origins if count])
    collection = [f"Completions: {where}."] if where else []
    if people.sources:
        names = ", ".join(f"{name} ({count:,})" for name, count in people.sources[:20])
        collection.append(f"Sources of the imported rows: {names}.")
    facts = {
        "dataCollection": collection,
        "dataAnnotationPlatform": ["Guildhall"],
        "dataAnnotationProtocol": [
            "A reviewer accepts a completion or sends it back; a review counts when the reviewer did not write the whole completion.",
            people.reviewed_words,
        ],
        "dataPreprocessingProtocol": _preprocessing(dataset),
        "dataLimitations": _limitations(dataset),
        "dataCollectionTimeFrame": _time_frame(dataset, split),
    }
    return {name: sentences for name, sentences in facts.items() if sentences}


def _facts_of_preferences(dataset: DatasetVersion) -> dict[str, list[str]]:
    said, choice = dataset.counts.get("preferences", {}), dataset.settings.get("preferences", {})
    raters, agreement = choice.get("raters", 1), choice.get("agreement", 0)
    facts = {
        "dataCollection": [
            f"{counted(said.get('pairs', 0), 'pair')} of a better and a worse answer.",
            f"{counted(said.get('disliked', 0), 'answer')} that people disliked.",
        ],
        "dataAnnotationPlatform": ["Guildhall"],
        "dataAnnotationProtocol": [
            "Raters compare two answers without knowing who gave them.",
            f"A pair counts when {counted(raters, 'person', 'people')} or more judged it and {percent(agreement)} of them or more agree.",
            "An approved correction is better than the answer that it corrects.",
        ],
        "dataPreprocessingProtocol": _preprocessing(dataset),
        "dataLimitations": _limitations(dataset)
        + [f"Left out: {', '.join(outside_words(said.get('outside', {})))}."] * bool(said.get("outside")),
    }
    return {name: sentences for name, sentences in facts.items() if sentences}


def _preprocessing(dataset: DatasetVersion) -> list[str]:
    sentences = ["Rows of one conversation or document are in one split, in this version and all later ones."]
    if dataset.settings.get("separate_near_duplicates"):
        sentences.append("Near-duplicates of test rows were kept out of training.")
    if withheld := dataset.counts.get("withheld", 0):
        sentences.append(f"{counted(withheld, 'row was', 'rows were')} withheld.")
    only = [(name, dataset.settings.get(name)) for name in ("slices", "sources")]
    return sentences + [
        f"Only some {name} were taken: {', '.join(chosen)}." for name, chosen in only if chosen
    ]


def _limitations(dataset: DatasetVersion) -> list[str]:
    sentences = []
    if sources := withdrawn_rows([dataset.pk]).get(dataset.pk):
        sentences.append(f"The version has {withdrawn_words(sources)}, which must not be used any more.")
    if untested := sorted(dataset.counts.get("untested", {})):
        names = ", ".join(name or "no slice" for name in untested[:20])
        words = counted(len(untested), "slice has", "slices have")
        sentences.append(f"{words} too few test rows to be measured: {names}.")
    return sentences


def _time_frame(dataset: DatasetVersion, split: str) -> list[str]:
    """The dates on which the first and the last of the examples came."""
    rows = DatasetRow.objects.filter(dataset=dataset)
    if split:
        rows = rows.filter(split=split)
    found = rows.order_by().aggregate(first=Min("example__created_at"), last=Max("example__created_at"))
    moments = [found["first"], found["last"]] if found["first"] else []
    return [timezone.localdate(moment).isoformat() for moment in moments]


def card_of_examples(
    project: Project, matches: QuerySet[Example], *, criteria: Sequence[str], url: str = ""
) -> Card:
    """The card of the examples that match `criteria`, each a sentence. Two queries."""
    counted_by = matches.order_by().values_list("license", "source").annotate(rows=Count("pk"))
    licenses = with_licenses_of_sources(
        project, {(own, source or ""): rows for own, source, rows in counted_by}
    )
    today = timezone.localdate()
    chosen = f"Chosen by: {'; '.join(criteria)}. " if criteria else ""
    return Card(
        title=f"{project.name}, examples",
        slug=f"{project.slug}-examples",
        description=f"Examples of the project {project.name} as they were on the day of the export. {chosen}They were not frozen as a dataset and have no splits: all rows are in “train”.",
        creator=project.name,
        created_on=today,
        url=url,
        version=f"{today.year}.{today.month}.{today.day}",
        splits={"train": sum(licenses.values())} if licenses else {},
        rows_name_split=False,
        licenses=licenses,
        facts={"dataAnnotationPlatform": ["Guildhall"]},
    )


def croissant_of_version(dataset: DatasetVersion, *, url: str, download_url: str) -> dict[str, Any]:
    """Croissant metadata of a ready version, whose file is at `download_url`."""
    artifact = dataset.artifact
    if artifact is None:
        raise ValueError(f"{dataset} is not ready.")
    stored = artifact.manifest[0]
    name = f"{dataset.project.slug}-dataset-{dataset.number}.jsonl"
    file = DataFile(name, download_url, JSONL_ENCODING, stored["size"], stored["sha256"])
    return croissant(card_of_version(dataset, url=url), [file], id_column="example")
