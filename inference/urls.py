"""Serve: engines and versions, chat, answers."""

from django.urls import path

from inference.views import answers, chat, serve

app_name = "inference"
urlpatterns = [
    path("", serve.home, name="home"),
    path("now/", serve.serving, name="serving"),
    path("versions/<int:pk>/load/", serve.load, name="load"),
    path("versions/<int:pk>/unload/", serve.unload, name="unload"),
    path("chat/", chat.chat, name="chat"),
    path("chat/<int:pk>/", chat.conversation, name="conversation"),
    path("chat/<int:pk>/state/", chat.chat_state, name="chat-state"),
    path("chat/<int:pk>/ask/", chat.ask, name="ask"),
    path("chat/<int:pk>/ask-again/", chat.ask_again, name="ask-again"),
    path("chat/<int:pk>/answers/<uuid:public_id>/", chat.turn, name="turn"),
    path("chat/<int:pk>/answers/<uuid:public_id>/correct/", chat.correct, name="correct"),
    path("chat/<int:pk>/answers/<uuid:public_id>/correct/draft/", chat.correct_draft, name="correct-draft"),
    path("engines/<int:pk>/checks/", serve.checks, name="checks"),
    path("answers/", answers.answers, name="answers"),
    path("answers/<uuid:public_id>/", answers.answer, name="answer"),
]
