from annotation.models.examples import QUESTION, QUESTION_LETTERS, SAID, Example, Revision
from annotation.models.work import Draft, Lease, Review

__all__ = ["QUESTION", "QUESTION_LETTERS", "SAID", "Draft", "Example", "Lease", "Review", "Revision"]
