"""Dataset versions: freeze, read, compare, download."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from core.api.base import ProjectAPIView
from core.roles import ADMINS, EXAMPLE_READERS
from dataset.api.serializers import (
    DatasetRowSerializer,
    DatasetSerializer,
    FreezeSettingsSerializer,
    NewDatasetSerializer,
    PreviewSerializer,
    WithheldRowSerializer,
)
from dataset.downloads import dataset_as_jsonl
from dataset.filters import RowFilter
from dataset.models import DatasetRow, DatasetVersion, WithheldRow
from dataset.queries.preference_versions import refuse_preferences
from dataset.queries.preview import preview
from dataset.queries.versions import rows_of, versions_of, withheld_of
from dataset.services.versions import start_freeze


class DatasetsAPIView(ProjectAPIView):
    serializer_class: type[BaseSerializer[Any]] = DatasetSerializer
    queryset: QuerySet[Any] = DatasetVersion.objects.none()
    read_roles = EXAMPLE_READERS
    write_roles = ADMINS

    def dataset(self, number: int) -> DatasetVersion:
        return self.access.get(versions_of(self.access.project), number=number)

    def ready(self, number: int) -> DatasetVersion:
        dataset = self.dataset(number)
        if dataset.status != DatasetVersion.Status.READY:
            raise Http404("This dataset has no rows.")
        return dataset

    def examples(self, number: int, what: str) -> DatasetVersion:
        """For what a preference version does not have: Refused, `what` says which ("report")."""
        dataset = self.ready(number)
        refuse_preferences(dataset, what)
        return dataset


class DatasetsView(mixins.ListModelMixin, DatasetsAPIView):
    def get_queryset(self) -> QuerySet[DatasetVersion]:
        return versions_of(self.access.project)

    def get(self, request: Request, slug: str) -> Response:
        """The project's dataset versions, newest first."""
        return self.list(request)

    @extend_schema(request=NewDatasetSerializer, responses={202: DatasetSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Freezes the approved examples into the next version; read `status` until it is ready or failed. 409 when the data changed
        since the preview with this `seen`."""
        values = self.body(NewDatasetSerializer)
        dataset = start_freeze(by=self.access.user, project=self.access.project, **values)
        return Response(DatasetSerializer(self.dataset(dataset.number)).data, status=status.HTTP_202_ACCEPTED)


class DatasetPreviewView(DatasetsAPIView):
    asks = FreezeSettingsSerializer
    pagination_class = None

    @extend_schema(responses=PreviewSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """What a freeze with these settings would take now, its splits, and what it would withhold."""
        shown = preview(self.access.project, self.query_values())
        body = {
            "total": shown.total,
            "new": shown.new,
            "unreviewed": shown.unreviewed,
            "since": shown.since.number if shown.since else None,
            "counts": shown.counts,
            "whole": shown.whole,
            "slices": [{"slice": name, "approved": n, "new": new} for name, n, new in shown.slices],
            "seen": shown.seen,
        }
        return Response(PreviewSerializer(body).data)


class DatasetView(DatasetsAPIView):
    def get(self, request: Request, slug: str, number: int) -> Response:
        """One version: hash, settings, counts."""
        return Response(DatasetSerializer(self.dataset(number)).data)


class DatasetRowsView(mixins.ListModelMixin, DatasetsAPIView):
    serializer_class = DatasetRowSerializer
    queryset = DatasetRow.objects.none()
    asks = RowFilter

    def get_queryset(self) -> QuerySet[DatasetRow]:
        dataset = self.examples(self.kwargs["number"], "list of examples")
        filters = RowFilter(self.request.GET, dataset=dataset)
        filters.checked()
        return rows_of(dataset, **filters.rows())

    def get(self, request: Request, slug: str, number: int) -> Response:
        """The version's rows in their order, as they were frozen."""
        return self.list(request)


class DatasetWithheldView(mixins.ListModelMixin, DatasetsAPIView):
    serializer_class = WithheldRowSerializer
    queryset = WithheldRow.objects.none()

    def get_queryset(self) -> QuerySet[WithheldRow]:
        return withheld_of(self.ready(self.kwargs["number"]))

    def get(self, request: Request, slug: str, number: int) -> Response:
        """Approved examples that are not in the version, and why."""
        return self.list(request)


class DatasetDownloadView(DatasetsAPIView):
    @extend_schema(responses={(200, "application/jsonl"): OpenApiTypes.BINARY})
    def get(self, request: Request, slug: str, number: int) -> StreamingHttpResponse:
        """The version's artifact: one JSON object per line."""
        return dataset_as_jsonl(self.ready(number), by=self.access.user, method=request.method)
