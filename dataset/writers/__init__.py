"""The shapes of exported files. To add one, write a file here with a Writer (base.py), and add it to WRITERS."""

from dataset.writers.alpaca import ALPACA
from dataset.writers.base import FIELDS, Content, LeftOut, Options, Row, Writer, lost_fields
from dataset.writers.folder import FOLDER
from dataset.writers.guildhall import GUILDHALL
from dataset.writers.openai import OPENAI
from dataset.writers.parquet import PARQUET
from dataset.writers.sharegpt import SHAREGPT
from dataset.writers.spreadsheet import SPREADSHEET
from dataset.writers.trl import KTO, PREFERENCE, PROMPT_COMPLETION

WRITERS: tuple[Writer, ...] = (
    GUILDHALL, OPENAI, PROMPT_COMPLETION, PREFERENCE, KTO, ALPACA, SHAREGPT, SPREADSHEET, PARQUET, FOLDER,
)  # fmt: skip
BY_NAME = {writer.name: writer for writer in WRITERS}

__all__ = [
    "BY_NAME",
    "FIELDS",
    "WRITERS",
    "Content",
    "LeftOut",
    "Options",
    "Row",
    "Writer",
    "lost_fields",
]
