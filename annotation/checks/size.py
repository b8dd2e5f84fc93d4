"""Examples that are too long for training: in the tokens of the project's base model, where its tokenizer can be read here.

Which base that is, and how its tokens are counted, is registered by the app that has base models (annotation.registry). Without one,
and for texts far from the limit, the number is an estimate from the letters. A preflight counts a whole dataset.
"""

import re

from annotation.checks.base import UNLIMITED, Check, Finding, Pair, TimeBudget
from annotation.registry import TokenBase, base_of_lengths, tokens_in
from core.models import Project

_LETTERS_EACH = 4.0  # letters of a token of English prose; digits and signs have fewer
_PER_TURN = 5  # the marks around a turn
# Below this share of the limit the estimate is enough: the exact number was at most 2.2 times as large (docs/reference/checks.md).
_SURELY_SHORT = 0.4
_MOST_COUNTED = 200_000  # letters; more of them are too long for every model, and counting takes seconds
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
    limit, letters = project.most_example_tokens, sum(map(len, texts))
    # A token of a text in ASCII has at least one letter; other scripts have up to two tokens for a letter.
    if sum(len(text) if text.isascii() else 2 * len(text) for text in texts) < limit:
        return []
    about = sum(estimated_tokens(text) + _PER_TURN for text in texts)
    if about <= limit * _SURELY_SHORT:
        return []
    base = base_of_lengths(project)
    tokens = _exact(base, pair, project) if base is not None and letters <= _MOST_COUNTED else None
    if (about if tokens is None else tokens) <= limit:
        return []
    says = f"{_number(about, tokens, base)}, more than the {limit:,} of this project. Training cuts the text or leaves it out."
    return [Finding("warn", says, kind="too-long")]


def _exact(base: TokenBase, pair: Pair, project: Project) -> int | None:
    messages = [
        {"role": role, "content": text} for role, text in zip(pair.roles, pair.messages, strict=False)
    ]
    content = {"messages": messages, "context": list(pair.context), "completion": pair.completion}
    return tokens_in(base, content, project.system_prompt)


def _number(about: int, tokens: int | None, base: TokenBase | None) -> str:
    if base is None:
        return f"About {about:,} tokens (an estimate: this project has no base model yet)"
    if tokens is None:
        return f"About {about:,} tokens (an estimate: the tokens of {base.name} were not counted)"
    return f"{tokens:,} tokens of {base.name}"


CHECK = Check("size", "Not too long for training", run)
