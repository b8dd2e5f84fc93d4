"""VADER's score of a text (Hutto & Gilbert, ICWSM 2014): a lexicon of English words and rules, without a model and without a network."""

from functools import cache
from string import punctuation
from typing import Any

MOST_READ = 20_000  # characters: VADER's time grows faster than the text
# Words of politeness and of trade: in a request to a service they say nothing of the mood ("Cancel my order, please", "a free seat").
_NOT_MOOD = (
    "alright", "award", "best", "cancel", "canceled", "cancellation", "cancelled", "care", "careful", "claim", "clear", "combat", "dear", "decline",
    "declined", "devils", "dirty", "energy", "fine", "free", "friend", "fun", "heart", "hearts", "hello", "help", "hi", "ill", "interest",
    "interested", "kind", "like", "lowest",
    "no", "offer", "offers", "ok", "okay", "please", "pls", "plz", "pretty", "problem", "problems", "rob", "share",
    "special", "stop", "strong", "super", "sure", "thank", "thanks",
    "thx", "tired", "top", "want", "wanted", "war", "warm", "warning", "wars", "weird", "win", "winning", "won", "yeah", "yes", "yep",
    "yup",
)  # fmt: skip


@cache
def _vader() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()


@cache
def _service_vader() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    for word in _NOT_MOOD:
        analyzer.lexicon.pop(word, None)
    return analyzer


def sentiment(text: str) -> float:
    """VADER's compound score, -1 to 1, of the first 20,000 characters."""
    return _score(_vader(), text[:MOST_READ])


def customer_sentiment(text: str) -> float:
    """The same, with a lexicon that leaves out words of politeness and of trade."""
    return _score(_service_vader(), text[:MOST_READ])


def _score(analyzer: Any, text: str) -> float:
    if text.isascii() and not _has_mood(analyzer, text):
        return 0.0  # what VADER says after a search of its own, which takes ten times as long
    return float(analyzer.polarity_scores(text)["compound"])


def _has_mood(analyzer: Any, text: str) -> bool:
    """Whether a word or emoticon of the text, as VADER separates them, is in its lexicon. Its emojis are not ASCII."""
    for token in text.split():
        word = token.strip(punctuation)
        if (token if len(word) <= 2 else word).lower() in analyzer.lexicon:
            return True
    return False
