"""Examples that are too long for training. The number of tokens is an estimate from the letters; no tokenizer is asked.

A preflight counts the tokens of a training run exactly, with the tokenizer of its base model.
"""

import re

from annotation.checks.base import UNLIMITED, Check, Finding, Pair, TimeBudget
from core.models import Project

_LETTERS_EACH = 4.0  # letters of a token of English prose; digits and signs have fewer
_PER_TURN = 5  # the marks around a turn
_SIGNS = re.compile(r"[\d{}\[\]\"':,_/.-]")


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has: a token is about four letters, two digits or signs, or one letter of other scripts."""
    if not text:
        return 0
    signs = len(_SIGNS.findall(text))
    if text.isascii():
        return round((len(text) - signs) / _LETTERS_EACH + signs / 2) + 1
    wide = sum(ord(letter) > 0x2FF for letter in text)
    accented = sum(0x7F < ord(letter) <= 0x2FF for letter in text)
    return (
        round((len(text) - signs - wide - accented) / _LETTERS_EACH + signs / 2 + wide + accented * 0.6) + 1
    )


def run(pair: Pair, project: Project, budget: TimeBudget = UNLIMITED) -> list[Finding]:
    texts = (project.system_prompt, *pair.context, *pair.messages, pair.completion)
    limit = project.most_example_tokens
    if sum(map(len, texts)) < limit:  # a token has at least one letter, but for the rarest scripts
        return []
    about = sum(estimated_tokens(text) + _PER_TURN for text in texts)
    if about <= limit:
        return []
    says = f"About {about:,} tokens (an estimate), more than the {limit:,} of this project. Training cuts the text or leaves it out."
    return [Finding("warn", says, kind="too-long")]


CHECK = Check("size", "Not too long for training", run)
