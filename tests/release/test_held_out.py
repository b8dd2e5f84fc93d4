"""Whether a loss is no worse than the live version's: on the same rows, enough of them, slice by slice."""

import random
from dataclasses import replace

import pytest

from release.held_out import LEAST_GROUPS, LEAST_ROWS, MARGIN, HeldOut, MeasuredRow, judge
from tests.support.factories import spread_losses
from training.statistics.paired import PairedRow


def measured(mean, other, rows=40, *, slices=("customs",), tokens=40, groups=0):
    """Losses that vary a little from row to row; `groups` conversations (0: as many as rows), slices in turns."""
    return HeldOut(
        state="measured",
        opponent="v1",
        rows=[
            MeasuredRow(
                slices[at % len(slices)],
                PairedRow(at % groups if groups else at, own * tokens, its * tokens, tokens),
            )
            for at, (own, its) in enumerate(spread_losses(mean, other, rows))
        ],
    )


def _worse_in(facts, name, by):
    rows = [
        MeasuredRow(row.slice, replace(row.pair, loss=row.pair.loss + by * row.pair.tokens))
        if row.slice == name
        else row
        for row in facts.rows
    ]
    return replace(facts, rows=rows)


def test_it_names_both_losses_the_rows_and_the_interval():
    verdict = judge(replace(measured(1.77, 1.81, rows=31), live=True))
    assert verdict.result == "pass"
    assert (
        "1.81 live, 1.77 now on the same 31 test rows (difference −0.04, 95% interval −0.05 to −0.03"
        in verdict.says
    )
    assert verdict.says.startswith("Better than v1: ")


@pytest.mark.parametrize(
    ("own", "its", "result", "words"),
    [
        (1.5, 1.8, "pass", "Better than v1"),
        (1.80, 1.80, "pass", "Not worse than v1"),
        (1.82, 1.80, "pass", "Not worse than v1"),  # surely higher, and surely by less than what counts
        (1.85, 1.80, "fail", "Worse than v1"),
        (2.93, 1.81, "fail", "Worse than v1"),
    ],
)
def test_losses_that_are_known_well(own, its, result, words):
    verdict = judge(measured(own, its))
    assert (verdict.result, verdict.says.split(":")[0]) == (result, words)


def test_a_loss_that_is_only_known_roughly_holds():
    """Per-row differences of ±1: the mean is near zero, and could be far above the margin."""
    rows = [
        MeasuredRow("customs", PairedRow(at, (1.8 + (1 if at % 2 else -1)) * 40, 1.8 * 40, 40))
        for at in range(40)
    ]
    verdict = judge(HeldOut(state="measured", opponent="v1", rows=rows))
    assert verdict.result == "hold" and "may be worse than v1 by more than 0.05" in verdict.says


@pytest.mark.parametrize(
    ("rows", "groups"), [(4, 0), (LEAST_ROWS - 1, 0), (60, LEAST_GROUPS - 1), (1, 0), (0, 0)]
)
def test_few_rows_hold_however_good_they_look(rows, groups):
    """A version that was measured on four rows passed once; and sixty rows of nine conversations are nine, not sixty."""
    verdict = judge(measured(1.0, 3.0, rows=rows, groups=groups))
    assert verdict.result == "hold"
    assert "the minimum is" in verdict.says or "No test row is left" in verdict.says


def test_few_rows_do_not_fail_either():
    assert judge(measured(3.0, 1.0, rows=5)).result == "hold"


@pytest.mark.parametrize("state", ["no_opponent", "missing", "running", "failed", "outdated"])
def test_what_was_not_measured_holds_and_says_why(state):
    verdict = judge(HeldOut(state=state, opponent="v1", says="the disk is full"))
    assert verdict.result == "hold" and verdict.overall is None and verdict.says
    assert "v1" in verdict.says or "nothing is live" in verdict.says or "disk is full" in verdict.says


def test_a_slice_that_is_clearly_worse_fails_what_is_better_over_all():
    facts = _worse_in(measured(1.5, 1.8, rows=200, slices=("a", "b", "c", "d", "claims")), "claims", 0.5)
    verdict = judge(facts)
    assert verdict.overall is not None and verdict.overall.high < 0
    assert verdict.result == "fail" and verdict.says.startswith("Worse than v1 in claims: ")
    assert {line.slice: line.result for line in verdict.slices}["claims"] == "worse"


def test_a_slice_with_too_few_rows_is_named_and_decides_nothing():
    facts = measured(1.5, 1.8, rows=40)
    few = [MeasuredRow("claims", PairedRow(f"c{at}", 66.0, 60.0, 40)) for at in range(4)]
    verdict = judge(replace(facts, rows=[*facts.rows, *few]))
    assert verdict.result == "pass"
    assert "Unknown, with fewer than 8 rows of 5 conversations: claims." in verdict.says


def test_many_slices_do_not_fail_by_chance():
    """Thirty slices without any difference: without a correction some slice would look worse most of the time."""
    rng = random.Random(5)
    false = 0
    for _ in range(200):
        rows = [
            MeasuredRow(f"s{at % 30}", PairedRow(at, 40 * rng.gauss(1.8, 0.3), 72.0, 40)) for at in range(300)
        ]
        false += any(line.result == "worse" for line in judge(HeldOut(state="measured", rows=rows)).slices)
    assert false / 200 <= 0.08


@pytest.mark.parametrize("groups", [20, 60])
def test_a_version_that_is_worse_by_the_margin_seldom_passes(groups):
    """The promise of the module: at most 2.5% when differences are symmetric, here with room for chance."""
    rng = random.Random(groups)
    passed = 0
    for _ in range(600):
        rows = []
        for group in range(groups):
            lean = rng.gauss(0, 0.1)
            for _ in range(rng.choice((1, 1, 2, 3))):
                tokens = rng.randint(10, 120)
                difference = MARGIN + lean + rng.gauss(0, 0.25)
                rows.append(
                    MeasuredRow("a", PairedRow(group, (1.8 + difference) * tokens, 1.8 * tokens, tokens))
                )
        passed += judge(HeldOut(state="measured", opponent="v1", rows=rows)).result == "pass"
    assert passed / 600 <= 0.05


def test_rows_that_were_trained_on_are_counted_in_the_sentence():
    assert "trained on them: 3 test rows" in judge(replace(measured(1.5, 1.8), trained_on=3)).says


def test_another_tokenizer_is_said():
    assert "per token of v1" in judge(replace(measured(1.5, 1.8), own_tokens=False)).says
