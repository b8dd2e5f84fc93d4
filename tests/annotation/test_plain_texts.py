"""Texts that harper is not asked about: what the checks say is what harper says."""

import pytest

from annotation.checks.english import harper
from annotation.checks.english.plain import PlainTexts

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
    plain: PlainTexts = PlainTexts()
    monkeypatch.setattr(harper, "_plain", plain)
    for text in (*FAULTS.values(), *FINE):
        harper.lints.cache_clear()
        for word in sorted(set(text.replace(",", " ").replace("(", " ").replace(")", " ").split())):
            harper.lints(f"We know {word.strip('.,?')} now.")
    harper.lints.cache_clear()
    return plain


def asked(text: str, monkeypatch) -> tuple[harper.Lint, ...]:
    """What harper itself says."""
    with monkeypatch.context() as for_now:
        for_now.setattr(harper, "_plain", PlainTexts())
        harper.lints.cache_clear()
        found = harper.lints(text)
    harper.lints.cache_clear()
    return found


@pytest.mark.parametrize("text", FAULTS.values(), ids=FAULTS)
def test_a_text_with_a_fault_is_never_plain(text: str, learned: PlainTexts, monkeypatch):
    said = harper.lints(text)
    assert said == asked(text, monkeypatch)
    assert said


def test_a_text_without_fault_is_plain_once_its_words_are_known(learned: PlainTexts, monkeypatch):
    for text in FINE:
        harper.lints(text)
        assert learned.unknown_in(text) == [], text
        assert asked(text, monkeypatch) == ()


def test_harper_is_asked_once_about_a_word_that_it_does_not_know(monkeypatch):
    plain: PlainTexts = PlainTexts()
    monkeypatch.setattr(harper, "_plain", plain)
    harper.lints.cache_clear()
    first = harper.lints("We send the macchiatto now.")
    assert [(lint.category, lint.start, lint.end) for lint in first] == [("spelling", 12, 22)]
    again = "We now send the macchiatto."
    assert plain.unknown_in(again) is not None
    assert harper.lints(again) == asked(again, monkeypatch) != ()


def test_the_first_letter_is_left_to_the_check_of_punctuation(monkeypatch):
    plain: PlainTexts = PlainTexts()
    monkeypatch.setattr(harper, "_plain", plain)
    text = "we send the order now, and it is here."
    harper.lints.cache_clear()
    harper.lints(f"Now {text}")
    assert plain.unknown_in(text) == []
