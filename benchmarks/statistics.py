"""Coverage of the intervals and error rate of the verdict, by simulation: ours compared with a plain binomial interval.

    python benchmarks/statistics.py [--rounds 4000] [--json]

Raters differ by a normal deviate (sd on the logit scale), items too in some designs; the true win rate is exact over
all raters and items. The last line with --json is one object: the smallest coverage of a 95% interval over all designs and
over those with uneven raters, the largest rate of false alarms, the power at a win rate of .6 (10 raters, rater sd 0.4, 500
votes), the largest rate at which a candidate that is not better passes the gate's rating criterion, the largest rate at
which some slice looks different when none is, and whether mirrored votes give mirrored figures.
"""

import sys
from pathlib import Path

# The project's folder instead of this one, in which `statistics` is this file and not the standard library.
HERE = Path(__file__).resolve().parent
sys.path[:] = [str(HERE.parent), *(path for path in sys.path if Path(path).resolve() != HERE)]

import argparse
import functools
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from evaluation.statistics.power import least_settled_rate
from tests.support.rating_panels import (
    GATE_PANELS,
    NO_DIFFERENCE,
    STRATEGIES,
    VOTES,
    SimulatedPanel,
    alarms,
    coverage,
    designs,
    mirrored_equal,
    one_rater_passes,
    power,
    slice_alarms,
)


# --- the table ---------------------------------------------------------------------------------------------
def measure(*, rounds: int, seed: int, say: Callable[[str], None]) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    say(f"Coverage of a 95% interval, {rounds} rounds each: ours (plain), mean width of ours")
    held: list[tuple[float, bool]] = []
    for design in designs():
        ours, plain, width = coverage(rng, design, rounds)
        held.append((ours, design.uneven))
        say(f"  {design.name:55} p {design.rate:.2f}  {ours:.3f} ({plain:.3f})  {width:.2f}")
    say(f"False alarms without a difference, {VOTES} votes: our verdict (a plain test every 10 votes)")
    false = []
    for panel in NO_DIFFERENCE:
        ours, plain = alarms(rng, panel, rounds)
        false.append(ours)
        say(f"  {panel!s:55} {ours:.3f} ({plain:.3f})")
    say(f"Power at a win rate of .6, {VOTES} votes")
    for panel in (
        SimulatedPanel(20, spread=0.0),
        SimulatedPanel(20, spread=0.4),
        SimulatedPanel(20),
        SimulatedPanel(10, spread=0.0),
        SimulatedPanel(5, spread=0.4),
    ):
        say(f"  {panel!s:55} {power(rng, panel, 0.6, rounds // 2):.3f}")
    power_60 = power(rng, SimulatedPanel(10, spread=0.4), 0.6, rounds)
    say(f"  {SimulatedPanel(10, spread=0.4)!s:55} {power_60:.3f}")
    say("Planning: the promised win rate with 80% power, and the power reached (rater sd 0.8)")
    for raters, count in ((5, 300), (10, 300), (20, 300), (40, 300)):
        rate = least_settled_rate(count, raters)
        assert rate is not None
        reached = power(rng, SimulatedPanel(raters), rate, rounds // 2, count)
        say(f"  {raters} raters, {count} votes: {rate:.3f} -> {reached:.3f}")
    say("The gate's rating criterion without a difference: how often it passes")
    gate = []
    for name, strategy in STRATEGIES.items():
        for panel in GATE_PANELS:
            gate.append(sum(strategy(rng, panel) for _ in range(rounds // 4)) / (rounds // 4))
            say(f"  {name:35} {panel!s:30} {gate[-1]:.3f}")
    say("Some slice excludes one half although none differs, 20 raters: corrected (each alone)")
    slices = []
    for count in (10, 32):
        ours, single = slice_alarms(rng, count, rounds // 4)
        slices.append(ours)
        say(f"  {count} slices: {ours:.3f} ({single:.3f})")
    return {
        "coverage_min": round(min(ours for ours, _ in held), 4),
        "coverage_uneven_min": round(min(ours for ours, uneven in held if uneven), 4),
        "false_alarm_max": round(max(false), 4),
        "power_60": round(power_60, 4),
        "gate_false_pass_max": 1.0 if one_rater_passes() else round(max(gate), 4),
        "slices_false_max": round(max(slices), 4),
        "mirrored_equal": mirrored_equal(rng, rounds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=4000, help="simulated campaigns for each design")
    parser.add_argument("--seed", type=int, default=20261125)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    began = time.monotonic()
    figures = measure(rounds=options.rounds, seed=options.seed, say=functools.partial(print, flush=True))
    print(f"{time.monotonic() - began:.0f} s")
    for name, value in figures.items():
        print(f"{name:22} {value}")
    if options.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
