"""What apps above datasets made of a dataset version (model versions, training runs), and what they know of people's preferences.

Downstream extends upstream: the page of a withdrawal, a datasheet and a freeze ask what was registered and know nothing of it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.models import Project, User
from dataset.models import DatasetVersion, Source
from dataset.preferences import Choice, Judged


@dataclass(frozen=True)
class DataUse:
    """Something that was made of a dataset version, and what to do about it when rows of the version are withdrawn.

    `key` names it permanently ("model:12"), `dataset` is the id of the version. `done` says why nothing is left to do, as a sentence
    about the database's present state; empty while there is something. `by` and `at` say who did that and when, where known.
    `notes` are sentences; `actions` are (label, address).
    """

    key: str
    kind: str
    name: str
    url: str
    dataset: int
    advice: str
    done: str = ""
    by: User | None = None
    at: datetime | None = None
    notes: Sequence[str] = ()
    actions: Sequence[tuple[str, str]] = field(default_factory=tuple)


UseFinder = Callable[[Source, Sequence[int]], list[DataUse]]
_finders: list[UseFinder] = []
# {start of a use's key: model of the row that it names}.
_models: dict[str, str] = {"dataset": "datasets.DatasetVersion"}


def register_uses(finder: UseFinder, **models: str) -> None:
    """Call from AppConfig.ready. `models` says whose primary key is in the keys of its uses: model="training.ModelVersion". `finder` gets a source and the ids of the dataset versions with rows of it, and gives everything
    made of these; its number of queries does not depend on how many there are."""
    _finders.append(finder)
    _models.update(models)


def model_of_use(key: str) -> str:
    """The model of the row that a use's key names ("training.ModelVersion"); empty when it is not known."""
    return _models.get(key.partition(":")[0], "")


def uses_of(source: Source, datasets: Sequence[int]) -> list[DataUse]:
    """Everything that was made of these dataset versions, which have rows of the source."""
    return [use for finder in _finders for use in finder(source, datasets)] if datasets else []


VersionUses = Callable[[DatasetVersion], list[str]]
_version_uses: list[VersionUses] = []


def register_version_uses(uses: VersionUses) -> None:
    """Call from AppConfig.ready. `uses` gives one sentence for each use of a version, in few queries."""
    _version_uses.append(uses)


def version_uses(dataset: DatasetVersion) -> list[str]:
    """Every registered use of this version."""
    return [words for uses in _version_uses for words in uses(dataset)]


@dataclass(frozen=True)
class PreferenceFinder:
    """Preferences of people that an app above has: the ratings of campaigns.

    `judged` gives the pairs of a project that a choice takes, those of one prompt one after the other, read by one statement; what it
    leaves out it adds to the counter by dataset.preferences.Outside. `state` is what a stamp of all that is made of. `campaigns` are
    the names that can be chosen, each with a few words on it. `pages` gives the addresses of what keys of its opinions name
    ("comparison:12"), where they are known. `models` says whose primary keys these are ({"comparison": "evaluation.Comparison"}).
    """

    judged: Callable[[Project, Choice, Counter[str]], Iterator[Judged]]
    state: Callable[[Project, Choice], list[object]]
    campaigns: Callable[[Project], list[tuple[str, str]]]
    pages: Callable[[Project, Sequence[str]], dict[str, str]]
    models: Mapping[str, str]


_preference_finders: list[PreferenceFinder] = []


def register_preferences(finder: PreferenceFinder) -> None:
    """Call from AppConfig.ready."""
    _preference_finders.append(finder)


def preference_finders() -> list[PreferenceFinder]:
    return list(_preference_finders)


def model_of_judgement(key: str) -> str:
    """The model of the row that the key of a judgement names; empty when it is not known."""
    models = {"example": "annotation.Example"}
    for finder in _preference_finders:
        models |= finder.models
    return models.get(key.partition(":")[0], "")
