"""Expected errors of this app, in addition to core.errors."""

from core.errors import Conflict


class AnsweredMeanwhile(Conflict):
    """Somebody else changed these answers of a datasheet after they were read: `questions` maps each to the text that stands."""

    code = "answered_meanwhile"

    def __init__(self, questions: dict[str, str]) -> None:
        super().__init__(
            "Somebody else changed answers after you loaded the page.",
            "Nothing was stored. Compare the texts, then save again.",
        )
        self.questions = questions
