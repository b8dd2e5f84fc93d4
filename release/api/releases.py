"""The live version, the gate, releases and rollbacks."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.base import ProjectAPIView
from core.api.serializers import RunSerializer
from core.errors import Conflict, Invalid
from core.roles import ADMINS, READERS
from inference.queries import live_version
from release import queries, services
from release.api.serializers import (
    CandidateSerializer,
    LineageSerializer,
    LiveSerializer,
    MakeLiveSerializer,
    ReleaseSerializer,
    RollBackSerializer,
)
from release.lineage import who_decided
from release.models import Release
from training.models import ModelVersion


class _Release(ProjectAPIView):
    read_roles, write_roles = READERS, ADMINS
    queryset = Release.objects.none()

    def seen(self, pk: int | None) -> ModelVersion | None:
        """The version that the caller believes to be live. An unknown id counts as outdated."""
        if pk is None:
            return None
        version = ModelVersion.objects.filter(project=self.access.project, pk=pk).first()
        if version is None:
            raise Conflict("This version is not live.", "Read the live version again, then decide.")
        return version


class LiveView(_Release):
    serializer_class = LiveSerializer

    def get(self, request: Request, slug: str) -> Response:
        """The version that answers applications now."""
        standing = queries.standing(self.access.project)
        if standing.route is None:
            return Response({"version": None, "since": None, "release": None, "previous": None})
        return Response(LiveSerializer(standing).data)


class CandidatesView(_Release):
    serializer_class = CandidateSerializer
    pagination_class = None

    @extend_schema(responses=CandidateSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The newest ready versions that are not live, each with its gate."""
        project = self.access.project
        candidates = queries.candidates(project, live_version(project))
        return Response([CandidateSerializer(candidate).data for candidate in candidates])


class VersionGateView(_Release):
    serializer_class = CandidateSerializer

    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One version with its gate."""
        version = self.access.get(queries.version_of(self.access.project), pk=pk)
        return Response(CandidateSerializer(queries.candidate(version)).data)


class MeasureLossView(_Release):
    serializer_class = RunSerializer

    @extend_schema(request=None, responses={202: RunSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Starts measuring its test loss and that of the version it would replace. 409 while this runs."""
        version = self.access.get(queries.version_of(self.access.project), pk=pk)
        measurement = services.measure_loss(by=self.access.user, version=version)
        return Response(RunSerializer(measurement.run).data, status=status.HTTP_202_ACCEPTED)


class VersionLineageView(_Release):
    serializer_class = LineageSerializer

    def get(self, request: Request, slug: str, pk: int) -> Response:
        """From the releases of a version back to its run, dataset and people."""
        version = self.access.get(queries.version_of(self.access.project), pk=pk)
        return Response(LineageSerializer({"steps": who_decided(version)}).data)


class ReleasesView(mixins.ListModelMixin, _Release):
    serializer_class = ReleaseSerializer

    def get_queryset(self) -> QuerySet[Release]:
        return queries.releases_of(self.access.project)

    def get(self, request: Request, slug: str) -> Response:
        """Every change of the live version, newest first."""
        return self.list(request)

    @extend_schema(request=MakeLiveSerializer, responses={201: ReleaseSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Releases a version. 409 when another version went live meanwhile; 422 without sign-off or a required note."""
        values = self.body(MakeLiveSerializer)
        version = queries.version_of(self.access.project).filter(pk=values["version"]).first()
        if version is None:
            raise Invalid(
                "Some values are wrong.", fields={"version": ["This project has none with this id."]}
            )
        release = services.make_live(
            by=self.access.user,
            version=version,
            replaces=self.seen(values["replaces"]),
            sign_off=values["sign_off"],
            note=values["note"],
            gate_seen=values["gate"],
        )
        return Response(self._drawn(release), status=status.HTTP_201_CREATED)

    def _drawn(self, release: Release) -> object:
        return ReleaseSerializer(queries.releases_of(self.access.project).get(pk=release.pk)).data


class RollBackView(_Release):
    serializer_class = ReleaseSerializer

    @extend_schema(request=RollBackSerializer, responses={201: ReleaseSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Rolls back to the version that was live before; a second call goes back one more step. 422 without a
        reason."""
        values = self.body(RollBackSerializer)
        seen = self.seen(values["away_from"])
        if seen is None:
            raise Conflict("This version is not live.", "Read the live version again, then decide.")
        release = services.roll_back(
            by=self.access.user,
            project=self.access.project,
            away_from=seen,
            reason=values["reason"],
        )
        body = ReleaseSerializer(queries.releases_of(self.access.project).get(pk=release.pk)).data
        return Response(body, status=status.HTTP_201_CREATED)


class ReleaseView(_Release):
    serializer_class = ReleaseSerializer

    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One decision."""
        return Response(
            ReleaseSerializer(self.access.get(queries.releases_of(self.access.project), pk=pk)).data
        )
