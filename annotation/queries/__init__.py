"""The queries of annotation, for pages, the API and the apps above."""

from annotation.queries.datasets import newest_ready, ready_datasets
from annotation.queries.examples import find_examples, slices_of
from annotation.queries.provenance import People, Provenance, example_provenance, people_behind, provenance_of
from annotation.queries.queue import my_work

__all__ = [
    "People",
    "Provenance",
    "example_provenance",
    "find_examples",
    "my_work",
    "newest_ready",
    "people_behind",
    "provenance_of",
    "ready_datasets",
    "slices_of",
]
