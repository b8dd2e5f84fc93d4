"""The queries of annotation, for pages, the API and the apps above."""

from annotation.queries.examples import find_examples, slices_of
from annotation.queries.queue import my_work

__all__ = ["find_examples", "my_work", "slices_of"]
