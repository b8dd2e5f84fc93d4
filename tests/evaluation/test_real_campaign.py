"""A campaign on the real engine with the real small model: answers made beforehand, rated blind, closed, put live, taken back."""

from pathlib import Path
from typing import Any

import pytest

from core.storage import storage
from evaluation import services
from evaluation.models import Campaign, CampaignAnswer
from evaluation.queries import results_for
from inference.queries import live_version
from inference.reconcile import loop as module
from inference.reconcile.loop import Reconciler
from release.queries import candidate, version_of
from release.services import make_live, roll_back
from tests.inference.test_real_vllm import is_loaded, make_adapter, real_base, turn_until
from tests.support.factories import (
    FULL_SCORES,
    join,
    make_held_out,
    make_user,
    make_version,
    make_world,
    rate_all,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.heavy,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(1500),
]

# The model says them after the question: characters at which str.splitlines ends a line, and an event stream does not.
SEPARATORS = "\u2028\u2029\x85"
ASKED = tuple(
    f"Repeat exactly: {word}{letter}{word}"
    for word, letter in zip(("a", "dog", "tree"), SEPARATORS, strict=True)
)


def test_a_campaign_on_the_real_engine(
    tmp_path: Path, settings: Any, sent: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.tasks import execute_run

    settings.ENGINE_PORTS_FROM = 23200
    monkeypatch.setattr(module, "BACKOFF", (0,))
    world = make_world()
    base, bare = real_base(world.project)
    folder = make_adapter(storage().local_path(base.artifact), tmp_path / "adapter", 1)
    artifact = storage().put(folder, kind="model")
    adapter = make_version(world.project, world.admin, base_model=base, artifact=artifact)
    loop = Reconciler()
    try:
        turn_until(loop, lambda: is_loaded(bare, adapter), "base and adapter")
        bare.refresh_from_db()
        adapter.refresh_from_db()
        campaign = services.create_campaign(
            by=world.admin,
            project=world.project,
            name="Real",
            baseline=bare,
            candidate=adapter,
            dataset=make_held_out(world.project, rows=4, questions=ASKED),
            prompts=4,
            ratings_per_prompt=2,
            temperature=0,
            max_tokens=24,
        )
        execute_run(campaign.run_id)
        campaign.refresh_from_db()
        assert campaign.status == Campaign.Status.OPEN, campaign.run.error_message
        made = CampaignAnswer.objects.select_related("answer", "entry")
        assert made.count() == 8
        assert all(0 < answer.answer.completion_tokens <= 24 for answer in made)
        questions = [prompt.messages[-1]["content"] for prompt in campaign.prompts.all()]
        assert set(ASKED) < set(questions)
        texts = [answer.answer.text for answer in made]
        assert any(letter in text for text in texts for letter in SEPARATORS), texts
        assert not campaign.prompts.filter(same_answer=True).exists()

        for _ in range(2):
            join(world.project, (rater := make_user()), "rater")
            rate_all(campaign, rater, ["candidate", "candidate", "tie", "candidate"], FULL_SCORES)
        services.close_campaign(by=world.admin, campaign=campaign)
        rate = results_for(adapter)[0].win_rate
        assert rate.value == pytest.approx(7 / 8) and rate.low < 7 / 8 < rate.high

        loop.tick()
        gate = {
            check.name: check.result
            for check in candidate(version_of(world.project).get(pk=adapter.pk)).gate.checks
        }
        assert (gate["token_parity"], gate["served"], gate["files_intact"]) == ("pass", "pass", "pass")
        make_live(by=world.admin, version=bare, replaces=None, sign_off=True, note="First.")
        make_live(by=world.admin, version=adapter, replaces=bare, sign_off=True, note="Few ratings.")
        loop.tick()
        back = roll_back(by=world.admin, project=world.project, away_from=adapter, reason="Few ratings.")
        assert back.version == bare
        assert live_version(world.project) == bare and is_loaded(bare, adapter)
    finally:
        loop.shut_down()
