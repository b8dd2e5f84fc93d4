"""Dataset versions and the lines of an import as files, for pages and API."""

from collections.abc import Iterable, Iterator

from django.http import StreamingHttpResponse

from core.http.downloads import CSV, JSONL, attachment, csv_line, pieces_of_file
from core.lists.rows import rows_by_key
from core.models import User
from core.storage import storage
from dataset.models import DataImport, DatasetVersion
from dataset.queries.imports import issues_of


def dataset_as_jsonl(dataset: DatasetVersion, *, by: User, method: str | None) -> StreamingHttpResponse:
    """The artifact of a ready version, as it is in the store."""
    artifact = dataset.artifact
    if artifact is None:
        raise ValueError(f"{dataset} is not ready.")

    def pieces() -> Iterable[bytes]:
        return pieces_of_file(storage().local_path(artifact) / artifact.manifest[0]["path"])

    name, length = f"{dataset.project.slug}-dataset-{dataset.number}.jsonl", artifact.size_bytes
    return attachment(pieces, method=method, by=by, name=name, content_type=JSONL, length=length)


def issues_as_csv(data_import: DataImport, *, by: User, method: str | None) -> StreamingHttpResponse:
    """All bad and repeated rows of an import."""

    def lines() -> Iterator[str]:
        yield csv_line(["file", "line", "column", "kind", "field", "reason", "starts with"])
        for issue in rows_by_key(issues_of(data_import), size=2000, by="line"):
            where = [issue.part, issue.line, issue.column or ""]
            yield csv_line([*where, issue.kind, issue.field, issue.reason, issue.excerpt])

    name = f"import-{data_import.pk}-lines.csv"
    return attachment(lines, method=method, by=by, name=name, content_type=CSV)
