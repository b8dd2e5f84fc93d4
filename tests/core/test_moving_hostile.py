"""An archive is hostile input: whatever is wrong with it is said in one sentence, and nothing is written."""

import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, models

from core.errors import Conflict, ExpectedError
from core.models import User
from core.moving import container
from core.moving.errors import BadArchive
from core.moving.manifest import NAME
from core.moving.parts import parts
from tests.support.factories import World, make_user
from tests.support.moving import Change, archive_of, bring, change_manifest, change_rows, rewritten, rich

pytestmark = pytest.mark.django_db

EXAMPLES, REVISIONS = "annotation.Example", "annotation.Revision"
Refuse = Callable[..., str]


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    """The archive, made by the first test that needs it: for all others it comes from another installation."""
    return {}


@pytest.fixture
def good(world: World, tmp_path: Path, made: dict[str, bytes]) -> Path:
    if not made:
        archive_of(rich(world), tmp_path / "made.zip")
        made["zip"] = (tmp_path / "made.zip").read_bytes()
    (tmp_path / "good.zip").write_bytes(made["zip"])
    return tmp_path / "good.zip"


def counts() -> dict[str, int]:
    """The number of rows in every table, people and artifacts included, and of files in the store."""
    tables: list[type[models.Model]] = [*(part.model for part in parts()), User]
    rows = {model._meta.label: model._default_manager.count() for model in tables}
    files = sum(path.is_file() for path in Path(settings.ARTIFACT_DIR).rglob("*"))
    return rows | {"files": files, "scratch": len(list(Path(settings.UPLOAD_DIR).glob("project-import*")))}


@pytest.fixture
def refuse(good: Path) -> Refuse:
    """refuse(change) imports a changed archive, which must be refused with nothing written; gives the sentence."""

    def _refuse(change: Change | Path, *, fix: bool = True, error: type[ExpectedError] = BadArchive) -> str:
        path = change if isinstance(change, Path) else rewritten(good, change, fix=fix)
        before = counts()
        with pytest.raises(error) as raised:
            bring(path, "moved")
        assert counts() == before
        words = raised.value.message
        assert re.fullmatch(r"[^\n]{10,300}\.", words), words
        assert raised.value.advice
        return words

    return _refuse


def test_the_changes_are_what_is_refused(good: Path):
    """An archive that was only packed again is imported."""
    assert bring(rewritten(good, lambda files: None), "moved").project.slug == "moved"


# --- the file ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + b"\0" * 18, b"not a zip", b"\x1f\x8b" + b"\0" * 40])
def test_other_files(refuse: Refuse, tmp_path: Path, content: bytes):
    (tmp_path / "x.zip").write_bytes(content)
    assert "project archive" in refuse(tmp_path / "x.zip")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.999])
def test_a_truncated_file(refuse: Refuse, good: Path, tmp_path: Path, share: float):
    data = good.read_bytes()
    (tmp_path / "x.zip").write_bytes(data[: int(len(data) * share)])
    assert "damaged" in refuse(tmp_path / "x.zip")


def test_every_tenth_part_of_the_file_damaged(refuse: Refuse, good: Path, tmp_path: Path):
    data = good.read_bytes()
    for tenth in range(10):
        at = len(data) * tenth // 10 + 60
        (tmp_path / "x.zip").write_bytes(data[:at] + bytes(64) + data[at + 64 :])
        refuse(tmp_path / "x.zip")


def test_missing_and_extra_files(refuse: Refuse):
    assert "is missing" in refuse(lambda files: files.pop(f"rows/{REVISIONS}.jsonl"))
    assert "is missing" in refuse(
        lambda files: files.pop(next(n for n in files if n.startswith("files/dataset")))
    )
    assert "does not name" in refuse(lambda files: files.update({"extra.txt": b"x"}))
    assert "not a project archive" in refuse(lambda files: files.pop(NAME))


def test_paths_out_of_the_folder(refuse: Refuse, tmp_path: Path):
    for name in ("../../evil", "/etc/evil", "files/../../evil", "files\\..\\evil"):
        assert "does not name" in refuse(lambda files, name=name: files.update({name: b"x"}))

        def named(files: dict[str, bytes], name: str = name) -> None:
            files[f"files/{name}"] = b"x"
            change_manifest(
                lambda manifest: manifest["files"].append(
                    {"file": f"files/{name}", "size": 1, "sha256": "0" * 64}
                )
            )(files)

        refuse(named)

        def in_an_artifact(rows: list[dict[str, Any]], name: str = name) -> None:
            rows[0]["manifest"][0]["path"] = name

        assert "address that is not allowed" in refuse(change_rows("core.Artifact", in_an_artifact))
    assert not list(tmp_path.parent.rglob("evil")) and not Path("/etc/evil").exists()


def test_a_changed_file_whose_hash_is_not_changed(refuse: Refuse):
    def swap(files: dict[str, bytes]) -> None:
        name = f"rows/{EXAMPLES}.jsonl"
        files[name] = files[name].replace(b"Where", b"There", 1)

    assert "SHA-256" in refuse(swap, fix=False)
    assert "length" in refuse(lambda files: files.update({f"rows/{EXAMPLES}.jsonl": b"{}\n"}), fix=False)


def test_a_bomb(refuse: Refuse, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(container, "SMALL_BYTES", 1_000_000)
    name = f"rows/{EXAMPLES}.jsonl"
    assert "unpacks to" in refuse(lambda files: files.update({name: files[name] + b" " * 80_000_000}))


def test_a_file_that_is_longer_than_the_zip_says(refuse: Refuse, good: Path, tmp_path: Path):
    """Both headers lie about the length: reading stops at the length that is named, and the hash differs."""
    data = bytearray(good.read_bytes())
    with zipfile.ZipFile(good) as archive:
        info = archive.getinfo(f"rows/{EXAMPLES}.jsonl")
    at = data.index(b"PK\x01\x02")
    while data[at + 46 : at + 46 + len(info.filename)] != info.filename.encode():
        at = data.index(b"PK\x01\x02", at + 4)
    assert struct.unpack_from("<L", data, at + 24)[0] == info.file_size
    struct.pack_into("<L", data, at + 24, 10)
    (tmp_path / "x.zip").write_bytes(data)
    refuse(tmp_path / "x.zip")


def test_two_files_with_one_name_and_encryption(refuse: Refuse, good: Path, tmp_path: Path):
    target = rewritten(good, lambda files: None)
    with zipfile.ZipFile(target, "a") as archive, pytest.warns(UserWarning):
        archive.writestr(f"rows/{EXAMPLES}.jsonl", b"{}\n")
    assert "one name" in refuse(target)
    data = bytearray(good.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "x.zip").write_bytes(data)
    assert "encrypted" in refuse(tmp_path / "x.zip")


# --- the list of contents ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update(format=2), "format 2"),
        (lambda m: m.update(format="x" * 5000), "format"),
        (lambda m: m.pop("format"), "format"),
        (lambda m: m.update(what="something"), "not a project archive"),
        (lambda m: m.update(id="1"), "list of contents"),
        (lambda m: m.update(rows=3), "list of contents"),
        (lambda m: m.update(slug=None), "list of contents"),
        (lambda m: m.update(name="x" * 5000), "list of contents"),
        (lambda m: m["rows"][0].update(size=-1), "list of contents"),
        (lambda m: m["rows"][0].update(size=True), "list of contents"),
        (lambda m: m["rows"][0].update(sha256="z" * 64), "list of contents"),
        (lambda m: m["rows"][0].update(file="../x"), "list of contents"),
        (lambda m: m["rows"].append(m["rows"][0]), "twice"),
        (lambda m: m["rows"][1].update(rows=10**9), "lines"),
        (lambda m: m["rows"].pop(3), "does not name"),
        (lambda m: m["files"].pop(0), "does not name"),
    ],
)
def test_a_wrong_list_of_contents(refuse: Refuse, change: Callable[[Any], Any], words: str):
    assert words in refuse(change_manifest(change), fix=False)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"[" * 100_000, b'{"what": NaN}', b"\xff\xfe"])
def test_garbage_as_the_list_of_contents(refuse: Refuse, text: bytes):
    refuse(lambda files: files.update({NAME: text}), fix=False)


def test_tables_and_columns_of_a_newer_version(refuse: Refuse):
    def rename(manifest: dict[str, Any]) -> None:
        manifest["rows"][-1].update(part="release.Brandnew", file="rows/release.Brandnew.jsonl")

    def moved(files: dict[str, bytes]) -> None:
        files["rows/release.Brandnew.jsonl"] = files.pop("rows/release.Release.jsonl")
        change_manifest(rename)(files)

    assert "this version does not know" in refuse(moved)
    assert "this version does not know" in refuse(with_column("annotation.Example", "colour", "red"))


def with_column(label: str, column: str, value: Any) -> Change:
    def apply(files: dict[str, bytes]) -> None:
        change_rows(label, lambda rows: [row.update({column: value}) for row in rows])(files)
        entry = lambda m: next(one for one in m["rows"] if one["part"] == label)  # noqa: E731
        change_manifest(lambda m: entry(m)["columns"].append(column))(files)

    return apply


def without_column(label: str, column: str) -> Change:
    def apply(files: dict[str, bytes]) -> None:
        change_rows(label, lambda rows: [row.pop(column) for row in rows])(files)
        entry = lambda m: next(one for one in m["rows"] if one["part"] == label)  # noqa: E731
        change_manifest(lambda m: entry(m)["columns"].remove(column))(files)

    return apply


def test_an_archive_of_an_earlier_version_gets_the_defaults(good: Path, refuse: Refuse):
    assert "no completion" not in refuse(without_column(EXAMPLES, "messages"))
    moved = bring(rewritten(good, without_column("core.AuditEntry", "imported")), "moved").project
    assert moved.examples.count() > 0


# --- rows ----------------------------------------------------------------------------------------------------


def first(**values: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda rows: rows[0].update(values)


@pytest.mark.parametrize(
    ("label", "values", "words"),
    [
        ("core.Membership", {"roles": ["owner"]}, "roles"),
        ("core.Membership", {"roles": []}, "role that does not exist"),
        ("core.Membership", {"roles": "admin"}, "roles"),
        ("core.Membership", {"roles": ["admin", "admin"]}, "role"),
        ("core.Membership", {"user_id": 10**15}, "not in it"),
        ("core.Membership", {"project_id": 10**15}, "not in it"),
        ("core.User", {"email": "Not@Lower.example"}, "person"),
        ("core.User", {"email": "nobody"}, "person"),
        ("core.User", {"email": None}, "person"),
        ("core.User", {"is_active": "yes"}, "person"),
        ("core.User", {"name": "a\x00b"}, "person"),
        ("core.User", {"name": "a\ud800b"}, "person"),
        ("core.Project", {"lease_minutes": 0}, "database refuses"),
        ("core.Project", {"temperature": "warm"}, "temperature"),
        ("core.Run", {"status": "exploding"}, "status"),
        ("core.Run", {"kind": "project_import"}, "cannot have"),
        ("core.Run", {"params": []}, "params"),
        ("core.AuditEntry", {"action": "{actor.__class__}"}, "not an action"),
        ("core.AuditEntry", {"at": "yesterday or so"}, "database refuses"),
        (EXAMPLES, {"status": "published"}, "status"),
        (EXAMPLES, {"messages": 7}, "conversation"),
        (EXAMPLES, {"messages": [{"role": "user"}]}, "conversation"),
        (EXAMPLES, {"messages": [{"role": "user", "content": {}}]}, "conversation"),
        (EXAMPLES, {"context": [7]}, "conversation"),
        (EXAMPLES, {"content_hash": "c" * 64}, "does not fit its text"),
        (EXAMPLES, {"completion": "Another answer."}, "does not fit its text"),
        (EXAMPLES, {"prompt_hash": "not a hash"}, "hash of its prompt"),
        (EXAMPLES, {"completion": None}, "completion"),
        (EXAMPLES, {"completion": "a\x00b"}, "completion"),
        (EXAMPLES, {"external_id": "x" * 201}, "database refuses"),
        (EXAMPLES, {"import_id": 10**15}, "not in it"),
        (EXAMPLES, {"source": "another project's"}, "database refuses"),
        (EXAMPLES, {"id": True}, "id"),
        (EXAMPLES, {"id": -1}, "id"),
        (EXAMPLES, {"id": 2**70}, "id"),
        (EXAMPLES, {"revision": 2**40}, "database refuses"),
        (REVISIONS, {"example_id": 10**15}, "not in it"),
        (REVISIONS, {"content": {"messages": []}}, "text"),
        ("annotation.Review", {"by_id": None}, "by_id"),
        ("datasets.DatasetVersion", {"content_hash": "0" * 64}, "hash"),
        ("datasets.DatasetVersion", {"settings": {"seed": 1}}, "hash"),
        ("datasets.DatasetRow", {"row_hash": "0" * 64}, "rows"),
        ("datasets.DatasetRow", {"split": "everything"}, "split"),
        ("training.BaseModel", {"status": "preparing"}, "not ready"),
        ("training.ModelVersion", {"kind": "full"}, "database refuses"),
        ("evaluation.Comparison", {"public_id": "1"}, "public_id"),
        ("evaluation.Score", {"value": 9}, "database refuses"),
        ("core.Artifact", {"sha256": "0" * 64}, "hash"),
        ("core.Artifact", {"manifest": [{"path": "a"}]}, "not allowed"),
        ("core.Artifact", {"manifest": []}, "not allowed"),
    ],
)
def test_a_row_that_does_not_fit(refuse: Refuse, label: str, values: dict[str, Any], words: str):
    assert words in refuse(change_rows(label, first(**values)))


def test_rows_that_are_not_rows(refuse: Refuse):
    name = f"rows/{EXAMPLES}.jsonl"
    for line in (
        b"{\n",
        b"7\n",
        b"null\n",
        b"[]\n",
        b"{}\n",
        b"\n",
        b"\xff\n",
        b'{"id": NaN}\n',
        b"[" * 99_999 + b"\n",
    ):
        refuse(lambda files, line=line: files.update({name: line + files[name]}))
    refuse(lambda files: files.update({name: files[name][:-1]}))


def test_two_rows_with_one_number(refuse: Refuse):
    assert "one number" in refuse(change_rows(EXAMPLES, lambda rows: rows[1].update(id=rows[0]["id"])))


def test_rows_that_are_missing(refuse: Refuse):
    assert "not in it" in refuse(change_rows(EXAMPLES, lambda rows: rows.pop()))
    assert "rows" in refuse(change_rows("datasets.DatasetRow", lambda rows: rows.pop()))
    assert "project" in refuse(change_rows("core.Project", lambda rows: rows.clear()))
    assert "project" in refuse(change_rows("core.Project", lambda rows: rows.append(rows[0] | {"id": 9})))
    assert "not in it" in refuse(change_rows("core.User", lambda rows: rows.pop()))


def test_a_person_twice(refuse: Refuse):
    assert "twice" in refuse(change_rows("core.User", lambda rows: rows.append(rows[0] | {"id": 10**6})))
    assert "twice" in refuse(
        change_rows("core.User", lambda rows: rows.append(rows[0] | {"email": "z@z.example"}))
    )


@pytest.mark.parametrize("extra", [{"is_operator": True}, {"password": "!"}, {"must_change_password": False}])
def test_rights_that_are_smuggled_in(refuse: Refuse, extra: dict[str, Any]):
    assert "not allowed" in refuse(change_rows("core.User", first(**extra)))
    column = next(iter(extra))
    refuse(with_column("core.User", column, extra[column]))


def test_an_account_that_is_here_keeps_its_rights(good: Path, world: World):
    """The archive says that the operator of this installation has no rights, and that a stranger is somebody else."""
    other = make_user("Somebody")
    change = change_rows("core.User", first(email=other.email, name="Renamed", is_active=False))
    bring(rewritten(good, change), "moved")
    other.refresh_from_db()
    assert (other.name, other.is_active, other.check_password("correct horse battery")) == (
        "Somebody",
        True,
        True,
    )


# --- files ---------------------------------------------------------------------------------------------------


def test_a_dataset_that_is_not_what_it_says(refuse: Refuse):
    from hashlib import sha256

    def edit(replace: Callable[[bytes], bytes]) -> Change:
        """An attacker who brings every hash of the file up to date."""

        def apply(files: dict[str, bytes]) -> None:
            name = next(n for n in files if n.startswith("files/dataset/"))
            data = replace(files.pop(name))
            sha = sha256(data).hexdigest()
            old = name.split("/")[2]
            files[name.replace(old, sha)] = data

            def artifact(rows: list[dict[str, Any]]) -> None:
                row = next(row for row in rows if row["sha256"] == old)
                row.update(sha256=sha, size_bytes=len(data))
                row["manifest"][0].update(sha256=sha, size=len(data))

            change_rows("core.Artifact", artifact)(files)
            change_manifest(
                lambda m: [e.update(file=e["file"].replace(old, sha)) for e in m["files"] if old in e["file"]]
            )(files)

        return apply

    assert "rows" in refuse(edit(lambda data: data.replace(b"on its way", b"lost at sea", 1)))
    assert "rows" in refuse(edit(lambda data: data[: data.rindex(b"\n", 0, -1) + 1]))
    assert "JSON" in refuse(edit(lambda data: data + b"{\n"))
    assert "not a row" in refuse(edit(lambda data: data + b"[]\n"))
    assert "which is not in it" in refuse(
        edit(lambda data: re.sub(rb'"example":\d+', b'"example":99999999', data, count=1))
    )
    assert "not complete" in refuse(edit(lambda data: data.replace(b'"completion"', b'"complation"')))


@pytest.mark.parametrize("name", ["model.bin", "weights.pt", "evil.py", "a.PKL"])
def test_weights_that_can_run_code(refuse: Refuse, name: str):
    from core.storage.base import manifest_hash

    def rename(files: dict[str, bytes]) -> None:
        old = next(
            n for n in files if n.startswith("files/model/") and n.endswith("adapter_model.safetensors")
        )
        digest = old.split("/")[2]

        def artifact(rows: list[dict[str, Any]]) -> None:
            row = next(row for row in rows if row["sha256"] == digest)
            for entry in row["manifest"]:
                entry["path"] = entry["path"].replace("adapter_model.safetensors", name)
            row["sha256"] = manifest_hash(row["manifest"])
            self_sha.append(row["sha256"])

        self_sha: list[str] = []
        change_rows("core.Artifact", artifact)(files)
        for path in [n for n in files if digest in n]:
            target = path.replace(digest, self_sha[0]).replace("adapter_model.safetensors", name)
            files[target] = files.pop(path)
            change_manifest(
                lambda m, path=path, target=target: [
                    e.update(file=target) for e in m["files"] if e["file"] == path
                ]
            )(files)

    assert "safetensors" in refuse(rename)


def test_hashes_of_another_project_give_nothing(refuse: Refuse, good: Path):
    """Without its file a dataset is not imported, although this installation has one of this hash."""
    bring(good, "first")

    def drop(files: dict[str, bytes]) -> None:
        name = next(n for n in files if n.startswith("files/dataset/"))
        del files[name]
        change_manifest(lambda m: m.update(files=[e for e in m["files"] if e["file"] != name]))(files)

    assert "is missing" in refuse(drop)


# --- the address ---------------------------------------------------------------------------------------------


def test_an_address_that_is_in_use(refuse: Refuse, good: Path, world: World):
    before = counts()
    for slug in (world.project.slug, world.project.slug.upper()):
        with pytest.raises(Conflict, match="already a project"):
            bring(good, slug)
    assert counts() == before


def test_nothing_of_another_project_is_touched(good: Path, world: World):
    def rows() -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*), md5(string_agg(e::text, '|' ORDER BY id)) FROM annotation_example e WHERE project_id = ANY(%s)",
                [[world.project.pk, world.other.pk]],
            )
            return list(cursor.fetchall())

    before = rows()
    bring(good, "moved")
    assert rows() == before
