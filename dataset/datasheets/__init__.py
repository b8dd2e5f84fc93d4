"""A datasheet as a file: Markdown and PDF. Users' texts stay text in both."""

from dataset.datasheets.markdown import as_markdown
from dataset.datasheets.pdf import as_pdf

__all__ = ["as_markdown", "as_pdf"]
