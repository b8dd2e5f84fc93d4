"""What inference knows about model versions whose data was withdrawn (training.registry), and what people thought of answers of
chats, for the freeze of a preference version (dataset.registry)."""

from collections.abc import Sequence

from django.db.models import Count
from django.urls import reverse

from core.wording import counted
from dataset.registry import PreferenceFinder
from inference.models import Answer, Deployment
from inference.queries import marks
from training.models import ModelVersion
from training.registry import UseNote

MARKS = PreferenceFinder(
    judged=marks.judged,
    state=marks.state,
    campaigns=lambda _: [],
    pages=marks.pages,
    models={"mark": "inference.AnswerMark"},
)


def use_notes(versions: Sequence[ModelVersion]) -> dict[int, list[UseNote]]:
    """Which versions are to be served, and how many answers are stored. Two queries."""
    served = Deployment.objects.filter(version__in=versions, wanted=Deployment.Wanted.LOADED)
    loaded = set(served.values_list("version", flat=True))
    answers = dict(
        Answer.objects.filter(version__in=versions).order_by().values_list("version").annotate(n=Count("pk"))
    )
    found: dict[int, list[UseNote]] = {}
    for version in versions:
        notes = found.setdefault(version.pk, [])
        if version.pk in loaded:
            url = reverse("inference:home", args=[version.project.slug])
            notes.append(UseNote("People can ask it: an engine serves it.", True, "Unload it", url))
        if n := answers.get(version.pk):
            stored = counted(n, "stored answer stays", "stored answers stay")
            notes.append(UseNote(f"{stored}, with the name of the version.", False))
    return found
