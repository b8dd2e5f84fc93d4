"""Pseudonyms: invented values that belong to nobody, of the same form, and the same one for the same value in a whole example."""

import re

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import iban, luhn

from annotation.checks import Pair, privacy
from annotation.checks.base import Finding
from annotation.checks.pseudonyms import invented, is_invented
from core.models import Project

PROJECT = Project(system_prompt="Write to desk@ours.eu.")
VALUES = {
    "email": ["mona.okafor@gmail.com", "tom_99@web.de", "x@firma.co.uk"],
    "phone": ["+31 6 1234 5678", "+49 (0)30 901820", "06-1234-5678", "(555) 123-4567", "415-555-2671", "+1 415 555 2671", "06 12 34 56 78", "020 7930 4832", "+44 7911 123456", "+33 6 12 34 56 78"],
    "card": ["4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005"],
    "iban": ["NL91 ABNA 0417 1643 00", "DE89370400440532013000", "GB29 NWBK 6016 1331 9268 19", "FR1420041010050500013M02606"],
    "national-id": ["536-22-1234", "111222333", "943 476 5919"],
    "ip": ["8.8.4.4", "2001:4860:4860::8888"],
    "address": ["12 Main Street", "Lindenstraße 12a", "10 rue de Rivoli", "Keizersgracht 12", "PO Box 123"],
}  # fmt: skip


def changed(pair: Pair, finding: Finding) -> Pair:
    texts = {"completion": [pair.completion], "messages": list(pair.messages), "context": list(pair.context)}
    for fix in sorted(finding.fixes, key=lambda fix: -fix.start):
        text = texts[fix.field][fix.index]
        texts[fix.field][fix.index] = text[: fix.start] + fix.text + text[fix.end :]
    return Pair(tuple(texts["messages"]), tuple(texts["context"]), texts["completion"][0])


def found_in(pair: Pair) -> list[Finding]:
    return [finding for finding in privacy.run(pair, PROJECT) if finding.level != "ok"]


@pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind, values in VALUES.items() for value in values]
)
def test_one_click_replaces_a_value_everywhere_by_one_that_is_no_finding(kind, value):
    named = {"111222333": "BSN", "943 476 5919": "NHS number"}.get(value, "It is")
    text = f"{named} {value}, as said."
    pair = Pair((f"I told you: {text}",), (f"note: {text}", "another record"), text)
    (found,) = found_in(pair)
    assert found.kind == kind and len(found.fixes) == 3 and len({fix.text for fix in found.fixes}) == 1
    after = changed(pair, found)
    assert value not in "".join((after.completion, *after.messages, *after.context))
    assert found_in(after) == []
    assert (after.context[1], after.completion[:4]) == ("another record", text[:4])


def test_different_values_get_different_pseudonyms_and_each_example_the_same_again():
    emails = [f"person{number}@firm.de" for number in range(300)]
    made = invented("email", emails, "")
    assert len(set(made.values())) == 300 and made == invented("email", emails, "")
    cards = VALUES["card"]
    assert len(set(invented("card", cards, "").values())) == 3
    # The same number in another writing is the same person.
    same = invented("phone", ["(415) 555-2671", "415-555-2671"], "")
    assert len({re.sub(r"\D", "", value) for value in same.values()}) == 1
    assert len({value.casefold() for value in invented("email", ["Ann@x.de", "ann@x.de"], "").values()}) == 1


def test_a_pseudonym_that_stands_in_the_example_already_is_not_given_to_somebody_else():
    (name,) = invented("email", ["mona@firm.de"], "").values()
    (other,) = invented("email", ["mona@firm.de"], f"Write to {name}.").values()
    assert other != name


def test_the_form_stays():
    assert re.fullmatch(r"\(\d{3}\) 555-01\d\d", invented("phone", ["(415) 123-4567"], "")["(415) 123-4567"])
    assert re.fullmatch(
        r"\d{4} \d{4} \d{4} \d{4}", invented("card", ["4111 1111 1111 1111"], "")["4111 1111 1111 1111"]
    )
    assert re.fullmatch(
        r"[a-z]+_[a-z]+\d\d@example\.com", invented("email", ["tom_99@web.de"], "")["tom_99@web.de"]
    )
    assert invented("iban", ["NL91 ABNA 0417 1643 00"], "")["NL91 ABNA 0417 1643 00"][:2] == "NL"


@settings(max_examples=60, deadline=None)
@given(st.from_regex(r"[45][0-9]{15}", fullmatch=True), st.integers(0, 10**9))
def test_invented_cards_accounts_and_phones_are_valid_in_form_and_belong_to_nobody(card, number):
    made = invented("card", [card], "")[card]
    assert luhn.is_valid(made) and is_invented("card", made) and not is_invented("card", "4556737586899855")
    account = f"NL{number % 90 + 10:02}ABNA{number:010}"
    other = invented("iban", [account], "")[account]
    assert iban.is_valid(other, check_country=False) and "XXXX0000" in other
    phone = f"+49 30 {number % 10**7:07}"
    told = phonenumbers.parse(invented("phone", [phone], "")[phone], None)
    assert is_invented("phone", f"+{told.country_code}{told.national_number}")


@pytest.mark.parametrize(
    ("kind", "value"),
    [("phone", "415-555-2671"), ("phone", "+44 7911 123456"), ("card", "4556 7375 8689 9855"), ("iban", "DE89370400440532013000"), ("address", "12 Main Street"), ("national-id", "536-22-1234"), ("email", "a@b.de")],
)  # fmt: skip
def test_real_looking_values_are_not_taken_for_invented_ones(kind, value):
    assert not is_invented(kind, value)


def test_the_projects_own_address_stays():
    assert found_in(Pair(("q",), (), "Write to desk@ours.eu.")) == []


def test_the_sentence_names_every_place():
    (found,) = found_in(Pair(("mona@gmail.com?",), (), "mona@gmail.com."))
    assert found.says.startswith("The completion and the conversation contain an e-mail address.")
