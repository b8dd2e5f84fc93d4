"""The annotators' queue for programs: take, extend, draft, submit, skip, give back, undo."""

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
from annotation.queries.overview import overview
from annotation.text.cleaning import clean_in_bounds
from core.api.base import ProjectAPIView
from core.roles import ANNOTATORS, EXAMPLE_READERS, QUEUE_WORKERS

NOTHING_WAITS = OpenApiResponse(description="The queue is empty.")


class WorkView(ProjectAPIView):
    """One queue: annotation here, review in annotation.api.reviews."""

    purpose: ClassVar[str] = Lease.Purpose.ANNOTATE
    serializer_class: type[Serializer[Any]] = LeaseSerializer
    pagination_class = None
    queryset = Example.objects.none()
    read_roles: ClassVar[tuple[str, ...]] = EXAMPLE_READERS
    write_roles: ClassVar[tuple[str, ...]] = ANNOTATORS

    def example(self, pk: int) -> Example:
        example = self.access.get(Example.objects.select_related("created_by", "submitted_by"), pk=pk)
        example.project = self.access.project
        return example


class WaitingView(WorkView):
    @extend_schema(responses=CountsSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """How many examples wait for this person, by kind."""
        return Response(CountsSerializer(overview(self.access.user, self.access.project)).data)


class TakeNextView(WorkView):
    @extend_schema(request=TakeSerializer, responses={200: LeaseSerializer, 204: NOTHING_WAITS})
    def post(self, request: Request, slug: str) -> Response:
        """The next example, leased; the open one if there is one; 204 when the queue is empty."""
        lease = services.take_next(
            by=self.access.user,
            project=self.access.project,
            purpose=self.purpose,
            filters=self.body(TakeSerializer),
        )
        if lease is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        lease.example = self.example(lease.example_id)
        return Response(LeaseSerializer(lease).data)


class TakeView(WorkView):
    @extend_schema(request=None, responses=LeaseSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Opens this example; another open one goes back, and its draft is kept."""
        lease = services.take(by=self.access.user, example=self.example(pk), purpose=self.purpose)
        lease.example = self.example(pk)
        return Response(LeaseSerializer(lease).data)


class HeartbeatView(WorkView):
    @extend_schema(request=None, responses=UntilSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Extends the lease. 409 (lease_lost) when somebody else has the example."""
        lease = services.heartbeat(by=self.access.user, example=self.example(pk), purpose=self.purpose)
        return Response(UntilSerializer(lease).data)


class KeepDraftView(WorkView):
    serializer_class = SavedDraftSerializer

    @extend_schema(request=DraftContentSerializer, responses=SavedDraftSerializer)
    def put(self, request: Request, slug: str, pk: int) -> Response:
        """Saves a draft, complete or not; it is kept when the lease ends. At most 1,000,000 characters."""
        content = self.body(DraftContentSerializer)
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
        """Discards the draft."""
        services.discard_draft(by=self.access.user, project=self.access.project, example=self.example(pk))
        return Response(status=status.HTTP_204_NO_CONTENT)


class SubmitView(WorkView):
    serializer_class = ExampleSerializer

    @extend_schema(request=SubmitSerializer, responses=ExampleSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Submits the example to the reviewers. A refused text is saved as a draft."""
        typed = self.body(DraftContentSerializer)
        words: dict[str, Any] = {
            "by": self.access.user,
            "example": self.example(pk),
            "base_revision": typed["base_revision"],
        }
        content = self.body(SubmitSerializer, keep=partial(services.save_draft, **words, content=typed))
        services.submit(**words, content=content, reason=content["reason"])
        return Response(ExampleSerializer(self.example(pk)).data)


class LeaveView(WorkView):
    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Gives the example back and keeps its draft."""
        services.leave(by=self.access.user, example=self.example(pk), purpose=self.purpose, skip=False)
        return Response(status=status.HTTP_204_NO_CONTENT)


class SkipView(WorkView):
    @extend_schema(request=SkipSerializer, responses={204: None})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Skips the example and keeps its draft. This person gets it again after all others."""
        reason = self.body(SkipSerializer)["reason"]
        services.leave(
            by=self.access.user, example=self.example(pk), purpose=self.purpose, skip=True, reason=reason
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class UndoSkipView(WorkView):
    @extend_schema(request=None, responses=LeaseSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Undoes your last skip of this example and opens it; another open one goes back, and its draft is kept."""
        lease = services.undo_skip(by=self.access.user, example=self.example(pk), purpose=self.purpose)
        lease.example = self.example(pk)
        return Response(LeaseSerializer(lease).data)


class SkippedView(WorkView):
    """Examples that this person skipped, in annotation or review."""

    serializer_class = SkippedSerializer
    read_roles = QUEUE_WORKERS

    @extend_schema(responses=SkippedSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """Examples that this person skipped and that still wait, the newest skip first; 100 at most."""
        skipped = queries.skipped_by(self.access.user, self.access.project, 100)
        return Response(SkippedSerializer(skipped, many=True).data)


class UndoSubmitView(WorkView):
    @extend_schema(request=None, responses=LeaseSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Undoes a submit while no reviewer has opened the example."""
        lease = services.take_back(by=self.access.user, example=self.example(pk))
        lease.example = self.example(pk)
        return Response(LeaseSerializer(lease).data)


class RunChecksView(WorkView):
    write_roles = QUEUE_WORKERS
    serializer_class = CheckedSerializer

    @extend_schema(request=DraftContentSerializer, responses=CheckedSerializer(many=True))
    def post(self, request: Request, slug: str) -> Response:
        """The findings of the checks in a text; nothing is stored."""
        content = clean_in_bounds(self.body(DraftContentSerializer))
        return Response(CheckedSerializer(run_checks(content, self.access.project), many=True).data)


class MyWorkView(WorkView):
    serializer_class = MyWorkSerializer
    read_roles = ()

    @extend_schema(responses=MyWorkSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """The work of this person in the project in the last seven days."""
        here = (row for row in queries.my_work(self.access.user) if row["project"] == self.access.project)
        return Response(MyWorkSerializer(next(here, queries.NO_WORK)).data)
