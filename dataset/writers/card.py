"""What is known about an export as a whole, and how it reads on the card of a dataset folder."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from dataset.licenses import license_of


@dataclass(frozen=True)
class Card:
    """Facts for people and catalogues. `licenses` is {license: rows}, "" where none is known. A list of examples has one split in a
    folder, and its rows do not name one (`rows_name_split`). `facts` are {name of a property
    of Croissant's RAI vocabulary: sentences}."""

    title: str
    slug: str
    description: str
    creator: str
    created_on: date
    url: str = ""
    version: str = ""
    content_hash: str = ""
    splits: Mapping[str, int] = field(default_factory=dict)
    rows_name_split: bool = True
    licenses: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def license_words(self) -> str:
        """ "CC BY 4.0 (20 rows), not stated (3 rows)"."""
        return ", ".join(
            f"{name or 'not stated'} ({count:,} {'row' if count == 1 else 'rows'})"
            for name, count in sorted(
                self.licenses.items(), key=lambda item: (-item[1], not item[0], item[0])
            )
        )

    @property
    def citation(self) -> str:
        """A BibTeX entry of the dataset itself."""
        fields = {
            "author": "{" + self.creator + "}",
            "title": self.title,
            "year": str(self.created_on.year),
            "version": self.version,
            "url": self.url,
            "note": f"SHA-256 of the content: {self.content_hash}" if self.content_hash else "",
        }
        lines = ",\n".join(f"  {name} = {{{_braces(value)}}}" for name, value in fields.items() if value)
        return f"@misc{{{self.slug},\n{lines}\n}}"


def _braces(text: str) -> str:
    """Text inside a BibTeX field: without braces that are not paired."""
    inner = text[1:-1] if text[:1] == "{" and text[-1:] == "}" else text
    plain = re.sub(r"[{}\\]", "", inner)
    return "{" + plain + "}" if inner is not text else plain


# Hugging Face's names of licenses, where they are not the SPDX identifier in lower case; "" for those that it does not know.
_HUGGING_FACE = {
    "ODC-By-1.0": "odc-by",
    "ODbL-1.0": "odbl",
    "PDDL-1.0": "pddl",
    "GPL-3.0-only": "gpl-3.0",
    "GFDL-1.3-only": "gfdl",
    "OGL-UK-3.0": "",
    "DL-DE-BY-2.0": "",
    "DL-DE-ZERO-2.0": "",
}


def known_license(name: str) -> str:
    """Hugging Face's name of a license, "" for others: "CC BY 4.0" is cc-by-4.0."""
    found = license_of(name)
    if found is None or found.identifier.startswith("LicenseRef-"):
        return ""
    return _HUGGING_FACE.get(found.identifier, found.identifier.lower())


def license_url(name: str) -> str:
    """The address of a well-known license, or the name as it was written."""
    found = license_of(name)
    if found is None or found.identifier.startswith("LicenseRef-"):
        return name
    return f"https://spdx.org/licenses/{found.identifier}.html"


def yaml_text(text: str) -> str:
    """A text as YAML: in double quotes, as in JSON, and without characters that YAML refuses or reads as line ends."""
    return re.sub(
        r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]",
        lambda found: f"\\u{ord(found[0]):04x}",
        json.dumps(text, ensure_ascii=False),
    )


def _size_category(rows: int) -> str:
    """Hugging Face's words for a size."""
    for limit, name in (
        (1_000, "n<1K"),
        (10_000, "1K<n<10K"),
        (100_000, "10K<n<100K"),
        (1_000_000, "100K<n<1M"),
    ):
        if rows < limit:
            return name
    return "1M<n<10M"


def _license_lines(card: Card) -> list[str]:
    names = [name for name in card.licenses if name]
    one = names[0] if len(names) == 1 and len(card.licenses) == 1 else ""
    if one and (known := known_license(one)):
        return [f"license: {known}"]
    if not names:
        return ["license: unknown"]
    return ["license: other", f"license_name: {yaml_text(one or 'several')}"]


def readme(card: Card, files: Mapping[str, str], columns: Mapping[str, str]) -> str:
    """README.md of a dataset folder. `files` is {split: pattern of its files}, `columns` {name: what is in it}."""
    head = [
        "---",
        f"pretty_name: {yaml_text(card.title)}",
        *_license_lines(card),
        "task_categories:",
        "- text-generation",
        "tags:",
        "- guildhall",
        "- croissant",
        f"size_categories: {yaml_text(_size_category(sum(card.splits.values())))}",
    ]
    if files:
        head += ["configs:", "- config_name: default", "  data_files:"]
        for split, pattern in files.items():
            head += [f"  - split: {split}", f"    path: {yaml_text(pattern)}"]
    return "\n".join([*head, "---", "", *_body(card, files, columns)]) + "\n"


def _body(card: Card, files: Mapping[str, str], columns: Mapping[str, str]) -> list[str]:
    lines = [f"# {_inline(card.title)}", "", _inline(card.description), ""]
    if card.content_hash:
        lines += [f"SHA-256 of the content: `{card.content_hash}`.", ""]
    lines += ["| split | rows |", "|---|---|"]
    lines += [f"| {split} | {count:,} |" for split, count in card.splits.items()]
    lines += ["", f"License of the rows: {_inline(card.license_words)}.", ""]
    if not files:
        lines += ["There are no rows, so the folder has no files of data.", ""]
    lines += ["## Columns", "", "| column | content |", "|---|---|"]
    lines += [f"| `{name}` | {says} |" for name, says in columns.items()]
    if card.facts:
        lines += ["", "## How it was made", ""]
        lines += [f"* {_inline(sentence)}" for sentences in card.facts.values() for sentence in sentences]
    lines += ["", "## Load it", "", "```python", "from datasets import load_dataset", ""]
    lines += ['data = load_dataset("path/to/this/folder")', "```", "", "## Cite it", "", "```bibtex"]
    return [*lines, card.citation.replace("```", "'''"), "```"]


def _inline(text: str) -> str:
    """A name or sentence of people on one line of Markdown, without marks that would be read as Markdown or HTML."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))
