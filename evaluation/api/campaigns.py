"""CampaignsView, their results and single ratings."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.base import ProjectAPIView
from core.api.fields import SeenSerializer
from core.errors import Invalid
from core.roles import ADMINS, CAMPAIGN_READERS, READERS
from dataset.models import DatasetVersion
from evaluation import services
from evaluation.api.rating_serializers import ComparisonSerializer
from evaluation.api.serializers import (
    CampaignSerializer,
    NewCampaignSerializer,
    PlanQuerySerializer,
    PlanSerializer,
    ResultsSerializer,
)
from evaluation.downloads import ratings_as_csv
from evaluation.forms import CampaignFilter, ComparisonFilter
from evaluation.models import Campaign, Comparison
from evaluation.planning import plan
from evaluation.queries import browse, campaigns_of, comparison_detail, held_out_datasets, results_of
from evaluation.queries.campaigns import rater_count
from evaluation.queries.comparisons import rated_slices, raters_of
from training.models import ModelVersion


class CampaignsView(mixins.ListModelMixin, ProjectAPIView):
    serializer_class = CampaignSerializer
    queryset = Campaign.objects.none()
    read_roles, write_roles = READERS, ADMINS
    asks = CampaignFilter

    def get_queryset(self) -> QuerySet[Campaign]:
        return campaigns_of(self.access.project, **CampaignFilter(self.request.GET).checked())

    def get(self, request: Request, slug: str) -> Response:
        """CampaignsView, newest first."""
        return self.list(request)

    @extend_schema(request=NewCampaignSerializer, responses={201: CampaignSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Plans a campaign and starts the background job that makes its answers. 422 has the errors by field."""
        values: dict[str, Any] = self.body(NewCampaignSerializer)
        for name, model in (
            ("baseline", ModelVersion),
            ("candidate", ModelVersion),
            ("dataset", DatasetVersion),
        ):
            chosen = model.objects.filter(project=self.access.project, pk=values[name]).first()
            if chosen is None:
                raise Invalid(
                    "Some values are wrong.", fields={name: ["This project has none with this id."]}
                )
            values[name] = chosen
        campaign = services.create_campaign(by=self.access.user, project=self.access.project, **values)
        return Response(self._drawn(campaign), status=status.HTTP_201_CREATED)

    def _drawn(self, campaign: Campaign) -> Any:
        return CampaignSerializer(campaigns_of(self.access.project).get(pk=campaign.pk)).data


class CampaignPlanView(ProjectAPIView):
    serializer_class = PlanSerializer
    asks = PlanQuerySerializer
    pagination_class = None
    queryset = Campaign.objects.none()
    read_roles = ADMINS

    def get(self, request: Request, slug: str) -> Response:
        """The number of ratings that a campaign needs, and their precision."""
        values = self.query_values()
        dataset = values.get("dataset")
        if dataset is not None:
            self._must_hold(dataset, values["prompts"])
        made = plan(
            prompts=values["prompts"],
            per_prompt=values["ratings_per_prompt"],
            raters=rater_count(self.access.project),
        )
        return Response(PlanSerializer(made).data)

    def _must_hold(self, dataset: int, prompts: int) -> None:
        held = held_out_datasets(self.access.project).filter(pk=dataset).first()
        if held is None:
            raise Invalid(
                "Some values are wrong.",
                fields={"dataset": ["This project has no dataset version with this id and test prompts."]},
            )
        if prompts > held.held_out:
            raise Invalid(
                "Some values are wrong.",
                fields={"prompts": [f"Choose 1 to {held.held_out}: {held} has no more test prompts."]},
            )


class CampaignView(ProjectAPIView):
    serializer_class = CampaignSerializer
    queryset = Campaign.objects.none()
    read_roles, write_roles = READERS, ADMINS

    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One campaign and its progress."""
        return Response(CampaignSerializer(self.access.get(campaigns_of(self.access.project), pk=pk)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, slug: str, pk: int) -> Response:
        """Deletes a campaign without ratings; 409 otherwise."""
        services.delete_campaign(by=self.access.user, campaign=self.access.get(Campaign, pk=pk))
        return Response(status=status.HTTP_204_NO_CONTENT)


class _CampaignVerb(ProjectAPIView):
    serializer_class = CampaignSerializer
    queryset = Campaign.objects.none()
    write_roles = ADMINS

    def _do(self, verb: Callable[..., object], pk: int, **values: object) -> Response:
        campaign = self.access.get(Campaign.objects.select_related("project"), pk=pk)
        verb(by=self.access.user, campaign=campaign, **values)
        return Response(CampaignSerializer(campaigns_of(self.access.project).get(pk=pk)).data)


class CampaignCloseView(_CampaignVerb):
    @extend_schema(request=SeenSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Closes the campaign: it takes no more ratings, and raters can see the results."""
        return self._do(services.close_campaign, pk, **self.body(SeenSerializer))


class CampaignReopenView(_CampaignVerb):
    @extend_schema(request=SeenSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Opens the campaign again for ratings."""
        return self._do(services.reopen_campaign, pk, **self.body(SeenSerializer))


class CampaignRetryView(_CampaignVerb):
    @extend_schema(request=None)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Makes the answers that are missing after a failure, also of an open campaign."""
        return self._do(services.retry_campaign, pk)


class CampaignResultsView(ProjectAPIView):
    serializer_class = ResultsSerializer
    queryset = Campaign.objects.none()
    read_roles = CAMPAIGN_READERS

    def get(self, request: Request, slug: str, pk: int) -> Response:
        """Win rate, scores and agreement with intervals. Raters get it when the campaign is closed."""
        campaign = self.access.get(Campaign, pk=pk)
        insider = self.access.has(*READERS)
        if not insider and campaign.status != Campaign.Status.CLOSED:
            raise PermissionDenied("Raters can see the results when the campaign is closed.")
        data = dict(ResultsSerializer(results_of([campaign])[campaign.pk]).data)
        if not insider:
            data["by_rater"] = []
        return Response(data)


class CampaignRatingsView(ProjectAPIView):
    serializer_class = ComparisonSerializer
    queryset = Comparison.objects.none()
    read_roles = ADMINS

    @extend_schema(responses={(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR)})
    def get(self, request: Request, slug: str, pk: int) -> StreamingHttpResponse:
        """Every rating with its model names, as CSV."""
        campaign = self.access.get(Campaign, pk=pk)
        return ratings_as_csv(campaign, by=self.access.user, method=request.method)


class CampaignComparisonsView(mixins.ListModelMixin, ProjectAPIView):
    serializer_class = ComparisonSerializer
    asks = ComparisonFilter
    queryset = Comparison.objects.none()
    read_roles = READERS

    def get_queryset(self) -> QuerySet[Comparison]:
        campaign = self.access.get(Campaign, pk=self.kwargs["pk"])
        filters = ComparisonFilter(
            self.request.GET, slices=rated_slices(campaign), raters=raters_of(campaign)
        )
        return browse(campaign, filters.checked())

    def get(self, request: Request, slug: str, pk: int) -> Response:
        """Ratings one by one, newest first, with model names."""
        return self.list(request)


class ComparisonView(ProjectAPIView):
    serializer_class = ComparisonSerializer
    queryset = Comparison.objects.none()
    read_roles = READERS

    def get(self, request: Request, slug: str, public_id: str) -> Response:
        """One rated comparison with model names."""
        rated = comparison_detail(self.access.project).filter(rating__isnull=False)
        return Response(ComparisonSerializer(get_object_or_404(rated, public_id=public_id)).data)
