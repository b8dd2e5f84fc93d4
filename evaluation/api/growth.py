"""More prompts, more raters, and votes on answers in doubt."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.base import ProjectAPIView
from core.roles import ADMINS, READERS
from evaluation import services
from evaluation.api.serializers import (
    AddPromptsSerializer,
    AddRatersSerializer,
    CampaignSerializer,
    GapsSerializer,
    SetAsideSerializer,
)
from evaluation.models import Campaign
from evaluation.queries import campaigns_of
from evaluation.queries.gaps import gaps_of
from evaluation.services.growth import most_more_prompts


class CampaignGapsView(ProjectAPIView):
    serializer_class = GapsSerializer
    queryset = Campaign.objects.none()
    read_roles = READERS

    def get(self, request: Request, slug: str, pk: int) -> Response:
        """Missing and doubtful answers, prompts and votes of a campaign."""
        campaign = self.access.get(Campaign.objects.select_related("dataset"), pk=pk)
        gaps: Any = {**asdict(gaps_of(campaign)), "prompts_left": most_more_prompts(campaign)}
        return Response(GapsSerializer(gaps).data)


class _Change(ProjectAPIView):
    """Passes the request to a service and returns the campaign."""

    serializer_class = CampaignSerializer
    queryset = Campaign.objects.none()
    write_roles = ADMINS

    def change(
        self, service: Callable[..., object], pk: int, code: int = status.HTTP_200_OK, **values: object
    ) -> Response:
        campaign = self.access.get(Campaign.objects.select_related("project"), pk=pk)
        service(by=self.access.user, campaign=campaign, **values)
        return Response(CampaignSerializer(campaigns_of(self.access.project).get(pk=pk)).data, status=code)


class CampaignPromptsView(_Change):
    @extend_schema(request=AddPromptsSerializer, responses={201: CampaignSerializer})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Adds test prompts to an open campaign and starts the background job that makes their answers: a new plan
        stage."""
        return self.change(
            services.add_prompts, pk, status.HTTP_201_CREATED, **self.body(AddPromptsSerializer)
        )

    @extend_schema(responses=CampaignSerializer)
    def delete(self, request: Request, slug: str, pk: int) -> Response:
        """Drops the prompts without answers after a background job failed or was cancelled."""
        return self.change(services.drop_unanswered, pk)


class CampaignRatersView(_Change):
    @extend_schema(request=AddRatersSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Gives members the role rater, and raises the ratings per prompt: a new plan stage."""
        return self.change(services.add_raters, pk, **self.body(AddRatersSerializer))


class CampaignSetAsideView(_Change):
    @extend_schema(request=SetAsideSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Sets aside all votes on answers in doubt; 409 when there are none."""
        return self.change(services.set_aside, pk, **self.body(SetAsideSerializer))

    @extend_schema(responses=CampaignSerializer)
    def delete(self, request: Request, slug: str, pk: int) -> Response:
        """Counts votes again if their answers were not made again since."""
        return self.change(services.undo_set_aside, pk)


class CampaignRemakeView(_Change):
    @extend_schema(request=None)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Makes answers in doubt again, for prompts without counted votes."""
        return self.change(services.remake_answers, pk)
