"""The bytes that a layer keeps per token for the backward pass, counted by autograd's hooks, compared with the
estimates.

    python benchmarks/activations.py [--json]

Every tensor that autograd saves in the forward pass of a Llama is counted once by its storage, parameters excluded. The
size is linear in the widths of a layer, so small layers of several shapes give the exact coefficients of
`training.estimates.memory.KEPT`, valid for any size. One process, a minute or two.
"""

import argparse
import itertools
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.activations import EIGHT, SHAPES, bytes_per_token, shape_of
from training.estimates.memory import KEPT, activation_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true", help="print figures as JSON, nothing else")
    as_json = parser.parse_args().json
    figures: dict[str, Any] = {}
    for (adapter, bfloat16, dropout), shape in itertools.product(KEPT, SHAPES):
        measured = bytes_per_token(shape, adapter=adapter, bfloat16=bfloat16, dropout=dropout)
        expected = KEPT[adapter, bfloat16, dropout].bytes_for(shape_of(shape), shape[-1])
        name = f"{'lora' if adapter else 'full'}, {'bfloat16' if bfloat16 else 'float32'}"
        name += ", dropout" if dropout else ""
        off = abs(measured - expected) / expected
        figures[name] = max(figures.get(name, 0.0), off)
    eight = {
        f"{'lora' if adapter else 'full'}{', dropout' if dropout else ''}{', computed twice' if twice else ''}": round(
            activation_bytes(
                shape=EIGHT,
                adapter=adapter,
                rank=16,
                bfloat16=True,
                dropout=dropout,
                save_memory=twice,
                bytes_per_weight=2 if adapter else 4,
                length=1024,
                device="cuda",
            )
            / EIGHT.layers
        )
        for adapter, dropout, twice in (
            (True, False, False),
            (True, True, False),
            (False, False, False),
            (True, False, True),
        )
    }
    if as_json:
        print(json.dumps({"worst_relative_error": figures, "bytes_per_token_and_layer_8b": eight}))
        return
    print("| how it is trained | largest error of the formula |\n|---|---|")
    for name, off in figures.items():
        print(f"| {name} | {off:.1%} |")
    print("\n| Llama 3.1 8B, products in bfloat16 | bytes a token and layer |\n|---|---|")
    for name, size in eight.items():
        print(f"| {name} | {size:,} |")


if __name__ == "__main__":
    main()
