"""Pages that a command writes, and whether the committed ones are current."""

from pathlib import Path


def stale_pages(root: Path, pages: dict[str, str]) -> list[str]:
    """Those of the pages (path from `root` -> text) whose file is missing or has another text."""
    return [name for name, text in pages.items() if not _has(root / name, text)]


def write_pages(root: Path, pages: dict[str, str]) -> list[str]:
    """Writes what is stale; returns the names."""
    stale = stale_pages(root, pages)
    for name in stale:
        (root / name).write_text(pages[name])
    return stale


def _has(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text
