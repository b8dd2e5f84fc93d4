"""Inference's part of the API, under /api/v1/projects/<slug>/."""

from django.urls import path

from inference.api import adapters, chat, marks, serving

urlpatterns = [
    path("engines/", serving.EnginesView.as_view(), name="api-engines"),
    path("deployments/", serving.DeploymentsView.as_view(), name="api-deployments"),
    path("deployments/<int:pk>/load/", serving.LoadView.as_view(), name="api-load"),
    path("deployments/<int:pk>/unload/", serving.UnloadView.as_view(), name="api-unload"),
    path("speeds/", serving.SpeedsView.as_view(), name="api-speeds"),
    path("answers/", serving.AnswersView.as_view(), name="api-answers"),
    path("answers/<uuid:public_id>/", serving.AnswerView.as_view(), name="api-answer"),
    path("own-adapters/", adapters.OwnAdaptersView.as_view(), name="api-own-adapters"),
    path("own-adapters/delete/", adapters.OwnAdaptersDeleteView.as_view(), name="api-own-adapters-delete"),
    path(
        "own-adapters/<int:pk>/switch/",
        adapters.OwnAdapterSwitchView.as_view(),
        name="api-own-adapter-switch",
    ),
    path("deletion-receipts/<int:pk>/", adapters.DeletionReceiptView.as_view(), name="api-deletion-receipt"),
    path("chat/candidates/", chat.ChatModelsView.as_view(), name="api-chat-candidates"),
    path("conversations/", chat.ConversationsView.as_view(), name="api-conversations"),
    path("conversations/<int:pk>/", chat.ConversationView.as_view(), name="api-conversation"),
    path("conversations/<int:pk>/ask/", chat.AskView.as_view(), name="api-ask"),
    path(
        "conversations/<int:pk>/answers/<uuid:public_id>/correct/",
        chat.CorrectView.as_view(),
        name="api-correct",
    ),
    path("conversations/<int:pk>/answers/<uuid:public_id>/mark/", marks.MarkView.as_view(), name="api-mark"),
]
