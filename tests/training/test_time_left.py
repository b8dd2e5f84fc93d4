"""Time left, from traces: what a run says of its end, at the start, on the way and at the end."""

import json
from pathlib import Path

import pytest

from core.models import Run
from core.runs.context import RunContext
from tests.support.factories import make_dataset
from training import services
from training.host.undisturbed import Stretches
from training.time_left import LEAST_SECONDS, TimeLeft

from .conftest import finish


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def replay(trace, expected, before=None, save_every=1e9):
    """[(kind, seconds into the work, promised, true)] at every report of a run, as the loop makes them.

    A trace is [(kind, seconds, units)]; evaluations and the like report half-way too.
    """
    clock = Clock()
    left = TimeLeft(expected=expected, before=before, save_every=save_every, clock=clock)
    total = sum(seconds for _, seconds, _ in trace)
    remaining = {"train": 0, "evaluate": 0, "sample": 0, "store": 0}
    for kind, _, units in trace:
        if kind == "save":  # how many there will be is not planned but follows from the time
            continue
        remaining[kind] += units if kind == "train" else 1
    told = []

    def tell(kind):
        told.append((kind, clock.now, left.left(remaining), total - clock.now))

    for kind, seconds, units in trace:
        if kind == "train":
            clock.now += seconds
            left.step(seconds=seconds, tokens=units)
        else:
            with left.doing(kind):
                tell(kind)
                clock.now += seconds / 2
                left.progress(0.5)
                tell(kind)
                clock.now += seconds / 2
        if kind in remaining:
            remaining[kind] -= units if kind == "train" else 1
        tell(kind)
    return told


EXPECTED = {"train": 0.004, "evaluate": 40.0, "sample": 20.0, "store": 3.0, "save": 0.1}
# A small run on a slow machine, as it was seen: measuring and answering take more than half of the time.
SMALL = [
    ("evaluate", 62.0, 1),
    ("sample", 55.0, 1),
    ("train", 21.0, 700),
    *[("train", 9.0 + at % 3, 650 + 40 * (at % 3)) for at in range(30)],
    ("evaluate", 60.0, 1),
    ("sample", 48.0, 1),
    *[("train", 9.5 + at % 3, 650 + 40 * (at % 3)) for at in range(30)],
    ("evaluate", 64.0, 1),
    ("sample", 46.0, 1),
    ("store", 5.0, 1),
]


def test_from_the_first_steps_on_the_promise_holds():
    told = replay(SMALL, EXPECTED)
    after_steps = [entry for entry in told if entry[0] == "train"][3:]
    for _, at, promised, true in after_steps:
        assert promised == pytest.approx(true, rel=0.2, abs=15), at


def test_at_the_first_step_it_is_not_several_times_too_long():
    """Evaluating and answering before the first step do not count as the pace of steps."""
    first = next(entry for entry in replay(SMALL, EXPECTED) if entry[0] == "train")
    assert first[2] < 2.5 * first[3]


def test_the_last_evaluation_samples_and_storing_are_counted_at_the_last_step():
    told = replay(SMALL, EXPECTED)
    last_step = [entry for entry in told if entry[0] == "train"][-1]
    assert last_step[3] == pytest.approx(115.0)
    assert last_step[2] == pytest.approx(115.0, rel=0.25)


def test_it_is_never_nothing_before_the_end_even_when_work_takes_longer_than_expected():
    for slower in (1.0, 4.0):
        trace = [
            (kind, seconds * (slower if kind != "train" else 1), units) for kind, seconds, units in SMALL
        ]
        assert all(promised >= LEAST_SECONDS for _, _, promised, _ in replay(trace, EXPECTED))
    clock = Clock()
    left = TimeLeft(expected={"store": 1.0}, clock=clock)
    with left.doing("store"):
        clock.now = 100.0
        assert left.left({"store": 1}) >= 10


def test_before_anything_was_measured_the_estimate_counts_and_without_one_nothing_is_said():
    work = {"train": 10_000, "evaluate": 4, "sample": 3, "store": 1}
    assert TimeLeft(expected=EXPECTED).left(work) == pytest.approx(40 + 160 + 60 + 3 + 0.8, abs=0.5)
    assert TimeLeft(expected={}).left(work) is None


def test_a_restarted_worker_goes_on_from_what_the_run_measured_before():
    before = {"train": (600.0, 40_000), "evaluate": (120.0, 2), "sample": (90.0, 2), "save": (0.0, 0)}
    left = TimeLeft(expected=EXPECTED, before=before, save_every=1e9)
    assert left.left({"train": 10_000, "evaluate": 1, "sample": 1, "store": 1}) == pytest.approx(
        150 + 60 + 45 + 3
    )


def test_it_follows_a_machine_that_becomes_busy():
    trace = [("train", 1.0, 100)] * 100 + [("train", 3.0, 100)] * 60
    told = replay(trace, {})
    assert told[99][2] == pytest.approx(60, rel=0.05)  # nobody could know
    assert told[145][2] == pytest.approx(told[145][3], rel=0.05)


TRACES = sorted((Path(__file__).parent / "traces").glob("*.json"))


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_recorded_runs_were_told_their_end_well(path):
    """Traces of real runs of SmolLM2 135M on a shared machine: half of all promises lie within a quarter of the truth."""
    recorded = json.loads(path.read_text())
    told = replay([tuple(entry) for entry in recorded["trace"]], recorded["expected"], save_every=30.0)
    settled = [entry for entry in told if entry[0] == "train"][2:]
    errors = sorted(abs(promised - true) / true for _, _, promised, true in settled)
    assert errors[len(errors) // 2] < 0.25
    last = settled[-1]
    assert last[2] > 0.5 * last[3]


# --- a run's own speed -------------------------------------------------------------------------------------
def stretches(steps, device="cpu"):
    """Steps are (seconds, tokens, seconds that others computed) on two processors, all of which this process uses."""
    clock, spent = Clock(), [0.0, 0.0]
    watch = Stretches(device, processors=2, read=lambda: (spent[0], spent[1]), clock=clock)
    for seconds, tokens, others in steps:
        watch.step_begins()
        clock.now += seconds
        own = 2 * seconds - others
        spent[0] += own + others
        spent[1] += own
        watch.step_ended(tokens=tokens)
    return watch.speed


def test_steps_that_other_work_slowed_do_not_count_as_speed():
    free, slowed = (2.0, 156, 0.05), (5.6, 156, 2.4)
    assert stretches([free] * 10) == pytest.approx(78)
    assert stretches([slowed] * 10) is None
    assert stretches([free] * 4 + [slowed] * 10) == pytest.approx(78)


def test_short_steps_are_judged_together():
    assert stretches([(0.01, 10, 0.02)] + [(0.01, 10, 0.0)] * 400) == pytest.approx(1000)
    assert stretches([(0.01, 10, 0.0)] * 3) is None


def test_on_a_gpu_the_upper_quartile_counts():
    assert stretches([(2.0, 200, 3.9)] * 5 + [(2.0, 400, 3.9)] * 5, "cuda") == pytest.approx(200)


# --- as a run writes it ------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_a_real_run_says_when_it_ends_from_its_first_report_on(world, tiny_base, monkeypatch):
    told = []
    report = RunContext.report

    def listen(self, **said):
        report(self, **{**said, "now": True})
        run = Run.objects.get(pk=self.run.pk)
        told.append((run.message, run.time_left))

    monkeypatch.setattr(RunContext, "report", listen)
    training = finish(
        services.launch(
            by=world.admin,
            project=world.project,
            base_model=tiny_base,
            dataset=make_dataset(world.project, 30),
            method="lora",
            recipe={"epochs": 2.0, "evaluations": 2, "measuring_share": 1.0},
        )
    )
    assert training.run.status == Run.Status.SUCCEEDED, training.run.error_message
    assert told[0][0] == "Loading the machine-learning libraries."
    assert all(left is not None and left.total_seconds() >= 1 for _, left in told), told
    assert {message.split(",")[0].split(" ")[0] for message, _ in told} >= {
        "Loading",
        "Step",
        "Measuring",
        "Storing",
    }
    assert set(training.measured) == {"load", "train", "evaluate", "sample", "save", "store"}
    assert training.counted["train"] == training.train_tokens
    assert (training.counted["evaluate"], training.counted["sample"], training.counted["store"]) == (3, 3, 1)
