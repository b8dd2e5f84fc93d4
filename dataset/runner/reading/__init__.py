"""Reads any file that people have as rows: JSON Lines, JSON, CSV, TSV and Parquet, alone or packed. No database; bounded memory.

`opening` finds out what a file is, the other modules read one format each. All of them yield `FileLine`s, so that a row of
a table is checked by the same rules as a line of JSON.
"""

from dataset.runner.reading.opening import OpenedFile, open_file
from dataset.runner.reading.records import FileLine, NotReadable

__all__ = ["FileLine", "NotReadable", "OpenedFile", "open_file"]
