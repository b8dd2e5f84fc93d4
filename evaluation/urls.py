from django.urls import path

from evaluation.views import campaigns, growth, rate, results

app_name = "evaluation"
urlpatterns = [
    path("", campaigns.home, name="home"),
    path("campaigns/new/", campaigns.campaign_new, name="campaign-new"),
    path("campaigns/new/preview/", campaigns.campaign_preview, name="campaign-preview"),
    path("campaigns/new/base/<int:pk>/", campaigns.base_add, name="base-add"),
    path("campaigns/<int:pk>/", results.campaign, name="campaign"),
    path("campaigns/<int:pk>/close/", campaigns.campaign_close, name="campaign-close"),
    path("campaigns/<int:pk>/reopen/", campaigns.campaign_reopen, name="campaign-reopen"),
    path("campaigns/<int:pk>/retry/", campaigns.campaign_retry, name="campaign-retry"),
    path("campaigns/<int:pk>/delete/", campaigns.campaign_delete, name="campaign-delete"),
    path("campaigns/<int:pk>/add-prompts/", growth.add_prompts, name="add-prompts"),
    path("campaigns/<int:pk>/add-raters/", growth.add_raters, name="add-raters"),
    path("campaigns/<int:pk>/drop-unanswered/", growth.drop_unanswered, name="drop-unanswered"),
    path("campaigns/<int:pk>/set-aside/", growth.set_aside, name="set-aside"),
    path("campaigns/<int:pk>/set-aside/undo/", growth.undo_set_aside, name="undo-set-aside"),
    path("campaigns/<int:pk>/make-again/", growth.remake_answers, name="remake-answers"),
    path("campaigns/<int:pk>/ratings.csv", results.ratings_csv, name="ratings-csv"),
    path("campaigns/<int:pk>/ratings/", results.comparisons, name="comparisons"),
    path("campaigns/<int:pk>/compare/", rate.rate, name="rate"),
    path("comparisons/<uuid:public_id>/", results.comparison, name="comparison"),
    path("compare/<uuid:public_id>/", rate.rate_comparison, name="rate-comparison"),
    path("compare/<uuid:public_id>/draft/", rate.rate_draft, name="rate-draft"),
    path("compare/<uuid:public_id>/draft/discard/", rate.rate_draft_discard, name="rate-draft-discard"),
    path("compare/<uuid:public_id>/skip/", rate.rate_skip, name="rate-skip"),
    path("compare/<uuid:public_id>/hold/", rate.rate_hold, name="rate-hold"),
]
