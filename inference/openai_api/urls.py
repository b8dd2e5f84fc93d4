from django.urls import path, re_path

from inference.openai_api import views

app_name = "openai_api"
urlpatterns = [
    path("chat/completions", views.chat_completions, name="chat-completions"),
    path("models", views.models, name="models"),
    path("models/<str:name>", views.model, name="model"),
    re_path(r"^(?P<rest>.*)$", views.nothing, name="nothing"),
]
