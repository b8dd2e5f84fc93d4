"""People write in scripts that run from right to left: whatever takes or shows their words takes its direction from them."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django import forms
from django.apps import apps
from django.conf import settings
from django.forms.renderers import get_default_renderer
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.module_loading import import_string

from annotation import services
from annotation.models import Lease
from core.models import Role, Run, User
from core.roles import MEMBERS
from core.services.keys import create_api_key
from dataset.models import Source
from release.services import make_live
from tests.support.factories import (
    World,
    join,
    make_answer_row,
    make_base_model,
    make_campaign,
    make_example,
    make_frozen,
    make_served,
    make_training,
    make_user,
    make_version,
    rate_all,
)
from training.models import SampleAnswer

TEMPLATES = sorted((Path(settings.BASE_DIR) / "templates").rglob("*.html"))
ARABIC = re.compile(r"[\u0590-\u08ff]")
WORDS = "متى يفتح المتجر (Museum)؟"
WITHOUT_WORDS = {
    "hidden",
    "checkbox",
    "radio",
    "number",
    "date",
    "email",
    "password",
    "file",
    "url",
    "submit",
    "range",
}


def _fields(html: str) -> list[str]:
    """The start tags of fields that take words."""
    html = re.sub(r"\{% comment %\}.*?\{% endcomment %\}", "", html, flags=re.DOTALL)
    html = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", html, flags=re.DOTALL)
    tags = re.findall(r"<(?:textarea|input)\b[^>]*>", html, flags=re.DOTALL)
    kinds = [(tag, re.search(r'\btype="(\w+)"', tag)) for tag in tags]
    return [tag for tag, kind in kinds if not kind or kind[1] not in WITHOUT_WORDS]


def test_the_fields_of_a_template_are_found() -> None:
    assert (
        len(
            _fields(
                '<textarea {% if a > 2 %} x{% endif %}>{{ a }}</textarea><input name="b"><input type="radio">'
            )
        )
        == 2
    )


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: str(p.relative_to(settings.BASE_DIR / "templates")))
def test_every_field_that_a_template_writes_out_says_its_direction(path: Path) -> None:
    assert [tag for tag in _fields(path.read_text()) if " dir=" not in tag] == []


def _forms() -> list[type[forms.BaseForm]]:
    for app in ("core.forms", "annotation.filters", "dataset.forms", "annotation.forms",
                "training.forms", "inference.forms", "evaluation.forms", "release.forms"):  # fmt: skip
        import_string(f"{app}.forms")  # each of these modules uses django.forms
    found, rest = [], [forms.BaseForm]
    while rest:
        for one in rest.pop().__subclasses__():
            rest.append(one)
            if one.__module__.split(".")[0] in {config.label for config in apps.get_app_configs()} | {"core"}:
                found.append(one)
    return found


def test_every_form_field_that_takes_words_has_it() -> None:
    renderer, seen, without = get_default_renderer(), 0, []
    for form in _forms():
        for name, field in getattr(form, "base_fields", {}).items():
            if not isinstance(field.widget, (forms.TextInput, forms.Textarea)):
                continue
            html = str(field.widget.render(name, "", renderer=renderer))
            for tag in _fields(html):
                seen += 1
                if 'dir="auto"' not in tag:
                    without.append(f"{form.__module__}.{form.__name__}.{name}")
    assert without == []
    assert seen > 20


class _Walker(HTMLParser):
    """Collects the words in right-to-left script that no element around them lets run from right to left."""

    VOID = {"meta", "link", "input", "br", "hr", "img", "col", "path", "wbr"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, str | None]] = []
        self.shown = 0
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        direction = given.get("dir") or ("auto" if tag == "bdi" else None)
        if ARABIC.search(given.get("value") or "") and tag == "input":
            self.shown += 1
            if direction != "auto" and given.get("type") not in WITHOUT_WORDS:
                self.wrong.append(f"<input name={given.get('name')}>")
        if tag not in self.VOID:
            self.open.append((tag, direction))

    def handle_endtag(self, tag: str) -> None:
        while self.open:
            if self.open.pop()[0] == tag:
                return

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self.open]
        # A title and an option are drawn by the browser itself, which looks at the words.
        if not ARABIC.search(data) or {"title", "option", "script"} & set(tags):
            return
        self.shown += 1
        nearest = next((direction for _, direction in reversed(self.open) if direction), None)
        if nearest != "auto":
            self.wrong.append(f"{' > '.join(tags[-3:])}: {data.strip()[:40]}")


@pytest.fixture
def arabic(world: World) -> World:
    """Everything that people name or write is in Arabic."""
    person = make_user("مريم الحسن", email="maryam@example.org")
    join(world.project, person, *MEMBERS)
    world.project.name, world.project.guideline = "مكتب الشحن", f"# {WORDS}\n\n{WORDS}"
    world.project.description = WORDS
    world.project.save()
    world.admin = person
    source = Source.objects.create(project=world.project, name="أرشيف", license="رخصة")
    pair = {
        "messages": [{"role": "user", "content": WORDS}, {"role": "assistant", "content": WORDS}, {"role": "user", "content": WORDS}],
        "context": [WORDS], "completion": "يفتح المتجر في الساعة 9.", "slice": "جمارك", "tags": ["متجر"], "source": source,
        "origin": "chat", "origin_detail": {"label": WORDS, "answer": WORDS}, "license": "رخصة", "external_id": "رقم",
        "group": "محادثة",
    }  # fmt: skip
    world.sent_back = make_example(
        world.project, status="in_review", submitted_by=person, submitted_at=timezone.now(), **pair
    )
    services.take(by=world.reviewer, example=world.sent_back, purpose=Lease.Purpose.REVIEW)
    services.send_back(by=world.reviewer, example=world.sent_back, comment=WORDS)
    services.take(by=person, example=world.sent_back, purpose=Lease.Purpose.ANNOTATE)
    services.save_draft(
        by=person, example=world.sent_back, content={**world.sent_back.content(), "completion": WORDS}
    )
    world.skipped = make_example(world.project, **pair)
    other = make_user("يوسف", email="yusuf@example.org")
    join(world.project, other, Role.ANNOTATOR)
    world.in_review = make_example(
        world.project, status="in_review", submitted_by=other, submitted_at=timezone.now(), **pair
    )
    services.take(by=person, example=world.in_review, purpose=Lease.Purpose.REVIEW)
    return world


PAGES = [
    "annotation:overview", "annotation:item", "annotation:review", "annotation:correct", "annotation:write",
    "annotation:review-list", "annotation:examples", "annotation:example", "datasets:imports", "datasets:datasets",
    "inference:chat", "evaluation:home", "core:home", "core:people", "core:settings",
]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("name", PAGES)
def test_words_from_right_to_left_are_shown_so(name: str, arabic: World) -> None:
    client = Client()
    client.force_login(arabic.admin, backend="django.contrib.auth.backends.ModelBackend")
    ids = {
        "item": arabic.sent_back,
        "example": arabic.sent_back,
        "review": arabic.in_review,
        "correct": arabic.in_review,
    }
    example = ids.get(name.partition(":")[2])
    page = client.get(reverse(name, args=[arabic.project.slug, *([example.pk] if example else [])]))
    assert page.status_code == 200
    walker = _Walker()
    walker.feed(page.content.decode())
    assert walker.shown >= 2
    assert walker.wrong == []


PAGES_OF_WORK = {
    "training:home": "", "training:run": "number", "training:version": "version", "release:home": "", "release:version": "version",
    "release:release": "release", "evaluation:campaign": "campaign", "evaluation:comparisons": "campaign",
    "evaluation:comparison": "comparison", "inference:answers": "", "inference:answer": "answer", "datasets:datasets": "",
    "datasets:dataset": "dataset", "datasets:dataset-rows": "dataset", "core:run": "run", "core:audit": "", "core:home": "",
    "core:application-keys": "", "core:me": None, "core:accounts": None,
}  # fmt: skip


@pytest.fixture
def worked(world: World, sent: list[object]) -> tuple[User, dict[str, object]]:
    """Somebody whose name is Arabic froze, trained, rated, asked and released. Gives them, and what the pages are of."""
    person = make_user("مريم الحسن", email="maryam@example.org", is_operator=True)
    join(world.project, person, *MEMBERS)
    make_example(
        world.project,
        status="approved",
        created_by=person,
        question=WORDS,
        completion=WORDS,
        origin="chat",
        slice="جمارك",
    )
    dataset = make_frozen(world.project, person, note=WORDS)
    base = make_base_model()
    training = make_training(
        world.project, person, base_model=base, dataset=dataset, status=Run.Status.SUCCEEDED, note=WORDS
    )
    SampleAnswer.objects.create(training_run=training, step=1, question=WORDS, answer=WORDS, reference=WORDS)
    version = make_served(make_version(world.project, person, base_model=base, training_run=training))
    baseline = make_served(make_version(world.project, base_model=base))
    campaign = make_campaign(world.project, person, versions=(baseline, version))
    rating = rate_all(campaign, person, ["candidate"])[0]
    type(rating).objects.filter(pk=rating.pk).update(comment=WORDS)
    answer = make_answer_row(version, WORDS, user=person, question=WORDS)
    release = make_live(by=person, version=baseline, replaces=None, sign_off=True, note=WORDS)
    create_api_key(by=person, project=world.project, name="مفتاح")
    return person, {
        "number": training.number, "version": version.pk, "release": release.pk, "campaign": campaign.pk,
        "comparison": rating.comparison.public_id, "answer": answer.public_id, "dataset": dataset.number, "run": training.run_id,
    }  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("name", PAGES_OF_WORK)
def test_names_from_right_to_left_keep_to_themselves_in_a_sentence(
    name: str, worked: tuple[User, dict[str, object]]
) -> None:
    person, of = worked
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    what = PAGES_OF_WORK[name]
    slug = person.memberships.get().project.slug
    page = client.get(reverse(name, args=[] if what is None else [slug, *([of[what]] if what else [])]))
    assert page.status_code == 200
    walker = _Walker()
    walker.feed(page.content.decode())
    assert walker.shown >= 1
    assert walker.wrong == []
