"""Engines, deployments, speeds and answers: for admins and viewers."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.base import ProjectAPIView
from core.roles import ADMINS, READERS
from inference import queries, services
from inference.api.serializers import (
    AnswerLineageSerializer,
    AnswerSerializer,
    DeploymentSerializer,
    EngineSerializer,
    SpeedSerializer,
)
from inference.forms import AnswersFilter
from inference.models import Answer, Deployment, Engine
from training.models import ModelVersion


class _Readers(ProjectAPIView):
    read_roles = READERS
    write_roles = ADMINS

    def paged(self, rows: QuerySet[Any] | list[Any]) -> Response:
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class EnginesView(_Readers):
    serializer_class = EngineSerializer
    queryset = Engine.objects.none()
    lists = True

    @extend_schema(operation_id="engines_list", responses=EngineSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Engines that serve this project's versions."""
        engines = queries.engines_of(self.access.project)
        self.checks = queries.last_checks(engines)
        return self.paged(engines)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "checks": getattr(self, "checks", {})}


class DeploymentsView(_Readers):
    serializer_class = DeploymentSerializer
    queryset = Deployment.objects.none()
    lists = True

    @extend_schema(operation_id="deployments_list", responses=DeploymentSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The wanted and the present deployments."""
        return self.paged(queries.deployments(self.access.project))


class _OneVersion(_Readers):
    serializer_class = DeploymentSerializer
    queryset = Deployment.objects.none()

    def version(self, pk: int) -> ModelVersion:
        return self.access.get(ModelVersion.objects.select_related("project", "base_model"), pk=pk)

    def answer(self, version: ModelVersion) -> Response:
        deployment = queries.deployment_of(version)
        return Response(DeploymentSerializer(deployment).data, status=status.HTTP_202_ACCEPTED)


class LoadView(_OneVersion):
    @extend_schema(request=None, responses={202: DeploymentSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Requests that the engines serve a version."""
        version = self.version(pk)
        services.request_load(by=self.access.user, version=version)
        return self.answer(version)


class UnloadView(_OneVersion):
    @extend_schema(request=None, responses={202: DeploymentSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Requests that the engines stop serving a version; refused for the live one."""
        version = self.version(pk)
        services.request_unload(by=self.access.user, version=version)
        return self.answer(version)


class SpeedsView(_Readers):
    serializer_class = SpeedSerializer
    queryset = Answer.objects.none()
    pagination_class = None

    @extend_schema(operation_id="speeds_list", responses=SpeedSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Time to first token and speed of each version, measured on this server."""
        speeds = queries.speeds(self.access.project)
        rows = [{"version": version, **asdict(speed)} for version, speed in sorted(speeds.items())]
        return Response(SpeedSerializer(rows, many=True).data)


class AnswersView(_Readers):
    serializer_class = AnswerSerializer
    queryset = Answer.objects.none()
    lists = True
    asks = AnswersFilter

    def matches(self) -> QuerySet[Answer]:
        project = self.access.project
        criteria = AnswersFilter(self.request.GET, versions=queries.version_choices(project)).checked()
        return queries.filtered_answers(project, criteria)

    @extend_schema(operation_id="answers_list", responses=AnswerSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Every answer of the project, newest first."""
        return self.paged(self.matches())


class AnswerView(_Readers):
    serializer_class = AnswerLineageSerializer
    queryset = Answer.objects.none()

    @extend_schema(operation_id="answers_retrieve", responses=AnswerLineageSerializer)
    def get(self, request: Request, slug: str, public_id: UUID) -> Response:
        """One answer and its lineage."""
        answer = self.access.get(queries.answer_with_lineage(self.access.project), public_id=public_id)
        return Response(AnswerLineageSerializer(answer).data)
