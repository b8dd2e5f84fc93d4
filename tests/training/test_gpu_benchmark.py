"""The cells of benchmarks/gpu_training.py, on whatever device this machine has: a shape of a few thousand parameters."""

import pytest

from benchmarks.gpu_cells import UNCOUNTED_STEPS, GpuCell, measure
from benchmarks.gpu_training import cells_of, report


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "changes"),
    [("lora", {"save_memory": True}), ("full", {"save_memory": False})],
    ids=["lora-twice", "full"],
)
def test_a_cell_is_trained_and_measured(method, changes):
    found = measure(GpuCell("tiny", method, 2, 32, changes), seconds=0.0)
    assert found["steps"] == UNCOUNTED_STEPS + 4
    assert found["tokens_per_second"] > 0
    # The loop's own clock leaves out what is between two steps, and nothing else.
    assert found["by_own_clock"] >= found["tokens_per_second"]
    assert found["expected"]["memory_bytes"] > 0
    assert found["losses"][0] == pytest.approx(
        6.24, abs=0.1
    )  # the logarithm of 512 tokens, by a model that knows nothing


def test_every_line_of_the_table_has_figures_or_says_why_not():
    small, long = cells_of("tiny", [32, 64], [2, 4])[:2]
    assert (small.questions, long.questions) == (1, 0)
    figures = {
        "machine": {"device_name": "a GPU"}, "torch": "2", "transformers": "5",
        "cells": [
            {"shape": "1B", "how": "lora", "rows": 4, "length": 256, "expected": {"memory_bytes": 2e9}, "error": "out of memory"}
        ],
        "checks": {"equal bytes": True},
    }  # fmt: skip
    text = report(figures)
    assert "| 1B | lora | 4 x 256 | out of memory " in text
    assert "| equal bytes | True |" in text
