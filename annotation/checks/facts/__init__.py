"""Invented facts: facts of a completion without a source. `check` compares, `scan` reads, `rules/` lists words."""

from annotation.checks.facts.check import CHECK, facts_by_support, run
from annotation.checks.facts.fact import Fact
from annotation.checks.facts.known import Known
from annotation.checks.facts.scan import facts_of

__all__ = ["CHECK", "Fact", "Known", "facts_by_support", "facts_of", "run"]
