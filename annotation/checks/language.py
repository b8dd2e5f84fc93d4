"""The wrong language: the completion is in another language than the question, or than the project's languages."""

from annotation.checks.base import UNLIMITED, Check, Finding, Pair, Span, TimeBudget
from annotation.checks.languages import LANGUAGES, alike, language_of
from core.models import Project
from core.wording import listed


def run(pair: Pair, project: Project, budget: TimeBudget = UNLIMITED) -> list[Finding]:
    if pair.is_call:
        return []
    answer = language_of(pair.completion)
    if not answer:
        return []
    allowed = project.languages
    span = (Span("completion", 0, 0, len(pair.completion), "warn"),)
    if allowed and not any(alike(answer, code) for code in allowed):
        names = listed([LANGUAGES[code] for code in allowed if code in LANGUAGES])
        says = f"The completion is in {LANGUAGES[answer]}. The languages of this project: {names}."
        return [Finding("warn", says, span, kind="other-language")]
    question = language_of(pair.question) or language_of("\n".join(pair.messages))
    if (
        not question
        or alike(answer, question)
        or (allowed and not any(alike(question, code) for code in allowed))
    ):
        return []
    says = f"The question is in {LANGUAGES[question]}, the completion in {LANGUAGES[answer]}."
    return [Finding("warn", says, span, kind="wrong-language")]


CHECK = Check("language", "In the language of the question", run)
