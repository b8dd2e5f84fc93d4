"""Archives of a project, and for operators the import of archives."""

from pathlib import Path
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from core.access import signed_in
from core.api.accounts import OperatorAPIView
from core.api.base import ProjectAPIView
from core.api.serializers import (
    NewArchiveSerializer,
    NewProjectImportSerializer,
    ProjectArchiveSerializer,
    ProjectImportSerializer,
)
from core.models import ProjectArchive, ProjectImport
from core.moving.services import archives_of, project_imports, remove_archive, start_archive, start_import
from core.roles import ADMINS


class _Archives(ProjectAPIView):
    serializer_class = ProjectArchiveSerializer
    queryset: QuerySet[Any] = ProjectArchive.objects.none()
    read_roles, write_roles = ADMINS, ADMINS


class ArchivesView(mixins.ListModelMixin, _Archives):
    def get_queryset(self) -> QuerySet[ProjectArchive]:
        return archives_of(self.access.project)

    def get(self, request: Request, slug: str) -> Response:
        """The project's archives, newest first."""
        return self.list(request)

    @extend_schema(request=NewArchiveSerializer, responses={202: ProjectArchiveSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Starts the background job that makes an archive. 409 while another one of the project is being made."""
        values = self.body(NewArchiveSerializer)
        archive = start_archive(by=self.access.user, project=self.access.project, **values)
        return Response(ProjectArchiveSerializer(archive).data, status=status.HTTP_202_ACCEPTED)


class ArchiveView(_Archives):
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One archive and its background job."""
        archive = self.access.get(archives_of(self.access.project), pk=pk)
        return Response(ProjectArchiveSerializer(archive).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, pk: int) -> Response:
        """Deletes the file of an archive."""
        remove_archive(by=self.access.user, archive=self.access.get(archives_of(self.access.project), pk=pk))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ProjectImportsView(mixins.ListModelMixin, OperatorAPIView):
    serializer_class = ProjectImportSerializer
    queryset = ProjectImport.objects.none()
    parser_classes = (MultiPartParser,)

    def get_queryset(self) -> QuerySet[ProjectImport]:
        return project_imports()

    def get(self, request: Request) -> Response:
        """Projects that were imported into this installation, newest first (operators only)."""
        return self.list(request)

    @extend_schema(
        request={"multipart/form-data": NewProjectImportSerializer}, responses={202: ProjectImportSerializer}
    )
    def post(self, request: Request) -> Response:
        """Uploads a project archive and starts the background job that imports it (operators only). Read `run.status` until it has
        ended. 422 for a file that is not an archive, and for an address that is in use."""
        values = self.body(NewProjectImportSerializer)
        upload = values["file"]
        started = start_import(
            by=signed_in(request),
            path=Path(upload.temporary_file_path()),
            file_name=upload.name,
            slug=values["slug"],
        )
        return Response(ProjectImportSerializer(started).data, status=status.HTTP_202_ACCEPTED)


class ProjectImportView(OperatorAPIView):
    serializer_class = ProjectImportSerializer
    queryset = ProjectImport.objects.none()

    def get(self, request: Request, pk: int) -> Response:
        """One import of a project, its background job and its result (operators only)."""
        return Response(ProjectImportSerializer(get_object_or_404(project_imports(), pk=pk)).data)
