"""Reviews for programs: examples in review, decisions, and undoing them."""

import uuid
from functools import partial
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_list_or_404, get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import services
from annotation.api.queue import (
    HeartbeatView,
    KeepDraftView,
    LeaveView,
    SkipView,
    TakeNextView,
    TakeView,
    UndoSkipView,
    WorkView,
)
from annotation.api.serializers import (
    AcceptedManySerializer,
    AcceptManySerializer,
    AcceptSerializer,
    DecisionSerializer,
    InReviewSerializer,
    LeaseSerializer,
    ReturnedManySerializer,
    ReturnManySerializer,
    SendBackSerializer,
    TypedAcceptSerializer,
    UndoneManySerializer,
)
from annotation.filters import ReviewFilter
from annotation.models import Example, Lease, Review
from annotation.queries import queue as queries
from annotation.services.reviewing import Bulk
from core.api.base import ProjectAPIView
from core.api.pagination import Pages
from core.roles import EXAMPLE_READERS, REVIEWERS

REVIEW = Lease.Purpose.REVIEW


class ReviewWork(WorkView):
    purpose = REVIEW
    write_roles = REVIEWERS


class ReviewTakeNextView(ReviewWork, TakeNextView): ...


class ReviewTakeView(ReviewWork, TakeView): ...


class ReviewHeartbeatView(ReviewWork, HeartbeatView): ...


class ReviewDraftView(ReviewWork, KeepDraftView): ...


class ReviewLeaveView(ReviewWork, LeaveView): ...


class ReviewSkipView(ReviewWork, SkipView): ...


class ReviewUndoSkipView(ReviewWork, UndoSkipView): ...


class InReviewView(mixins.ListModelMixin, ProjectAPIView):
    serializer_class = InReviewSerializer
    pagination_class = Pages
    queryset = Example.objects.none()
    read_roles = EXAMPLE_READERS
    asks = ReviewFilter

    def get_queryset(self) -> QuerySet[Example]:
        project = self.access.project
        criteria = ReviewFilter(self.request.GET, project=project).checked()
        return queries.review_list(project, self.access.user, criteria).select_related("created_by", "trait")

    def get(self, request: Request, slug: str) -> Response:
        """All examples in review, in the order of the review queue."""
        return self.list(request)


class AcceptView(ReviewWork):
    serializer_class = DecisionSerializer

    @extend_schema(request=AcceptSerializer, responses=DecisionSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Approves an open example; with `content`, corrects it first."""
        typed = self.body(TypedAcceptSerializer)
        words: dict[str, Any] = {"by": self.access.user, "example": self.example(pk)}
        values = self.body(AcceptSerializer, keep=partial(services.keep_decision, **words, **typed))
        content = values.get("content")
        review = services.accept(**words, **values, reason=content["reason"] if content else "")
        return Response(DecisionSerializer(review).data)


class SendBackView(ReviewWork):
    serializer_class = DecisionSerializer

    @extend_schema(request=SendBackSerializer, responses=DecisionSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Sends an open example back to its author; the comment says what would be right."""
        values = self.body(SendBackSerializer)
        review = services.send_back(by=self.access.user, example=self.example(pk), **values)
        return Response(DecisionSerializer(review).data)


class AcceptManyView(ReviewWork):
    serializer_class = AcceptedManySerializer

    @extend_schema(request=AcceptManySerializer, responses=AcceptedManySerializer)
    def post(self, request: Request, slug: str) -> Response:
        """Approves many examples at once, each at the listed revision.

        Examples that changed, your own, and those that somebody has open are left out, with the reason.
        """
        body = self.body(AcceptManySerializer)
        outcome = services.accept_many(
            by=self.access.user, project=self.access.project, listed=_listed(body["examples"])
        )
        return Response(
            AcceptedManySerializer(
                {"accepted": outcome.done, "left": _left(outcome), "batch": outcome.batch}
            ).data
        )


class ReturnManyView(ReviewWork):
    serializer_class = ReturnedManySerializer

    @extend_schema(request=ReturnManySerializer, responses=ReturnedManySerializer)
    def post(self, request: Request, slug: str) -> Response:
        """Sends many examples back to their authors with one comment, each at the listed revision.

        Examples that changed, your own, and those that somebody has open are left out, with the reason.
        """
        body = self.body(ReturnManySerializer)
        outcome = services.send_back_many(
            by=self.access.user,
            project=self.access.project,
            listed=_listed(body["examples"]),
            comment=body["comment"],
        )
        return Response(
            ReturnedManySerializer(
                {"returned": outcome.done, "left": _left(outcome), "batch": outcome.batch}
            ).data
        )


def _listed(examples: list[dict[str, int]]) -> list[tuple[int, int]]:
    return [(entry["example"], entry["revision"]) for entry in examples]


def _left(outcome: Bulk) -> list[dict[str, Any]]:
    return [{"example": pk, "why": why} for pk, why in outcome.left]


class UndoManyView(ReviewWork):
    serializer_class = UndoneManySerializer

    @extend_schema(operation_id="decisions_undo_many", request=None, responses=UndoneManySerializer)
    def post(self, request: Request, slug: str, batch: uuid.UUID) -> Response:
        """Undoes a bulk decision within ten minutes. Examples with later work are left out, with the reason."""
        get_list_or_404(Review.objects.only("pk"), batch=batch, example__project=self.access.project)
        outcome = services.undo_many(by=self.access.user, project=self.access.project, batch=batch)
        return Response(UndoneManySerializer({"undone": outcome.done, "left": _left(outcome)}).data)


class UndoDecisionView(ReviewWork):
    @extend_schema(request=None, responses=LeaseSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Undoes your own decision within ten minutes; `pk` is the decision's. The example is open for review again."""
        review = get_object_or_404(
            Review.objects.select_related("example"), pk=pk, example__project=self.access.project
        )
        lease = services.undo(by=self.access.user, review=review)
        lease.example = self.example(review.example_id)
        return Response(LeaseSerializer(lease).data)
