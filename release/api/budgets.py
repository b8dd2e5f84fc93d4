"""How much a project's releases may forget."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.base import ProjectAPIView
from core.roles import ADMINS, READERS
from release import services
from release.api.serializers import BudgetSerializer, SetBudgetSerializer
from release.budgets import budget_of
from release.forgetting import Budget
from release.models import ForgettingBudget


class ForgettingBudgetView(ProjectAPIView):
    serializer_class = BudgetSerializer
    queryset = ForgettingBudget.objects.none()
    pagination_class = None
    read_roles, write_roles = READERS, ADMINS

    @extend_schema(responses=BudgetSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """The project's budget; the defaults when it has none of its own."""
        return Response(asdict(budget_of(self.access.project)))

    @extend_schema(request=SetBudgetSerializer, responses=BudgetSerializer)
    def put(self, request: Request, slug: str) -> Response:
        """Changes it. Gates that were signed off stay as they are."""
        values: dict[str, Any] = self.body(SetBudgetSerializer)
        services.set_forgetting_budget(
            by=self.access.user, project=self.access.project, budget=Budget(**values)
        )
        return Response(asdict(budget_of(self.access.project)))
