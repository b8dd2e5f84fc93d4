"""Two versions of a project compared, in the API."""

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from dataset.api.serializers import ComparedRowSerializer, VersionComparisonSerializer
from dataset.api.versions import DatasetsAPIView
from dataset.filters import CompareFilter
from dataset.queries.comparison import VersionComparison


class CompareView(DatasetsAPIView):
    serializer_class = ComparedRowSerializer
    asks = CompareFilter
    lists = True

    @extend_schema(responses=VersionComparisonSerializer)
    def get(self, request: Request, slug: str, number: int, other: int) -> Response:
        """What this version has that `other` does not, what it lost, and what differs: every change, or one kind of it."""
        dataset, other_dataset = (self.examples(one, "comparison of examples") for one in (number, other))
        if dataset == other_dataset:
            raise Http404("A version is not compared with itself.")
        comparison = VersionComparison(dataset, other_dataset)
        criteria = CompareFilter(request.GET, slices=comparison.slices()).checked()
        rows = comparison.rows(kind=criteria.get("kind", ""), slice_name=criteria.get("slice", ""))
        response = self.get_paginated_response(self.paginate_queryset(rows))
        body = {
            **response.data,
            "counts": rows.counts,
            "settings": comparison.settings(),
            "same_format": comparison.same_format,
        }
        return Response(VersionComparisonSerializer(body).data)
