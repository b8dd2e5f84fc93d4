"""The annotators' queue for programs: take, keep alive, draft, submit, skip, give back, take back."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from annotation import services
from annotation.api.example_serializers import ExampleSerializer
from annotation.api.serializers import (
    CheckedSerializer,
    CountsSerializer,
    DraftContentSerializer,
    LeaseSerializer,
    MyWorkSerializer,
    SavedDraftSerializer,
    SkippedSerializer,
    SkipSerializer,
    SubmitSerializer,
    TakeSerializer,
    UntilSerializer,
)
from annotation.checks import run_checks
from annotation.models import Example, Lease
from annotation.queries import queue as queries
from annotation.text.cleaning import clean_in_bounds
from core.api.base import ProjectAPIView
from core.models import Role
from core.services.drafts import kept_if_refused

READERS = (Role.ANNOTATOR, Role.REVIEWER, Role.ADMIN, Role.VIEWER)
NOTHING_WAITS = OpenApiResponse(description="Nothing waits.")


class WorkView(ProjectAPIView):
    """One line of work: annotating here, reviewing in annotation.api.reviews."""

    purpose: ClassVar[str] = Lease.Purpose.ANNOTATE
    serializer_class: type[Serializer[Any]] = LeaseSerializer
    pagination_class = None
    queryset = Example.objects.none()
    read_roles: ClassVar[tuple[str, ...]] = READERS
    write_roles: ClassVar[tuple[str, ...]] = (Role.ANNOTATOR,)

    def example(self, pk: int) -> Example:
        example = self.access.get(Example.objects.select_related("created_by", "submitted_by"), pk=pk)
        example.project = self.access.project
        return example


class WaitingView(WorkView):
    @extend_schema(responses=CountsSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """How much waits for this person, by kind."""
        return Response(CountsSerializer(queries.overview(self.access.user, self.access.project)).data)


class TakeNextView(WorkView):
    @extend_schema(request=TakeSerializer, responses={200: LeaseSerializer, 204: NOTHING_WAITS})
    def post(self, request: Request, slug: str) -> Response:
        """The next item, leased; the one that is open already if there is one; 204 when nothing waits."""
        lease = services.take_next(
            by=self.access.user,
            project=self.access.project,
            purpose=self.purpose,
            filters=self.given(TakeSerializer),
        )
        if lease is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        lease.example = self.example(lease.example_id)
        return Response(LeaseSerializer(lease).data)


class TakeView(WorkView):
    @extend_schema(request=None, responses=LeaseSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Opens this very item; what was open goes back, its draft kept."""
        lease = services.take(by=self.access.user, example=self.example(pk), purpose=self.purpose)
        lease.example = self.example(pk)
        return Response(LeaseSerializer(lease).data)


class HeartbeatView(WorkView):
    @extend_schema(request=None, responses=UntilSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Extends the lease. 409 (lease_lost) when somebody else has the item."""
        lease = services.heartbeat(by=self.access.user, example=self.example(pk), purpose=self.purpose)
        return Response(UntilSerializer(lease).data)


class KeepDraftView(WorkView):
    serializer_class = SavedDraftSerializer

    @extend_schema(request=DraftContentSerializer, responses=SavedDraftSerializer)
    def put(self, request: Request, slug: str, pk: int) -> Response:
        """Keeps what was typed, in any state of being written; it outlives the lease. At most 1,000,000 characters."""
        content = self.given(DraftContentSerializer)
        draft = services.save_draft(
            by=self.access.user,
            example=self.example(pk),
            content=content,
            base_revision=content["base_revision"],
            purpose=self.purpose,
        )
        return Response(SavedDraftSerializer(draft).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, pk: int) -> Response:
        """Throws the draft away."""
        services.discard_draft(by=self.access.user, project=self.access.project, example=self.example(pk))
        return Response(status=status.HTTP_204_NO_CONTENT)


class SubmitView(WorkView):
    serializer_class = ExampleSerializer

    @extend_schema(request=SubmitSerializer, responses=ExampleSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Hands the pair to the reviewers. A refused pair is kept as a draft."""
        typed = self.given(DraftContentSerializer)
        example, base = self.example(pk), typed["base_revision"]
        keep = partial(
            services.save_draft, by=self.access.user, example=example, content=typed, base_revision=base
        )
        with kept_if_refused(keep):
            content = self.given(SubmitSerializer)
            services.submit(
                by=self.access.user,
                example=example,
                content=pair_of(content),
                base_revision=base,
                reason=content["reason"],
            )
        return Response(ExampleSerializer(self.example(pk)).data)


def pair_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """The pair alone, without what came along with it."""
    return {name: content[name] for name in ("messages", "context", "completion", "slice", "edge", "tags")}


class LeaveView(WorkView):
    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Gives the item back, its draft kept."""
        services.leave(by=self.access.user, example=self.example(pk), purpose=self.purpose, skip=False)
        return Response(status=status.HTTP_204_NO_CONTENT)


class SkipView(WorkView):
    @extend_schema(request=SkipSerializer, responses={204: None})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Gives the item back, its draft kept. It comes to this person again after everything else."""
        reason = self.given(SkipSerializer)["reason"]
        services.leave(
            by=self.access.user, example=self.example(pk), purpose=self.purpose, skip=True, reason=reason
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class UndoSkipView(WorkView):
    @extend_schema(request=None, responses=LeaseSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Takes one's last skip of this item back and opens it; what was open goes back, its draft kept."""
        lease = services.undo_skip(by=self.access.user, example=self.example(pk), purpose=self.purpose)
        lease.example = self.example(pk)
        return Response(LeaseSerializer(lease).data)


class SkippedView(WorkView):
    """What this person skipped, to annotate or to review."""

    serializer_class = SkippedSerializer
    read_roles = (Role.ANNOTATOR, Role.REVIEWER)

    @extend_schema(responses=SkippedSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """What this person skipped and what still waits since then, the newest first; 100 at most."""
        found = queries.skipped_by(self.access.user, self.access.project, 100)
        return Response(SkippedSerializer(found, many=True).data)


class UndoSubmitView(WorkView):
    @extend_schema(request=None, responses=LeaseSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Undoes a submit for as long as no reviewer opened it."""
        lease = services.take_back(by=self.access.user, example=self.example(pk))
        lease.example = self.example(pk)
        return Response(LeaseSerializer(lease).data)


class RunChecksView(WorkView):
    write_roles = (Role.ANNOTATOR, Role.REVIEWER)
    serializer_class = CheckedSerializer

    @extend_schema(request=DraftContentSerializer, responses=CheckedSerializer(many=True))
    def post(self, request: Request, slug: str) -> Response:
        """What the checks say of a pair; nothing is stored."""
        content = clean_in_bounds(self.given(DraftContentSerializer))
        return Response(CheckedSerializer(run_checks(content, self.access.project), many=True).data)


class MyWorkView(WorkView):
    serializer_class = MyWorkSerializer
    read_roles = ()

    @extend_schema(responses=MyWorkSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """What this person did in the project in the last seven days."""
        here = (row for row in queries.my_work(self.access.user) if row["project"] == self.access.project)
        return Response(MyWorkSerializer(next(here, queries.NO_WORK)).data)
