"""What people do in the browser, step by step, through the whole loop. Each function is one person's errand."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.look import follow, keep_picture, note_console
from tests.support.waiting import wait_for

PROJECT = "freight-desk"
PASSWORD = "freight-desk-demo"
# Generous: two cores share training, an engine and a browser.
LONG = 300_000


@dataclass
class Office:
    """The program's address, a browser, and a folder where pictures are kept."""

    url: str
    browser: Browser
    pictures: Path
    count: int = 0

    @contextmanager
    def desk_of(self, name: str, *, width: int = 1240, dark: bool = False) -> Iterator["Desk"]:
        """A browser window in which `name` has signed in. Fails when the page complained in the console."""
        context = self.browser.new_context(
            viewport={"width": width, "height": 860}, color_scheme="dark" if dark else "light"
        )
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: note_console(complaints, said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{self.url}/sign-in/")
        page.get_by_label("E-mail address").fill(f"{name}@freight-desk.example")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(re.compile(rf"/p/{PROJECT}/"))
        yield Desk(self, page, name)
        context.close()
        assert complaints == []


@dataclass
class Desk:
    office: Office
    page: Page
    name: str

    def go(self, path: str) -> None:
        self.page.goto(f"{self.office.url}/p/{PROJECT}/{path}")

    def picture(self, what: str) -> None:
        self.office.count += 1
        keep_picture(self.page, self.office.pictures / f"{self.office.count:02d}-{what}.png")

    def turn(self, leads_on: Locator) -> None:
        """Clicks what leads to another page, and waits until that one is loaded."""
        with self.page.expect_navigation(wait_until="load"):
            leads_on.click()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def told(self, words: str) -> None:
        """The page shows these words."""
        expect(self.page.get_by_text(words).filter(visible=True).first).to_be_visible(timeout=20_000)


def first_screen(desk: Desk) -> None:
    """Five stages with their counts, and something to do next."""
    status = desk.page.locator(".head .end")

    def all_up() -> bool:
        desk.go("")
        expect(status).not_to_contain_text("checking the system")
        return "All systems OK" in status.inner_text()

    wait_for(all_up, "all parts being up", 120, every=1)
    expect(desk.page.locator(".stage")).to_have_count(5)
    expect(desk.page.locator(".next").first).to_be_visible()
    desk.picture("loop")


def import_pairs(desk: Desk, folder: Path) -> int:
    """The admin imports a file with two good lines and a bad one; gives the id of the import."""
    file = folder / "new-cases.jsonl"
    serial = int(time.time()) % 100_000  # new pairs each time: the same ones would be skipped as repeats
    good = [
        {
            "prompt": f"Where is FD-{serial}{n} now?",
            "context": [f"FD-{serial}{n} | MV Aurora | at sea | ETA 1{n} Dec"],
            "completion": f"FD-{serial}{n} is at sea on MV Aurora. Your next step: none for now. You hear from us at arrival.",
            "slice": "shipment status",
            "edge": "angry_customer",
            "group": f"browser-{serial}-{n}",
        }
        for n in (1, 2)
    ]
    file.write_text(
        "\n".join([json.dumps(good[0]), '{"prompt": 7, "completion": "x"}', json.dumps(good[1])]) + "\n"
    )
    page = desk.page
    desk.go("data/imports/new/")
    page.get_by_label("File").set_input_files(file)
    desk.turn(desk.button("Check the file"))
    page.wait_for_url(re.compile(r"/imports/\d+/"))
    expect(page.get_by_role("heading", name="What the columns become")).to_be_visible(timeout=60_000)
    desk.picture("check")
    desk.turn(desk.button("Import 2 examples"))
    counts = page.get_by_role("region", name="Counts")
    expect(counts).to_contain_text(re.compile(r"Examples added\s*2"), timeout=60_000)
    expect(counts).to_contain_text(re.compile(r"Bad rows\s*1"))
    expect(page.get_by_role("cell", name="prompt", exact=True)).to_be_visible()
    desk.picture("import")
    return int(re.findall(r"/imports/(\d+)/", page.url)[0])


def annotate(desk: Desk) -> str:
    """The annotator takes what waits, corrects it and submits with the keyboard; gives the pair's number."""
    page = desk.page
    desk.go("annotate/")
    desk.picture("annotate-overview")
    follow(page, "s")
    number = re.findall(r"/item/(\d+)/", page.url)[0]
    completion = page.get_by_role("textbox", name="Completion")
    completion.fill(
        "I cannot see that in the records yet. Your next step: send us the reference, please. "
        "You hear from us when we have found it."
    )
    expect(page.locator(".saved-state")).to_contain_text("Draft saved", timeout=20_000)
    expect(page.locator("#checks ~ .live, .live").first).not_to_contain_text(
        "Checking your text", timeout=20_000
    )
    desk.picture("annotate-item")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(lambda url: f"/item/{number}/" not in url, timeout=20_000)
    return number


def read_findings(desk: Desk) -> None:
    """What the checks found in the examples, with the place in the text and what can be done."""
    desk.go("data/quality/")
    desk.told("What the checks found in the examples.")
    expect(desk.page.locator("[data-pick]").first).to_be_visible()
    # The list, with the figures above it still in sight.
    desk.page.evaluate(
        "window.scrollBy(0, document.querySelector('#list').getBoundingClientRect().top - 430)"
    )
    desk.picture("findings")


def review(desk: Desk, number: str) -> None:
    """The reviewer accepts that pair and sends another one back, with a comment."""
    page = desk.page
    desk.go(f"annotate/review/{number}/")
    desk.turn(desk.button("Open it again"))
    expect(desk.button("Accept")).to_be_visible()
    desk.picture("review")
    desk.turn(desk.button("Accept"))
    desk.told(f"#{number}")
    # The next one is open by itself.
    page.get_by_label("Comment").fill("The second sentence promises what no record holds; leave it out.")
    desk.turn(desk.button("Send back"))
    desk.told("sent back")


def freeze(desk: Desk) -> None:
    page = desk.page
    desk.go("data/datasets/new/")
    desk.turn(desk.button("Freeze"))
    page.wait_for_url(re.compile(r"/datasets/\d+/"))
    expect(page.locator("body")).to_contain_text(re.compile(r"[0-9a-f]{12}"), timeout=60_000)
    desk.picture("dataset")


def ready_base(desk: Desk) -> bool:
    desk.go("train/bases/")
    return desk.page.get_by_role("cell", name="Ready", exact=True).count() > 0


def train(desk: Desk, *, epochs: str = "0.1") -> None:
    """The admin launches a short LoRA run and waits for it; the page follows by itself."""
    page = desk.page
    wait_for(lambda: ready_base(desk), "the base model", LONG / 1000, every=2)
    desk.go("train/launch/")
    page.get_by_label("Epochs").fill(epochs)
    page.get_by_text("More settings").click()
    page.get_by_label("Validation rows to measure on").fill("8")
    page.get_by_label("Evaluations during training").fill("1")
    expect(page.locator("#preflight")).to_contain_text("Will be served", timeout=20_000)
    desk.picture("launch")
    desk.turn(desk.button("Launch"))
    page.wait_for_url(re.compile(r"/train/runs/\d+/"))
    expect(page.locator("svg").first).to_be_visible(timeout=LONG)
    desk.picture("training")
    expect(page.locator("[data-run-status=succeeded]")).to_be_visible(timeout=2 * LONG)
    desk.picture("trained")


def wait_until_served(desk: Desk) -> None:
    page = desk.page
    desk.go("serve/")
    # The tags alone: what is being loaded says so in a sentence.
    expect(page.locator("#main .tag.ok", has_text="loaded")).to_have_count(2, timeout=LONG)
    desk.picture("serve")


def chat(desk: Desk) -> None:
    """The rater asks a candidate, whose name stays hidden, and reads the streamed answer."""
    page = desk.page
    desk.go("serve/chat/")
    page.get_by_role("radio").first.check()
    page.get_by_label("Question").fill("Where is FD-52003?")
    desk.button("Ask").click()
    page.wait_for_url(re.compile(r"/chat/\d+/"))
    expect(page.locator(".turn.bot .text").last).to_have_text(re.compile(r"\w{2,}"), timeout=120_000)
    desk.picture("chat")


def open_campaign(desk: Desk) -> None:
    page = desk.page
    desk.go("rate/campaigns/new/")
    page.get_by_label("Name").fill("First comparison")
    page.get_by_label("Number of prompts").fill("4")
    page.get_by_label("Ratings per prompt").fill("1")
    page.get_by_text("How the answers are made").click()
    page.get_by_label("Longest answer").fill("48")
    desk.picture("campaign-new")
    desk.turn(desk.button("Make the answers"))
    page.wait_for_url(re.compile(r"/rate/campaigns/\d+/"))
    expect(page.locator(".head").get_by_text("open", exact=True)).to_be_visible(timeout=LONG)


def rate(desk: Desk) -> int:
    """The rater compares what there is, with the keyboard, and corrects one answer. Gives how many were rated."""
    page = desk.page
    desk.go("rate/")
    desk.turn(page.get_by_role("link", name=re.compile("Compare|Start|Go on|Rate")).last)
    rated = 0
    while page.locator("#rate-form").count():
        desk.picture("compare") if not rated else None
        title = page.locator("#rate-form").get_attribute("action")
        page.keyboard.press(str(rated % 4 + 1))
        if rated == 0:
            page.locator("details.correct summary").first.click()
            page.locator("details.correct textarea").first.fill(
                "FD-1 is at sea. Your next step: none for now. You hear from us when it arrives."
            )
        page.get_by_label("Skip scores").check()
        page.locator("#rate-next").click()
        page.wait_for_function(
            "before => document.querySelector('#rate-form')?.getAttribute('action') !== before", arg=title
        )
        rated += 1
    desk.picture("nothing-left")
    return rated


def read_results(desk: Desk) -> None:
    page = desk.page
    desk.go("rate/")
    desk.turn(page.get_by_role("link", name="First comparison").first)
    expect(page.locator("body")).to_contain_text("Win rate", ignore_case=True)
    desk.picture("results")


def find_the_correction(desk: Desk) -> None:
    """What the rater rewrote waits at the front of the annotator's queue and says where it came from."""
    desk.go("annotate/examples/?origin=rating")
    desk.turn(desk.page.locator("#main table a").first)
    expect(desk.page.locator("#main")).to_contain_text("corrected while rating", ignore_case=True)
    desk.picture("correction")


def application_key(desk: Desk) -> str:
    """A new key for an application, read off the page that shows it once."""
    desk.go("keys/")
    desk.page.get_by_label("Name").fill("browser test")
    desk.turn(desk.button("Create a key"))
    found = re.search(r"gk_[\w-]{30,}", desk.page.locator("body").inner_text())
    assert found, "the new key is not on the page"
    return found[0]


def make_live(desk: Desk, which: str) -> None:
    """The admin signs a version off; the gate holds for want of evidence, so a note is needed."""
    page = desk.page
    desk.go("release/")
    desk.picture("release")
    desk.turn(
        page.locator(".candidate", has_text=which).get_by_role("link", name=re.compile("Open and decide"))
    )
    desk.picture("gate")
    page.locator("#id_note").fill("First turn of the loop; few ratings yet.")
    page.locator("#id_sign_off").check()
    desk.turn(page.get_by_role("button", name=re.compile("^Release")))
    desk.told("is live. It answers applications from now on.")


def roll_back(desk: Desk) -> None:
    page = desk.page
    desk.go("release/")
    page.locator("summary", has_text=re.compile("Roll back to")).click()
    page.get_by_label("Released by mistake").check()
    desk.turn(page.get_by_role("button", name=re.compile("Roll back to")))
    desk.told("is live again.")
    desk.picture("rolled-back")


def walk_back(desk: Desk) -> None:
    """The viewer goes from an answer to the version, the run, the dataset and an example."""
    page = desk.page
    desk.go("serve/answers/")
    desk.turn(page.locator("#main table a").first)
    page.wait_for_url(re.compile(r"/answers/[0-9a-f-]{36}/"))
    desk.picture("answer")
    for part in ("/train/versions/", "/train/runs/", "/data/datasets/"):
        expect(page.locator(f'#main a[href*="{part}"]').first).to_be_visible()
    desk.turn(page.locator('#main a[href*="/data/datasets/"]').first)
    desk.turn(page.locator('#main a[href*="/rows/"]').first)
    desk.turn(page.locator('#main a[href*="/annotate/examples/"]').first)
    expect(page.locator("#main")).to_contain_text("Completion", ignore_case=True)
    desk.picture("example")
