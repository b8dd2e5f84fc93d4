from django.urls import path

from evaluation.api import campaigns, growth, rating

urlpatterns = [
    path("campaigns/", campaigns.CampaignsView.as_view(), name="api-campaigns"),
    path("campaigns/plan/", campaigns.CampaignPlanView.as_view(), name="api-campaign-plan"),
    path("campaigns/<int:pk>/", campaigns.CampaignView.as_view(), name="api-campaign"),
    path("campaigns/<int:pk>/close/", campaigns.CampaignCloseView.as_view(), name="api-campaign-close"),
    path("campaigns/<int:pk>/reopen/", campaigns.CampaignReopenView.as_view(), name="api-campaign-reopen"),
    path("campaigns/<int:pk>/retry/", campaigns.CampaignRetryView.as_view(), name="api-campaign-retry"),
    path("campaigns/<int:pk>/gaps/", growth.CampaignGapsView.as_view(), name="api-campaign-gaps"),
    path("campaigns/<int:pk>/prompts/", growth.CampaignPromptsView.as_view(), name="api-campaign-prompts"),
    path("campaigns/<int:pk>/raters/", growth.CampaignRatersView.as_view(), name="api-campaign-raters"),
    path(
        "campaigns/<int:pk>/set-aside/", growth.CampaignSetAsideView.as_view(), name="api-campaign-set-aside"
    ),
    path("campaigns/<int:pk>/make-again/", growth.CampaignRemakeView.as_view(), name="api-campaign-remake"),
    path("campaigns/<int:pk>/results/", campaigns.CampaignResultsView.as_view(), name="api-campaign-results"),
    path(
        "campaigns/<int:pk>/ratings.csv", campaigns.CampaignRatingsView.as_view(), name="api-campaign-ratings"
    ),
    path(
        "campaigns/<int:pk>/comparisons/",
        campaigns.CampaignComparisonsView.as_view(),
        name="api-campaign-comparisons",
    ),
    path("campaigns/<int:pk>/next/", rating.NextComparisonView.as_view(), name="api-next-comparison"),
    path("comparisons/<uuid:public_id>/", campaigns.ComparisonView.as_view(), name="api-comparison"),
    path("rating/", rating.RatingWorkView.as_view(), name="api-rating-work"),
    path("rating/<uuid:public_id>/", rating.OwnComparisonView.as_view(), name="api-own-comparison"),
    path("rating/<uuid:public_id>/skip/", rating.SkipComparisonView.as_view(), name="api-skip-comparison"),
    path("rating/<uuid:public_id>/hold/", rating.HoldComparisonView.as_view(), name="api-hold-comparison"),
]
