"""Files that arrive in pieces, so that a lost connection costs one piece."""

from typing import IO, Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from core.api.base import ProjectAPIView
from core.errors import Invalid
from core.lists.numbers import whole_number
from core.roles import ADMINS
from dataset.api.serializers import NewUploadSerializer, UploadSerializer
from dataset.models import Upload
from dataset.queries.imports import uploads_of
from dataset.services.uploads import MOST_PIECE, begin_upload, receive_piece, remove_upload


class PieceParser(BaseParser):
    """The bytes of a request as they are."""

    media_type = "application/octet-stream"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None
    ) -> dict[str, Any]:
        return {"piece": bytes(stream.read(MOST_PIECE + 1))}


class _Uploads(ProjectAPIView):
    serializer_class: type[BaseSerializer[Any]] = UploadSerializer
    queryset: QuerySet[Any] = Upload.objects.none()
    read_roles = ADMINS
    write_roles = ADMINS

    def upload(self, public_id: str) -> Upload:
        return self.access.get(uploads_of(self.access), public_id=public_id)


class UploadsView(mixins.ListModelMixin, _Uploads):
    def get_queryset(self) -> QuerySet[Upload]:
        return uploads_of(self.access)

    def get(self, request: Request, slug: str) -> Response:
        """Your uploads that are not finished or not used, newest first."""
        return self.list(request)

    @extend_schema(request=NewUploadSerializer, responses={201: UploadSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Begins an upload, or gives your unfinished one of the same file: continue at `received_bytes`."""
        values = self.body(NewUploadSerializer)
        upload = begin_upload(by=self.access.user, project=self.access.project, **values)
        return Response(UploadSerializer(upload).data, status=status.HTTP_201_CREATED)


class UploadView(_Uploads):
    parser_classes = (PieceParser,)

    def get(self, request: Request, slug: str, public_id: str) -> Response:
        """How much has arrived."""
        return Response(UploadSerializer(self.upload(public_id)).data)

    @extend_schema(
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses=UploadSerializer,
        parameters=[
            OpenApiParameter(
                "Upload-Offset",
                int,
                OpenApiParameter.HEADER,
                required=True,
                description="The place of the piece in the file: `received_bytes` of the upload.",
            )
        ],
    )
    def put(self, request: Request, slug: str, public_id: str) -> Response:
        """Sends the next piece. 409 when it does not begin where the last one ended."""
        upload = self.upload(public_id)
        offset = whole_number(request.headers.get("Upload-Offset"))
        if offset is None:
            raise Invalid(
                "The header Upload-Offset must be a whole number.", "Give the place of the piece in the file."
            )
        piece: bytes = dict(request.data).get("piece", b"")
        if len(piece) > MOST_PIECE:
            limit = MOST_PIECE // (1 << 20)
            raise Invalid(f"A piece has at most {limit} MB.", "Send smaller pieces.")
        upload = receive_piece(by=self.access.user, upload=upload, offset=offset, piece=piece)
        return Response(UploadSerializer(upload).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, public_id: str) -> Response:
        """Removes an upload and what has arrived of it."""
        remove_upload(by=self.access.user, upload=self.upload(public_id))
        return Response(status=status.HTTP_204_NO_CONTENT)
