"""What of datasets belongs to an archive of a project (core.moving), and that a version is the same after the move."""

from collections.abc import Iterator
from itertools import zip_longest

from core.json_types import Json
from core.lists.numbers import whole_number
from core.moving.errors import BadArchive
from core.moving.fields import is_texts, is_turns
from core.moving.own import register_run_params
from core.moving.parts import (
    Arrival,
    Part,
    Renumber,
    Row,
    plain,
    register_finisher,
    register_left_out,
    register_line_rule,
    register_part,
)
from dataset.models import (
    AuditDecision,
    AuditFinding,
    BiasAudit,
    BiasLexicon,
    DataImport,
    DatasetRow,
    DatasetVersion,
    DatasheetAnswer,
    DuplicateCluster,
    DuplicateMember,
    DuplicateSearch,
    GroupSplit,
    ImportIssue,
    ImportMapping,
    Judgement,
    NearTest,
    ProjectRules,
    RowFinding,
    Source,
    SourcePartner,
    Twin,
    Upload,
    VersionReport,
    Withdrawal,
    WithdrawalDecision,
    WithdrawnExample,
    WithheldRow,
)
from dataset.registry import model_of_judgement, model_of_use
from dataset.rows import ContentHash, canonical_row, iter_rows, row_hash


def _line(value: Json, new: Renumber) -> Json:
    """A row of a dataset's file: it names its example."""
    if not isinstance(value, dict) or not isinstance(value.get("example"), int):
        raise BadArchive("The archive has a dataset with a line that is not a row.")
    example = new.id("annotation.Example", int(str(value["example"])))
    if example is None:
        raise BadArchive(f"The archive has a dataset with example #{value['example']}, which is not in it.")
    return value | {"example": example}


def _use(row: Row, new: Renumber) -> None:
    """The key of a use ends with the primary key of what it names."""
    kind, _, old = str(row["use"]).partition(":")
    label = model_of_use(kind)
    number = whole_number(old)
    if not label or number is None:
        raise BadArchive(
            f"The archive has a decision about “{str(row['use'])[:60]}”, which is not known here."
        )
    row["use"] = f"{kind}:{new.id(label, number) or 0}"


def _judgement(row: Row, new: Renumber) -> None:
    """The key of a judgement ends with the primary key of what it names."""
    kind, _, old = str(row["key"]).partition(":")
    label = model_of_judgement(kind)
    number = whole_number(old)
    if not label or number is None:
        raise BadArchive(f"The archive has a judgement in “{str(row['key'])[:60]}”, which is not known here.")
    row["key"] = f"{kind}:{new.id(label, number) or 0}"


def _examples(value: Json, new: Renumber) -> Json:
    """Ids of examples; those that are not in the archive are left out."""
    numbers = (
        [new.id("annotation.Example", int(str(one))) for one in value] if isinstance(value, list) else []
    )
    return [one for one in numbers if one is not None]


def _wrong_twin(row: Row) -> str:
    return "" if is_turns(row["messages"]) and is_texts(row["context"]) else "its conversation is not one"


def _settle_version(row: Row) -> None:
    if row["status"] == DatasetVersion.Status.FREEZING:
        row["status"] = DatasetVersion.Status.FAILED


def same_content(arrival: Arrival) -> None:
    """Every version has the rows and the content hash that it had: both are calculated again from its file."""
    versions = DatasetVersion.objects.filter(project=arrival.project, status=DatasetVersion.Status.READY)
    for dataset in versions.select_related("artifact", "project"):
        try:
            found = _content_hash(dataset)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise BadArchive(f"{dataset} in the archive has a row that is not complete.") from None
        if found != dataset.content_hash:
            raise BadArchive(f"{dataset} in the archive does not have the content that its hash names.")


def _content_hash(dataset: DatasetVersion) -> str:
    content: ContentHash | None = None
    for row, stored in zip_longest(iter_rows(dataset), _stored(dataset)):
        if row is None or stored is None:
            raise BadArchive(f"{dataset} in the archive does not have the rows that its file has.")
        # Versions from before the field `rejected` have the earlier format.
        earlier = "rejected" not in row
        sha256 = row_hash(canonical_row(row, earlier=earlier))
        if stored != (row["position"], row["example"], row["revision"], row["split"], sha256):
            raise BadArchive(f"{dataset} in the archive does not have the rows that its file has.")
        if content is None:
            content = ContentHash(dataset.settings, earlier=earlier)
        content.add(sha256, row["split"])
    return content.hexdigest() if content is not None else ""


def _stored(dataset: DatasetVersion) -> Iterator[tuple[int, int, int, str, str]]:
    columns = ("position", "example_id", "revision__number", "split", "row_hash")
    rows = DatasetRow.objects.filter(dataset=dataset).order_by("position").values_list(*columns)
    return rows.iterator(chunk_size=2000)


def register_moving() -> None:
    register_part(Part(Source, "project"))
    register_part(Part(SourcePartner, "source__project"))
    register_part(Part(ProjectRules, "project"))
    register_part(
        Part(DataImport, "project", json=dict.fromkeys(("keys", "mapping", "columns", "preview"), plain))
    )
    register_part(Part(ImportIssue, "data_import__project"))
    register_part(Part(GroupSplit, "project"))
    register_part(
        Part(
            DatasetVersion,
            "project",
            json={"settings": plain, "counts": plain},
            reset={"changes_seen": (None, "It is a number of the changes here.")},
            settle=_settle_version,
        )
    )
    register_part(Part(DatasetRow, "dataset__project"))
    register_part(Part(Judgement, "row__dataset__project", rewrite=_judgement))
    register_part(Part(WithheldRow, "dataset__project"))
    register_part(Part(ImportMapping, "project", json={"mapping": plain}))
    register_part(Part(Withdrawal, "source__project"))
    register_part(Part(WithdrawnExample, "withdrawal__source__project"))
    register_part(Part(WithdrawalDecision, "withdrawal__source__project", rewrite=_use))
    register_part(Part(DatasheetAnswer, "project"))
    register_part(Part(BiasLexicon, "project", json={"content": plain}))
    register_part(Part(BiasAudit, "project", json=dict.fromkeys(("settings", "lexicons", "facts"), plain)))
    register_part(Part(AuditFinding, "audit__project", json={"figures": plain, "examples": _examples}))
    register_part(Part(AuditDecision, "finding__audit__project"))
    register_part(
        Part(Twin, "project", json=dict.fromkeys(("messages", "context", "swaps"), plain), check=_wrong_twin)
    )
    report = "Choose “Read its rows now” on the page of a dataset there."
    register_left_out(VersionReport, report, words="Reports on dataset versions")
    register_left_out(RowFinding, report)
    register_part(Part(DuplicateCluster, "project"))
    register_part(Part(DuplicateMember, "cluster__project"))
    search = "Choose “Find duplicates” there. What people settled comes along."
    register_left_out(DuplicateSearch, search, words="Searches for duplicates")
    register_left_out(NearTest, search)
    register_left_out(Upload, "Upload the file there.", words="Uploads that have not arrived completely")
    register_run_params(**{"import": "datasets.DataImport", "source": "datasets.Source"})
    register_line_rule("dataset", _line)
    register_finisher(same_content)
