"""Dataset versions, exports and the lines of an import as files, for pages and API."""

from collections.abc import Iterable, Iterator

from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import reverse
from rest_framework.request import Request

from annotation.models import Example
from core.http.downloads import CSV, JSONL, attachment, csv_line, pieces_of_file
from core.lists.rows import rows_by_key
from core.models import Project, User
from core.storage import storage
from dataset.models import DataImport, DatasetVersion
from dataset.queries.cards import card_of_examples, card_of_version
from dataset.queries.exports import rows_of_examples, rows_of_version
from dataset.queries.imports import issues_of
from dataset.writers import Content, Options, Writer


def dataset_as_jsonl(dataset: DatasetVersion, *, by: User, method: str | None) -> StreamingHttpResponse:
    """The artifact of a ready version, as it is in the store."""
    artifact = dataset.artifact
    if artifact is None:
        raise ValueError(f"{dataset} is not ready.")

    def pieces() -> Iterable[bytes]:
        return pieces_of_file(storage().local_path(artifact) / artifact.manifest[0]["path"])

    name, length = f"{dataset.project.slug}-dataset-{dataset.number}.jsonl", artifact.size_bytes
    return attachment(pieces, method=method, by=by, name=name, content_type=JSONL, length=length)


def _export(
    content: Content, writer: Writer, options: Options, *, by: User, method: str | None, name: str
) -> StreamingHttpResponse:
    return attachment(
        lambda: writer.pieces(content, options),
        method=method,
        by=by,
        name=f"{name}.{writer.ending}",
        content_type=writer.content_type,
    )


def export_of_examples(
    request: HttpRequest | Request,
    project: Project,
    matches: QuerySet[Example],
    writer: Writer,
    *,
    own_keys: bool,
    words: list[str],
    by: User,
) -> StreamingHttpResponse:
    """The examples in a shape, made while it is sent. `words` say how they were chosen."""
    url = request.build_absolute_uri(reverse("annotation:examples", args=[project.slug]))
    content = Content(
        rows=lambda _split: rows_of_examples(matches),
        make_card=lambda: card_of_examples(project, matches, criteria=words, url=url),
    )
    options = Options(own_keys=own_keys, system_prompt=project.system_prompt)
    name = f"{project.slug}-examples-{writer.name}"
    return _export(content, writer, options, by=by, method=request.method, name=name)


def export_of_version(
    request: HttpRequest | Request,
    dataset: DatasetVersion,
    writer: Writer,
    *,
    split: str,
    own_keys: bool,
    by: User,
) -> StreamingHttpResponse:
    """The rows of a ready version, or of one split, in a shape, made while it is sent."""
    project = dataset.project
    url = request.build_absolute_uri(reverse("datasets:dataset", args=[project.slug, dataset.number]))
    content = Content(
        rows=lambda one: rows_of_version(dataset, one or split),
        make_card=lambda: card_of_version(dataset, split=split, url=url),
    )
    options = Options(own_keys=own_keys, system_prompt=dataset.settings.get("system_prompt", ""))
    part = f"-{split}" if split else ""
    name = f"{project.slug}-dataset-{dataset.number}{part}-{writer.name}"
    return _export(content, writer, options, by=by, method=request.method, name=name)


def issues_as_csv(data_import: DataImport, *, by: User, method: str | None) -> StreamingHttpResponse:
    """All bad and repeated rows of an import."""

    def lines() -> Iterator[str]:
        yield csv_line(["file", "line", "column", "kind", "field", "reason", "starts with"])
        for issue in rows_by_key(issues_of(data_import), size=2000, by="line"):
            where = [issue.part, issue.line, issue.column or ""]
            yield csv_line([*where, issue.kind, issue.field, issue.reason, issue.excerpt])

    name = f"import-{data_import.pk}-lines.csv"
    return attachment(lines, method=method, by=by, name=name, content_type=CSV)
