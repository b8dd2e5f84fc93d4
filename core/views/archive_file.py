"""The file of a project archive, for its page and as an operation of the API."""

from collections.abc import Iterable

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request

from core.api.base import ProjectAPIView
from core.api.serializers import ProjectArchiveSerializer
from core.errors import Conflict
from core.http.downloads import ZIP, attachment, pieces_of_file
from core.models import ProjectArchive, User
from core.moving.services import archives_of, note_archive_download
from core.roles import ADMINS
from core.storage import storage


def archive_file(archive: ProjectArchive, *, by: User, method: str | None) -> StreamingHttpResponse:
    """Audited, unless it is a HEAD request: the whole project leaves the installation with it. Conflict when there is no file."""
    artifact = archive.artifact
    if artifact is None:
        raise Conflict("This archive has no file.", "Make a new one.")

    def pieces() -> Iterable[bytes]:
        return pieces_of_file(storage().local_path(artifact) / artifact.manifest[0]["path"])

    name = f"{archive.project.slug}-{archive.created_at:%Y-%m-%d}.zip"
    response = attachment(
        pieces, method=method, by=by, name=name, content_type=ZIP, length=artifact.size_bytes
    )
    if method != "HEAD":
        note_archive_download(by=by, archive=archive)
    return response


class ArchiveFileView(ProjectAPIView):
    pagination_class = None  # a file, not a list
    serializer_class = ProjectArchiveSerializer
    queryset: QuerySet[ProjectArchive] = ProjectArchive.objects.none()
    read_roles, write_roles = ADMINS, ADMINS

    @extend_schema(responses={(200, "application/zip"): OpenApiResponse(OpenApiTypes.BINARY)})
    def get(self, request: Request, slug: str, pk: int) -> StreamingHttpResponse:
        """The archive itself, a zip. 409 while it is being made and after it was removed."""
        archive = self.access.get(archives_of(self.access.project), pk=pk)
        return archive_file(archive, by=self.access.user, method=request.method)
