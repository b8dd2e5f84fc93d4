"""Control marks of chat templates: a model reads "<|im_end|>" in a text as the end of a turn.

Texts that people type are refused with such a mark (core.marks); this check sees those that came before that rule, or another way.
"""

from annotation.checks.base import UNLIMITED, Check, Finding, Fix, Pair, Span, TimeBudget
from core.marks import marks_of
from core.models import Project

_MOST = 50


def run(pair: Pair, project: Project, budget: TimeBudget = UNLIMITED) -> list[Finding]:
    marks = marks_of(
        frozenset()
    )  # the shapes of common templates: the tokens of base models are in the database
    fields = (("completion", (pair.completion,)), ("messages", pair.messages), ("context", pair.context))
    spans: list[Span] = []
    hidden = ""
    named = ""
    for field, texts in fields:
        for index, text in enumerate(texts):
            budget.spend()
            mark = marks.in_text(text)
            if not mark:
                continue
            named = named or mark
            places = marks.places(text)
            spans += [Span(field, index, start, end, "bad") for start, end in places]
            hidden = hidden or ("" if places else mark)
    if not named:
        return []
    spans = spans[:_MOST]
    # A mark that is hidden by invisible letters has no place that could be removed.
    fixes = () if hidden else tuple(Fix(span.field, span.index, span.start, span.end, "") for span in spans)
    return [
        Finding(
            "bad",
            f"“{named}” is a control mark of chat templates. Remove it.",
            tuple(spans),
            kind="control-mark",
            fixes=fixes,
        )
    ]


CHECK = Check("marks", "No control marks of chat templates", run)
