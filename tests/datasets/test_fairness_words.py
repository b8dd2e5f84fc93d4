"""Lexicons, what is measured of a completion, and swapped rows: pure functions on made sentences."""

import time

import pytest

from dataset.fairness.outcomes import granted, politeness, refused, sentiment, words
from dataset.fairness.twins import Swapper
from dataset.fairness.wordlists import as_lines, from_lines
from dataset.fairness.words import PARTS, SHIPPED, Finder, read_characteristic, shipped, stored

ALL = Finder([shipped(key) for key in SHIPPED])
GENDER = Swapper(shipped("gender"), "women", "men")


def found(text: str) -> set[tuple[str, str, str]]:
    return {(entry.characteristic, entry.group, hit.text) for hit in ALL.hits(text) for entry in hit.entries}


@pytest.mark.parametrize("key", SHIPPED)
def test_a_shipped_lexicon_is_complete_and_survives_being_stored_and_typed(key: str):
    lexicon = shipped(key)
    assert read_characteristic(key, stored(lexicon)) == lexicon
    assert len(lexicon.groups) >= 2 and len({group.key for group in lexicon.groups}) == len(lexicon.groups)
    for group in lexicon.groups:
        assert group.every(), group.key
        for part in PARTS:
            kinds = group.words.get(part, {})
            assert from_lines(as_lines(kinds)) == kinds
        for word in group.every():  # every word finds itself
            assert any(
                entry.group == group.key for hit in ALL.hits(f"I am {word} y") for entry in hit.entries
            ), word


def test_names_of_the_two_genders_have_a_counterpart_for_each():
    women, men = (shipped("gender").group(key) for key in ("women", "men"))
    assert women and men and set(women.words["names"]) == set(men.words["names"])
    assert {kind: len(list_) for kind, list_ in women.words["names"].items()} == {
        kind: len(list_) for kind, list_ in men.words["names"].items()
    }


def test_words_are_found_whole_and_in_their_case():
    assert found("MARIA asks. Her mosque.") == {
        ("gender", "women", "MARIA"), ("origin", "latin", "MARIA"), ("gender", "women", "Her"), ("religion", "muslim", "mosque"),
    }  # fmt: skip
    for text in (
        "polish the shipment", "maria@x.example is lower case", "the mosquera", "her2", "Herbert", "",
        "a non-Muslim school", "theirs", "under_her_name_",
    ):  # fmt: skip
        assert found(text) == set(), text
    assert found("She is Polish.") >= {("origin", "slavic", "Polish")}
    assert found("a wheelchair-user and a wheelchair  user") == {
        ("disability", "mobility", "wheelchair-user"), ("disability", "mobility", "wheelchair  user"),
    }  # fmt: skip
    assert found("the wheelchair. User manuals") == {("disability", "mobility", "wheelchair")}
    assert found("Gülsüm’s") == {("origin", "turkish", "Gülsüm")}


def test_long_and_odd_texts_take_linear_time():
    for text in (
        "her " * 50_000,
        "wheelchair " * 50_000,
        "-" * 400_000,
        "\u0627\u0644" * 100_000,
        "senior" * 60_000,
    ):
        began = time.process_time()
        ALL.hits(text)
        GENDER.swap(text)
        refused(text), granted(text), politeness(text), sentiment(text)
        assert time.process_time() - began < 10, text[:10]


@pytest.mark.parametrize(
    ("text", "swapped"),
    [
        ("She lost her parcel. I told her today.", "He lost his parcel. I told him today."),
        ("It is hers, not his.", "It is his, not hers."),
        ("He hurt himself; his back and his mother.", "She hurt herself; her back and her father."),
        ("HER parcel, Her parcel", "HIS parcel, His parcel"),
        ("Mrs Smith is a woman.", "Mr Smith is a man."),
        ("Emily paid Sophie, and Emily left.", "Daniel paid Oliver, and Daniel left."),
        ("I saw her.", "I saw him."),
        ("Give her the box.", "Give him the box."),
        ("We met her in Oslo", "We met him in Oslo"),
        ("her family", "his family"),
        ("she's late, and she'll call", "he's late, and he'll call"),
        ("Nothing here.", "Nothing here."),
        ("Fatima’s order", "Mohammed’s order"),
    ],
)  # fmt: skip
def test_gender_is_swapped_in_both_directions(text: str, swapped: str):
    assert GENDER.swap(text)[0] == swapped


@pytest.mark.parametrize(
    "text", ["Let her know.", "Make her wait outside.", "Bring her back.", "Tell her really everything."]
)
def test_what_a_rule_cannot_know_is_not_sure(text: str):
    _, swaps = GENDER.swap(text)
    assert [bool(swap.doubt) for swap in swaps] == [True]


def test_a_swap_says_where_it_is_and_fits_the_article():
    religion = Swapper(shipped("religion"), "none", "christian")
    text, swaps = religion.swap("An atheist lives near a Catholic and an agnostic.")
    assert text.startswith("A Christian lives near")
    assert all(text[swap.at : swap.at + len(swap.new)] == swap.new for swap in swaps)
    origin = Swapper(shipped("origin"), "english", "turkish")
    assert origin.swap("Emily is an American")[0] == "Fatma is a Turk"
    assert origin.swap("Edward meets Rebecca")[0] == "Hakan meets Merve"  # a woman stays a woman


def test_a_word_without_a_counterpart_stays_and_says_so():
    text, (swap,) = Swapper(shipped("religion"), "jewish", "sikh").swap("Is it kosher?")
    assert text == "Is it kosher?" and "no word" in swap.doubt


def test_a_whole_row_is_swapped_but_its_system_prompt():
    twin = GENDER.twin(
        messages=[{"role": "system", "content": "She is kind."}, {"role": "user", "content": "She asks."}],
        context=["Anna | paid"],
        completion="Tell her.",
    )
    assert [turn["content"] for turn in twin.messages] == ["She is kind.", "He asks."]
    assert (twin.context, twin.completion) == (["Hans | paid"], "Tell him.")
    assert set(twin.swaps) == {"messages.1", "context.0", "completion"} and twin.doubts == 0


@pytest.mark.parametrize(
    ("text", "refuses", "grants"),
    [
        ("I am sorry, but we cannot refund this.", 1, 0),
        ("We are unable to process your claim.", 1, 0),
        ("Your claim was declined.", 1, 0),
        ("Your refund has been approved.", 0, 1),
        ("I have now booked the slot.", 0, 1),
        ("I’ll gladly extend it.", 0, 1),
        ("We cannot refund the fee. Your refund of the duty has been approved.", 1, None),
        ("It arrives on Tuesday.", 0, None),
        ("You cannot miss it.", 0, None),
        ("", 0, None),
    ],
)  # fmt: skip
def test_refusals_and_granted_requests(text: str, refuses: int, grants: int | None):
    assert (refused(text), granted(text)) == (refuses, grants)


def test_politeness_sentiment_and_length():
    warm = "Dear Ann, thank you. I understand that you waited. Could we please call you? I am sorry."
    assert politeness(warm) >= 5 and politeness("You must pay. It is your own fault.") == -2
    assert politeness("") == sentiment("") == words("") == 0
    assert (
        sentiment("This is wonderful, great news!")
        > 0.5
        > -0.5
        > sentiment("This is a terrible, awful loss.")
    )
    assert words("one two  three\nfour") == 4


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Hey man, a latte.", set()),
        ("Man, I am tired.", set()),
        ("That man paid.", {"man"}),
        ("a two-man delivery by our sister firm", set()),
        ("My sister paid.", {"sister"}),
        ("one lady grey", set()),
        ("a Polish truck with Korean tea, in Japanese", set()),
        ("a Polish driver, and I’m Korean. Yuna is Japanese.", {"Polish", "Korean", "Japanese"}),
        ("It is American.", set()),
    ],
)
def test_words_that_name_nobody_do_not_count(text: str, named: set[str]):
    assert {word for _, _, word in found(text)} == named
