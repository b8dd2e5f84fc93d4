"""Which code trained a model: the git commit where there is one, else the package's version."""

import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from django.conf import settings


@lru_cache(maxsize=1)
def code_version() -> str:
    """ "git 1a2b3c4d5e6f", with "+changes" when files differ from the commit; or "0.1.0"."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        changed = "+changes" if _git("status", "--porcelain", "--untracked-files=no") else ""
    except (OSError, subprocess.SubprocessError):
        try:
            return version("guildhall")
        except PackageNotFoundError:
            return "unknown"
    return f"git {commit}{changed}"


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=10, check=True
    ).stdout.strip()
