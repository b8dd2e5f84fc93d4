"""The tab of the bias audit and its API: results, decisions, lexicons and twins, for each kind of person."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotation.models import Example
from core.errors import Conflict, Invalid
from dataset.fairness.words import shipped
from dataset.models import AuditFinding, BiasAudit, BiasLexicon, GroupSplit, Twin
from dataset.queries.twins import parts_of
from dataset.runner.audit import make_audit
from dataset.services.twins import accept_twin, discard_twin, make_twins
from tests.datasets.bias import audited, biased
from tests.datasets.desk import SignIn
from tests.support.factories import World, make_example, make_frozen, quiet
from tests.support.reading import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]
SWAP = {"characteristic": "gender", "one": "women", "other": "men"}


def at(world: World, name: str, *args: Any) -> str:
    return reverse(f"datasets:{name}", args=[world.project.slug, *args])


def api(world: World, path: str) -> str:
    return f"/api/v1/projects/{world.project.slug}/{path}"


def twins(world: World, *examples: Example, **options: Any) -> list[Twin]:
    numbers = [example.pk for example in examples]
    return make_twins(by=world.reviewer, project=world.project, examples=numbers, **{**SWAP, **options})


def her(world: World, **fields: Any) -> Example:
    fields = {"status": "approved", "group": "conversation 1", "source": None, **fields}
    return make_example(
        world.project, "She lost her box. Let her know.", "Tell her that it is found.", **fields
    )


def test_the_tab_says_what_to_do_and_then_shows_the_audits(world: World, as_user: SignIn):
    client = as_user(world.reviewer)
    empty = text_of(client.get(at(world, "bias")))
    assert "No audit yet" in empty and "Approve examples first" in empty and "Start the audit" not in empty
    biased(world.project)
    before = text_of(client.get(at(world, "bias")))
    assert (
        "What can be seen in 120 rows" in before and "an assumption until an audit has measured it" in before
    )
    assert "Rows in other languages and structured calls are counted as “not judged”" in before
    started = client.post(at(world, "bias-start"))
    assert started.url == at(world, "bias-audit", 1)  # type: ignore[attr-defined]
    # Who started it follows it; only an admin can cancel it.
    card = reverse("core:run-card", args=[world.project.slug, BiasAudit.objects.get().run_id])
    cancel = card.replace("/card/", "/cancel/")
    for name, *args in (("bias",), ("bias-audit", 1)):
        own = client.get(at(world, name, *args)).content.decode()
        assert card in own and cancel not in own
        assert cancel in as_user(world.admin).get(at(world, name, *args)).content.decode()
        told = as_user(world.annotator).get(at(world, name, *args))
        assert card not in told.content.decode()
        assert "waits for a free worker" in text_of(told)
        assert f"{world.reviewer.name} started it." in text_of(told) and "An admin can cancel it." in text_of(
            told
        )
    client = as_user(world.reviewer)
    assert client.post(at(world, "bias-start")).status_code == 409
    BiasAudit.objects.all().delete()
    audit = audited(world)
    page = text_of(client.get(at(world, "bias")))
    assert f"{audit.findings.count()} findings of {audit.findings.count()} are open" in page
    assert "Where 40% of the others are refused (as in the newest audit)" in page
    assert "Start the audit" not in text_of(as_user(world.viewer).get(at(world, "bias")))


def test_the_result_is_read_by_everybody_and_decided_by_some(world: World, as_user: SignIn):
    biased(world.project)
    audit = audited(world)
    url, finding = at(world, "bias-audit", audit.number), audit.findings.get(group="women", outcome="refusal")
    page = as_user(world.viewer).get(url)
    told = " ".join(text_of(page).split())
    assert "refuse 70%, against 10%" in told and "Make twins" not in told and "<svg" in page.content.decode()
    assert "are what their hashes name" in told and audit.content_hash in told
    assert "Rows that name a group: 120. More than one group: 0. Unknown: 0." in told
    decide = at(world, "bias-decide", finding.pk)
    values = {"decision": "answered", "reason": "The women's rows are about hazardous goods."}
    assert as_user(world.annotator).post(decide, values).status_code == 403
    client = as_user(world.reviewer)
    assert client.post(decide, {"decision": "answered"}).status_code == 422
    assert client.post(decide, values).url == f"{url}#finding-{finding.pk}"  # type: ignore[attr-defined]
    assert "about hazardous goods" in text_of(client.get(url))
    assert client.post(decide, values).status_code == 409
    for outcome in ("length", "nothing", "refusal"):
        assert client.get(url, {"outcome": outcome}).status_code == 200
    assert (
        as_user(world.neighbour)
        .post(reverse("datasets:bias-decide", args=[world.other.slug, finding.pk]), values)
        .status_code
        == 404
    )


def test_open_findings_are_shown_at_a_freeze_and_the_versions_page_has_its_audit(
    world: World, as_user: SignIn
):
    biased(world.project)
    audit = audited(world)
    admin = as_user(world.admin)
    assert f"Bias audit 1 has {audit.findings.count()} open findings" in text_of(
        admin.get(at(world, "dataset-new"))
    )
    dataset = make_frozen(world.project, world.admin)
    page = at(world, "dataset", dataset.number)
    assert "This dataset has no bias audit. Audit its rows" in text_of(admin.get(page))
    assert as_user(world.viewer).post(at(world, "dataset-bias-audit", 1)).status_code == 403
    assert admin.post(at(world, "dataset-bias-audit", 1)).url == page  # type: ignore[attr-defined]
    made = BiasAudit.objects.get(dataset=dataset)
    make_audit(made, tell=quiet)
    assert "Read bias audit 2" in text_of(as_user(world.annotator).get(page))


def test_a_lexicon_is_edited_on_its_page(world: World, as_user: SignIn):
    biased(world.project)
    audited(world)
    client, url = as_user(world.reviewer), at(world, "lexicon", "gender")
    listed = text_of(client.get(at(world, "lexicons")))
    assert "as it comes with Guildhall" in listed and "Found: how many of the words" in listed
    page = text_of(client.get(url))
    assert "Emily 15" in page and "Another group" in page
    change = at(world, "lexicon-change", "gender")
    typed = {
        "revision": "0",
        "key-0": "women", "label-0": "Women", "target-0": "50%", "names-0": "english: Ann, Eve\nEmily", "pronouns-0": "", "terms-0": "",
        "key-1": "", "label-1": "Elves", "target-1": "", "names-1": "", "pronouns-1": "", "terms-1": "elf",
        "key-2": "", "label-2": "", "target-2": "", "names-2": "", "pronouns-2": "", "terms-2": "",
    }  # fmt: skip
    refused = client.post(change, typed | {"target-0": "half"})
    assert refused.status_code == 422 and "Ann, Eve" in refused.content.decode()
    assert as_user(world.viewer).post(change, typed).status_code == 403
    assert client.post(change, typed).url == url  # type: ignore[attr-defined]
    content = BiasLexicon.objects.get().content
    assert [(group["key"], group["target"]) for group in content["groups"]] == [
        ("women", 0.5),
        ("elves", None),
    ]
    assert content["groups"][0]["names"] == {"english": ["Ann", "Eve"], "": ["Emily"]}
    assert client.post(change, typed).status_code == 409
    assert "Take back all changes" in text_of(client.get(url))
    assert (
        client.post(at(world, "lexicon-reset", "gender")).status_code == 302
        and not BiasLexicon.objects.exists()
    )
    for wrong in ("elves", "x" * 60):
        assert client.get(at(world, "lexicon", wrong)).status_code == 404


def test_a_twin_is_read_edited_and_goes_into_review_in_the_group_of_its_original(
    world: World, as_user: SignIn
):
    original = her(world, edge="angry_customer", tags=["eta"], license="internal")
    client = as_user(world.reviewer)
    made = client.post(at(world, "twins-new"), {"groups": "gender women men", "examples": f"#{original.pk}"})
    twin = Twin.objects.get()
    assert made.url == at(world, "twin", twin.pk)  # type: ignore[attr-defined]
    page = text_of(client.get(made.url))  # type: ignore[attr-defined]
    assert "Let her know” can be read in two ways" in page and "1 to look at" in page
    assert "Accept into review" not in text_of(as_user(world.viewer).get(at(world, "twin", twin.pk)))
    typed = {"messages.0": twin.messages[0]["content"], "completion": "Tell him that it is found, please."}
    assert client.post(at(world, "twin-accept", twin.pk), typed | {"completion": " "}).status_code == 422
    accepted = client.post(at(world, "twin-accept", twin.pk), typed)
    assert accepted.url == at(world, "twins")  # type: ignore[attr-defined]
    twin.refresh_from_db()
    example = twin.made
    assert example and example.status == "in_review" and example.completion == typed["completion"]
    assert example.messages[0]["content"] == "He lost his box. Let him know."
    assert (example.group, example.edge, example.tags, example.license, example.slice) == (
        original.group, "angry_customer", ["eta"], "internal", original.slice,
    )  # fmt: skip
    assert example.origin_detail["label"] == f"Twin of #{original.pk}: Women and Men swapped"
    assert example.submitted_by == world.reviewer and example.revisions.get().reason == "written"
    assert client.post(at(world, "twin-accept", twin.pk), typed).status_code == 409
    assert client.post(at(world, "twin-discard", twin.pk)).status_code == 409
    assert f"Added as #{example.pk}" in text_of(client.get(at(world, "twins"), {"status": "accepted"}))


def test_a_refused_list_of_examples_stays_in_its_form(world: World, as_user: SignIn):
    """The links of that page lead to the list, and not to the form's address, which has no page."""
    typed = {"groups": "gender women men", "examples": "12, 99999"}
    page = as_user(world.reviewer).post(at(world, "twins-new"), typed)
    assert page.status_code == 422 and "is not an example with a completion in this project" in text_of(page)
    html = page.content.decode()
    assert 'value="12, 99999"' in html and '<option value="gender women men" selected>' in html
    assert f'href="{at(world, "twins")}?status=accepted"' in html
    assert not Twin.objects.exists()


def test_a_twin_is_never_in_another_split_than_its_original(world: World):
    for number in range(30):
        make_example(
            world.project, f"Where is crate {number} of {number * 7}?", f"At {number}.", status="approved"
        )
    originals = [
        make_example(
            world.project,
            f"She asks where parcel {n} from port {n * 13} is.",
            f"Tell her: at berth {n}.",
            status="approved",
        )
        for n in range(20)
    ]
    for twin in twins(world, *originals):
        example = accept_twin(by=world.reviewer, twin=twin, reason="As in the original.")
        Example.objects.filter(pk=example.pk).update(status="approved")
    dataset = make_frozen(world.project, world.admin, test=0.3, separate_near_duplicates=False)
    splits = dict(dataset.rows.values_list("example__group", "split"))
    pairs = {(row.example.group, row.split) for row in dataset.rows.select_related("example")}
    assert len(pairs) == len(splits) and dataset.rows.count() == 70
    tested = GroupSplit.objects.filter(split="test").count()
    assert tested and any(splits[one.group] == "test" for one in originals)


def test_twins_are_refused_where_there_is_nothing_to_swap(world: World):
    original, other, foreign = (
        her(world),
        make_example(world.project, status="approved"),
        make_example(world.other),
    )
    with pytest.raises(Invalid, match="not an example"):
        twins(world, original, foreign)
    with pytest.raises(Invalid, match="No example has a word"):
        twins(world, other)
    for wrong in ({"other": "women"}, {"other": "elves"}, {"characteristic": "elves"}):
        with pytest.raises(Invalid, match="two different groups"):
            twins(world, original, **wrong)
    (twin,) = twins(world, original, other)
    with pytest.raises(Invalid):  # it has its twin
        twins(world, original, one="men", other="women")
    with pytest.raises(Invalid, match="word for word"):
        accept_twin(by=world.reviewer, twin=twin, content=original.content())
    Example.objects.filter(pk=original.pk).update(status="retired")
    with pytest.raises(Conflict, match="retired"):
        accept_twin(by=world.reviewer, twin=twin)
    with pytest.raises(Invalid, match="retired"):
        twins(world, original)
    assert Example.objects.filter(project=world.project).count() == 2


def test_a_discarded_twin_comes_back_unless_there_is_another(world: World, as_user: SignIn):
    original = her(world)
    (first,) = twins(world, original)
    client = as_user(world.admin)
    client.post(at(world, "twin-discard", first.pk))
    assert "Bring it back" in text_of(client.get(at(world, "twin", first.pk)))
    assert client.post(at(world, "twin-bring-back", first.pk)).status_code == 302
    first.refresh_from_db()
    assert (first.status, first.decided_by) == ("waiting", None)
    discard_twin(by=world.admin, twin=first)
    (second,) = twins(world, original)
    assert client.post(at(world, "twin-bring-back", first.pk)).status_code == 409
    assert [twin.pk for twin in Twin.objects.filter(status="waiting")] == [second.pk]


def test_the_comparison_is_with_the_original_as_it_is_now(world: World, as_user: SignIn):
    original = her(world)
    (twin,) = twins(world, original)
    Example.objects.filter(pk=original.pk).update(completion="Short.", revision=2)
    assert "was edited after the twin was made" in text_of(
        as_user(world.viewer).get(at(world, "twin", twin.pk))
    )
    parts = {part.name: part for part in parts_of(Twin.objects.select_related("example").get())}
    assert parts["completion"].old == "Short." and parts["messages.0"].doubts


def test_twins_of_a_finding_come_from_its_group(world: World, as_user: SignIn):
    biased(world.project)
    finding = audited(world).findings.get(group="women", outcome="refusal")
    client = as_user(world.admin)
    url = at(world, "bias-finding-twins", finding.pk)
    assert client.post(url, {"other": "men", "most": "3"}).status_code == 302
    made = Twin.objects.select_related("example")
    assert made.count() == 3
    for twin in made:
        words = twin.messages[0]["content"].removeprefix("I am ").split(".")[0]
        assert words in shipped("gender").groups[1].words["names"]["english"]
    assert {twin.example_id for twin in made} <= set(finding.examples)
    assert client.post(url, {"other": "elves"}).status_code == 422
    assert "3 twins" in text_of(client.get(at(world, "bias-audit", 1)))
    assert client.get(at(world, "twins"), {"finding": finding.pk}).status_code == 200


def test_the_api_does_what_the_pages_do(world: World, as_user: SignIn):
    biased(world.project)
    client: Client = as_user(world.reviewer)
    send = {"content_type": "application/json"}
    assert client.post(api(world, "bias-audits/"), {"dataset": 9}, **send).status_code == 404
    started = client.post(api(world, "bias-audits/"), {}, **send)
    assert started.status_code == 202 and started.json()["made_at"] is None
    BiasAudit.objects.all().delete()
    audit = audited(world)
    whole = client.get(api(world, f"bias-audits/{audit.number}/")).json()
    assert (
        whole["complete"] and whole["content_hash"] == whole["record_hash"] and whole["facts"]["rows"] == 120
    )
    finding = next(one for one in whole["findings"] if (one["group"], one["outcome"]) == ("women", "refusal"))
    url = api(world, f"bias-findings/{finding['id']}/decide/")
    decided = client.post(url, {"decision": "accepted", "reason": "Known."}, **send).json()
    assert decided["status"] == "accepted" and decided["decisions"][0]["by_name"] == world.reviewer.name
    assert client.post(url, {"decision": "no", "reason": "x"}, **send).status_code == 422
    made = client.post(api(world, "twins/"), {**SWAP, "finding": finding["id"], "most": 2}, **send)
    assert made.status_code == 201 and len(made.json()) == 2
    twin = made.json()[0]["id"]
    assert client.get(api(world, "twins/"), {"status": "waiting"}).json()["count"] == 2
    assert client.get(api(world, "twins/"), {"status": "x"}).status_code == 422
    added = client.post(
        api(world, f"twins/{twin}/accept/"),
        {"completion": "We cannot refund him.", "reason": "A test."},
        **send,
    )
    assert added.status_code == 201 and added.json()["status"] == "in_review"
    other = api(world, f"twins/{made.json()[1]['id']}/")
    assert client.post(f"{other}discard/").json()["status"] == "discarded"
    assert (
        client.post(f"{other}bring-back/").json()["status"] == "waiting" == client.get(other).json()["status"]
    )
    groups = [{"label": "Cars", "terms": {"": ["car"]}}]
    lexicon = api(world, "bias-lexicons/gender/")
    changed = client.put(lexicon, {"groups": groups, "revision": 0}, **send)
    assert changed.json()["revision"] == 1 and changed.json()["groups"][0]["key"] == "cars"
    assert client.put(lexicon, {"groups": groups, "revision": 0}, **send).status_code == 409
    assert client.put(lexicon, {"groups": [{"label": ""}]}, **send).status_code == 422
    assert client.delete(lexicon).json()["revision"] == 0
    assert len(client.get(api(world, "bias-lexicons/")).json()) == 6
    assert as_user(world.viewer).post(api(world, "bias-audits/"), {}, **send).status_code == 403
    assert AuditFinding.objects.get(pk=finding["id"]).status == "accepted"
