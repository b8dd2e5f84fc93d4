"""The demo project's hand-written pairs keep their promises: shape, counts, and no invented facts.

Pure Python, no database: the files under `dataset/demo/` are read as they lie in the repository.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

from annotation.text.hashes import prompt_hash
from dataset.planning import Planner

DEMO = Path(__file__).resolve().parents[2] / "dataset" / "demo"
EDGES = {
    "angry_customer",
    "ambiguous_request",
    "missing_document",
    "regulation_question",
    "off_topic",
    "two_questions",
}
STAGES = {"approved", "queued", "in_review", "returned"}
SOURCES = {"desk transcripts 2025", "carrier FAQ", "customs handbook"}
FIELDS = {
    "id",
    "messages",
    "context",
    "completion",
    "slice",
    "edge",
    "tags",
    "group",
    "source",
    "license",
    "stage",
    "author",
}

MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
DAY = r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
# What a model could make up: a date as one unit, then any token with a digit in it (codes, amounts, times), and the
# words that promise a day or a span without a digit.
DATE = re.compile(rf"\b\d{{1,2}} {MONTH}\b")
TOKEN = re.compile(r"[+-]?[A-Za-z0-9][A-Za-z0-9.,:/%-]*")
WEEKDAY = re.compile(rf"\b{DAY}\b")
SOON = re.compile(r"\b(?:today|tomorrow|tonight|this week|next week|this month|next month)\b", re.IGNORECASE)
SPAN = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|a few) (?:working )?(?:minute|hour|day|week|month)s?\b",
    re.IGNORECASE,
)
BOILERPLATE = re.compile(
    r"apologi[sz]e|any inconvenience|valued? (?:customer|your)|frustration|happy to help",
    re.IGNORECASE,
)
FOLLOW_UP = re.compile(r"\bYou hear from us\b")
STEP = re.compile(r"\bYour next step: ")


@cache
def load_pairs() -> list[dict[str, Any]]:
    files = sorted((DEMO / "pairs").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def known_text(row: dict[str, Any]) -> str:
    """Everything that an answer may draw its facts from: the chat so far and the records."""
    return "\n".join([*row["context"], *(message["content"] for message in row["messages"])])


def identifiers(text: str) -> set[str]:
    """Identifier-like tokens of a text: dates, codes, amounts, times, weekdays, spans of time."""
    found = {match.group() for match in DATE.finditer(text)}
    rest = DATE.sub(" ", text)
    found |= {token.rstrip(".,:/-") for token in TOKEN.findall(rest) if re.search(r"\d", token)}
    for pattern in (WEEKDAY, SOON, SPAN):
        found |= {match.group() for match in pattern.finditer(rest)}
    return found


def invented(row: dict[str, Any]) -> set[str]:
    """Identifiers of the completion that neither chat nor records hold as whole tokens (case-insensitive)."""
    known = known_text(row)
    return {
        item
        for item in identifiers(row["completion"])
        if not re.search(
            rf"(?<![A-Za-z0-9])(?<!\d[.,]){re.escape(item)}(?![A-Za-z0-9]|[.,]\d)",
            known,
            re.IGNORECASE,
        )
    }


def shingles(row: dict[str, Any]) -> frozenset[tuple[str, ...]]:
    text = row["messages"][-1]["content"].lower()
    words = re.findall(r"[a-z0-9']+", text)
    return frozenset(pairwise(words)) or frozenset({tuple(words)})


def test_counts_by_slice() -> None:
    counts = Counter(row["slice"] for row in load_pairs())
    assert sum(counts.values()) >= 300
    assert len(counts) >= 10
    assert min(counts.values()) >= 20, counts


def test_one_file_per_slice() -> None:
    for file in (DEMO / "pairs").glob("*.jsonl"):
        slices = {json.loads(line)["slice"] for line in file.read_text(encoding="utf-8").splitlines()}
        assert len(slices) == 1, file.name


def test_counts_by_edge() -> None:
    counts = Counter(row["edge"] for row in load_pairs() if row["edge"])
    assert set(counts) == EDGES
    assert sum(counts.values()) >= 70
    assert min(counts.values()) >= 8, counts


def test_counts_by_stage() -> None:
    rows = load_pairs()
    share = {stage: count / len(rows) for stage, count in Counter(row["stage"] for row in rows).items()}
    assert set(share) == STAGES
    assert 0.70 <= share["approved"] <= 0.80, share
    assert 0.09 <= share["queued"] <= 0.15, share
    assert 0.05 <= share["in_review"] <= 0.10, share
    assert 0.02 <= share["returned"] <= 0.05, share


def test_most_queued_rows_are_edge_cases() -> None:
    queued = [row for row in load_pairs() if row["stage"] == "queued"]
    assert sum(row["edge"] is not None for row in queued) >= 0.8 * len(queued)


def test_every_edge_and_slice_has_approved_rows() -> None:
    approved = [row for row in load_pairs() if row["stage"] == "approved"]
    assert {row["edge"] for row in approved} == EDGES | {None}
    assert {row["slice"] for row in approved} == {row["slice"] for row in load_pairs()}


def test_about_a_quarter_is_multi_turn_and_many_carry_records() -> None:
    rows = load_pairs()
    assert 0.2 <= sum(len(row["messages"]) > 1 for row in rows) / len(rows) <= 0.35
    assert sum(bool(row["context"]) for row in rows) >= 0.6 * len(rows)


def shape_faults(row: dict[str, Any]) -> list[str]:
    returned = row["stage"] == "returned"
    checks = {
        "fields": set(row) == FIELDS | ({"comment"} if returned else set()),
        "comment": not returned or bool(row.get("comment", "").strip()),
        "stage": row["stage"] in STAGES,
        "source": row["source"] in SOURCES,
        "license": row["license"] == "internal, own work",
        "author": row["author"] in {"mo", "ines", "tomas"},
        "edge": row["edge"] is None or row["edge"] in EDGES,
        "tags": bool(row["tags"])
        and all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", tag) for tag in row["tags"]),
        "context": all(isinstance(record, str) and record.strip() for record in row["context"]),
        "completion": row["completion"].strip() == row["completion"] != "",
    }
    return [name for name, good in checks.items() if not good]


def voice_faults(row: dict[str, Any]) -> list[str]:
    """What breaks the guideline in an answer; an empty list for a good one."""
    completion = row["completion"]
    step, follow_up = STEP.search(completion), FOLLOW_UP.search(completion)
    faults = [f"not in chat or records: {item}" for item in sorted(invented(row))]
    if not 15 <= len(completion.split()) <= 70:
        faults.append("length")
    if BOILERPLATE.search(completion) or "!" in completion:
        faults.append("boilerplate or exclamation mark")
    if not (step and follow_up and 0 < step.start() < follow_up.start()):
        faults.append("not: answer, then next step, then follow-up")
    return faults


def test_every_row_has_the_agreed_shape() -> None:
    assert {row["id"]: faults for row in load_pairs() if (faults := shape_faults(row))} == {}


def test_roles_alternate_and_end_with_the_user() -> None:
    for row in load_pairs():
        roles = [message["role"] for message in row["messages"]]
        assert len(roles) % 2 == 1, row["id"]
        assert roles == ["user" if place % 2 == 0 else "assistant" for place in range(len(roles))], row["id"]
        for message in row["messages"]:
            assert set(message) == {"role", "content"} and message["content"].strip(), row["id"]


def test_ids_are_unique() -> None:
    ids = Counter(row["id"] for row in load_pairs())
    assert [row_id for row_id, count in ids.items() if count > 1] == []


def test_rows_of_a_group_are_one_conversation() -> None:
    groups = defaultdict(list)
    for row in load_pairs():
        groups[row["group"]].append(row)
    assert sum(len(rows) > 1 for rows in groups.values()) >= 20
    for rows in groups.values():
        rows.sort(key=lambda row: len(row["messages"]))
        for before, after in pairwise(rows):
            assert before["slice"] == after["slice"]
            assert after["messages"][: len(before["messages"])] == before["messages"]
            assert after["messages"][len(before["messages"])]["content"] == before["completion"]


def test_good_answers_invent_nothing_and_keep_the_project_s_voice() -> None:
    good = [row for row in load_pairs() if row["stage"] in {"approved", "in_review"}]
    assert {row["id"]: faults for row in good if (faults := voice_faults(row))} == {}


def test_queue_holds_real_faults_to_fix() -> None:
    """The queue is there to be worked: its answers break rules that the approved ones keep."""
    queued = [row for row in load_pairs() if row["stage"] == "queued"]
    assert sum(bool(invented(row)) for row in queued) >= 15
    assert [row["id"] for row in queued if not voice_faults(row)] == []


def test_invented_facts_are_seen() -> None:
    row = {
        "context": ["FD-40218 | Hamburg > Chennai | ETA 19 Nov | EUR 1,240"],
        "messages": [{"role": "user", "content": "Where is it? Last time it took two days."}],
        "completion": "FD-4021 arrives on 9 Nov or tomorrow, Monday, after three days; it costs EUR 240. Took two days.",
    }
    assert invented(row) == {
        "FD-4021",
        "9 Nov",
        "tomorrow",
        "Monday",
        "three days",
        "240",
    }


def test_no_exact_or_near_duplicate_prompts() -> None:
    rows = load_pairs()
    marked = [(row["id"], row.get("group", row["id"]), shingles(row)) for row in rows]
    alike = [
        (one_id, other_id)
        for (one_id, one_group, one), (other_id, other_group, other) in combinations(marked, 2)
        if one_group != other_group and len(one & other) > 0.6 * len(one | other)
    ]
    assert alike == []


def test_a_frozen_demo_tests_and_trains_every_slice() -> None:
    planner = Planner({"validation": 0.1, "test": 0.1, "seed": 1})
    for number, row in enumerate(load_pairs()):
        if row["stage"] == "approved":
            prompt = prompt_hash(messages=row["messages"], context=row["context"])
            planner.add(
                example=number,
                group=row["group"],
                slice_name=row["slice"],
                prompt=prompt,
                messages=row["messages"],
            )
    counts = planner.plan({}).counts
    assert (counts["untested"], counts["withheld"], counts["near"]["rows"]) == ({}, 0, 0)
    for name, rows in counts["slices"].items():
        assert rows["test"] >= 2 and rows["validation"] >= 2 and rows["train"] >= 15, name


def test_approved_answers_are_not_repeated() -> None:
    answers = Counter(row["completion"] for row in load_pairs())
    assert [answer for answer, count in answers.items() if count > 1] == []


def test_prompt_and_answer_stay_short() -> None:
    # Measured with the base model's tokenizer, which takes each digit singly: the longest row has 221 tokens
    # without the system prompt, at 2.8 to 3.5 characters a token. Characters stand in for it here, without a model.
    rows = load_pairs()
    sizes = {row["id"]: len(known_text(row)) + len(row.get("completion", "")) for row in rows}
    assert {row_id: size for row_id, size in sizes.items() if size > 730} == {}


def test_no_personal_data() -> None:
    text = "\n".join(f"{known_text(row)}\n{row['completion']}" for row in load_pairs())
    assert not re.search(r"\S+@\S+\.\S+", text)
    assert not re.search(r"https?://|www\.", text)
    assert not re.search(r"\+\d{2}[ \d]{7,}", text)


def test_guideline_and_system_prompt() -> None:
    guideline = (DEMO / "guideline.md").read_text(encoding="utf-8")
    parts = re.findall(r"^## (\d+)\. ", guideline, re.MULTILINE)
    assert parts == [str(number) for number in range(1, len(parts) + 1)] and len(parts) >= 5
    assert all(edge.replace("_", " ") in guideline.lower() for edge in EDGES)
    prompt = (DEMO / "system_prompt.txt").read_text(encoding="utf-8").strip()
    assert 2 <= len(re.findall(r"[.!?](?:\s|$)", prompt)) <= 3
    assert len(prompt) <= 300
