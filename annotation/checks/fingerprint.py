"""When two findings of one example are the same: the same check and kind at the same words, wherever they stand now."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from annotation.checks.base import Finding, Span

_DIGITS = re.compile(r"\d+")


def text_at(content: Mapping[str, Any], field: str, index: int) -> str:
    """The text that a span or a fix is in; "" when there is no such text."""
    if field == "completion":
        return str(content.get("completion") or "")
    texts: Sequence[Any] = content.get(field) or []
    if not 0 <= index < len(texts):
        return ""
    text = texts[index]
    return str(text.get("content") or "") if isinstance(text, Mapping) else str(text)


def fingerprints(findings: Sequence[Finding], content: Mapping[str, Any], *, salt: str = "") -> list[str]:
    """One for each finding, all different. Findings with another `salt` (that of another base model) are other findings.

    The words of its marks count, not their positions: other edits move them. Without marks its sentence counts, without numbers
    (a number of words changes with each edit). Of findings that are equal in all of this, the order counts.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    made = []
    for finding in findings:
        key = (finding.check + salt, finding.kind, *_words(finding, content))
        seen[key] += 1
        text = "\x1f".join((*key, str(seen[key])))
        made.append(hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32])
    return made


def _words(finding: Finding, content: Mapping[str, Any]) -> list[str]:
    wrong = [span for span in finding.spans if span.tone != "ok"] or list(finding.spans)
    if not wrong:
        return [] if finding.kind else [_DIGITS.sub("0", finding.says)]
    return [f"{span.field}:{_at(span, content)}" for span in wrong]


def _at(span: Span, content: Mapping[str, Any]) -> str:
    return text_at(content, span.field, span.index)[span.start : span.end]
