"""The whole loop in a real browser on the real program: real training (a few steps), a real engine, no shortcuts.

Pictures of every step are kept in build/pictures/loop.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from tests.support import steps
from tests.support.program import Program

pytestmark = [pytest.mark.slow, pytest.mark.heavy, pytest.mark.timeout(1800)]
PICTURES = Path(__file__).resolve().parent.parent.parent / "build" / "pictures" / "loop"


@pytest.fixture
def office(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[steps.Office]:
    PICTURES.mkdir(parents=True, exist_ok=True)
    for old in PICTURES.glob("*.png"):
        old.unlink()
    with Program(tmp_path_factory.mktemp("program")) as program:
        yield steps.Office(program.url, browser, PICTURES)


def test_from_a_pair_an_expert_wrote_to_an_answer_an_agent_rated(
    office: steps.Office, tmp_path: Path
) -> None:
    with office.desk_of("ada") as admin:
        steps.first_screen(admin)
        steps.import_pairs(admin, tmp_path)
    with office.desk_of("mo") as annotator:
        number = steps.annotate(annotator)
    with office.desk_of("rhea") as reviewer:
        steps.review(reviewer, number)
        steps.read_findings(reviewer)
    with office.desk_of("ada") as admin:
        steps.freeze(admin)
        steps.train(admin)
        steps.wait_until_served(admin)
        steps.open_campaign(admin)
    with office.desk_of("kofi") as rater:
        steps.chat(rater)
        assert steps.rate(rater) >= 1
    with office.desk_of("mo") as annotator:
        steps.find_the_correction(annotator)
    with office.desk_of("ada") as admin:
        steps.read_results(admin)
        steps.make_live(admin, "base")
        steps.make_live(admin, "v1")
        key = steps.application_key(admin)
        answer = httpx.post(
            f"{office.url}/v1/chat/completions",
            headers={"Authorization": f"Bearer {key}"},
            json={
                "model": steps.PROJECT,
                "messages": [{"role": "user", "content": "Where is FD-52003?"}],
                "max_tokens": 16,
            },
            timeout=120,
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"] == steps.PROJECT
        assert answer.json()["choices"][0]["message"]["content"].strip()
        steps.roll_back(admin)
    with office.desk_of("vera") as viewer:
        steps.walk_back(viewer)
    assert len(list(PICTURES.glob("*.png"))) >= 15
