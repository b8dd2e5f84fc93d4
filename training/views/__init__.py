"""Training's pages."""

from typing import Any

from django.urls import reverse

from core.access import Access


def room(access: Access, here: str) -> list[dict[str, Any]]:
    """The pages of this section, for components/subnav.html."""
    pages = [
        ("home", "Runs"),
        ("versions", "Model versions"),
        ("bases", "Base models"),
        ("compare", "Compare runs"),
    ]
    return [
        {
            "label": label,
            "url": reverse(f"training:{name}", args=[access.project.slug]),
            "current": name == here,
        }
        for name, label in pages
    ]
