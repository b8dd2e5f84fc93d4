"""A dataset folder of Hugging Face as a zip: Parquet files by split, README.md with the card, and croissant.json.

After unzipping, `datasets.load_dataset(folder)` gives the splits. The zip is made while it is sent: data files first, as
the metadata has their hashes.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from dataset.writers.base import FIELDS, Content, LeftOut, Options, Row
from dataset.writers.card import readme
from dataset.writers.croissant import PARQUET_ENCODING, DataFile, croissant
from dataset.writers.parquet import COLUMN_WORDS, PARQUET, Sink, groups_of, parquet_pieces

# A split continues in another file after so many bytes, far below the 2 GiB at which a zip needs other headers.
FILE_BYTES = 256 * 1024 * 1024


class _Archive:
    """A zip that is made in memory piece by piece."""

    def __init__(self, moment: tuple[int, int, int, int, int, int]) -> None:
        self._sink = Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", allowZip64=True)
        self._moment = moment

    def add(self, name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
        entry = zipfile.ZipInfo(name, self._moment)
        # Parquet is compressed already, but some programs read the length of a stored file only from its head, and here it
        # comes after the file.
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o644 << 16
        with self._zip.open(entry, "w") as file:
            for piece in pieces:
                file.write(piece)
                yield self._sink.take()
        yield self._sink.take()

    def end(self) -> bytes:
        self._zip.close()
        return self._sink.take()


class _Measured:
    """Pieces of a file, with the size and hash of what was taken so far."""

    def __init__(self) -> None:
        self.size, self._sha = 0, hashlib.sha256()

    def of(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.size += len(piece)
            self._sha.update(piece)
            yield piece

    @property
    def sha256(self) -> str:
        return self._sha.hexdigest()


def _until_full(groups: Iterator[list[Row]], taken: list[list[Row]], file: _Measured) -> Iterator[list[Row]]:
    """Row groups until the file has FILE_BYTES, beginning with the one in `taken`. It is removed there, to be freed when written."""
    yield taken.pop()
    while file.size < FILE_BYTES and (group := next(groups, None)):
        yield group
        del group


@dataclass(frozen=True)
class Folder:
    name: str = "huggingface"
    label: str = "Hugging Face dataset folder"
    says: str = "Everything, with a card and Croissant metadata, in a zip. Unzip it, then load_dataset reads its splits."
    ending: str = "zip"
    content_type: str = "application/zip"
    keys: dict[str, str] = field(default_factory=lambda: {name: name for name in FIELDS})
    keeps_others: bool = False
    left_out: tuple[LeftOut, ...] = ()
    two_rows: bool = False

    def reason(self, row: Row) -> LeftOut | None:
        return None

    def pieces(self, content: Content, options: Options) -> Iterator[bytes]:
        card = content.card
        day = card.created_on
        archive = _Archive((max(day.year, 1980), day.month, day.day, 0, 0, 0))
        files: list[DataFile] = []
        patterns: dict[str, str] = {}
        for split in card.splits:
            yield from _split_files(archive, content, split, files)
            if any(file.address.startswith(f"data/{split}-") for file in files):
                patterns[split] = f"data/{split}-*.parquet"
        metadata = json.dumps(croissant(card, files, pattern="data/*.parquet"), ensure_ascii=False, indent=2)
        for name, text in (
            ("croissant.json", metadata + "\n"),
            ("README.md", readme(card, patterns, COLUMN_WORDS)),
        ):
            yield from archive.add(name, [text.encode()])
        yield archive.end()

    def sample(self, rows: list[Row], options: Options) -> str:
        return PARQUET.sample(rows, options)


def _split_files(archive: _Archive, content: Content, split: str, files: list[DataFile]) -> Iterator[bytes]:
    """The Parquet files of one split; each is added to `files` when it is complete."""
    groups = groups_of(content.rows(split))
    number = 0
    while taken := list(islice(groups, 1)):
        path, file = f"data/{split}-{number:05d}.parquet", _Measured()
        pieces = parquet_pieces(_until_full(groups, taken, file))
        yield from archive.add(path, file.of(pieces))
        files.append(DataFile(path, path, PARQUET_ENCODING, file.size, file.sha256))
        number += 1


FOLDER = Folder()
