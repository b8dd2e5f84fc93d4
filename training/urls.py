from django.http import HttpRequest, HttpResponse
from django.urls import path


def _x(request: HttpRequest, slug: str) -> HttpResponse:
    return HttpResponse("")


app_name = "training"
urlpatterns = [path("", _x, name="home")]
