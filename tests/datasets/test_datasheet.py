"""The datasheet of a version: facts from the database, answers from people, and the same as page, Markdown, PDF and JSON."""

import re
from datetime import date, timedelta
from typing import Any

import pytest
import typst
from django.urls import reverse
from django.utils import timezone

from core.errors import Invalid
from core.models import AuditEntry, Project
from dataset.datasheets import as_markdown, as_pdf
from dataset.datasheets.markdown import escaped
from dataset.errors import AnsweredMeanwhile
from dataset.models import DatasetVersion, DatasheetAnswer, Source
from dataset.queries.datasheet import FACTS, answered_of, datasheet_of, project_answers, standing_answers
from dataset.queries.datasheet.known import SheetFacts
from dataset.questions import ASKED, MOST_ANSWER, QUESTIONS, SECTIONS
from dataset.registry import register_version_uses
from dataset.runner.report import make_report
from dataset.services.datasheets import answer_datasheet
from dataset.services.reports import start_report
from tests.datasets.desk import SignIn, approve
from tests.support.factories import World, make_frozen, make_training, quiet
from tests.support.reading import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]
HOSTILE = [
    '#import "@preview/cetz:0.1.0"',
    '#read("/etc/passwd")',
    "a\\b \"q\" 'q' $x^2$ *b* _i_ `c` <l> @r // c /* d */ ~ -- ---",
    "\x01\x02\x1b[31m\x7f\u202e\u2066 turned \ufffe",
    "= heading\n- item\n+ item\n/ term: x",
    "<script>alert(1)</script> | cell | & [link](javascript:alert(1)) ![x](y)",
    "日本語 中文 مرحبا ไทย 😀👩\u200d👩\u200d👧 🇩🇪",
    "]] #panic() }} $ ${",
]


@pytest.fixture
def dataset(world: World) -> DatasetVersion:
    Source.objects.create(project=world.project, name="Archive")
    approve(world.project, 6, source="Archive", license="CC BY 4.0", created_by=world.admin)
    return make_frozen(world.project, world.admin, note="the first")


def answer(world: World, dataset: DatasetVersion | None = None, **answers: Any) -> list[str]:
    options = {name: answers.pop(name) for name in ("seen", "also_later") if name in answers}
    return answer_datasheet(
        by=world.admin, project=world.project, dataset=dataset, answers=answers, **options
    )


def facts(dataset: DatasetVersion) -> dict[str, SheetFacts]:
    return {
        entry.question.key: entry.facts
        for _, entries in datasheet_of(DatasetVersion.objects.get(pk=dataset.pk)).sections
        for entry in entries
    }


# --- questions and facts -----------------------------------------------------------------------------------
def test_every_question_is_answered_by_facts_or_people_and_has_its_place():
    assert {key for key, question in QUESTIONS.items() if question.known} == set(FACTS)
    assert all(question.known or question.asked for question in QUESTIONS.values())
    assert [name for name, _ in SECTIONS] == [
        "Motivation", "Composition", "Collection process", "Preprocessing, cleaning, labelling", "Uses",
        "Distribution", "Maintenance",
    ]  # fmt: skip
    assert sum(len(questions) for _, questions in SECTIONS) == len(QUESTIONS)
    assert all(len(key) <= 40 for key in QUESTIONS)


def test_what_the_database_knows_is_filled_in(world: World, dataset: DatasetVersion):
    told = facts(dataset)
    assert any(world.admin.name in line for line in told["creators"].lines)
    assert told["count"].table and ("shipment status", "4", "1", "1", "6") in told["count"].table.rows
    assert told["how"].lines[-1].endswith(dataset.content_hash)
    assert "has not read" in told["directly"].lines[0] and "has not read" in told["errors"].lines[0]
    make_report(start_report(by=None, dataset=dataset), tell=quiet)
    told = facts(dataset)
    assert told["directly"].table and told["directly"].table.rows == [("Archive", "6", "")]
    assert told["consent"].table and told["consent"].table.rows == [("Archive", "6", "Unknown")]
    assert told["license"].table and told["license"].table.rows == [("Archive", "6", "CC BY 4.0", "")]
    assert told["revoke"].lines == ["None of its sources is withdrawn today."]
    assert "Without records: 6 (100%)." in told["missing"].lines
    assert told["erratum"].lines == ["There is no later version of this dataset."]
    make_frozen(world.project, world.admin)
    assert "dataset 2" in facts(dataset)["erratum"].lines[0]


def test_what_the_sources_say_today_is_told_with_their_rows(world: World, dataset: DatasetVersion):
    make_report(start_report(by=None, dataset=dataset), tell=quiet)
    Source.objects.filter(project=world.project).update(
        license="CC-BY-4.0", consent="contract", consent_note="clause 4", owner="The archive", contact="+49 30 123456",
        expires_on=date(2027, 3, 31), withdrawn_at=timezone.now(), withdrawn_reason="A court said so.",
    )  # fmt: skip
    told = facts(dataset)
    tables = {key: found.table.rows for key, found in told.items() if found.table}
    assert tables["consent"] == [("Archive", "6", "Contract: clause 4")]
    assert tables["directly"] == [("Archive", "6", "The archive")]
    assert tables["retention"] == [("Archive", "6", "31 March 2027")]
    assert tables["revoke"][0][2].endswith(": A court said so.")
    assert tables["license"] == [("Archive", "6", "CC BY 4.0", "CC-BY-4.0")]
    assert "123456" not in as_markdown(datasheet_of(dataset))


def test_the_uses_of_a_version_come_from_the_apps_above(
    world: World, dataset: DatasetVersion, monkeypatch: pytest.MonkeyPatch
):
    assert facts(dataset)["used"].lines == ["No training run in this project has used it yet."]
    run = make_training(world.project, world.admin, dataset=dataset)
    assert str(run.number) in facts(dataset)["used"].lines[0]
    monkeypatch.setattr("dataset.registry._version_uses", [])
    register_version_uses(lambda version: [f"{version} was read aloud."])
    assert facts(dataset)["used"].lines == ["Dataset 1 was read aloud."]


# --- answers -----------------------------------------------------------------------------------------------
def test_an_answer_stands_in_the_versions_that_are_frozen_after_it(world: World, dataset: DatasetVersion):
    assert answer(world, purpose=" To answer customers. ") == ["purpose"]
    assert standing_answers(dataset) == {} and answered_of(dataset) == (0, len(ASKED))
    approve(world.project, 1)
    second = make_frozen(world.project, world.admin)
    assert standing_answers(second)["purpose"].text == "To answer customers."
    answer(world, purpose="Something else.")
    assert standing_answers(second)["purpose"].text == "To answer customers."
    assert project_answers(world.project)["purpose"].text == "Something else."
    assert DatasheetAnswer.objects.count() == 2  # nothing is overwritten


def test_a_version_has_answers_of_its_own_and_can_take_one_back(world: World, dataset: DatasetVersion):
    DatasheetAnswer.objects.create(project=world.project, question="purpose", text="All.", by=world.admin)
    DatasheetAnswer.objects.update(at=timezone.now() - timedelta(days=1))
    assert standing_answers(dataset)["purpose"].text == "All."
    answer(world, dataset, purpose="This one.", funding="The desk.", also_later=True)
    assert {key: one.text for key, one in standing_answers(dataset).items()} == {
        "purpose": "This one.", "funding": "The desk.",
    }  # fmt: skip
    assert project_answers(world.project)["purpose"].text == "This one."
    answer(world, dataset, purpose="")
    assert set(standing_answers(dataset)) == {"funding"}
    assert project_answers(world.project)["purpose"].text == "This one."
    assert answer(world, dataset, purpose="", funding="The desk.") == []
    entries = AuditEntry.objects.filter(action="datasheet.answered").order_by("pk")
    assert [entry.detail["questions"] for entry in entries] == ["purpose, funding", "purpose"]


def test_two_people_at_one_datasheet_do_not_undo_each_other(world: World, dataset: DatasetVersion):
    seen = dict.fromkeys(ASKED, 0)
    answer(world, dataset, purpose="Mine.", seen=seen)
    # The second person typed in another field; their form still has the old empty text in the first.
    assert answer(world, dataset, purpose="", funding="Ours.", seen=seen) == ["funding"]
    assert standing_answers(dataset)["purpose"].text == "Mine."
    with pytest.raises(AnsweredMeanwhile) as refused:
        answer(world, dataset, purpose="Theirs.", contact="Desk", seen=seen)
    assert refused.value.questions == {"purpose": "Mine."}
    assert "contact" not in standing_answers(dataset)
    now = {"purpose": standing_answers(dataset)["purpose"].pk}
    assert answer(world, dataset, purpose="Theirs.", seen=now) == ["purpose"]


def test_wrong_answers_are_refused_and_none_is_stored(world: World, dataset: DatasetVersion):
    for key, text in (
        ("colour", "red"),
        ("splits", "no such question"),
        ("contact", "x" * (MOST_ANSWER + 1)),
    ):
        with pytest.raises(Invalid) as refused:
            answer(world, dataset, purpose="Fine.", **{key: text})
        assert list(refused.value.fields) == [key]
    assert not DatasheetAnswer.objects.exists()


# --- pages -------------------------------------------------------------------------------------------------
def url(world: World, name: str) -> str:
    return reverse(f"datasets:dataset-datasheet{name}", args=[world.project.slug, 1])


def test_the_page_shows_answers_with_who_wrote_them_and_what_is_open(
    world: World, dataset: DatasetVersion, as_user: SignIn
):
    answer(world, dataset, purpose="<b>To answer</b>")
    shown = as_user(world.annotator).get(url(world, ""))
    assert "&lt;b&gt;To answer" in shown.content.decode() and "<b>To answer" not in shown.content.decode()
    text = text_of(shown)
    assert f"1 of {len(ASKED)} questions to people are answered" in text
    assert text.count("Not answered yet.") == len(ASKED) - 1
    assert world.admin.name in text and "Answer the questions" not in text
    assert "The rows have not been read for this datasheet yet" in text
    assert as_user(world.rater).get(url(world, "")).status_code == 403
    assert as_user(world.annotator).get(url(world, "-answers")).status_code == 403


def test_the_form_saves_for_the_version_and_for_later_ones(
    world: World, dataset: DatasetVersion, as_user: SignIn
):
    client = as_user(world.admin)
    path = url(world, "-answers")
    assert client.get(path).status_code == 200
    saved = client.post(path, {"purpose": "To answer.", "seen-purpose": "0", "also_later": "on"})
    assert saved.url == url(world, "")  # type: ignore[attr-defined]
    assert standing_answers(dataset)["purpose"].by == world.admin
    assert project_answers(world.project)["purpose"].text == "To answer."
    stale = client.post(path, {"purpose": "Else.", "seen-purpose": "0"})
    assert stale.status_code == 409
    assert "Now it says: “To answer.”" in stale.content.decode() and "Else." in stale.content.decode()
    pk = standing_answers(dataset)["purpose"].pk
    assert f'name="seen-purpose" value="{pk}"' in stale.content.decode()
    assert client.post(path, {"purpose": "Else.", "seen-purpose": pk}).status_code == 302
    long = client.post(path, {"purpose": "x" * (MOST_ANSWER + 1), "seen-purpose": pk})
    assert long.status_code == 422
    assert standing_answers(dataset)["purpose"].text == "Else."


def test_a_version_can_take_over_what_the_project_answered_after_its_freeze(
    world: World, dataset: DatasetVersion, as_user: SignIn
):
    client = as_user(world.admin)
    path = reverse("datasets:datasheet-answers", args=[world.project.slug])
    assert client.post(path, {"contact": "desk@example.org"}).status_code == 302
    assert standing_answers(dataset) == {}
    page = client.get(url(world, "-answers"))
    assert (
        "1 question without an answer here" in text_of(page)
        and "desk@example.org" not in page.content.decode()
    )
    filled = client.get(url(world, "-answers"), {"from": "project"}).content.decode()
    assert "desk@example.org" in filled
    client.post(url(world, "-answers"), {"contact": "desk@example.org", "seen-contact": "0"})
    assert standing_answers(dataset)["contact"].text == "desk@example.org"


def test_the_api_reads_and_answers(world: World, dataset: DatasetVersion, as_user: SignIn):
    path = f"/api/v1/projects/{world.project.slug}/datasets/1/datasheet/"
    client = as_user(world.admin)
    told = client.post(path, {"question": "purpose", "text": "To answer.", "also_later": True}).json()
    assert (told["text"], told["for_version"], told["by"]["name"]) == ("To answer.", True, world.admin.name)
    assert client.post(path, {"question": "purpose", "text": "x", "seen": 0}).status_code == 409
    for wrong in (
        {"question": "colour", "text": "x"},
        {"text": "x"},
        {"question": "purpose", "text": "x", "by": 1},
    ):
        assert client.post(path, wrong).status_code == 422, wrong
    assert client.post(path, {"question": "purpose", "text": ""}).json()["id"] is None
    sheet = as_user(world.viewer).get(path).json()
    assert (sheet["answered"], sheet["asked"], sheet["content_hash"]) == (0, len(ASKED), dataset.content_hash)
    assert [section["name"] for section in sheet["sections"]] == [name for name, _ in SECTIONS]
    count = next(
        one for section in sheet["sections"] for one in section["questions"] if one["key"] == "count"
    )
    assert count["table"]["rows"] and count["asked"] is False and count["answer"] is None
    assert as_user(world.viewer).post(path, {"question": "purpose", "text": "x"}).status_code == 403
    (mine,) = client.get(f"/api/v1/projects/{world.project.slug}/datasheet/").json()
    assert (mine["question"], mine["text"], mine["for_version"]) == ("purpose", "To answer.", False)


def test_a_long_datasheet_costs_no_more_queries(
    world: World, dataset: DatasetVersion, as_user: SignIn, django_assert_max_num_queries: Any
):
    answer(world, dataset, **dict.fromkeys(ASKED, "Yes."))
    make_report(start_report(by=None, dataset=dataset), tell=quiet)
    client = as_user(world.viewer)
    client.get(url(world, ""))
    with django_assert_max_num_queries(16):
        assert client.get(url(world, "")).status_code == 200


# --- files -------------------------------------------------------------------------------------------------
def svg_text(sheet: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """The words of the pages, as typst drew them: its HTML has every text once."""
    made = {}
    compiler = typst.Compiler

    class AlsoHtml:
        def __init__(self, **options: Any) -> None:
            self.inner = compiler(**options)

        def compile(self, source: bytes, **options: Any) -> Any:
            made["html"] = self.inner.compile(source, **(options | {"format": "html"}))
            return self.inner.compile(source, **options)

    monkeypatch.setattr(typst, "Compiler", AlsoHtml)
    assert as_pdf(sheet).startswith(b"%PDF-")
    return bytes(made["html"]).decode()


def test_the_pdf_has_the_facts_and_hostile_text_stays_text(
    world: World, dataset: DatasetVersion, monkeypatch: pytest.MonkeyPatch
):
    import html

    keys = ASKED[: len(HOSTILE)]
    answer(world, dataset, **dict(zip(keys, HOSTILE, strict=True)))
    Project.objects.filter(pk=world.project.pk).update(name='#read("/etc/passwd") <b>')
    dataset = DatasetVersion.objects.select_related("project", "artifact", "created_by").get(pk=dataset.pk)
    make_report(start_report(by=None, dataset=dataset), tell=quiet)
    drawn = html.unescape(re.sub(r"<br\s*/?>|</?p>", "\n", svg_text(datasheet_of(dataset), monkeypatch)))
    assert dataset.content_hash in drawn  # as one word, to be copied
    drawn = drawn.replace("\u200b", "")
    assert "root:" not in drawn and dataset.content_hash in drawn and "Archive" in drawn
    assert world.admin.name in drawn and "Not answered yet." in drawn
    assert 'Datasheet of #read("/etc/passwd") <b>, dataset 1' in drawn
    for words in HOSTILE[:3] + HOSTILE[5:]:
        assert words in drawn, words
    assert "[31m turned" in drawn and "\x1b" not in drawn and "\u202e" not in drawn
    assert "= heading" in drawn and "+ item" in drawn
    assert "Letters that no font of this server has are drawn as boxes." in drawn


def test_very_long_texts_become_a_pdf_too(world: World, dataset: DatasetVersion):
    long = ["x" * MOST_ANSWER, "word " * (MOST_ANSWER // 5), "\n" * 5000 + "end", "$" * MOST_ANSWER]
    texts = {key: long[at % len(long)] for at, key in enumerate(ASKED)}
    answer(world, dataset, **texts)
    Project.objects.filter(pk=world.project.pk).update(guideline="#" * 100_000)
    assert as_pdf(datasheet_of(DatasetVersion.objects.get(pk=dataset.pk)))[:5] == b"%PDF-"


def test_the_markdown_has_everything_and_markup_stays_text(world: World, dataset: DatasetVersion):
    import markdown_it  # the renderer of the program's own pages

    keys = ASKED[: len(HOSTILE)]
    answer(world, dataset, **dict(zip(keys, HOSTILE, strict=True)))
    make_report(start_report(by=None, dataset=dataset), tell=quiet)
    text = as_markdown(datasheet_of(dataset))
    assert text.count("\n## ") == len(SECTIONS) and text.count("\n### ") == len(QUESTIONS)
    assert text.count("*Not answered yet.*") == len(ASKED) - len(HOSTILE)
    assert f"`{dataset.content_hash}`" in text and "| Archive | 6 | CC BY 4.0 |" in text
    shown = markdown_it.MarkdownIt("commonmark").enable("table").render(text)
    assert (
        "<script" not in shown
        and "<a " not in shown
        and "<img" not in shown
        and "<code>c</code>" not in shown
    )
    assert shown.count("<h1>") == 1 and "<pre>" not in shown
    assert '#read("/etc/passwd")' in shown.replace("&quot;", '"')


@pytest.mark.parametrize(
    "text", [*HOSTILE, "1. one", "2) two", "+ plus", "- minus", "---", "    code", "a\\", "=="]
)
def test_escaped_text_is_shown_letter_by_letter(text: str):
    import html

    import markdown_it

    shown = markdown_it.MarkdownIt("commonmark").enable("table").render(f"> {escaped(text)}")
    words = html.unescape(re.sub(r"</?(?:blockquote|p)>", "", shown))
    assert " ".join(words.split()) == " ".join(text.split())


def test_the_files_have_names_and_types_and_are_for_readers(
    world: World, dataset: DatasetVersion, as_user: SignIn
):
    client = as_user(world.viewer)
    for name, start, kind in (
        ("pdf", b"%PDF-", "application/pdf"),
        ("markdown", b"# Datasheet", "text/markdown"),
    ):
        told = client.get(url(world, f"-{name}"))
        assert told.content.startswith(start) and told["Content-Type"].startswith(kind)
        assert f"{world.project.slug}-dataset-1-datasheet." in told["Content-Disposition"]
        assert as_user(world.rater).get(url(world, f"-{name}")).status_code == 403
        assert as_user(world.stranger).get(url(world, f"-{name}")).status_code == 404
