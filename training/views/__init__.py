"""Training's pages."""

from django.urls import reverse

from core.access import Access
from core.views.subnav import Subpage


def room(access: Access, here: str) -> list[Subpage]:
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
