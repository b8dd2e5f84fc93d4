"""Freezing what people said of answers into preference versions."""

from typing import Any

from django.db import transaction

from core.errors import Invalid
from core.models import Project, User
from core.seen import must_be_as_seen
from dataset.models import DatasetVersion
from dataset.preferences import LEAST_AGREEMENT, MOST_DIFFERENCE, MOST_RATERS, Choice, Take
from dataset.queries.preference_preview import what_preferences_take
from dataset.registry import preference_finders
from dataset.services.versions import SEED, new_version, refuse_marks, refuse_wrong_shares
from dataset.splits import DEFAULT_SHARES, TEST, VALIDATION

PREFERENCE_DEFAULTS: dict[str, Any] = {**DEFAULT_SHARES, "seed": SEED, "separate_near_duplicates": True}


@transaction.atomic
def start_preference_freeze(
    *,
    by: User | None,
    project: Project,
    choice: Choice,
    validation: float = DEFAULT_SHARES[VALIDATION],
    test: float = DEFAULT_SHARES[TEST],
    seed: int = SEED,
    separate_near_duplicates: bool = True,
    note: str = "",
    seen: str = "",
) -> DatasetVersion:
    """Takes the project's next version number and launches the run that freezes the preferences known at its start.

    Shares are fractions of one, as for start_freeze, and the splits of groups are the same permanent ones. Raises Invalid for a wrong
    choice or wrong shares, and Conflict when the preferences are not those that the preview showed (`seen`).
    """
    refuse_wrong_shares(project, validation=validation, test=test)
    refuse_marks(project)
    _refuse_wrong_choice(project, choice)
    project = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if seen:
        must_be_as_seen(seen, *what_preferences_take(project, choice), label="What people said")
    return new_version(
        by=by,
        project=project,
        kind=DatasetVersion.Kind.PREFERENCE,
        run_kind="freeze-preferences",
        note=note,
        settings={
            "validation": validation,
            "test": test,
            "seed": seed,
            "separate_near_duplicates": separate_near_duplicates,
            "slices": [],
            "sources": [],
            "system_prompt": project.system_prompt,
            "preferences": choice.as_values(),
        },
    )


def _refuse_wrong_choice(project: Project, choice: Choice) -> None:
    """Raises Invalid with the messages of all fields that are wrong."""
    wrong: dict[str, list[str]] = {}
    if not choice.take or not set(choice.take) <= set(Take):
        wrong["take"] = ["Choose at least one of these."]
    known = {name for finder in preference_finders() for name, _ in finder.campaigns(project)}
    if unknown := sorted(set(choice.campaigns) - known):
        wrong["campaigns"] = [f"There is no closed campaign named {unknown[0]} with ratings."]
    if not 1 <= choice.raters <= MOST_RATERS:
        wrong["raters"] = [f"Choose 1 to {MOST_RATERS} people."]
    if not LEAST_AGREEMENT < choice.agreement <= 1:
        wrong["agreement"] = ["Choose a share above 50%, at most 100%."]
    if not 0 < choice.difference <= MOST_DIFFERENCE:
        wrong["difference"] = [f"Choose a difference above 0, at most {MOST_DIFFERENCE:g}."]
    if wrong:
        raise Invalid("The settings are not valid.", "See the messages below the fields.", fields=wrong)
