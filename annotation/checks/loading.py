"""Loads beforehand what the checks load at their first use."""

from concurrent.futures import ThreadPoolExecutor

from annotation.checks import text_findings
from annotation.checks.english import harper
from annotation.checks.english.frequency import commonness
from annotation.checks.languages import load_model
from annotation.checks.traits import traits_of
from core.models import Project

_COMPLETION = "Your order is on its way, and we are happy to help: call +49 30 901820."
_ROW = {
    "messages": [{"role": "user", "content": "Can you help me? I am worried about my order, please."}],
    "context": ["Order 4711 | at sea | call +49 30 901820 | key=none"],
    "completion": _COMPLETION,
}


def load() -> None:
    """The grammar checker, the words, the model of languages, the lexicon of moods and all patterns: two seconds of processor time. The
    grammar checker and the model are read at the same time, outside of Python's lock."""
    with ThreadPoolExecutor(2) as threads:
        grammar, language = threads.submit(harper.asked, _COMPLETION), threads.submit(load_model)
        commonness("order")
        grammar.result()
        language.result()
    text_findings(_ROW, Project())
    traits_of(_ROW)
