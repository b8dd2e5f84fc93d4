"""Whether htmx sent a request: then a part of the page is the answer, else the whole page or a redirect."""

from django.http import HttpRequest


def is_htmx(request: HttpRequest) -> bool:
    """False also for requests that did not pass django_htmx's middleware, such as those of the API."""
    return bool(getattr(request, "htmx", False))
