"""Preference versions: freeze what people said, preview it, read the rows with their judgements."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import Refused
from dataset.api.preference_serializers import (
    NewPreferencesSerializer,
    PreferencePreviewSerializer,
    PreferenceRowSerializer,
    PreferenceSettingsSerializer,
)
from dataset.api.serializers import DatasetSerializer
from dataset.api.versions import DatasetsAPIView
from dataset.filters import RowFilter
from dataset.models import DatasetRow, DatasetVersion
from dataset.preferences import Choice
from dataset.queries.preference_preview import preference_preview
from dataset.queries.preference_versions import preference_rows_of, with_texts
from dataset.services.preferences import start_preference_freeze

_CHOSEN = ("take", "campaigns", "raters", "agreement", "difference")


def _choice(values: dict[str, Any]) -> tuple[Choice, dict[str, Any]]:
    """The choice, and the other values."""
    chosen = {name: values[name] for name in _CHOSEN}
    return Choice.of(chosen), {name: value for name, value in values.items() if name not in _CHOSEN}


class PreferencesView(DatasetsAPIView):
    @extend_schema(request=NewPreferencesSerializer, responses={202: DatasetSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Freezes what people said of answers into the next version, of kind `preference`; read `status` until it is ready or failed.
        409 when it changed since the preview with this `seen`."""
        choice, others = _choice(self.body(NewPreferencesSerializer))
        dataset = start_preference_freeze(
            by=self.access.user, project=self.access.project, choice=choice, **others
        )
        return Response(DatasetSerializer(self.dataset(dataset.number)).data, status=status.HTTP_202_ACCEPTED)


class PreferencePreviewView(DatasetsAPIView):
    asks = PreferenceSettingsSerializer
    pagination_class = None

    @extend_schema(responses=PreferencePreviewSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """What a freeze with these settings would take now, its splits, and what it would leave out or withhold."""
        choice, settings = _choice(self.query_values())
        shown = preference_preview(self.access.project, choice, settings)
        return Response(PreferencePreviewSerializer(shown).data)


class PreferenceRowsView(DatasetsAPIView):
    serializer_class = PreferenceRowSerializer
    queryset: QuerySet[Any] = DatasetRow.objects.none()
    asks = RowFilter
    lists = True

    @extend_schema(responses=PreferenceRowSerializer(many=True))
    def get(self, request: Request, slug: str, number: int) -> Response:
        """The rows of a preference version in their order, with what people said of the answers before the freeze."""
        dataset = self.ready(number)
        filters = RowFilter(request.GET, dataset=dataset)
        filters.checked()
        page = self.paginate_queryset(preference_rows_of(dataset, **filters.rows()))
        if dataset.kind != DatasetVersion.Kind.PREFERENCE:
            raise Refused(f"{dataset} has examples, and not preferences.", "Read its rows at `rows/`.")
        shown = with_texts(dataset, page or [], named=self.access.sees_all)
        return self.get_paginated_response(PreferenceRowSerializer(shown, many=True).data)
