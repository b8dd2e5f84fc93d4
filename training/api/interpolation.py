"""The way from the base model to a version."""

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.base import ProjectAPIView
from core.api.serializers import RunSerializer
from core.roles import ADMINS, READERS
from training import queries, services
from training.api.interpolation_serializers import ModelSharesSerializer, ShareVersionSerializer
from training.api.serializers import TrainingRunSerializer
from training.interpolation import BlendFigures, rows_of
from training.models import Interpolation, ModelVersion


class _Shares(ProjectAPIView):
    read_roles, write_roles = READERS, ADMINS
    queryset = ModelVersion.objects.none()

    def version(self, pk: int) -> ModelVersion:
        return self.access.get(queries.model_versions(self.access.project), pk=pk)


class SharesView(_Shares):
    serializer_class = ModelSharesSerializer

    @extend_schema(operation_id="model_version_shares", responses=ModelSharesSerializer)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """What weights part of the way from the base model to this version keep and forget."""
        found = Interpolation.objects.filter(version=self.version(pk)).select_related("run__project").first()
        figures = [BlendFigures.from_values(values) for values in found.figures] if found else []
        answer = {
            "run": found.run if found else None,
            "rows": found.rows if found else 0,
            "shares": rows_of(figures),
        }
        return Response(ModelSharesSerializer(answer).data)

    @extend_schema(request=None, responses={202: RunSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Measures them. Shares measured before under the same conditions are kept. 409 while this runs."""
        measurement = services.measure_interpolation(by=self.access.user, version=self.version(pk))
        return Response(RunSerializer(measurement.run).data, status=status.HTTP_202_ACCEPTED)


class ShareVersionView(_Shares):
    serializer_class = ShareVersionSerializer

    @extend_schema(request=ShareVersionSerializer, responses={202: TrainingRunSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Makes a new version of a measured share; this one stays as it is. 409 when there is one already."""
        body = ShareVersionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        made = services.store_share(
            by=self.access.user, version=self.version(pk), percent=body.validated_data["percent"]
        )
        return Response(TrainingRunSerializer(made).data, status=status.HTTP_202_ACCEPTED)
