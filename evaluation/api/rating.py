"""Rating through the API. As on the page, no response names a version before the campaign is closed."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.base import ProjectAPIView
from core.errors import Conflict
from core.roles import RATERS
from evaluation import services
from evaluation.api.rating_serializers import (
    BlindComparisonSerializer,
    SayingSerializer,
    ShareSerializer,
    form_fields_of,
)
from evaluation.models import Campaign, Comparison
from evaluation.queries import open_campaigns
from evaluation.queries.rating import own_comparisons, shares_of


class RatingWorkView(ProjectAPIView):
    serializer_class = ShareSerializer
    queryset = Campaign.objects.none()
    read_roles = RATERS
    pagination_class = None

    @extend_schema(responses=ShareSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The rater's open campaigns, by number only."""
        shares = shares_of(self.access.user, list(open_campaigns(self.access.project)))
        return Response(ShareSerializer(shares, many=True).data)


class NextComparisonView(ProjectAPIView):
    serializer_class = BlindComparisonSerializer
    queryset = Comparison.objects.none()
    write_roles = RATERS

    @extend_schema(request=None, responses={200: BlindComparisonSerializer, 204: None})
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """The rater's open comparison, or the next one; 204 when none is left."""
        campaign = self.access.get(Campaign.objects.select_related("project"), pk=pk)
        comparison = services.next_comparison(by=self.access.user, campaign=campaign)
        if comparison is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        return Response(
            BlindComparisonSerializer(own_comparisons(self.access.user).get(pk=comparison.pk)).data
        )


class _Own(ProjectAPIView):
    serializer_class = BlindComparisonSerializer
    queryset = Comparison.objects.none()
    read_roles = write_roles = RATERS

    def own(self, public_id: str) -> Comparison:
        mine = own_comparisons(self.access.user)
        return get_object_or_404(mine, campaign__project=self.access.project, public_id=public_id)

    def keep(
        self, request: Request, public_id: str, service: Callable[..., object], *, changing: bool = False
    ) -> Comparison:
        comparison = self.own(public_id)
        own: dict[str, Any] = {"by": self.access.user, "comparison": comparison}
        typed = form_fields_of(request.data)
        content = typed | ({"change": "1"} if changing else {})
        # An empty body must not replace the text of an earlier one.
        keep = partial(services.save_draft, **own, content=content) if typed else None
        service(**own, **self.body(SayingSerializer, keep=keep))
        return comparison


class OwnComparisonView(_Own):
    def get(self, request: Request, slug: str, public_id: str) -> Response:
        """Your own comparison while its campaign is open."""
        comparison = self.own(public_id)
        if comparison.campaign.status != Campaign.Status.OPEN:
            raise Conflict("This campaign is closed.", "See its results.")
        return Response(BlindComparisonSerializer(comparison).data)

    @extend_schema(request=SayingSerializer, responses={201: BlindComparisonSerializer})
    def post(self, request: Request, slug: str, public_id: str) -> Response:
        """Rates it, once: 409 when it was rated before or the campaign is closed. A refused rating is kept as
        `draft`."""
        comparison = self.keep(request, public_id, services.rate)
        return Response(BlindComparisonSerializer(comparison).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=SayingSerializer, responses=BlindComparisonSerializer)
    def put(self, request: Request, slug: str, public_id: str) -> Response:
        """Changes your rating while the campaign is open. A refused rating is kept as `draft`."""
        comparison = self.keep(request, public_id, services.change_rating, changing=True)
        return Response(BlindComparisonSerializer(comparison).data)


class SkipComparisonView(_Own):
    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, slug: str, public_id: str) -> Response:
        """Skips it; another rater gets the prompt."""
        services.skip(by=self.access.user, comparison=self.own(public_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class HoldComparisonView(_Own):
    @extend_schema(request=None)
    def post(self, request: Request, slug: str, public_id: str) -> Response:
        """Extends the lease by a quarter of an hour."""
        held = services.hold(by=self.access.user, comparison=self.own(public_id))
        return Response(BlindComparisonSerializer(held).data)
