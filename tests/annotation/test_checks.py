"""The checks, by tables of cases: what they must see, and what they must not cry about."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.checks import (
    CHECKS,
    Finding,
    Pair,
    boilerplate,
    facts,
    length,
    privacy,
    run_checks,
    text_findings,
)
from annotation.checks.base import OutOfTime, TimeBudget
from annotation.checks.facts import facts_of
from annotation.checks.privacy import personal_data
from core.models import Project
from tests.support.factories import World, make_example

DEMO = Path(__file__).resolve().parents[2] / "dataset" / "demo"
PROJECT = Project(
    system_prompt="You answer for the freight desk, open 08:00 to 17:00. Write to desk@ours.eu."
)
RECORDS = (
    "container GHLU 204418-7 | port NLRTM | unloaded 2026-11-14 | hold customs, doc missing: commercial invoice",
    '{"order_id": "28740", "total": "1,234.50", "currency": "EUR", "weight": 1200}',
    "FD-41007 | pickup 2026-11-17T14:00 | free until 20 Nov | storage EUR 45 per day | rate 5%",
)


def pair(
    completion: str, *, messages: tuple[str, ...] = ("Where is my container?",), context=RECORDS
) -> Pair:
    return Pair(messages, context, completion)


def levels(findings: list[Finding]) -> set[str]:
    return {finding.level for finding in findings}


# --- facts -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "completion",
    [
        "It was unloaded on 14 November.",
        "It was unloaded on 14 November 2026.",
        "It was unloaded on the 14th of November.",
        "It was unloaded on November 14, 2026.",
        "It was unloaded on Nov 14.",
        "It was unloaded on 14.11.2026.",
        "It was unloaded on 14/11/26.",
        "It was unloaded on Saturday, 14 November.",
        "It was unloaded on a Saturday.",
        "It was unloaded on the 14th.",
        "Storage is free until 20 November.",
        "Pickup is on Tuesday at 14:00.",
        "Pickup is on 17 November at 2 pm.",
        "Pickup is at 2 p.m. on the 17th.",
        "Pickup is at 14.00 pm? No: 2:00.",
        "Container GHLU 204418-7 is held.",
        "Container GHLU2044187 is held.",
        "Container GHLU-204418-7 is held.",
        "Order 28740 is on its way.",
        "Order #28740, shipment FD 41007 and fd-41007.",
        "The total is EUR 1,234.50.",
        "The total is 1.234,50 euros.",
        "The total is €1234.50.",
        "It weighs 1,200 kg, that is 1200kg or 1 200 kg.",
        "Storage is EUR 45 per day, 45 euros for each.",
        "The rate is 5 percent, so 5%.",
        "We are open from 8:00 to 17:00.",
        "We are open 8 am to 5 pm.",
        "Write to desk@ours.eu.",
        "1. Send the invoice.\n2. Wait for our mail.",
        "We are here 24/7, see step 2.",
        "One moment please, no one has forgotten you.",
        "You may march on, it may take a second.",
        "It is customs, not the carrier.",
    ],
)
def test_what_the_records_hold_may_be_said_in_other_words(completion):
    findings = facts.run(pair(completion), PROJECT)
    assert levels(findings) == {"ok"}, findings


@pytest.mark.parametrize(
    ("completion", "named"),
    [
        ("It was unloaded on 15 November.", "15 November"),
        ("It was unloaded on 2026-11-15.", "2026-11-15"),
        ("It was unloaded on 14 December.", "14 December"),
        ("It was unloaded on 14 November 2025.", "14 November 2025"),
        ("It was unloaded on 13.11.2026.", "13.11.2026"),
        ("Container GHLU 204419-7 is held.", "GHLU 204419-7"),
        ("Container GHLU 204418-8 is held.", "GHLU 204418-8"),
        ("Shipment FD-41008 is held.", "FD-41008"),
        ("Shipment FD-4100 is held.", "FD-4100"),
        ("Order 28741 is held.", "28741"),
        ("The total is EUR 1,243.50.", "1,243.50"),
        ("The total is 1,234.60.", "1,234.60"),
        ("Storage is EUR 54 per day.", "54"),
        ("The rate is 6%.", "6%"),
        ("The rate is 0.5 percent.", "0.5 percent"),
        ("It weighs 12,000 kg.", "12,000"),
        ("Write to help@theirs.eu.", "help@theirs.eu"),
        ("It was unloaded on Monday, 14 November.", "14 November is a Saturday"),
    ],
)
def test_what_stands_nowhere_is_bad(completion, named):
    findings = facts.run(pair(completion), PROJECT)
    bad = [finding for finding in findings if finding.level == "bad"]
    assert bad and named in bad[0].says, findings
    span = bad[0].spans[0]
    assert span.field == "completion" and completion[span.start : span.end]


@pytest.mark.parametrize(
    "completion",
    [
        "I call you at 10:00.",
        "It comes on Friday.",
        "It takes two working days.",
        "All 7 of them.",
        "On the 22nd.",
    ],
)
def test_small_things_that_stand_nowhere_are_only_a_warning(completion):
    assert levels(facts.run(pair(completion), PROJECT)) == {"warn"}


def test_what_the_customer_said_is_known_too():
    said = pair(
        "Your PO 45123 over 3 pallets is booked.", messages=("PO 45123, 3 pallets please",), context=()
    )
    assert levels(facts.run(said, PROJECT)) == {"ok"}


@pytest.mark.parametrize(
    ("record", "completion"),
    [
        ("ETA 2026-11-25", "It comes on 25 November."),
        ("rate USD 1250 all in", "It costs $1,250.00."),
        ("PO 45123", "Purchase order 45123."),
        ("alarm 22 Nov 03:10: +9 C", "At 3:10 on 22 November it was +9 C."),
    ],
)
def test_records_in_the_shorthand_of_the_trade(record, completion):
    assert levels(facts.run(pair(completion, context=(record,)), PROJECT)) == {"ok"}


def test_number_words_and_figures_say_the_same():
    assert levels(facts.run(pair("It takes 3 days.", context=("takes three days",)), PROJECT)) == {"ok"}
    assert levels(facts.run(pair("It takes three days.", context=("takes 3 days",)), PROJECT)) == {"ok"}


def test_a_date_range_states_both_ends():
    assert levels(facts.run(pair("Between 14 and 20 November."), PROJECT)) == {"ok"}
    assert levels(facts.run(pair("Between 14 and 21 November."), PROJECT)) == {"bad"}


def test_a_weekday_is_not_judged_when_the_year_is_unknown():
    assert levels(facts.run(pair("On Tuesday 20 Nov.", context=("20 Nov, Tuesday",)), PROJECT)) == {"ok"}


def test_values_are_marked_on_both_sides():
    (finding,) = facts.run(pair("GHLU 204418-7 was unloaded on 14 November."), PROJECT)
    fields = {(span.field, span.index) for span in finding.spans}
    assert fields == {("completion", 0), ("context", 0)}
    marked = {RECORDS[0][span.start : span.end] for span in finding.spans if span.field == "context"}
    assert marked == {"GHLU 204418-7", "2026-11-14"}


def test_no_approved_pair_of_the_demo_is_called_wrong_and_planted_errors_are_seen():
    project = Project(system_prompt=(DEMO / "system_prompt.txt").read_text())
    wrong, planted, seen = [], 0, 0
    for file in sorted((DEMO / "pairs").glob("*.jsonl")):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            if row["stage"] != "approved":
                continue
            if levels(facts.run(Pair.of(row), project)) & {"bad"}:
                wrong.append(row["id"])
            serious = [
                fact for fact in facts_of(row["completion"]) if fact.kind == "reference" and fact.serious
            ]
            for fact in serious[:1]:
                other = (
                    fact.text[:-1] + str((int(fact.text[-1]) + 1) % 10) if fact.text[-1].isdigit() else None
                )
                if other and other not in json.dumps(row):
                    planted += 1
                    changed = {**row, "completion": row["completion"].replace(fact.text, other)}
                    seen += "bad" in levels(facts.run(Pair.of(changed), project))
    assert wrong == []
    assert planted > 100
    assert seen == planted


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_can_be_checked_and_a_copy_of_a_record_is_never_wrong(text, other):
    copied = facts.run(Pair(("x",), (text,), text), PROJECT)
    assert not [f for f in copied if f.level == "bad" and "not in the records" in f.says]
    for check in (facts, privacy, length, boilerplate):
        for finding in check.run(Pair((other,), (text,), other), PROJECT):
            for span in finding.spans:
                assert 0 <= span.start <= span.end


# --- privacy -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "level", "kind"),
    [
        ("Write to mona.okafor@gmail.com.", "warn", "e-mail"),
        ("Call +31 6 1234 5678.", "warn", "phone"),
        ("Call +49 (0)30 901820.", "warn", "phone"),
        ("My mobile is 06-1234-5678.", "warn", "phone"),
        ("IBAN NL91 ABNA 0417 1643 00.", "bad", "bank"),
        ("IBAN DE89370400440532013000", "bad", "bank"),
        ("Card 4111 1111 1111 1111 please", "bad", "card"),
        ("Card 378282246310005", "bad", "card"),
        ("You can reach her at (555) 123-4567.", "warn", "phone"),
        ("You can reach her at 415-555-2671.", "warn", "phone"),
        ("Her number: 06 12 34 56 78", "warn", "phone"),
        ("Her number: 020 7930 4832", "warn", "phone"),
        ("SSN 536-22-1234", "bad", "national id"),
        ("Mijn BSN is 111222333", "bad", "national id"),
        ("They came from 8.8.4.4 and left.", "warn", "IP address"),
        ("They came from 2001:4860:4860::8888.", "warn", "IP address"),
        ("Send it to 12 Main Street, Springfield.", "warn", "postal address"),
        ("Send it to Lindenstraße 12a.", "warn", "postal address"),
        ("Send it to 10 rue de Rivoli.", "warn", "postal address"),
    ],
)
def test_personal_data_is_seen_wherever_it_stands(text, level, kind):
    for where in (Pair(("q",), (), text), Pair((text,), (), "ok"), Pair(("q",), (text,), "ok")):
        found = privacy.run(where, PROJECT)
        assert any(f.level == level and kind in f.says for f in found), found


@pytest.mark.parametrize(
    "text",
    [
        "Container GHLU 204418-7, booking 4500123456, AWB 176-12345675.",
        "Order 4111111111111112 on 2026-11-14 at 14:00.",
        "Invoice 20261114083000 over EUR 1,234.50.",
        "NL91 ABNA 0417 1643 01 is no account.",
        "Write to somebody@example.org.",
        "Write to desk@ours.eu.",
        "HS code 8471 30 00, 12 pallets, 1 200 kg.",
        "Call off 3,400 units from stock 55120.",
        "Firmware version 8.8.4.4 on 192.168.0.1.",
        "Open 14:00:05 to 15:00, scores 12:3:4.",
        "Order 078-0512-0000 and part 0201-22-3344.",
        "5 Minutes Away, 3 Hot Drinks, the 12 St. coffees.",
        '{"order_item_id": "464282229f854dcb97ed6930f64b8a13", "quantity": "1"}',
    ],
)
def test_references_are_not_taken_for_personal_data(text):
    assert levels(privacy.run(Pair((text,), (text,), text), PROJECT)) == {"ok"}


def test_a_mark_covers_what_is_personal_and_nothing_else():
    text = "IBAN NL91 ABNA 0417 1643 00 PLEASE HURRY, or call (555) 123-4567 today."
    spans = [span for finding in privacy.run(Pair(("q",), (), text), PROJECT) for span in finding.spans]
    assert {text[span.start : span.end] for span in spans} == {"NL91 ABNA 0417 1643 00", "(555) 123-4567"}


def test_check_digits_against_published_examples():
    # The examples of ISO 13616's registry and of card makers' test numbers.
    for number in (
        "GB29 NWBK 6016 1331 9268 19",
        "FR1420041010050500013M02606",
        "5555555555554444",
        "4012888888881881",
    ):
        assert [kind for kind, *_ in personal_data(number)], number
    for number in ("GB29 NWBK 6016 1331 9268 18", "5555555555554445"):
        assert not list(personal_data(number)), number


# --- length and phrases ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("completion", "level"),
    [
        ("", "warn"), ("Yes.", "warn"), ("Thank you!", "warn"), ("where is my container", "bad"), ("word " * 221, "warn"),
        ("It is in Rotterdam now.", "ok"), ("Rotterdam.", "ok"), ("Is that correct?", "ok"), ('{"track": {"id": "28740"}}', "ok"),
    ],
)  # fmt: skip
def test_length(completion, level):
    assert levels(length.run(pair(completion), PROJECT)) == {level}


@pytest.mark.parametrize(
    ("completion", "level"),
    [
        ("We apologize for any inconvenience.", "warn"),
        ("We apologise for the delay.", "warn"),
        ("I understand your frustration.", "warn"),
        ("Dear valued customer", "warn"),
        ("Dear [customer name], it is here.", "bad"),
        ("Your number is XXXX.", "bad"),
        ("As an AI, I cannot know.", "bad"),
        ("Hello {{ name }}", "bad"),
        ("We failed to book the feeder, so FD-41007 is late.", "ok"),
        ("The clause [2] says so; sorry, we missed it.", "ok"),
        ("Terminal XXL is closed.", "ok"),
        ("Dear [Name], it is here.", "bad"),
        ("DEAR [CUSTOMER], it is here.", "bad"),
        ("Your order [Tracking #] is here.", "bad"),
        ("It comes on <date>, {first_name}.", "bad"),
        ("It comes on ____ in the morning.", "bad"),
        ("as an ai language model I cannot know.", "bad"),
        ("See [the manual](https://example.org/name).", "ok"),
        ("It is on your todo list [sic], <br> as said.", "ok"),
        ("Marge, I am happy to help you. Is this the order?", "ok"),
        ('{"fields": ["name", "date"]}', "ok"),
    ],
)
def test_phrases(completion, level):
    assert levels(boilerplate.run(pair(completion), PROJECT)) == {level}


# --- repeated ----------------------------------------------------------------------------------------------
@pytest.mark.django_db
class TestRepeated:
    QUESTION = "Do I need a commercial invoice for a sample without value?"

    def check(
        self, world: World, question: str, completion: str, *, context=(), example_id=None
    ) -> list[Finding]:
        content = {
            "messages": [{"role": "user", "content": question}],
            "context": list(context),
            "completion": completion,
        }
        found = run_checks(content, world.project, example_id=example_id)
        return [finding for finding in found if finding.check == "repeated"]

    @pytest.mark.parametrize(
        ("there", "here", "against"),
        [
            ("Yes, customs wants one with every parcel.", "No, never for samples.", "yes against no"),
            ("It takes 3 working days to clear.", "Customs clears that in five days.", "five days"),
            ("We ship on 3 May as agreed.", "It leaves us on 4 May.", "4 May"),
        ],
    )
    def test_nearly_the_same_question_with_an_answer_that_says_otherwise(self, world, there, here, against):
        other = make_example(world.project, self.QUESTION, there)
        (found,) = self.check(world, "do i need a commercial invoice for samples without value", here)
        assert (found.level, found.example) == ("warn", other.pk) and against in found.says

    def test_other_words_are_no_contradiction(self, world):
        other = make_example(world.project, self.QUESTION, "Yes, customs wants one with every parcel.")
        (found,) = self.check(world, self.QUESTION, "Yes: each parcel needs one for customs.")
        assert (found.level, found.example) == ("ok", other.pk)

    def test_the_same_pair_again(self, world):
        other = make_example(world.project, self.QUESTION, "Yes, customs wants one with every parcel.")
        (found,) = self.check(world, self.QUESTION.upper(), "yes, customs wants one with every parcel.")
        assert (found.level, found.example) == ("warn", other.pk) and "same example" in found.says

    def test_the_same_question_about_other_records_is_no_repeat(self, world):
        make_example(world.project, self.QUESTION, "Yes, for FD-1.", context=["FD-1 | needs invoice"])
        (found,) = self.check(world, self.QUESTION, "No, not for FD-2.", context=["FD-2 | none needed"])
        assert found.level == "ok" and found.example is None

    def test_a_stock_reply_is_named_and_no_fault(self, world):
        first = make_example(
            world.project, "Another question altogether", "Send us the packing list as a PDF."
        )
        (found,) = self.check(world, "What do you need from me now?", "send us the packing list as a PDF. ")
        assert (found.level, found.example) == ("ok", first.pk) and "same answer" in found.says
        make_example(world.project, "A third question", "SEND us the packing list as a PDF.")
        (found,) = self.check(world, "What do you need from me now?", "send us the packing list as a PDF. ")
        assert (found.level, found.example) == ("ok", first.pk) and "2 other examples" in found.says

    def test_both_look_ups_are_served_by_an_index(self, world):
        from django.db import connection
        from django.db.models import Value
        from django.db.models.functions import MD5, Lower

        from annotation.models import SAID, Example, ExampleSearch

        with connection.cursor() as cursor:  # a small table is read from end to end when it may be
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_indexscan = off")
            cursor.execute(
                "SELECT pg_get_expr(indexprs, indrelid) FROM pg_index WHERE indexrelid = 'example_said'::regclass"
            )
            (said_expression,) = cursor.fetchone()
        asked = ExampleSearch.objects.filter(question__trigram_similar=self.QUESTION)
        said = Example.objects.order_by().alias(said=SAID).filter(said=MD5(Lower(Value("yes"))))
        assert said_expression in said.explain()
        assert "example_question" in asked.explain()

    @pytest.mark.parametrize("status", ["retired"])
    def test_itself_other_projects_and_what_is_retired_do_not_count(self, world, status):
        answer = "Yes, customs wants one with every parcel."
        own = make_example(world.project, self.QUESTION, answer)
        make_example(world.other, self.QUESTION, answer)
        make_example(world.project, self.QUESTION, answer, status=status)
        (found,) = self.check(world, self.QUESTION, answer, example_id=own.pk)
        assert found.level == "ok"

    def test_words_that_mean_something_to_sql_are_only_words(self, world):
        make_example(world.project)
        (found,) = self.check(world, "100% _ \\ ' ; -- of what is it", "50% \\ of it, 'tis _ all there is.")
        assert found.level == "ok"

    def test_giving_up_leaves_the_transaction_as_it_was(self, world, monkeypatch):
        from annotation.checks import repeated

        monkeypatch.setattr(repeated, "_same_question", lambda *_: _sleep())
        monkeypatch.setattr(repeated, "_PATIENCE_MS", 20)
        (found,) = self.check(world, self.QUESTION, "An answer that is long enough.")
        assert "too long" in found.says
        assert make_example(world.project).pk


def _sleep() -> list[Finding]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(5)")
    return []


# --- the register ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fault", [ValueError("poison"), OutOfTime()])
def test_a_check_that_fails_or_takes_too_long_says_so_and_the_others_go_on(monkeypatch, caplog, fault):
    def broken(pair: Pair, project: Project, budget: TimeBudget) -> list[Finding]:
        raise fault

    monkeypatch.setitem(CHECKS, "facts", replace(CHECKS["facts"], run=broken))
    monkeypatch.delitem(CHECKS, "repeated")
    content = {"messages": [], "context": [], "completion": "Hello [name]"}
    found = run_checks(content, PROJECT)
    assert next(f for f in found if f.check == "facts").says.startswith("Not checked")
    assert [f.check for f in text_findings(content, PROJECT) if f.level == "bad"] == ["phrases"]
    assert ("poison" in caplog.text) == isinstance(fault, ValueError)


@pytest.mark.django_db
def test_every_check_reports_under_its_own_name_and_only_queryless_ones_can_hold_a_submit_up(
    world, django_assert_num_queries
):
    content = {
        "messages": [{"role": "user", "content": "Where is it?"}],
        "context": [],
        "completion": "It is FD-99999, [your name].",
    }
    assert {finding.check for finding in run_checks(content, world.project)} == {
        "facts", "privacy", "length", "phrases", "repeated",
    }  # fmt: skip  # the others are silent when all is well
    with django_assert_num_queries(0):
        bad = [finding for finding in text_findings(content, world.project) if finding.level == "bad"]
        assert {finding.check for finding in bad} == {"facts", "phrases"}
        assert all(finding.kind for finding in bad)
