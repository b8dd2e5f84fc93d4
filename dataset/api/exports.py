"""Exports: examples or a dataset version as a file in a shape, and what the file has and leaves out."""

from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.models import Example
from annotation.queries.examples import find_examples
from core.api.base import ProjectAPIView
from core.roles import EXAMPLE_READERS
from dataset.downloads import export_of_examples, export_of_version
from dataset.filters import ExamplesExportFilter, VersionExportFilter
from dataset.models import DatasetVersion
from dataset.queries.exports import ExportCounts, figures_of_examples, figures_of_version
from dataset.queries.versions import ready_datasets
from dataset.writers import WRITERS, Options, Writer, lost_fields

_FILE = {
    (200, content_type): OpenApiTypes.BINARY
    for content_type in sorted({writer.content_type.split(";")[0] for writer in WRITERS})
}


class LeftOutSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(help_text="Continues “3 examples ...”: without a completion")
    examples = serializers.IntegerField()


class ExportCountsSerializer(serializers.Serializer[Any]):
    """An export before it is made. `lost` are the fields of an example that the file does not have."""

    shape = serializers.CharField()
    examples = serializers.IntegerField(help_text="Found by the filters, or in the split.")
    rows = serializers.IntegerField(help_text="Rows of the file.")
    left_out = LeftOutSerializer(many=True)
    unapproved = serializers.IntegerField(help_text="Of the examples, those that are not approved.")
    lost = serializers.ListField(child=serializers.CharField())


def _told(writer: Writer, figures: ExportCounts, *, own_keys: bool) -> Response:
    body = {
        "shape": writer.name,
        "examples": figures.examples,
        "rows": figures.rows,
        "left_out": [{"reason": reason, "examples": count} for reason, count in figures.left_out.items()],
        "unapproved": figures.unapproved,
        "lost": lost_fields(writer, Options(own_keys=own_keys)),
    }
    return Response(ExportCountsSerializer(body).data)


class _ExamplesExport(ProjectAPIView):
    serializer_class = ExportCountsSerializer
    read_roles = EXAMPLE_READERS
    asks = ExamplesExportFilter
    pagination_class = None

    def chosen(self) -> tuple[ExamplesExportFilter, QuerySet[Example]]:
        form = ExamplesExportFilter(self.request.GET, project=self.access.project)
        return form, find_examples(self.access.project, form.checked())


class ExamplesExportView(_ExamplesExport):
    @extend_schema(responses=_FILE)
    def get(self, request: Request, slug: str) -> StreamingHttpResponse:
        """The examples that match the filters, as a file in a shape. `keys=standard` writes only the keys of the shape."""
        form, matches = self.chosen()
        return export_of_examples(
            request,
            self.access.project,
            matches,
            form.writer,
            own_keys=form.own_keys,
            words=form.words(),
            by=self.access.user,
        )


class ExamplesExportCountsView(_ExamplesExport):
    @extend_schema(responses=ExportCountsSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """How many rows the file has, and how many examples it leaves out for which reason."""
        form, matches = self.chosen()
        return _told(form.writer, figures_of_examples(matches, form.writer), own_keys=form.own_keys)


class _VersionExport(ProjectAPIView):
    serializer_class = ExportCountsSerializer
    read_roles = EXAMPLE_READERS
    asks = VersionExportFilter
    pagination_class = None

    def chosen(self, number: int) -> tuple[DatasetVersion, VersionExportFilter, str]:
        dataset = self.access.get(ready_datasets(self.access.project), number=number)
        form = VersionExportFilter(self.request.GET)
        return dataset, form, form.checked().get("split", "")


class VersionExportView(_VersionExport):
    @extend_schema(responses=_FILE)
    def get(self, request: Request, slug: str, number: int) -> StreamingHttpResponse:
        """The version's rows, or those of one split, as a file in a shape. `keys=standard` writes only the keys of the shape."""
        dataset, form, split = self.chosen(number)
        return export_of_version(
            request, dataset, form.writer, split=split, own_keys=form.own_keys, by=self.access.user
        )


class VersionExportCountsView(_VersionExport):
    @extend_schema(responses=ExportCountsSerializer)
    def get(self, request: Request, slug: str, number: int) -> Response:
        """How many rows the file has, and how many it leaves out for which reason."""
        dataset, form, split = self.chosen(number)
        return _told(form.writer, figures_of_version(dataset, form.writer, split), own_keys=form.own_keys)
