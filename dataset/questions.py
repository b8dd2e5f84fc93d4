"""The questions of a datasheet, after Gebru, Morgenstern, Vecchione, Wortman Vaughan, Wallach, Daumé III and Crawford:
"Datasheets for Datasets", Communications of the ACM 64(12), 2021 (arXiv 1803.09010). Shortened, in plain English.

Each question says whether the database knows facts for it (`dataset.queries.datasheet_facts` has a function of the same key)
and whether people are asked. "Any other comments?", which ends each section of the paper, is left out: every answer has room.
"""

from dataclasses import dataclass

REFERENCE = (
    "Gebru et al., “Datasheets for Datasets”, Communications of the ACM 64(12), 2021, arXiv:1803.09010"
)
MOST_ANSWER = 10_000  # characters of one answer


@dataclass(frozen=True)
class Question:
    """`key` names it in the database and must not change. Without `asked`, the facts are the whole answer."""

    key: str
    section: str
    words: str
    known: bool = False
    asked: bool = True


def _section(name: str, *questions: tuple[str, str, str]) -> list[Question]:
    return [
        Question(key, name, words, known="known" in who, asked="asked" in who)
        for key, who, words in questions
    ]


_ALL = [
    *_section(
        "Motivation",
        ("purpose", "asked", "For what purpose was the dataset created? Which task or gap was in mind?"),
        ("creators", "known asked", "Who created it, and for which organisation?"),
        ("funding", "asked", "Who paid for its creation?"),
    ),
    *_section(
        "Composition",
        ("instances", "known asked", "What does one row represent? Are there several types of rows?"),
        ("count", "known", "How many rows are there, of each type?"),
        (
            "sample",
            "known asked",
            "Does it contain all possible rows, or a sample of a larger set? How was the sample chosen?",
        ),
        ("fields", "known", "What data does each row consist of?"),
        ("target", "known", "Is there a label or a target for each row?"),
        ("missing", "known asked", "Is information missing from rows? Why?"),
        ("relations", "known asked", "Are relations between rows made explicit?"),
        ("splits", "known", "Are there recommended splits (train, validation, test)? Why these?"),
        ("errors", "known asked", "Are there errors, sources of noise or repeats?"),
        ("resources", "known asked", "Is it self-contained, or does it depend on external resources?"),
        ("confidential", "asked", "Does it contain data that could be confidential?"),
        (
            "offensive",
            "asked",
            "Does it contain data that could be offensive, insulting, threatening or frightening?",
        ),
        (
            "subpopulations",
            "known asked",
            "Does it identify groups of people, for example by age or gender? How are they distributed?",
        ),
        ("identifiable", "known asked", "Can people be identified from it, directly or indirectly?"),
        (
            "sensitive",
            "asked",
            "Does it contain sensitive data: health, finances, religion, origin, political opinions, and the like?",
        ),
    ),
    *_section(
        "Collection process",
        ("acquired", "known asked", "How was the data of each row acquired? Was it checked?"),
        ("procedures", "asked", "With which tools or procedures was it collected? How were these checked?"),
        ("collectors", "known asked", "Who took part in the collection, and how were they paid?"),
        ("period", "known asked", "Over what time was it collected? Is that the time of its content?"),
        ("ethics", "asked", "Was there an ethical review? What did it decide?"),
        (
            "directly",
            "known asked",
            "Did the data come from the people concerned, or from third parties or other sources?",
        ),
        ("notified", "asked", "Were the people concerned told about the collection? How?"),
        ("consent", "known asked", "Did they consent to the collection and use of their data? How?"),
        ("revoke", "known asked", "Can they take their consent back later? How?"),
        ("impact", "asked", "Was the effect of the dataset and its use on people analysed?"),
    ),
    *_section(
        "Preprocessing, cleaning, labelling",
        ("cleaning", "known asked", "Was the data preprocessed, cleaned or labelled? How?"),
        ("raw", "known asked", "Is the raw data kept too, for uses that nobody thought of?"),
        ("software", "known", "Is the software for this available?"),
    ),
    *_section(
        "Uses",
        ("used", "known asked", "Has it been used already, and for what?"),
        ("list_of_uses", "asked", "Where are papers or systems that use it listed?"),
        ("other_uses", "asked", "For which other tasks could it be used?"),
        (
            "risks",
            "asked",
            "Can its composition or collection lead to unfair treatment or other harm in later uses? What can a user do about it?",
        ),
        ("not_for", "asked", "For which tasks should it not be used?"),
    ),
    *_section(
        "Distribution",
        ("others", "asked", "Will it be given to others outside the organisation that created it?"),
        ("how", "known asked", "How will it be distributed? Does it have a permanent identifier?"),
        ("when", "asked", "When will it be distributed?"),
        ("license", "known asked", "Under which license or terms of use?"),
        (
            "restrictions",
            "asked",
            "Did third parties restrict the data, by intellectual property or otherwise?",
        ),
        ("export_controls", "asked", "Do export controls or other regulations apply to it?"),
    ),
    *_section(
        "Maintenance",
        ("maintainer", "known asked", "Who supports, hosts and maintains it?"),
        ("contact", "asked", "How can the owner or curator be contacted?"),
        ("erratum", "known asked", "Is there a list of known errors?"),
        ("updates", "known asked", "Will it be updated? How often, by whom, and how do users learn of it?"),
        (
            "retention",
            "known asked",
            "Are there limits on how long data about people is kept? How are they enforced?",
        ),
        ("older", "known asked", "Will older versions be supported, hosted and maintained?"),
        ("contribute", "asked", "Can others add to it? How, and how is that checked?"),
    ),
]
QUESTIONS: dict[str, Question] = {question.key: question for question in _ALL}
SECTIONS: list[tuple[str, list[Question]]] = [
    (name, [question for question in _ALL if question.section == name])
    for name in dict.fromkeys(question.section for question in _ALL)
]
ASKED = [question.key for question in _ALL if question.asked]
