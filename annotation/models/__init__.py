from annotation.models.categories import START_EDGES, Category
from annotation.models.counts import ApprovedChange, ExampleCount
from annotation.models.coverage import AuthoringTask, CoverageTarget, ExampleMap, ExamplePlace
from annotation.models.examples import SAID, Example, Revision
from annotation.models.findings import ExampleFinding
from annotation.models.search import BLOCKS, QUESTION_LETTERS, ExampleSearch, SearchBacklog, place
from annotation.models.traits import ExampleTrait
from annotation.models.work import Draft, Lease, Review

__all__ = [
    "BLOCKS",
    "QUESTION_LETTERS",
    "SAID",
    "START_EDGES",
    "ApprovedChange",
    "AuthoringTask",
    "Category",
    "CoverageTarget",
    "Draft",
    "Example",
    "ExampleCount",
    "ExampleFinding",
    "ExampleMap",
    "ExamplePlace",
    "ExampleSearch",
    "ExampleTrait",
    "Lease",
    "Review",
    "Revision",
    "SearchBacklog",
    "place",
]
