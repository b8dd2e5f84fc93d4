"""Data rules: which examples a freeze leaves out because of their license, consent or source."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from core.errors import Conflict, Invalid
from core.models import AuditEntry
from dataset.data_rules import CHOICES, Rules, SourceFacts
from dataset.licenses import LICENSES, about, license_of
from dataset.models import DataRule, ProjectRules, Source, WithheldRow
from dataset.queries import preview as preview_module
from dataset.queries.preview import preview
from dataset.services.sources import rules_stamp, set_rules
from dataset.services.versions import FREEZE_DEFAULTS, start_freeze
from tests.datasets.desk import SignIn, approve, splits_of
from tests.support.factories import World, make_example, make_frozen

TODAY = date(2026, 11, 26)


# --- the table ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("CC-BY-4.0", "CC-BY-4.0"),
        ("cc by 4.0", "CC-BY-4.0"),
        ("CC BY-NC-SA 4.0", "CC-BY-NC-SA-4.0"),
        ("Creative Commons Attribution 4.0", "CC-BY-4.0"),
        ("apache 2.0", "Apache-2.0"),
        ("internal", "LicenseRef-Internal"),
        ("CC0", "CC0-1.0"),
    ],
)
def test_a_license_is_found_in_its_usual_spellings(text: str, identifier: str):
    found = license_of(text)
    assert found is not None
    assert found.identifier == identifier


@pytest.mark.parametrize("text", ["", "–", "CC-BY", "CC-BY-4.0 or so", "ask Mona", "CC-BY-5.0"])
def test_nothing_is_guessed(text: str):
    assert license_of(text) is None
    assert "nknown" in about(text) or "No license" in about(text)


def test_no_two_licenses_share_a_spelling():
    for license_ in LICENSES:
        for text in (license_.identifier, license_.name, *license_.also):
            assert license_of(text) is license_


# --- the rules ---------------------------------------------------------------------------------------------
SOURCES = {
    "open": SourceFacts("CC-BY-4.0", "public"),
    "nc": SourceFacts("CC-BY-NC-4.0", "public"),
    "nd": SourceFacts("CC-BY-ND-4.0", "public"),
    "sa": SourceFacts("CC-BY-SA-4.0", "public"),
    "text": SourceFacts("ask Mona", "contract"),
    "bare": SourceFacts(),
    "last day": SourceFacts("CC0-1.0", "own", TODAY),
    "over": SourceFacts("CC0-1.0", "own", TODAY - timedelta(days=1)),
    "gone": SourceFacts("CC0-1.0", "own", withdrawn=True),
}


@pytest.mark.parametrize(
    ("rules", "source", "own", "origin", "broken"),
    [
        ((), "bare", "", "import", ""),
        ((), "gone", "", "import", "withdrawn"),
        (CHOICES, "open", "", "import", ""),
        (("commercial",), "nc", "", "import", "commercial"),
        (
            ("commercial",),
            "nc",
            "CC-BY-4.0",
            "import",
            "",
        ),  # its own license counts before that of its source
        (("commercial",), "open", "CC-BY-NC-4.0", "import", "commercial"),
        (("commercial",), "text", "", "import", ""),  # what is not known forbids nothing
        (("known_license",), "text", "", "import", "known_license"),
        (("known_license",), "bare", "", "import", "known_license"),
        (("known_license",), None, "", "import", "known_license"),
        (("known_license",), None, "", "written", ""),
        (("known_license",), None, "ask Mona", "written", "known_license"),
        (("known_license",), "bare", "", "written", "known_license"),
        (("derivatives",), "nd", "", "import", "derivatives"),
        (("share_alike",), "sa", "", "import", "share_alike"),
        (("consent",), "bare", "", "import", "consent"),
        (("consent",), None, "", "import", "consent"),
        (("consent",), None, "", "rating", ""),
        (("consent",), "text", "", "import", ""),
        (("expired",), "last day", "", "import", ""),
        (("expired",), "over", "", "import", "expired"),
        (("commercial",), "over", "", "import", ""),
        (("consent", "known_license"), "bare", "", "import", "consent"),  # counted once, under the first
    ],
)
def test_a_rule_is_broken_or_not(rules, source, own, origin, broken):
    assert Rules(rules, SOURCES, TODAY).broken(source=source, license=own, origin=origin) == broken


# --- the freeze --------------------------------------------------------------------------------------------
database = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


@pytest.fixture
def mixed(world: World) -> dict[str, list[int]]:
    """Six examples of an open source, two of a non-commercial one, one without any license."""
    Source.objects.create(project=world.project, name="open", license="CC-BY-4.0", consent="public")
    Source.objects.create(project=world.project, name="nc", license="CC-BY-NC-4.0", consent="public")
    made = {
        "open": approve(world.project, 6, source="open"),
        "nc": approve(world.project, 2, source="nc"),
        "bare": approve(world.project, 1),
    }
    return {name: [example.pk for example in examples] for name, examples in made.items()}


class TestFreeze:
    pytestmark = database

    def test_rows_that_break_a_rule_are_withheld_and_counted(self, world: World, mixed, as_user: SignIn):
        set_rules(by=world.admin, project=world.project, rules=["commercial", "known_license"])
        shown = preview(world.project, FREEZE_DEFAULTS)
        dataset = make_frozen(world.project, world.admin)
        assert set(splits_of(dataset)) == set(mixed["open"])
        withheld = {row.example_id: (row.reason, row.rule, row.split) for row in WithheldRow.objects.all()}
        assert withheld == {
            **dict.fromkeys(mixed["nc"], ("rule", "commercial", "")),
            **dict.fromkeys(mixed["bare"], ("rule", "known_license", "")),
        }
        assert dataset.counts["withheld_rules"] == {"commercial": 2, "known_license": 1}
        assert (dataset.counts["withheld"], dataset.counts["total"]) == (3, 6)
        assert shown.counts is not None
        assert {name: shown.counts[name] for name in ("total", "withheld", "withheld_rules", "train")} == {
            name: dataset.counts[name] for name in ("total", "withheld", "withheld_rules", "train")
        }
        assert dataset.settings["rules"] == ["commercial", "known_license"]
        page = as_user(world.annotator).get(reverse("datasets:dataset", args=[world.project.slug, 1]))
        text = page.content.decode()
        assert "2 rows are withheld by a data rule: No data whose license forbids commercial use." in text
        reasons = as_user(world.annotator).get(
            reverse("datasets:dataset-withheld", args=[world.project.slug, 1])
        )
        assert "Data rule: No data without a known license" in reasons.content.decode()
        asked = as_user(world.admin).get(
            reverse("datasets:dataset-preview", args=[world.project.slug]),
            {"validation": 10, "test": 10, "separate_near_duplicates": "on"},
        )
        assert "1 row is withheld by a data rule: No data without a known license." in asked.content.decode()

    def test_a_preview_of_many_rows_counts_them_too(self, world: World, mixed, monkeypatch):
        monkeypatch.setattr(preview_module, "WHOLE", 5)
        set_rules(by=world.admin, project=world.project, rules=["commercial"])
        counts = preview(world.project, FREEZE_DEFAULTS).counts
        assert counts is not None
        assert (counts["total"], counts["withheld_rules"]) == (7, {"commercial": 2})

    def test_without_rules_the_settings_and_the_hash_are_those_of_before(self, world: World, mixed):
        """A version that was frozen before there were rules and one that is frozen without rules are the same content."""
        first = make_frozen(world.project, world.admin)
        assert "rules" not in first.settings
        assert first.counts["withheld_rules"] == {}
        set_rules(by=world.admin, project=world.project, rules=["derivatives"])
        second = make_frozen(world.project, world.admin)
        assert second.content_hash != first.content_hash  # the same rows under another promise
        set_rules(by=world.admin, project=world.project, rules=[])
        third = make_frozen(world.project, world.admin)
        assert (third.content_hash, third.same_as) == (first.content_hash, first)

    def test_rows_of_a_withdrawn_source_are_left_out_although_no_rule_is_set(self, world: World, mixed):
        """Also while the background job has not retired its examples yet."""
        Source.objects.filter(name="nc").update(withdrawn_at=timezone.now(), withdrawn_reason="Asked to.")
        dataset = make_frozen(world.project, world.admin)
        assert dataset.counts["withheld_rules"] == {"withdrawn": 2}
        assert not set(splits_of(dataset)) & set(mixed["nc"])

    def test_a_change_of_the_rules_or_of_a_source_makes_a_preview_old(self, world: World, mixed):
        seen = preview(world.project, FREEZE_DEFAULTS).seen
        start = {"by": world.admin, "project": world.project}
        set_rules(by=world.admin, project=world.project, rules=["commercial"])
        with pytest.raises(Conflict):
            start_freeze(**start, seen=seen)
        seen = preview(world.project, FREEZE_DEFAULTS).seen
        Source.objects.filter(name="nc").update(license="CC-BY-4.0")
        with pytest.raises(Conflict):
            start_freeze(**start, seen=seen)
        assert start_freeze(**start, seen=preview(world.project, FREEZE_DEFAULTS).seen).number == 1

    def test_nothing_is_frozen_when_every_row_breaks_a_rule(self, world: World):
        from core.runs.context import RunFailed

        make_example(world.project, status="approved")
        set_rules(by=world.admin, project=world.project, rules=["known_license"])
        with pytest.raises(RunFailed, match="break a data rule"):
            make_frozen(world.project, world.admin)

    def test_an_expired_source_is_left_out_only_with_the_rule(self, world: World, mixed):
        Source.objects.filter(name="nc").update(expires_on=timezone.localdate() - timedelta(days=1))
        assert make_frozen(world.project, world.admin).counts["total"] == 9
        set_rules(by=world.admin, project=world.project, rules=["expired"])
        assert make_frozen(world.project, world.admin).counts["withheld_rules"] == {"expired": 2}


# --- choosing them -----------------------------------------------------------------------------------------
class TestChoosing:
    pytestmark = database

    def test_admins_choose_them_and_it_is_audited(self, world: World, as_user: SignIn):
        url = reverse("datasets:data-rules", args=[world.project.slug])
        client = as_user(world.admin)
        seen = rules_stamp([])
        assert client.post(url, {"rules": ["commercial", "consent"], "seen": seen}).status_code == 302
        assert ProjectRules.objects.get().rules == ["commercial", "consent"]
        entry = AuditEntry.objects.get(action="rules.changed")
        assert (entry.detail["rules"], entry.detail["were"]) == (["commercial", "consent"], [])
        assert client.post(url, {"rules": [], "seen": seen}).status_code == 409
        assert ProjectRules.objects.get().rules == ["commercial", "consent"]
        assert client.post(url, {"rules": ["no_mondays"], "seen": ""}).status_code == 422
        assert as_user(world.viewer).get(url).status_code == 200
        assert as_user(world.viewer).post(url, {"rules": []}).status_code == 403
        assert as_user(world.annotator).get(url).status_code == 403

    def test_the_api_reads_and_sets_them(self, world: World, as_user: SignIn):
        url = f"/api/v1/projects/{world.project.slug}/data-rules/"
        client = as_user(world.admin)
        read = client.get(url).json()
        assert read["rules"] == []
        body = {"rules": ["expired"], "seen": read["seen"]}
        assert client.put(url, body, content_type="application/json").json()["rules"] == ["expired"]
        assert client.put(url, body, content_type="application/json").status_code == 409
        withdrawn = client.put(url, {"rules": ["withdrawn"]}, content_type="application/json")
        assert withdrawn.status_code == 422

    def test_a_project_cannot_choose_what_always_holds(self, world: World):
        with pytest.raises(Invalid):
            set_rules(by=world.admin, project=world.project, rules=[DataRule.WITHDRAWN])
        with pytest.raises(IntegrityError), transaction.atomic():
            ProjectRules.objects.create(project=world.project, rules=["withdrawn"])
