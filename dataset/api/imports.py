"""Files of examples: upload, check, import, follow, read the problems, remove."""

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
    ImportChoicesSerializer,
    ImportIssueSerializer,
    ImportSerializer,
    IssueQuerySerializer,
    NewImportSerializer,
    RemovedSerializer,
)
from dataset.mapping import read_mapping
from dataset.models import DataImport, ImportIssue
from dataset.queries.imports import imports_of, issues_of, uploads_of
from dataset.services.imports import (
    check_again,
    discard_check,
    import_checked,
    remove_import,
    start_import,
)
from dataset.services.uploads import complete_path, remove_upload


class _Imports(ProjectAPIView):
    serializer_class: type[BaseSerializer[Any]] = ImportSerializer
    queryset: QuerySet[Any] = DataImport.objects.none()
    read_roles = READERS
    write_roles = ADMINS

    def data_import(self, pk: int) -> DataImport:
        return self.access.get(imports_of(self.access.project), pk=pk)

    def accepted(self, pk: int) -> Response:
        return Response(ImportSerializer(self.data_import(pk)).data, status=status.HTTP_202_ACCEPTED)


class ImportsView(mixins.ListModelMixin, _Imports):
    parser_classes = (MultiPartParser,)

    def get_queryset(self) -> QuerySet[DataImport]:
        return imports_of(self.access.project)

    def get(self, request: Request, slug: str) -> Response:
        """The project's imports, newest first."""
        return self.list(request)

    @extend_schema(request={"multipart/form-data": NewImportSerializer}, responses={202: ImportSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Uploads a file, or takes an upload in pieces, and starts the run that reads it; read `run.status` until it has ended.

        With `check` nothing is stored: read the result, change the mapping with `check/` if needed, and import it with `start/`.
        """
        values = self.body(NewImportSerializer)
        file, upload_id = values.pop("file", None), values.pop("upload", None)
        upload = self.access.get(uploads_of(self.access), public_id=upload_id) if upload_id else None
        data_import = start_import(
            by=self.access.user,
            project=self.access.project,
            path=complete_path(upload) if upload else Path(file.temporary_file_path()),
            file_name=upload.file_name if upload else file.name,
            **values,
        )
        if upload:
            remove_upload(by=self.access.user, upload=upload)
        return self.accepted(data_import.pk)


class ImportView(_Imports):
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One import, its counts and its run."""
        return Response(ImportSerializer(self.data_import(pk)).data)


class CheckImportView(_Imports):
    @extend_schema(request=ImportChoicesSerializer, responses={202: ImportSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Reads a checked file once more with another mapping. Nothing is stored."""
        data_import = self.data_import(pk)
        values = self.body(ImportChoicesSerializer)
        mapping = values.pop("mapping", None) or read_mapping(data_import.mapping)
        check_again(by=self.access.user, data_import=data_import, mapping=mapping, **values)
        return self.accepted(pk)


class StartImportView(_Imports):
    @extend_schema(request=ImportChoicesSerializer, responses={202: ImportSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Imports a checked file. The mapping is remembered for files with the same columns."""
        values = self.body(ImportChoicesSerializer)
        import_checked(by=self.access.user, data_import=self.data_import(pk), **values)
        return self.accepted(pk)


class DiscardImportView(_Imports):
    @extend_schema(request=None, responses=ImportSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Gives up a checked file. Nothing of it was imported."""
        discard_check(by=self.access.user, data_import=self.data_import(pk))
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
