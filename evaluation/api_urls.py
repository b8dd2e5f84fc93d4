from django.urls import path

from evaluation.api import campaigns, growth, rating

urlpatterns = [
    path("campaigns/", campaigns.Campaigns.as_view(), name="api-campaigns"),
    path("campaigns/plan/", campaigns.CampaignPlan.as_view(), name="api-campaign-plan"),
    path("campaigns/<int:pk>/", campaigns.OneCampaign.as_view(), name="api-campaign"),
    path("campaigns/<int:pk>/close/", campaigns.CampaignClose.as_view(), name="api-campaign-close"),
    path("campaigns/<int:pk>/reopen/", campaigns.CampaignReopen.as_view(), name="api-campaign-reopen"),
    path("campaigns/<int:pk>/retry/", campaigns.CampaignRetry.as_view(), name="api-campaign-retry"),
    path("campaigns/<int:pk>/gaps/", growth.CampaignGaps.as_view(), name="api-campaign-gaps"),
    path("campaigns/<int:pk>/prompts/", growth.CampaignPrompts.as_view(), name="api-campaign-prompts"),
    path("campaigns/<int:pk>/raters/", growth.CampaignRaters.as_view(), name="api-campaign-raters"),
    path("campaigns/<int:pk>/set-aside/", growth.CampaignSetAside.as_view(), name="api-campaign-set-aside"),
    path("campaigns/<int:pk>/make-again/", growth.CampaignRemake.as_view(), name="api-campaign-remake"),
    path("campaigns/<int:pk>/results/", campaigns.CampaignResults.as_view(), name="api-campaign-results"),
    path("campaigns/<int:pk>/ratings.csv", campaigns.CampaignRatings.as_view(), name="api-campaign-ratings"),
    path(
        "campaigns/<int:pk>/comparisons/",
        campaigns.CampaignComparisons.as_view(),
        name="api-campaign-comparisons",
    ),
    path("campaigns/<int:pk>/next/", rating.NextComparison.as_view(), name="api-next-comparison"),
    path("comparisons/<uuid:token>/", campaigns.OneComparison.as_view(), name="api-comparison"),
    path("rating/", rating.RatingWork.as_view(), name="api-rating-work"),
    path("rating/<uuid:token>/", rating.OwnComparison.as_view(), name="api-own-comparison"),
    path("rating/<uuid:token>/skip/", rating.SkipComparison.as_view(), name="api-skip-comparison"),
    path("rating/<uuid:token>/hold/", rating.HoldComparison.as_view(), name="api-hold-comparison"),
]
