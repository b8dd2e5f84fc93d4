"""What the tests of exports share: rows, made by hand and by Hypothesis, and what they are exported as."""

import io
import zipfile
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from annotation.models import START_EDGES
from annotation.text.cleaning import clean_name, clean_text
from dataset.splits import SPLITS
from dataset.writers import BY_NAME, Content, Options, Row
from dataset.writers.card import Card

CARD = Card(
    title="Freight desk, dataset 3",
    slug="freight-desk-dataset-3",
    description="Conversations of a freight desk.",
    creator="Freight desk",
    created_on=date(2026, 11, 26),
    url="https://guildhall.example.org/p/freight-desk/data/datasets/3/",
    version="3.0.0",
    content_hash="0" * 64,
)


def make_row(number: int = 1, **fields: Any) -> Row:
    row: dict[str, Any] = {
        "id": f"example-{number}",
        "messages": [{"role": "user", "content": f"Where is shipment {number}?"}],
        "context": [f"FD-{number} | at sea"],
        "completion": f"Shipment {number} is at sea.",
        "rejected": "",
        "slice": "status",
        "edge": "",
        "tags": ["eta"],
        "group": f"group-{number}",
        "source": "desk",
        "license": "CC BY 4.0",
        "status": "approved",
        "revision": 1,
        "split": "train",
    }
    return row | fields  # type: ignore[return-value]


def content_of(rows: Iterable[Row], **card: Any) -> Content:
    held = list(rows)
    splits = {split: sum(row["split"] == split for row in held) for split in SPLITS}
    licenses: dict[str, int] = {}
    for row in held:
        licenses[row["license"]] = licenses.get(row["license"], 0) + 1
    facts = {"splits": {name: n for name, n in splits.items() if n}, "licenses": licenses} | card
    return Content(
        rows=lambda split: (row for row in held if split in ("", row["split"])),
        make_card=lambda: Card(**{**CARD.__dict__, **facts}),
    )


def exported(shape: str, rows: Iterable[Row], *, own_keys: bool = True, system_prompt: str = "") -> bytes:
    """The whole file."""
    options = Options(own_keys=own_keys, system_prompt=system_prompt)
    pieces = BY_NAME[shape].pieces(content_of(rows), options)
    return b"".join(piece.encode() if isinstance(piece, str) else piece for piece in pieces)


def unzipped(data: bytes, folder: Path) -> Path:
    """The folder in which the zip was unpacked."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return folder


# --- any rows ----------------------------------------------------------------------------------------------
_ODD = [
    "=1+1", "'=1+1", "''@x", "-5", "＝1", " =1", "\t=1", "[1]", '["a"]', "a\nb", "a;b,c", '"', "\u2028x\u2029", "\x85y", "é", "\ufeffz",
    "0012", "true", "null", "{}", "\U0001f600", "\x7f", "|--|", "\\n", "```", "\n\n=x", "<b>&amp;", "NaN", "x" * 300,
    '[{"a": 1}]', ' [{"role": "user", "content": "b"}]', '{"b":  [1.10, 2]}', '["a", "b"]', "yes", "0", "a\ufffdb",
]  # fmt: skip
_letters = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
texts = (
    st.one_of(st.sampled_from(_ODD), st.tuples(st.sampled_from(_ODD), _letters).map("".join), _letters)
    .map(clean_text)
    .filter(str.strip)
)


def names(most: int) -> st.SearchStrategy[str]:
    """Names as they are stored; some are empty."""
    return texts.map(lambda text: clean_name(clean_name(text)[:most])).filter(lambda name: len(name) <= most)


@st.composite
def messages(draw: st.DrawFn, *, in_turn: bool = False) -> list[dict[str, str]]:
    """A conversation that ends with the user; with `in_turn` question and answer alternate."""
    turns = [{"role": "system", "content": draw(texts)}] if draw(st.booleans()) else []
    if in_turn:
        roles = ["user", "assistant"] * draw(st.integers(0, 2))
    else:
        roles = draw(st.lists(st.sampled_from(["user", "assistant"]), max_size=3))
    return turns + [{"role": role, "content": draw(texts)} for role in [*roles, "user"]]


@st.composite
def any_row(
    draw: st.DrawFn, *, completion: bool | None = None, rejected: bool | None = None, in_turn: bool = False
) -> Row:
    """A row as it can be stored. `completion` and `rejected`: whether it has one; None is either."""
    has = {"completion": completion, "rejected": rejected}
    held = {name: draw(st.booleans()) if given is None else given for name, given in has.items()}
    return make_row(
        id=draw(names(200)) or "example-1",
        messages=draw(messages(in_turn=in_turn)),
        context=draw(st.lists(texts, max_size=3)),
        completion=draw(texts) if held["completion"] else "",
        rejected=draw(texts) if held["rejected"] else "",
        slice=draw(names(120)),
        edge=draw(st.sampled_from(["", *(key for key, _ in START_EDGES)])),
        tags=draw(st.lists(names(40).filter(bool), max_size=3, unique=True)),
        group=draw(names(200)) or "group",
        source=draw(names(120)),
        license=draw(names(120)),
        split=draw(st.sampled_from(SPLITS)),
    )
