"""Duplicates: search, list clusters, settle them, and the examples that are too near to test rows."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from core.api.base import ProjectAPIView
from core.api.fields import SeenSerializer
from core.roles import EXAMPLE_DECIDERS, EXAMPLE_READERS
from dataset.api.duplicate_serializers import (
    ClusterSerializer,
    DuplicateSearchSerializer,
    NearTestSerializer,
    OpenClusterSerializer,
    RetiredNearSerializer,
    RetireNearSerializer,
    SettleClusterSerializer,
)
from dataset.filters import DuplicateFilter
from dataset.models import DuplicateCluster, DuplicateSearch, NearTest
from dataset.queries.duplicates import clusters_of, last_search, near_test_of
from dataset.services.duplicate_searches import start_search
from dataset.services.duplicates import KeepRule, settle, undo_settlement
from dataset.services.near_tests import retire_near, undo_retired_near


class _Duplicates(ProjectAPIView):
    serializer_class: type[BaseSerializer[Any]] = ClusterSerializer
    queryset: QuerySet[Any] = DuplicateCluster.objects.none()
    read_roles: ClassVar[tuple[str, ...]] = EXAMPLE_READERS
    write_roles = EXAMPLE_DECIDERS

    def cluster(self, pk: int) -> DuplicateCluster:
        return self.access.get(DuplicateCluster.objects.select_related("project", "settled_by"), pk=pk)

    def told(self, pk: int) -> Response:
        return Response(OpenClusterSerializer(self.cluster(pk)).data)


class ClustersView(mixins.ListModelMixin, _Duplicates):
    asks = DuplicateFilter

    def get_queryset(self) -> QuerySet[DuplicateCluster]:
        filters = DuplicateFilter(self.request.GET)
        filters.checked()
        return clusters_of(self.access.project, **filters.clusters())

    def get(self, request: Request, slug: str) -> Response:
        """The clusters that the last search found; those whose answers disagree first, then the largest. Equal answers to different
        questions only with `kind=completion`."""
        return self.list(request)


class SearchView(_Duplicates):
    serializer_class = DuplicateSearchSerializer
    queryset = DuplicateSearch.objects.none()
    pagination_class = None

    @extend_schema(responses=DuplicateSearchSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """The newest search; an `id` of null when there was none."""
        return Response(self._newest())

    @extend_schema(request=None, responses={202: DuplicateSearchSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Starts a search over the examples that are not retired. 409 while one is running."""
        start_search(by=self.access.user, project=self.access.project)
        return Response(self._newest(), status=status.HTTP_202_ACCEPTED)

    def _newest(self) -> dict[str, Any]:
        search = last_search(self.access.project) or DuplicateSearch(project=self.access.project)
        return dict(DuplicateSearchSerializer(search).data)


class NearTestView(mixins.ListModelMixin, _Duplicates):
    serializer_class = NearTestSerializer
    queryset = NearTest.objects.none()

    def get_queryset(self) -> QuerySet[NearTest]:
        return near_test_of(self.access.project)

    def get(self, request: Request, slug: str) -> Response:
        """The examples that are too near to a test row of a dataset version, the nearest first: a freeze withholds them."""
        return self.list(request)


class RetireNearTestView(_Duplicates):
    serializer_class = RetiredNearSerializer
    read_roles = EXAMPLE_DECIDERS

    @extend_schema(request=RetireNearSerializer, responses={200: RetiredNearSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Retires examples that are too near to a test row, at most 5,000 at once. 409 when a newer search replaced the list."""
        retired = retire_near(
            by=self.access.user, project=self.access.project, **self.body(RetireNearSerializer)
        )
        return Response({"examples": retired})


class UndoNearTestView(_Duplicates):
    serializer_class = RetiredNearSerializer
    read_roles = EXAMPLE_DECIDERS

    @extend_schema(request=None, responses={200: RetiredNearSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Brings back what you retired from the list last, within ten minutes. 409 when there is nothing to undo."""
        return Response({"examples": undo_retired_near(by=self.access.user, project=self.access.project)})


class ClusterView(_Duplicates):
    serializer_class = OpenClusterSerializer

    @extend_schema(responses=OpenClusterSerializer)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One cluster with its members."""
        return self.told(pk)


class SettleClusterView(_Duplicates):
    @extend_schema(request=SettleClusterSerializer, responses={200: OpenClusterSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Keeps examples of a cluster and retires its others, or says that all are wanted. Dataset versions do not change. 409 when
        somebody settled it first, or it changed since `seen` was read."""
        cluster = self.cluster(pk)
        values = self.body(SettleClusterSerializer)
        settle(
            by=self.access.user,
            cluster=cluster,
            keep=_keep(values),
            reason=values["reason"],
            seen=values["seen"],
        )
        return self.told(pk)


def _keep(values: dict[str, Any]) -> KeepRule | list[int] | None:
    if values["all_wanted"]:
        return None
    return KeepRule(values["rule"]) if values["rule"] else list(values["keep"])


class UndoView(_Duplicates):
    @extend_schema(request=SeenSerializer, responses={200: OpenClusterSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Opens a settled cluster again; what it retired gets the status that it had. 409 when it is open, or changed since `seen`
        was read."""
        cluster = self.cluster(pk)
        undo_settlement(by=self.access.user, cluster=cluster, **self.body(SeenSerializer))
        return self.told(pk)
