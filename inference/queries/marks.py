"""Marks of chat answers: those of a person, and all of a project as preferences (dataset.registry.PreferenceFinder)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from django.db.models import Count, Max
from django.urls import reverse

from annotation.models import Example
from core.models import Project, User
from dataset.preferences import Choice, Judged, Opinion, Outside, Said, Take
from inference.marks import AnswerMark
from inference.models import Answer
from training.models import ModelVersion


def marks_of(user: User, answers: Sequence[Answer]) -> dict[int, AnswerMark]:
    """{answer: the person's mark}. One query."""
    marks = AnswerMark.objects.filter(user=user, answer__in=answers).select_related("revision")
    return {mark.answer_id: mark for mark in marks}


def judged(project: Project, choice: Choice, outside: Counter[str]) -> Iterator[Judged]:
    """Each marked answer, alone. A bad one whose correction was approved is a pair of that source already. One query, and one for the
    names of versions."""
    if Take.MARKS not in choice.take:
        return
    versions = ModelVersion.objects.filter(project=project).select_related("base_model")
    names = {version.pk: str(version) for version in versions}
    columns = ("revision", "pk", "user", "good", "marked_at", "revision__example__status")
    of_answer = ("answer__text", "answer__doubt", "answer__version")
    rows = AnswerMark.objects.filter(answer__project=project).order_by("revision", "pk")
    for revision, marks in groupby(
        rows.values_list(*columns, *of_answer).iterator(chunk_size=1000), key=lambda row: row[0]
    ):
        for _, pk, user, good, at, status, text, doubt, version in marks:
            if doubt:
                outside[Outside.IN_DOUBT] += 1
            elif not good and status == Example.Status.APPROVED and Take.CORRECTIONS in choice.take:
                outside[Outside.REPEATED] += 1
            else:
                said = Said.GOOD if good else Said.BAD
                opinion = Opinion(str(Take.MARKS), f"mark:{pk}", user, said, at)
                yield Judged(revision, text, "", names.get(version, ""), "", [opinion], alone=True)


def state(project: Project, choice: Choice) -> list[object]:
    """What changes when a mark does, is taken back, or its answer comes into doubt. One query."""
    if Take.MARKS not in choice.take:
        return []
    marks = AnswerMark.objects.filter(answer__project=project)
    found = marks.aggregate(count=Count("pk"), newest=Max("pk"), last=Max("marked_at"))
    doubted = marks.exclude(answer__doubt="").count()
    return [found["count"], found["newest"], str(found["last"]), doubted]


def pages(project: Project, keys: Sequence[str]) -> dict[str, str]:
    """The pages of the marked answers. One query."""
    ids = {int(key.partition(":")[2]): key for key in keys if key.startswith("mark:")}
    found = AnswerMark.objects.filter(pk__in=ids, answer__project=project)
    return {
        ids[pk]: reverse("inference:answer", args=[project.slug, public_id])
        for pk, public_id in found.values_list("pk", "answer__public_id")
    }
