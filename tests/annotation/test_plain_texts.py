"""Texts that harper is not asked about: what the checks say is what harper says."""

from importlib.metadata import version
from itertools import pairwise

import pytest

from annotation.checks.english import harper, plain
from annotation.checks.english.plain import PlainTexts, common_words, parts_of

# For each of harper's rules in use a text in which it has something to say.
FAULTS = {
    "SpellCheck": "Your order is on the shelv now.",
    "SentenceCapitalization": "Your order is ready. please pick it up at the bar.",
    "SentenceCapitalization after a sign": "Is it ready? we can see it on the screen now, and it looks good.",
    "CapitalizePersonalPronouns": "Tomorrow i can send it.",
    "CommaFixes": "We have tea,coffee and milk.",
    "Spaces": "We have  tea and coffee.",
    "Spaces at the end": "We have tea and coffee .",
    "RepeatedWords": "We have the the order.",
    "AnA": "This is an mule.",
    "AnA before a vowel": "We have a apple for you.",
    "AnA before an abbreviation": "Here is a HTML document.",
    "DoubleModal": "We might could send it.",
    "ModalOf": "You should of called us.",
    "DidPast": "We did sent it to you.",
    "IAmAgreement": "Now I are here.",
    "ItsPossessive": "The engine lost it's compression.",
    "Didnt": "They dint send it.",
    "CorrectNumberSuffix": "This is the 2st time.",
    "ThenThan": "This tea is better then coffee.",
    "ConfirmThat": "Please conform that your order is right.",
    "InflectedVerbAfterTo": "We had to expanded the order.",
    "ColdModalTypo": "You cold see it on the screen.",
    "TheirToThere": "Their are two orders.",
    "PronounAre": "We r ready now.",
    "PossessiveYour": "You combination of tea and coffee is ready.",
    "WereWhere": "We know were it is.",
    "QuiteQuiet": "It is very quite in here.",
    "OneOfTheSingular": "It is one of the order.",
    "DoubleNegative": "We didn't have no order.",
    "ProgressiveNeedsBe": "I have looking into it.",
    "SupposedTo": "We are suppose to send it.",
    "UseToUsedTo": "We are use to it.",
}
FINE = (
    "Your order is ready. Please pick it up at the bar, and call us when you can.",
    "We have a latte, an order and 12 teas here.",
    "I'll send the invoice to you, so that you can check it.",
    "Okay, could you please confirm that the order on the screen is correct?",
)


@pytest.fixture
def learned(monkeypatch) -> PlainTexts:
    """What is known after harper has seen all words of the texts, each in a sentence without another fault, a few times."""
    known: PlainTexts = PlainTexts()
    monkeypatch.setattr(harper, "_plain_texts", lambda: known)
    for text in (*FAULTS.values(), *FINE):
        harper.forget()
        for word in sorted(set(text.replace(",", " ").replace("(", " ").replace(")", " ").split())):
            harper.lints(f"We know {word.strip('.,?')} now.")
    harper.forget()
    return known


@pytest.mark.parametrize("text", FAULTS.values(), ids=FAULTS)
def test_a_text_with_a_fault_is_never_plain(text: str, learned: PlainTexts):
    said = harper.lints(text)
    assert said == harper.asked(text)
    assert said


def test_a_text_without_fault_is_plain_once_its_words_are_known(learned: PlainTexts):
    for text in FINE:
        harper.lints(text)
        assert learned.unknown_in(text) == [], text
        assert harper.asked(text) == ()


def test_harper_is_asked_once_about_a_word_that_it_does_not_know(monkeypatch):
    known: PlainTexts = PlainTexts()
    monkeypatch.setattr(harper, "_plain_texts", lambda: known)
    harper.forget()
    first = harper.lints("We send the macchiatto now.")
    assert [(lint.category, lint.start, lint.end) for lint in first] == [("spelling", 12, 22)]
    again = "We now send the macchiatto."
    assert known.unknown_in(again) is not None
    assert harper.lints(again) == harper.asked(again) != ()


def test_the_first_letter_is_left_to_the_check_of_punctuation(monkeypatch):
    known: PlainTexts = PlainTexts()
    monkeypatch.setattr(harper, "_plain_texts", lambda: known)
    text = "we send the order now, and it is here."
    harper.forget()
    harper.lints(f"Now {text}")
    assert known.unknown_in(text) == []


TWO = "We send the order now. Please pick it up at the bar."


def test_the_sentences_of_a_text_are_judged_as_in_the_text(monkeypatch):
    known: PlainTexts = PlainTexts()
    monkeypatch.setattr(harper, "_plain_texts", lambda: known)
    faults = list(FAULTS.values())
    for before, after in pairwise(faults):
        text = f"{before} {TWO} {after}"
        harper.forget()
        assert len(list(parts_of(text))) >= 3
        assert harper.lints(text) == harper.asked(text), text
    text = f"please wait for us. {TWO}"
    harper.forget()
    assert harper.lints(text) == harper.asked(text) != ()


def test_a_sentence_that_several_texts_share_is_asked_about_once(monkeypatch):
    known: PlainTexts = PlainTexts()
    monkeypatch.setattr(harper, "_plain_texts", lambda: known)
    harper.forget()
    texts = []
    monkeypatch.setattr(harper, "asked", lambda text: texts.append(text) or ())
    harper.lints(f"Your order is quite large. {TWO}")
    harper.lints(f"{TWO} Your order is quite large.")
    assert sorted(texts) == [
        "Please pick it up at the bar.",
        "We send the order now.",
        "Your order is quite large.",
    ]


def test_the_list_of_known_words_was_made_with_the_installed_harper():
    """After an update of harper: python -m tools.known_words"""
    words = sorted(common_words())
    assert len(words) > 40_000
    some = words[:: len(words) // 1000]
    for first in range(0, len(some), 40):
        assert harper.asked(f"Words: {', '.join(some[first : first + 40])}.") == ()


def test_the_list_of_another_harper_is_not_used(monkeypatch, tmp_path):
    other = tmp_path / "known_words.txt"
    other.write_text(f"harper-py {version('harper-py')}.1\norder\n")
    monkeypatch.setattr(plain, "KNOWN_WORDS", other)
    common_words.cache_clear()
    assert common_words() == frozenset()
    common_words.cache_clear()
