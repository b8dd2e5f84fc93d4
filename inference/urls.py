"""Serve: engines and versions, chat, answers."""

from django.urls import path

from inference.views import adapters, answers, chat, marks, serve

app_name = "inference"
urlpatterns = [
    path("", serve.home, name="home"),
    path("now/", serve.serving, name="serving"),
    path("versions/<int:pk>/load/", serve.load, name="load"),
    path("versions/<int:pk>/unload/", serve.unload, name="unload"),
    path("chat/", chat.chat, name="chat"),
    path("chat/adapter/", adapters.own, name="own-adapter"),
    path("chat/adapter/train/", adapters.own_train, name="own-adapter-train"),
    path("chat/adapter/delete/", adapters.own_delete, name="own-adapter-delete"),
    path("chat/adapter/teams/<int:pk>/", adapters.team_use, name="team-use"),
    path("adapters/", adapters.adapters, name="adapters"),
    path("adapters/<int:pk>/switch/", adapters.switch, name="adapter-switch"),
    path("adapters/<int:pk>/delete/", adapters.owner_delete, name="adapter-delete"),
    path("adapters/teams/new/", adapters.team_new, name="team-new"),
    path("adapters/teams/<int:pk>/", adapters.team, name="team"),
    path("adapters/teams/<int:pk>/train/", adapters.team_train, name="team-train"),
    path("adapters/teams/<int:pk>/remove/", adapters.team_remove, name="team-remove"),
    path("adapters/callers/", adapters.caller_add, name="caller-add"),
    path("adapters/callers/<int:pk>/remove/", adapters.caller_remove, name="caller-remove"),
    path("adapters/receipts/<int:pk>/", adapters.receipt, name="receipt"),
    path("chat/<int:pk>/", chat.conversation, name="conversation"),
    path("chat/<int:pk>/state/", chat.chat_state, name="chat-state"),
    path("chat/<int:pk>/ask/", chat.ask, name="ask"),
    path("chat/<int:pk>/ask-again/", chat.ask_again, name="ask-again"),
    path("chat/<int:pk>/answers/<uuid:public_id>/", chat.turn, name="turn"),
    path("chat/<int:pk>/answers/<uuid:public_id>/correct/", chat.correct, name="correct"),
    path("chat/<int:pk>/answers/<uuid:public_id>/correct/draft/", chat.correct_draft, name="correct-draft"),
    path("chat/<int:pk>/answers/<uuid:public_id>/mark/", marks.mark, name="mark"),
    path("engines/<int:pk>/checks/", serve.checks, name="checks"),
    path("answers/", answers.answers, name="answers"),
    path("answers/<uuid:public_id>/", answers.answer, name="answer"),
]
