"""What apps above datasets add to a dataset version: what it was used for. Datasets asks what was registered and knows nothing of it."""

from collections.abc import Callable

from dataset.models import DatasetVersion

Uses = Callable[[DatasetVersion], list[str]]
_uses: list[Uses] = []


def register_uses(uses: Uses) -> None:
    """Call from AppConfig.ready. `uses` gives one sentence for each use of a version, in few queries."""
    _uses.append(uses)


def uses_of(dataset: DatasetVersion) -> list[str]:
    """Every registered use of this version."""
    return [words for uses in _uses for words in uses(dataset)]
