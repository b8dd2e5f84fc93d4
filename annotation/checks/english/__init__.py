"""Rules of English: spelling and grammar by harper, and how common a word is by wordfreq. Both have their data inside."""

from annotation.checks.english.harper import Lint, lints
from annotation.checks.english.spelling import CHECK, run

__all__ = ["CHECK", "Lint", "lints", "run"]
