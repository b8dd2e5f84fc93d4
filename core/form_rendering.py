"""The HTML of Django's widgets."""

from typing import Any

from django.forms.renderers import DjangoTemplates
from django.http import HttpRequest

# Fields for words. Numbers, dates, addresses and passwords have a fixed direction.
_WORDS = {"text", "search"}


class AutoDirection(DjangoTemplates):
    """Every field for words takes the direction of its text (dir="auto")."""

    def render(self, template_name: str, context: dict[str, Any], request: HttpRequest | None = None) -> str:
        widget = context.get("widget")
        if isinstance(widget, dict) and (
            widget.get("type") in _WORDS or template_name.endswith("/textarea.html")
        ):
            widget["attrs"] = {"dir": "auto", **(widget.get("attrs") or {})}
        return super().render(template_name, context, request)
