"""What is searched before a slow pattern never hides what the pattern finds."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.checks import boilerplate, mood, privacy, profanity, secrets, sentiment
from annotation.checks.prose import has_any

NEEDS = {
    "empty phrases": (boilerplate._HOLLOW, boilerplate._HOLLOW_WORDS),
    "placeholders": (boilerplate._UNFINISHED, boilerplate._UNFINISHED_WORDS),
    "national ids": (privacy._NATIONAL, privacy._NATIONAL_NAMES),
    "told secrets": (secrets._TOLD, secrets._TOLD_NAMES),
    "anger": (mood._ANGER, mood._ANGER_WORDS),
    "worry": (mood._WORRY, mood._WORRY_WORDS),
    "calm": (mood._CALM, mood._CALM_WORDS),
    "formulas": (mood._FORMULA, mood._FORMULA_WORDS),
}
some = settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", NEEDS)
def test_all_that_a_pattern_finds_has_one_of_its_words(name: str):
    pattern, words = NEEDS[name]

    @some
    @given(st.from_regex(pattern))
    def holds(text: str) -> None:
        assert has_any(text, words)

    holds()


@some
@given(st.data())
def test_no_rude_word_is_hidden_by_its_beginning(data: st.DataObject):
    text = data.draw(st.from_regex(data.draw(st.sampled_from(profanity._lists()[:2]))))
    assert profanity._may_be_rude(text)


def test_a_word_that_is_not_rude_is_not_searched():
    assert not profanity._may_be_rude("Your container is at sea now, as planned.")
    assert profanity._may_be_rude("Größe L")  # other letters: always searched


def test_small_letters_decide_what_a_text_has():
    assert has_any("My PASSWORD", ("pass",))
    assert has_any("my pa\u017f\u017fword", ("pass",))  # what a pattern that ignores case takes for an "s"
    assert has_any("s\u0130n, s\u0131n", ("sin",))
    assert not has_any("nothing", ("pass", "key"))


@pytest.mark.parametrize(
    "text",
    [
        "I want a large latte with oat milk",
        "Where is it?",
        "",
        "The GREAT thing :)",
        "fine!!!",
        "kind of, but no",
        "\U0001f600",
        "not bad",
    ],
)
def test_a_text_without_a_word_of_the_lexicon_is_scored_as_vader_does(text: str):
    for analyzer, score in (
        (sentiment._vader(), sentiment.sentiment),
        (sentiment._service_vader(), sentiment.customer_sentiment),
    ):
        assert score(text) == analyzer.polarity_scores(text)["compound"]


def test_the_words_of_the_lists_have_enough_letters_before_a_star():
    stems = [
        re.split(r"\*", word)[0]
        for language in profanity._rules().values()
        for name in ("vulgar", "insult")
        for word in language[name]
        if "*" in word
    ]
    assert min(map(len, stems)) >= profanity._BEGIN
