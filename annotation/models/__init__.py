from annotation.models.counts import ApprovedChange, ExampleCount
from annotation.models.examples import SAID, Example, Revision
from annotation.models.search import QUESTION_LETTERS, ExampleSearch, SearchBacklog
from annotation.models.work import Draft, Lease, Review

__all__ = [
    "QUESTION_LETTERS",
    "SAID",
    "ApprovedChange",
    "Draft",
    "Example",
    "ExampleCount",
    "ExampleSearch",
    "Lease",
    "Review",
    "Revision",
    "SearchBacklog",
]
