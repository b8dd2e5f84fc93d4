"""What versions forgot."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.base import ProjectAPIView
from core.api.serializers import RunSerializer
from core.roles import ADMINS, READERS
from training import queries, services
from training.api.forgetting_serializers import ForgettingItemSerializer, ForgottenSerializer
from training.filters import ForgettingFilter
from training.forgotten import forgotten_of, items_of
from training.models import ForgettingItem, ModelVersion


class _Forgetting(ProjectAPIView):
    read_roles, write_roles = READERS, ADMINS

    def version(self, pk: int) -> ModelVersion:
        return self.access.get(queries.model_versions(self.access.project), pk=pk)


class ForgettingView(_Forgetting):
    serializer_class = ForgottenSerializer
    queryset = ModelVersion.objects.none()

    @extend_schema(operation_id="model_version_forgetting", responses=ForgottenSerializer)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """What the version forgot, task by task."""
        return Response(ForgottenSerializer(forgotten_of(self.version(pk))).data)

    @extend_schema(request=None, responses={202: RunSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Measures it. Answers given before under the same conditions are kept. 409 while this runs."""
        measurement = services.measure_forgetting(by=self.access.user, version=self.version(pk))
        return Response(RunSerializer(measurement.run).data, status=status.HTTP_202_ACCEPTED)


class ForgettingItemsView(mixins.ListModelMixin, _Forgetting):
    serializer_class = ForgettingItemSerializer
    queryset = ForgettingItem.objects.none()
    asks = ForgettingFilter

    def get_queryset(self) -> QuerySet[ForgettingItem]:
        criteria = ForgettingFilter(self.request.GET).checked()
        return items_of(self.version(self.kwargs["pk"]), **criteria)

    def get(self, request: Request, slug: str, pk: int) -> Response:
        """Every item with a check: question, both answers, and which was right."""
        return self.list(request)
