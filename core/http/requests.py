"""What a request says about itself."""

from django.http import HttpRequest


def by_htmx(request: HttpRequest) -> bool:
    """Whether htmx sent the request: the response is a part of a page."""
    return bool(getattr(request, "htmx", False))
