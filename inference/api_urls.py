"""Inference's part of the API, under /api/v1/projects/<slug>/."""

from django.urls import path

from inference.api import chat, serving

urlpatterns = [
    path("engines/", serving.Engines.as_view(), name="api-engines"),
    path("deployments/", serving.Deployments.as_view(), name="api-deployments"),
    path("deployments/<int:pk>/load/", serving.Load.as_view(), name="api-load"),
    path("deployments/<int:pk>/unload/", serving.Unload.as_view(), name="api-unload"),
    path("speeds/", serving.Speeds.as_view(), name="api-speeds"),
    path("answers/", serving.Answers.as_view(), name="api-answers"),
    path("answers/<uuid:public_id>/", serving.Answer.as_view(), name="api-answer"),
    path("chat/candidates/", chat.Candidates.as_view(), name="api-chat-candidates"),
    path("conversations/", chat.Conversations.as_view(), name="api-conversations"),
    path("conversations/<int:pk>/", chat.OneConversation.as_view(), name="api-conversation"),
    path("conversations/<int:pk>/ask/", chat.Ask.as_view(), name="api-ask"),
    path("conversations/<int:pk>/answers/<uuid:answer>/correct/", chat.Correct.as_view(), name="api-correct"),
]
