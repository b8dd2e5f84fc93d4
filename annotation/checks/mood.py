"""The mood of a customer, from their words: five classes by word lists and VADER's score. English only; nothing is learned.

The thresholds are ours. docs/reference/coverage.md says how often the classes are right.
"""

import re
from collections.abc import Iterable

from annotation.checks.prose import has_any
from annotation.checks.sentiment import customer_sentiment
from annotation.moods import ANGRY, ANXIOUS, NEUTRAL, PLEASED, UNHAPPY

MOST_LETTERS = 4_000
UNHAPPY_AT, PLEASED_AT = -0.35, 0.5
# Below this score a shout or "!!" is anger; above the second one, words of anger are taken as a joke or a quotation.
_SHOUTED_AT, _NOT_ANGRY_AT = -0.2, 0.5

_ANGER = re.compile(
    r"\b(?:angry|furious|outrag\w+|livid|fuming|disgust\w*|disgrace\w*|ridiculous|absurd|unacceptable|pathetic|appalling|"
    r"shameful|insulting|infuriat\w+|fed up|sick (?:and tired )?of|had enough|how dare|useless|incompetent|joke of a|a joke|scam\w*|"
    r"rip(?:ped)? ?-?off|con artists?|liars?|lied to|worst|never (?:again|order\w* from you|buy\w* from you)|"
    r"waste of (?:time|money)|wasted my|what the hell|wtf|damn|bloody|crap|bullshit|sue you|my lawyer|"
    r"(?:third|fourth|fifth|tenth|3rd|4th|5th) time|how many times|still (?:no|haven['’]?t|hasn['’]?t|waiting)|"
    r"(?:i )?demand|speak (?:to|with) (?:your|a|the) (?:manager|supervisor)|won['’]?t (?:accept|stand for|tolerate))\b",
    re.IGNORECASE,
)
_WORRY = re.compile(
    r"\b(?:worr(?:y|ied|ying|ies)|anxious|anxiety|nervous|afraid|scared|frightened|terrified|panic\w*|desperate\w*|stress(?:ed|ful|ing)|"
    r"concerned|uneasy|fear|urgent(?:ly)?|emergency|asap|as soon as possible|right away|immediately|in a (?:hurry|rush)|hurry|"
    r"running (?:out of time|late)|at risk|in danger|what if|don['’]?t know what to do)\b",
    re.IGNORECASE,
)
_CALM = re.compile(
    r"\b(?:no (?:worries|worry|rush|hurry|need to worry)|not (?:in a (?:hurry|rush)|worried|urgent)|don['’]?t worry|"
    r"no longer worried)\b",
    re.IGNORECASE,
)
# A wish, a greeting or a "yes" in the words of joy.
_FORMULA = re.compile(
    r"\b(?:would|['’]d|i['’]?d) (?:(?:really|also) )?(?:love|prefer|be (?:great|good|nice|lovely|perfect|awesome))\b|"
    r"\b(?:that|it|this|everything|all|order)(?:['’]?s|['’]ll be| is| was)?(?: all)?(?: looks?| sounds?| seems?)? "
    r"(?:good|great|perfect|right|correct|nice|awesome|excellent|wonderful)\b|"
    r"\b(?:looks?|sounds?|seems?) (?:good|great|perfect|right|nice|awesome|excellent)\b|"
    r"^\W*(?:good|great|perfect|awesome|excellent)\b|(?<=[.!?,] )(?:good|great|perfect|awesome|excellent)\b(?=[.!,]|$)|"
    r"\bgood (?:morning|afternoon|evening|day)\b|\bbest (?:regards|wishes)\b|\bhave a \w+ (?:day|one|evening|weekend)\b",
    re.IGNORECASE | re.MULTILINE,
)
# Everything that the patterns find has one of these, in any case.
_ANGER_WORDS = (
    "angr", "furious", "outrag", "livid", "fuming", "disg", "ridiculous", "absurd", "unacceptable", "pathetic", "appalling", "shame",
    "insult", "infuriat", "fed up", "sick ", "had enough", "how dare", "useless", "incompetent", "joke", "scam", "rip", "con artist",
    "liar", "lied", "worst", "never ", "waste", "hell", "wtf", "damn", "bloody", "crap", "bullshit", "sue you", "lawyer", " time",
    "still ", "demand", "speak ", "won",
)  # fmt: skip
_WORRY_WORDS = (
    "worr", "anxi", "nervous", "afraid", "scared", "fright", "terrified", "panic", "desperate", "stress", "concerned", "uneasy", "fear",
    "urgent", "emergency", "asap", "as soon as", "right away", "immediately", "hurry", "rush", "running ", "at risk", "danger",
    "what if", "know what to do",
)  # fmt: skip
_CALM_WORDS = ("worr", "rush", "hurry", "urgent")
_FORMULA_WORDS = (
    "love", "prefer", "great", "good", "nice", "perfect", "awesome", "right", "correct", "excellent", "wonderful", "best ", "have a ",
)  # fmt: skip
# "!!", or three words in capitals that follow each other.
_SHOUTS = re.compile(r"!!|\b[A-Z]{2,}\b(?:[^\S\n]+[A-Z]{2,}\b){2}")


def mood_of(turns: Iterable[str]) -> str:
    """The key of the mood of the customer (annotation.moods) from what they say, in English: all turns together."""
    text = "\n".join(turns)[:MOST_LETTERS]
    if has_any(text, _CALM_WORDS):
        text = _CALM.sub(" ", text)
    score = customer_sentiment(_FORMULA.sub(" ", text) if has_any(text, _FORMULA_WORDS) else text)
    if (score < _NOT_ANGRY_AT and has_any(text, _ANGER_WORDS) and _ANGER.search(text)) or (
        score <= _SHOUTED_AT and _SHOUTS.search(text)
    ):
        return ANGRY
    if has_any(text, _WORRY_WORDS) and _WORRY.search(text):
        return ANXIOUS
    if score <= UNHAPPY_AT:
        return UNHAPPY
    return PLEASED if score >= PLEASED_AT else NEUTRAL
