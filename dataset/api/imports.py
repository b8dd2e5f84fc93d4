"""Files of examples: upload, follow, read the problems, remove."""

from pathlib import Path
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from core.api.base import ProjectAPIView
from core.roles import ADMINS, READERS
from dataset.api.serializers import (
    ImportIssueSerializer,
    ImportSerializer,
    IssueQuerySerializer,
    NewImportSerializer,
    RemovedSerializer,
)
from dataset.models import DataImport, ImportIssue
from dataset.queries.imports import imports_of, issues_of
from dataset.services.imports import remove_import, start_import


class _Imports(ProjectAPIView):
    serializer_class: type[BaseSerializer[Any]] = ImportSerializer
    queryset: QuerySet[Any] = DataImport.objects.none()
    read_roles = READERS
    write_roles = ADMINS

    def data_import(self, pk: int) -> DataImport:
        return self.access.get(imports_of(self.access.project), pk=pk)


class ImportsView(mixins.ListModelMixin, _Imports):
    parser_classes = (MultiPartParser,)

    def get_queryset(self) -> QuerySet[DataImport]:
        return imports_of(self.access.project)

    def get(self, request: Request, slug: str) -> Response:
        """The project's imports, newest first."""
        return self.list(request)

    @extend_schema(request={"multipart/form-data": NewImportSerializer}, responses={202: ImportSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Uploads a JSONL file and starts the run that reads it; read `run.status` until it has ended."""
        values = self.body(NewImportSerializer)
        upload = values.pop("file")
        data_import = start_import(
            by=self.access.user,
            project=self.access.project,
            path=Path(upload.temporary_file_path()),
            file_name=upload.name,
            **values,
        )
        return Response(
            ImportSerializer(self.data_import(data_import.pk)).data, status=status.HTTP_202_ACCEPTED
        )


class ImportView(_Imports):
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One import, its counts and its run."""
        return Response(ImportSerializer(self.data_import(pk)).data)


class ImportIssuesView(mixins.ListModelMixin, _Imports):
    serializer_class = ImportIssueSerializer
    queryset = ImportIssue.objects.none()
    asks = IssueQuerySerializer

    def get_queryset(self) -> QuerySet[ImportIssue]:
        return issues_of(self.data_import(self.kwargs["pk"]), **self.query_values())

    def get(self, request: Request, slug: str, pk: int) -> Response:
        """Lines that were not imported: bad ones with field and reason, repeats with the example they repeat."""
        return self.list(request)


class RemoveImportView(_Imports):
    @extend_schema(request=None, responses=RemovedSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Removes the examples that an import added, while no one has worked on them and no dataset contains them."""
        count = remove_import(by=self.access.user, data_import=self.data_import(pk))
        return Response(RemovedSerializer({"removed": count}).data)
