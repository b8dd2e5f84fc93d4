"""Answers to the questions of a datasheet."""

from collections.abc import Mapping

from django.db import transaction

from annotation.text.cleaning import clean_text
from core.audit.entries import record
from core.errors import Conflict, Invalid
from core.models import Project, User
from dataset.actions import DatasetAction
from dataset.errors import AnsweredMeanwhile
from dataset.models import DatasetVersion, DatasheetAnswer
from dataset.queries.datasheet import project_answers, standing_answers
from dataset.questions import ASKED, MOST_ANSWER, QUESTIONS


@transaction.atomic
def answer_datasheet(
    *,
    by: User,
    project: Project,
    answers: Mapping[str, str],
    dataset: DatasetVersion | None = None,
    also_later: bool = False,
    seen: Mapping[str, int] | None = None,
) -> list[str]:
    """Stores the answers that differ from those that stand; returns their questions.

    Without `dataset` they are the project's: every version that is frozen from now on has them. With `dataset` they are this
    version's own; `also_later` gives the same answers to the project, too. An empty text takes an answer back.

    `seen` maps questions to the answers (primary keys, 0 for none) that the person had before them: a text that is still the
    seen one is left alone, whatever stands now. Raises AnsweredMeanwhile when another answer stands than the seen one, Invalid
    for an unknown question or a text over MOST_ANSWER characters, and Conflict while the version is not ready.
    """
    texts = {key: clean_text(text).strip() for key, text in answers.items()}
    _refuse_wrong(texts)
    if dataset is not None and dataset.status != DatasetVersion.Status.READY:
        raise Conflict("This dataset has no rows.", "Wait until it is frozen.")
    # Two people who save at the same moment: the second sees the answers of the first, or a conflict.
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    standing = standing_answers(dataset) if dataset else project_answers(project)
    changed = _changed(texts, standing)
    if seen is not None:
        changed = _typed(changed, seen, standing, project)
    DatasheetAnswer.objects.bulk_create(_new(project, dataset, changed, by))
    if dataset is not None and also_later:
        theirs = _changed(changed, project_answers(project))
        DatasheetAnswer.objects.bulk_create(_new(project, None, theirs, by))
    if changed:
        record(
            by=by,
            project=project,
            action=DatasetAction.DATASHEET_ANSWERED,
            obj=dataset or project,
            questions=", ".join(changed),
            also_later=bool(dataset and also_later),
        )
    return list(changed)


def _refuse_wrong(texts: Mapping[str, str]) -> None:
    wrong: dict[str, list[str]] = {}
    for key, text in texts.items():
        if key not in QUESTIONS or key not in ASKED:
            wrong[key] = ["The datasheet has no such question for people."]
        elif len(text) > MOST_ANSWER:
            wrong[key] = [f"Write at most {MOST_ANSWER:,} characters; this has {len(text):,}."]
    if wrong:
        raise Invalid("Some answers cannot be stored.", "Nothing was stored.", fields=wrong)


def _changed(texts: Mapping[str, str], standing: Mapping[str, DatasheetAnswer]) -> dict[str, str]:
    return {
        key: text for key, text in texts.items() if text != (standing[key].text if key in standing else "")
    }


def _typed(
    changed: Mapping[str, str],
    seen: Mapping[str, int],
    standing: Mapping[str, DatasheetAnswer],
    project: Project,
) -> dict[str, str]:
    """Of the texts that differ from what stands, those that the person typed. Raises AnsweredMeanwhile."""
    shown = DatasheetAnswer.objects.filter(project=project, pk__in=[pk for pk in seen.values() if pk])
    shown_texts = {answer.pk: answer.text for answer in shown}
    typed = {key: text for key, text in changed.items() if text != shown_texts.get(seen.get(key, 0), "")}
    stand = {key: standing[key].pk if key in standing else 0 for key in typed}
    if meanwhile := [key for key, pk in stand.items() if pk != seen.get(key, 0)]:
        raise AnsweredMeanwhile({key: standing[key].text if key in standing else "" for key in meanwhile})
    return typed


def _new(
    project: Project, dataset: DatasetVersion | None, texts: Mapping[str, str], by: User
) -> list[DatasheetAnswer]:
    return [
        DatasheetAnswer(project=project, dataset=dataset, question=key, text=text, by=by)
        for key, text in texts.items()
    ]
