"""Croissant 1.0 metadata (https://docs.mlcommons.org/croissant/docs/croissant-spec.html) of exported files, with the properties
of its RAI vocabulary (https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html) that are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataset.writers.card import Card, license_url

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
# The names of formats that readers of Croissant know.
PARQUET_ENCODING, JSONL_ENCODING = "application/x-parquet", "application/jsonlines"
_TEXT, _INTEGER = "sc:Text", "sc:Integer"
# (field, type, whether it is a list, what it is). `messages` is a list of objects, see _messages.
_FIELDS = (
    ("context", _TEXT, True, "Records that the answer may use."),
    ("completion", _TEXT, False, "The answer that a model should give."),
    ("rejected", _TEXT, False, "A worse answer to the same question; empty when none is known."),
    ("slice", _TEXT, False, "The topic."),
    ("edge", _TEXT, False, "The kind of edge case; empty for others."),
    ("tags", _TEXT, True, "Labels."),
    ("group", _TEXT, False, "Conversation or document; a group is in one split only."),
    ("source", _TEXT, False, "Where the example comes from."),
    ("license", _TEXT, False, "The license of the example."),
    ("revision", _INTEGER, False, "The number of the example's revision."),
)

# Properties of RAI that have one value.
_SINGLE = {"dataCollection", "annotationsPerItem", "dataReleaseMaintenancePlan", "dataSocialImpact"}


@dataclass(frozen=True)
class DataFile:
    """A file of rows. `address` is its path in the folder, or its URL; all files of a folder have one `encoding`."""

    name: str
    address: str
    encoding: str
    size: int
    sha256: str


def croissant(
    card: Card, files: Sequence[DataFile], *, pattern: str = "", id_column: str = "id"
) -> dict[str, Any]:
    """The JSON-LD. `files` have the same columns; without a `pattern` of their paths, there is one at most. `id_column` names
    the column with the example's id."""
    distribution: list[dict[str, Any]] = [
        {
            "@type": "cr:FileObject",
            "@id": file.name,
            "name": file.name,
            "contentUrl": file.address,
            "contentSize": f"{file.size} B",
            "encodingFormat": file.encoding,
            "sha256": file.sha256,
        }
        for file in files
    ]
    source: dict[str, Any] = {}
    if files and pattern:
        source = {"fileSet": {"@id": "files"}}
        words = {"name": "files", "description": "All files of rows.", "includes": pattern}
        distribution.append(
            {"@type": "cr:FileSet", "@id": "files", "encodingFormat": files[0].encoding} | words
        )
    elif files:
        source = {"fileObject": {"@id": files[0].name}}
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": card.title,
        "description": card.description,
        "creator": {"@type": "sc:Organization", "name": card.creator},
        "datePublished": card.created_on.isoformat(),
        "dateCreated": card.created_on.isoformat(),
        **({"version": card.version} if card.version else {}),
        **({"url": card.url} if card.url else {}),
        "license": _licenses(card.licenses),
        "citeAs": card.citation,
        "keywords": ["instruction tuning", "conversations", "Guildhall"],
        **{f"rai:{name}": _of_property(name, sentences) for name, sentences in card.facts.items()},
        "distribution": distribution,
        "recordSet": [
            *_splits(card),
            *([_rows(source, id_column, in_splits=card.rows_name_split)] if source else []),
        ],
    }


def _of_property(name: str, sentences: list[str]) -> str | list[str]:
    """A property of one value has its sentences joined."""
    return " ".join(sentences) if name in _SINGLE else sentences


def _licenses(licenses: Mapping[str, int]) -> list[str]:
    """Addresses of known licenses, other licenses as they are written."""
    return [license_url(name) if name else "not stated" for name in sorted(licenses)] or ["not stated"]


def _splits(card: Card) -> list[dict[str, Any]]:
    if not card.rows_name_split or not card.splits:
        return []
    name = {
        "@type": "cr:Field",
        "@id": "splits/name",
        "name": "name",
        "description": "Its name.",
        "dataType": _TEXT,
    }
    return [
        {
            "@type": "cr:RecordSet",
            "@id": "splits",
            "name": "splits",
            "description": "The splits.",
            "dataType": "cr:Split",
            "key": {"@id": "splits/name"},
            "field": [name],
            "data": [{"splits/name": split} for split in card.splits],
        }
    ]


def _rows(source: Mapping[str, Any], id_column: str, *, in_splits: bool) -> dict[str, Any]:
    """The record set of the rows. A row says in its column `split` to which split it belongs."""

    def one(label: str, data_type: str, says: str, column: str, *, many: bool = False) -> dict[str, Any]:
        return {
            "@type": "cr:Field",
            "@id": f"rows/{label}",
            "name": label,
            "description": says,
            "dataType": data_type,
            **({"repeated": True} if many else {}),
            "source": {**source, "extract": {"column": column}},
        }

    fields = [one("id", _TEXT, "The example's id.", id_column), _messages(source)]
    if in_splits:
        split = one("split", _TEXT, "The split of the row.", "split")
        fields.append({**split, "references": {"field": {"@id": "splits/name"}}})
    fields += [one(label, kind, says, label, many=many) for label, kind, many, says in _FIELDS]
    return {
        "@type": "cr:RecordSet",
        "@id": "rows",
        "name": "rows",
        "description": "One example per row.",
        "key": {"@id": "rows/id"},
        "field": fields,
    }


def _messages(source: Mapping[str, Any]) -> dict[str, Any]:
    extract = {**source, "extract": {"column": "messages"}}

    def part(label: str, says: str) -> dict[str, Any]:
        return {
            "@type": "cr:Field",
            "@id": f"rows/messages/{label}",
            "name": label,
            "description": says,
            "dataType": _TEXT,
            "source": {**extract, "transform": {"jsonPath": label}},
        }

    return {
        "@type": "cr:Field",
        "@id": "rows/messages",
        "name": "messages",
        "description": "The conversation so far; it ends with the user.",
        "repeated": True,
        "source": extract,
        "subField": [part("role", "system, user or assistant."), part("content", "What was said.")],
    }
