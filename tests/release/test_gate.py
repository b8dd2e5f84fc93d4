"""The gate's checks, one by one: what is not known holds, it never passes."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from release.forgetting import Forgetting
from release.gate import Facts, RatedComparison, evaluate, summary
from release.held_out import HeldOut
from tests.release.test_held_out import measured
from tests.support.factories import task_figures

KEPT = task_figures()
HUMAN = RatedComparison(
    against="v1",
    campaigns=1,
    open=False,
    n=120,
    planned=120,
    raters=6,
    settled="candidate",
    says="v2 is better than v1: settled at the planned look after 120 ratings.",
    rate=0.68,
    low=0.58,
    high=0.78,
    rate_among_all=0.66,
    bad=0.05,
    bad_low=0.02,
    bad_high=0.12,
    prompts=45,
    prompts_differing=40,
)
GOOD = Facts(
    version="v2",
    parity_checked=3,
    held_out=measured(1.77, 3.07),
    forgetting=Forgetting("measured", KEPT),
    opponent="v1",
    human=HUMAN,
    newest=HUMAN,
    served=True,
    files=[],
    files_total=4,
    trained_on="Dataset 1",
    withdrawn="",
)


def _check(facts, name):
    return next(check for check in evaluate(facts).checks if check.name == name)


def test_everything_known_and_good_passes():
    gate = evaluate(GOOD)
    assert gate.result == "pass" and not gate.open_points
    assert gate.says == "All 8 criteria passed."


def test_nothing_known_never_passes():
    gate = evaluate(Facts(version="v2"))
    assert gate.result == "fail"  # not served is known to be so
    assert {check.name: check.result for check in gate.checks} == {
        "token_parity": "hold",
        "held_out_loss": "hold",
        "forgetting": "hold",
        "human_preference": "hold",
        "both_bad": "hold",
        "served": "fail",
        "data_allowed": "hold",
        "files_intact": "hold",
    }


@pytest.mark.parametrize(
    ("name", "change", "result"),
    [
        ("token_parity", {"parity_checked": 0}, "hold"),
        ("token_parity", {"parity_differing": 1}, "fail"),
        ("held_out_loss", {"held_out": HeldOut(opponent="v1")}, "hold"),
        ("held_out_loss", {"held_out": HeldOut(state="no_opponent")}, "hold"),
        ("held_out_loss", {"held_out": measured(3.5, 3.07)}, "fail"),
        ("forgetting", {"forgetting": Forgetting()}, "hold"),
        ("forgetting", {"forgetting": Forgetting("running")}, "hold"),
        ("forgetting", {"forgetting": Forgetting("failed", says="The disk is full.")}, "hold"),
        ("forgetting", {"forgetting": Forgetting("outdated", KEPT)}, "hold"),
        ("forgetting", {"forgetting": Forgetting("measured")}, "hold"),
        ("forgetting", {"forgetting": Forgetting("measured", task_figures(lost=30))}, "fail"),
        ("forgetting", {"forgetting": Forgetting("measured", task_figures(lost=8))}, "hold"),
        ("forgetting", {"forgetting": Forgetting("base")}, "pass"),
        ("human_preference", {"human": None}, "hold"),
        ("human_preference", {"opponent": ""}, "hold"),
        ("human_preference", {"human": replace(HUMAN, n=0)}, "hold"),
        ("human_preference", {"human": replace(HUMAN, open=True)}, "hold"),
        ("human_preference", {"human": replace(HUMAN, settled=None)}, "hold"),
        ("human_preference", {"human": replace(HUMAN, n=119)}, "hold"),
        ("human_preference", {"human": replace(HUMAN, in_doubt=1)}, "hold"),
        ("human_preference", {"human": replace(HUMAN, raters=1)}, "hold"),
        ("human_preference", {"human": replace(HUMAN, settled="baseline")}, "fail"),
        ("human_preference", {"human": replace(HUMAN, settled="baseline", open=True, n=60)}, "fail"),
        ("human_preference", {"human": replace(HUMAN, rate=None, low=None, high=None, settled=None)}, "hold"),
        ("both_bad", {"human": None, "newest": None}, "hold"),
        ("both_bad", {"human": replace(HUMAN, bad_high=0.21)}, "hold"),
        ("both_bad", {"human": replace(HUMAN, bad=0.4, bad_low=0.3, bad_high=0.5)}, "fail"),
        ("both_bad", {"human": replace(HUMAN, open=True)}, "hold"),
        ("both_bad", {"human": replace(HUMAN, n=119)}, "hold"),
        ("served", {"served": False}, "fail"),
        ("files_intact", {"files": None}, "hold"),
        ("files_intact", {"files": ["adapter.safetensors"]}, "fail"),
        ("files_intact", {"files": ["adapter.safetensors"], "files_compared": "sizes"}, "fail"),
        ("files_intact", {"files_compared": "sizes"}, "hold"),
        ("data_allowed", {"withdrawn": "3 rows of the withdrawn source “Desk”"}, "fail"),
        ("data_allowed", {"withdrawn": None}, "hold"),
        ("data_allowed", {"trained_on": ""}, "pass"),
    ],
)
def test_each_check_alone(name, change, result):
    facts = replace(GOOD, **change)
    check = _check(facts, name)
    assert check.result == result and check.says.endswith((".", ")."))
    assert evaluate(facts).result == result
    others = [c for c in evaluate(facts).checks if c.name not in (name, "human_preference", "both_bad")]
    assert all(c.result == "pass" for c in others)


def test_the_sentence_counts_what_passed_first():
    unmeasured = HeldOut(opponent="v1")
    gate = evaluate(replace(GOOD, served=False, parity_checked=0, held_out=unmeasured))
    assert gate.says == "5 of 8 passed, 2 on hold, 1 failed."
    assert evaluate(replace(GOOD, held_out=unmeasured, parity_checked=0)).says == "6 of 8 passed, 2 on hold."
    assert evaluate(replace(GOOD, served=False)).says == "7 of 8 passed, 1 failed."
    assert summary([]) == "0 of 0 passed"
    assert summary(["hold", "hold"]) == "0 of 2 passed, 2 on hold"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "contents of its 4 files have the recorded hashes"),
        ({"files_compared": "checksums"}, "store's own SHA-256"),
        ({"files_compared": "sizes"}, "sizes of its 4 files were compared, not the contents"),
        ({"files_read_on": datetime(2026, 11, 3, tzinfo=UTC)}, "read on 3 Nov 2026"),
        ({"files": None}, "could not be read"),
    ],
)
def test_the_file_check_says_what_was_compared(change, words):
    assert words in _check(replace(GOOD, **change), "files_intact").says


def test_what_is_stored_reads_alone():
    stored = evaluate(GOOD).stored()
    assert len(stored) == 8
    assert all(set(check) == {"name", "label", "result", "says"} for check in stored)
    assert "3.07 with v1, 1.77 now on the same 40 test rows" in stored[1]["says"]


def test_the_question_to_people_says_what_it_rests_on():
    says = _check(replace(GOOD, human=replace(HUMAN, campaigns=2)), "human_preference").says
    for words in (
        "Win rate 68% over v1",
        "66% with “both bad” as a tie",
        "120 of 120 planned ratings by 6 people, 2 campaigns together",
        "The answers differ on 40 of 45 prompts.",
    ):
        assert words in says
