"""Evaluations and sample answers within their share of a run's time."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import estimates
from training.measuring import FEWEST_ROWS, MOST_ROUNDS, MeasuringPlan, within
from training.methods import METHODS, recipe_from
from training.rows import EncodedRow
from training.runner.plan import TrainingPlan
from training.time_left import TimeLeft

SECONDS = st.floats(0.001, 1000)


@given(SECONDS, SECONDS, SECONDS, st.integers(0, 500), st.integers(1, 100), st.floats(0.01, 1.0))
def test_the_share_is_kept_where_the_fewest_rows_and_the_last_answers_allow(
    others, row, answers, rows, evaluations, share
):
    found = within(
        share=share, others=others, row=row, round_seconds=answers, rows=rows, evaluations=evaluations
    )
    assert 1 <= found.evaluations <= evaluations
    assert 1 <= found.rounds <= MOST_ROUNDS
    assert min(rows, FEWEST_ROWS) <= found.rows <= rows
    taken = (found.evaluations + 1) * found.rows * row + found.rounds * answers
    if found.rows > FEWEST_ROWS:
        assert taken / (taken + others) <= share + 1e-9
    if share == 1.0:
        assert found == MeasuringPlan(rows, evaluations, MOST_ROUNDS)


@given(st.integers(1, 50), st.integers(1, 500), st.integers(1, 3))
def test_the_start_and_the_end_stay(evaluations, steps, rounds):
    plan = MeasuringPlan(rows=5, evaluations=evaluations, rounds=rounds)
    assert max(plan.evaluate_at(steps)) == steps
    assert min(plan.evaluate_at(steps)) > 0
    assert steps in plan.sample_at(steps)
    assert (0 in plan.sample_at(steps)) == (rounds > 1)
    assert len(plan.evaluate_at(steps)) == evaluations or steps < 2 * evaluations


def test_eighty_rows_of_250_tokens_take_their_share_and_a_large_set_is_measured_whole():
    units = estimates.unit_seconds(
        tokens_per_second=270, validation_tokens=20 * 250, full=False, recomputed=False, device="cpu",
        trainable=0, stored_bytes=0, layers=30,
    )  # fmt: skip

    def plan(trained: int) -> tuple[MeasuringPlan, float]:
        alone = estimates.seconds_by_part(units=units, tokens=trained * 250, evaluations=0, rounds=0)
        found = within(
            share=0.15, others=sum(alone.values()), row=units["evaluate"] / 20,
            round_seconds=units["sample"], rows=20, evaluations=3,
        )  # fmt: skip
        parts = estimates.seconds_by_part(
            units=units | {"evaluate": units["evaluate"] * found.rows / 20}, tokens=trained * 250,
            evaluations=found.evaluations + 1, rounds=found.rounds,
        )  # fmt: skip
        return found, (parts["evaluate"] + parts["sample"]) / sum(parts.values())

    few, share = plan(80)
    assert few.rows < 20
    assert few.evaluations == 1
    assert share <= 0.15
    many, share = plan(2000)
    assert many == MeasuringPlan(20, 3, MOST_ROUNDS)
    assert share <= 0.15


def training_plan(time_left: TimeLeft, *, share: float = 0.15, kept: bool = False) -> TrainingPlan:
    rows = [
        EncodedRow(ids=[1] * 100, prompt_length=80, position=at, question=str(at), completion="")
        for at in range(160)
    ]
    data = SimpleNamespace(
        train=rows, validation=rows[:10], facts=SimpleNamespace(as_values=lambda: {"train_rows": 160})
    )
    return TrainingPlan(
        recipe=recipe_from(METHODS["lora"].recipe, {"measuring_share": share}),
        data=data,
        steps=40,
        tokenizer=SimpleNamespace(pad_token_id=0),
        stop_id=0,
        time_left=time_left,
        measuring=MeasuringPlan(10, 4, 3),
        kept=kept,
    )


def measured(time_left: TimeLeft, *, evaluation: float, answers: float, steps: int = 5) -> None:
    time_left.did("evaluate", evaluation)
    time_left.did("sample", answers)
    for _ in range(steps):
        time_left.step(seconds=1.0, tokens=400)


@pytest.mark.parametrize(
    ("evaluation", "answers", "evaluations", "rounds"),
    [
        (0.7, 0.5, 4, 3),  # 3.5 s and 1.5 s beside 40 s of training: as planned
        (3.0, 0.5, 1, 3),
        (0.7, 1.5, 4, 2),
        (30.0, 30.0, 1, 2),  # the start and the end stay, whatever they take
    ],
)
def test_measured_times_give_up_what_is_in_between(evaluation, answers, evaluations, rounds):
    time_left = TimeLeft(expected={})
    plan = training_plan(time_left)
    plan.keep_to_share()
    assert plan.evaluate_at == {10, 20, 30, 40}  # no step is measured yet
    assert "measuring" not in plan.facts
    measured(time_left, evaluation=evaluation, answers=answers)
    plan.keep_to_share()
    assert plan.measuring == MeasuringPlan(10, evaluations, rounds)
    assert max(plan.evaluate_at) == 40
    assert {0, 40} <= plan.sample_at
    assert plan.facts["measuring"] == plan.measuring.as_values()
    # Decided once: what later work takes changes nothing.
    measured(time_left, evaluation=100.0, answers=100.0)
    plan.keep_to_share()
    assert plan.measuring == MeasuringPlan(10, evaluations, rounds)


def test_a_resumed_run_keeps_what_was_decided():
    time_left = TimeLeft(expected={})
    plan = training_plan(time_left, kept=True)
    measured(time_left, evaluation=30.0, answers=30.0)
    plan.keep_to_share()
    assert plan.measuring == MeasuringPlan(10, 4, 3)


def test_words():
    assert MeasuringPlan(9, 1, 2).words() == (
        "Validation loss before the first step and after the last one, on 9 rows; sample answers at the start and the end."
    )
    assert "after the last one and once in between, on 1,200 rows" in MeasuringPlan(1200, 2, 3).words()
    assert "after the last one and 4 times in between" in MeasuringPlan(1200, 5, 1).words()
