"""Facts that a base model does not know, for programs: the state, starting a run, and the answers."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.base import ProjectAPIView
from core.api.serializers import RunSerializer
from core.roles import EXAMPLE_DECIDERS, EXAMPLE_READERS
from training.api.knowledge_serializers import (
    AskSerializer,
    KnowledgeAnswerSerializer,
    KnowledgeStateSerializer,
)
from training.asked import current_answers, knowledge_state
from training.filters import KnowledgeFilter
from training.models import BaseModel, KnowledgeAnswer
from training.services.knowledge import start_asking


class UnknownFactsView(ProjectAPIView):
    serializer_class = KnowledgeStateSerializer
    pagination_class = None
    read_roles: ClassVar[tuple[str, ...]] = EXAMPLE_READERS
    write_roles: ClassVar[tuple[str, ...]] = EXAMPLE_DECIDERS

    @extend_schema(operation_id="unknown_facts_state", responses=KnowledgeStateSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """The newest run that asks a base model, and what each was asked in this project."""
        return Response(KnowledgeStateSerializer(knowledge_state(self.access.project)).data)

    @extend_schema(request=AskSerializer, responses={202: RunSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Asks a base model about the facts without support. 409 while one is being asked, or when the model is not ready. The findings
        are under `findings/?check=unknown-facts`."""
        body: dict[str, Any] = self.body(AskSerializer)
        base_model = get_object_or_404(BaseModel, pk=body["base_model"])
        run = start_asking(by=self.access.user, project=self.access.project, base_model=base_model)
        return Response(RunSerializer(run).data, status=status.HTTP_202_ACCEPTED)


class KnowledgeAnswersView(mixins.ListModelMixin, ProjectAPIView):
    serializer_class = KnowledgeAnswerSerializer
    queryset = KnowledgeAnswer.objects.none()
    read_roles: ClassVar[tuple[str, ...]] = EXAMPLE_READERS
    asks = KnowledgeFilter

    def get_queryset(self) -> QuerySet[KnowledgeAnswer]:
        criteria = KnowledgeFilter(self.request.GET).checked()
        found = current_answers(self.access.project).select_related("example")
        for name, lookup in (("base_model", "base_model"), ("example", "example")):
            if criteria.get(name):
                found = found.filter(**{lookup: criteria[name]})
        if criteria.get("unknown"):
            found = found.filter(unknown__gt=0)
        return found

    def get(self, request: Request, slug: str) -> Response:
        """What base models answered, newest first."""
        return self.list(request)
