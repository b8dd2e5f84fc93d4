"""Findings of the checks: read, count, settle, undo; start the check of all examples."""

import uuid
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_list_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from annotation.api.finding_serializers import (
    CheckStateSerializer,
    ExampleFindingSerializer,
    KindCountSerializer,
    SettledSerializer,
    SettleSerializer,
)
from annotation.filters import QualityFilter
from annotation.models import ExampleFinding
from annotation.queries.findings import check_state, counts_of, find_findings
from annotation.services import quality
from annotation.services.findings import Settled
from core.api.base import ProjectAPIView
from core.api.serializers import RunSerializer
from core.models import Run
from core.roles import EXAMPLE_DECIDERS, EXAMPLE_READERS


class _Findings(ProjectAPIView):
    serializer_class = ExampleFindingSerializer
    queryset = ExampleFinding.objects.none()
    read_roles = EXAMPLE_READERS
    write_roles = EXAMPLE_DECIDERS

    def settled(self, outcome: Settled | Run) -> Response:
        if isinstance(outcome, Run):
            body: dict[str, Any] = {"findings": 0, "examples": 0, "left": [], "batch": None, "run": outcome}
            return Response(SettledSerializer(body).data, status=status.HTTP_202_ACCEPTED)
        left = [{"example": pk, "why": why} for pk, why in outcome.left]
        body = {
            "findings": outcome.findings, "examples": outcome.examples, "left": left, "batch": outcome.batch, "run": None,
        }  # fmt: skip
        return Response(SettledSerializer(body).data)


class FindingsView(mixins.ListModelMixin, _Findings):
    asks = QualityFilter

    def get_queryset(self) -> QuerySet[ExampleFinding]:
        criteria = QualityFilter(self.request.GET, project=self.access.project).checked()
        return find_findings(self.access.project, criteria).select_related("decided_by")

    def get(self, request: Request, slug: str) -> Response:
        """The findings of the checks, problems first, then the newest. Without `status`, the open ones."""
        return self.list(request)


class FindingCountsView(_Findings):
    pagination_class = None

    @extend_schema(responses=KindCountSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """How many findings there are, by check and kind."""
        return Response(KindCountSerializer(counts_of(self.access.project), many=True).data)


class SettleView(_Findings):
    @extend_schema(request=SettleSerializer, responses={200: SettledSerializer, 202: SettledSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Fixes, dismisses or opens findings again: those listed, or all that match; a background job does many (202). Examples that cannot be changed now are left, with the reason."""
        body = self.body(SettleSerializer)
        criteria = dict(body["matching"]) if "matching" in body else {"ids": body["findings"]}
        if "check_name" in criteria:
            criteria["check"] = criteria.pop("check_name")
        outcome = quality.settle(
            by=self.access.user,
            project=self.access.project,
            action=body["do"],
            criteria=criteria,
            reason=body["reason"],
        )
        return self.settled(outcome)


class UndoFindingsView(_Findings):
    @extend_schema(request=None, responses={200: SettledSerializer, 202: SettledSerializer})
    def post(self, request: Request, slug: str, batch: uuid.UUID) -> Response:
        """Undoes your own decision about findings within ten minutes. Examples with later work are left, with the reason."""
        get_list_or_404(ExampleFinding.objects.only("pk"), batch=batch, project=self.access.project)
        return self.settled(quality.undo(by=self.access.user, project=self.access.project, batch=batch))


class CheckExamplesView(_Findings):
    pagination_class = None

    @extend_schema(operation_id="findings_check_state", responses=CheckStateSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """When all examples were last checked, and the check that is at work."""
        return Response(CheckStateSerializer(check_state(self.access.project)).data)

    @extend_schema(request=None, responses={202: RunSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Starts a check of all examples. 409 while one is active."""
        run = quality.start_check(by=self.access.user, project=self.access.project)
        return Response(RunSerializer(run).data, status=status.HTTP_202_ACCEPTED)
