"""What pages, the API and the apps above read of datasets."""

from dataset.queries.combined_people import people_at
from dataset.queries.provenance import (
    Contributors,
    Provenance,
    example_provenance,
    people_behind,
    provenance_of,
)
from dataset.queries.versions import newest_ready, ready_datasets

__all__ = [
    "Contributors",
    "Provenance",
    "example_provenance",
    "newest_ready",
    "people_at",
    "people_behind",
    "provenance_of",
    "ready_datasets",
]
