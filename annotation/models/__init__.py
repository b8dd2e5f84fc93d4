from annotation.models.counts import ApprovedChange, ExampleCount
from annotation.models.examples import SAID, Example, Revision
from annotation.models.findings import ExampleFinding
from annotation.models.search import BLOCKS, QUESTION_LETTERS, ExampleSearch, SearchBacklog, place
from annotation.models.work import Draft, Lease, Review

__all__ = [
    "BLOCKS",
    "QUESTION_LETTERS",
    "SAID",
    "ApprovedChange",
    "Draft",
    "Example",
    "ExampleCount",
    "ExampleFinding",
    "ExampleSearch",
    "Lease",
    "Review",
    "Revision",
    "SearchBacklog",
    "place",
]
