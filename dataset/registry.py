"""What apps above datasets add to a dataset version: what it was used for. Datasets asks what was registered and knows nothing of it."""

from collections.abc import Callable

from dataset.models import DatasetVersion

VersionUses = Callable[[DatasetVersion], list[str]]
_version_uses: list[VersionUses] = []


def register_version_uses(uses: VersionUses) -> None:
    """Call from AppConfig.ready. `uses` gives one sentence for each use of a version, in few queries."""
    _version_uses.append(uses)


def version_uses(dataset: DatasetVersion) -> list[str]:
    """Every registered use of this version."""
    return [words for uses in _version_uses for words in uses(dataset)]
