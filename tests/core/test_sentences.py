"""Audit entries as plain sentences."""

from datetime import UTC, datetime, timedelta

import pytest

from core.audit import sentences
from core.audit.actions import AuditAction
from core.audit.sentences import counted, digest, register_actions, sentence
from core.models import AuditEntry

NOON = datetime(2026, 11, 14, 12, 0, tzinfo=UTC)
_serial = iter(range(1, 10_000))


def entry(
    verb: str, actor: str = "Mo Haddad", obj: int = 1, minutes: int = 0, **detail: object
) -> AuditEntry:
    """An entry as it would come from the database; none of this needs one."""
    return AuditEntry(
        pk=next(_serial),
        at=NOON + timedelta(minutes=minutes),
        actor=f"{actor} <{actor.split(maxsplit=1)[0].lower()}@example.org>",
        action=verb,
        object_type="annotation.example",
        object_id=str(obj),
        object_label=f"#{obj}",
        detail=detail,
    )


def actions(wordings: dict[str, str]) -> type[AuditAction]:
    """An app's actions with these sentences."""
    members = {name.upper().replace(".", "_"): (name, words) for name, words in wordings.items()}
    return AuditAction("SomeAction", members)  # type: ignore[call-overload,no-any-return]


@pytest.fixture(autouse=True)
def _own_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"example.written": "{actor} wrote {label}", "dataset.frozen": "{actor} froze {label}: {rows} rows"}
    others = {name: action for name, action in sentences._actions.items() if name not in own}
    monkeypatch.setattr(sentences, "_actions", others)
    register_actions(actions(own))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (entry("example.written", obj=7), "Mo Haddad wrote #7"),
        (entry("dataset.frozen", rows=1284), "Mo Haddad froze #1: 1,284 rows"),
        (entry("dataset.frozen"), "Mo Haddad froze #1: – rows"),
        (entry("member.changed", roles=[["rater"], ["admin", "rater"]]), "Mo Haddad changed the roles of #1 to admin and rater"),
        (entry("thing.given_back"), "Mo Haddad gave back thing #1"),
        (entry("odd"), "Mo Haddad odd #1"),
        (entry("project.changed", changed={"lease_minutes": [30, 45]}), "Mo Haddad changed the project's settings: lease minutes"),
    ],
)  # fmt: skip
def test_an_action_is_one_plain_sentence(told: AuditEntry, words: str) -> None:
    assert sentence(told) == words


def test_braces_in_what_people_typed_are_only_text() -> None:
    told = entry("example.written")
    told.object_label = "{actor.__class__} {0} {"
    assert sentence(told) == "Mo Haddad wrote {actor.__class__} {0} {"


def test_an_action_is_described_in_one_place() -> None:
    with pytest.raises(ValueError, match=r"Described already: run\.retried"):
        register_actions(actions({"run.retried": "{actor} tried {label} again"}))
    assert sentence(entry("run.retried")) == "Mo Haddad started #1 again"


def test_a_wording_that_is_wrong_still_tells_something() -> None:
    register_actions(actions({"a.b": "{label.nothing} {0}"}))
    assert sentence(entry("a.b")) == "Mo Haddad: a.b #1"


def test_actions_of_one_kind_in_one_hour_are_told_together() -> None:
    told = digest(
        [
            entry("example.written", "Mo Haddad", 5, 40),
            entry("dataset.frozen", "Ada Okafor", 1, 35, rows=3),
            entry("example.written", "Ines Duarte", 4, 30),
            entry("example.written", "Tomas Novak", 3, 20),
            entry("example.written", "Mo Haddad", 2, -10),
        ],
        8,
    )
    assert told == [
        ("Mo Haddad and 2 others wrote 3 examples", NOON + timedelta(minutes=40)),
        ("Ada Okafor froze #1: 3 rows", NOON + timedelta(minutes=35)),
        ("Mo Haddad wrote #2", NOON + timedelta(minutes=-10)),
    ]


def test_one_object_touched_twice_is_no_crowd_and_detail_is_never_lost() -> None:
    twice = digest([entry("example.written", obj=1), entry("example.written", obj=1)], 8)
    assert [words for words, _ in twice] == ["Mo Haddad wrote #1"]
    frozen = digest([entry("dataset.frozen", obj=n, rows=n) for n in (1, 2)], 8)
    assert len(frozen) == 2


def test_the_digest_is_as_long_as_asked() -> None:
    assert len(digest([entry("dataset.frozen", obj=n) for n in range(30)], 8)) == 8
    assert digest([], 8) == []


def test_equal_sentences_in_a_row_are_told_once_with_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    others = {name: action for name, action in sentences._actions.items() if name != "comparison.rated"}
    monkeypatch.setattr(sentences, "_actions", others)
    register_actions(actions({"comparison.rated": "{actor} compared two answers"}))
    told = digest(
        [
            *(entry("comparison.rated", "Ines Duarte", obj, 59 - obj) for obj in range(8)),
            entry("dataset.frozen", "Ada Okafor", 1, 5, rows=3),
            entry("comparison.rated", "Mo Haddad", 9, 4),
            entry("comparison.rated", "Ines Duarte", 10, -5),
            entry("comparison.rated", "Ines Duarte", 11, -70),
        ],
        8,
    )
    assert told == [
        ("Ines Duarte compared two answers (8 times)", NOON + timedelta(minutes=59)),
        ("Ada Okafor froze #1: 3 rows", NOON + timedelta(minutes=5)),
        ("Mo Haddad compared two answers", NOON + timedelta(minutes=4)),
        # Not "2 times": the older one was in another hour.
        ("Ines Duarte compared two answers", NOON + timedelta(minutes=-5)),
        ("Ines Duarte compared two answers", NOON + timedelta(minutes=-70)),
    ]


def test_equal_sentences_apart_from_each_other_stay_apart() -> None:
    one, two = NOON, NOON - timedelta(hours=1)
    assert counted([("a", one), ("b", one), ("a", two), ("a", two)]) == [
        ("a", one),
        ("b", one),
        ("a (2 times)", two),
    ]


def test_old_and_new_are_not_told_as_one() -> None:
    yesterday = NOON - timedelta(days=1)
    assert counted([("a", NOON), ("a", NOON), ("a", yesterday)]) == [("a (2 times)", NOON), ("a", yesterday)]
