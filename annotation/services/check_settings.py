"""Which checks a project uses, and what they expect of its examples."""

from annotation.checks import CHECKS
from annotation.checks.languages import LANGUAGES
from core.errors import Invalid
from core.models import Project, User
from core.models.people import LEAST_EXAMPLE_TOKENS, MOST_EXAMPLE_TOKENS
from core.services.projects import CHECK_FIELDS, settings_stamp, update_project


def checks_stamp(project: Project) -> str:
    """The stamp that the page of the checks sends when it saves."""
    return settings_stamp(project, CHECK_FIELDS)


def set_checks(
    *,
    by: User,
    project: Project,
    off: list[str],
    languages: list[str],
    most_example_tokens: int,
    seen: str = "",
) -> Project:
    """Switches checks off and on, and sets the languages of the project's answers (none: that of the question) and the longest
    example. A check that is off is silent everywhere. Conflict when the settings changed since `seen`."""
    fields = {}
    if unknown := sorted(set(off) - set(CHECKS)):
        fields["off"] = [f"There is no check “{unknown[0]}”."]
    if unknown := sorted(set(languages) - set(LANGUAGES)):
        fields["languages"] = [f"The language “{unknown[0]}” is not known to the check."]
    if not LEAST_EXAMPLE_TOKENS <= most_example_tokens <= MOST_EXAMPLE_TOKENS:
        fields["most_example_tokens"] = [
            f"Between {LEAST_EXAMPLE_TOKENS} and {MOST_EXAMPLE_TOKENS:,} tokens."
        ]
    if fields:
        raise Invalid("These settings were not saved.", fields=fields)
    return update_project(
        by=by,
        project=project,
        seen=seen,
        checks_off=[name for name in CHECKS if name in off],
        languages=sorted(set(languages)),
        most_example_tokens=most_example_tokens,
    )
