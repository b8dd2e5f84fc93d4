"""Shared by the pages of this section."""

from django.urls import reverse

from core.access import Access
from core.models import Role
from core.views.subnav import Subpage


def subnav(access: Access, current: str) -> list[Subpage]:
    """Engines and answers for people who may see names, the chat for people who may write."""
    pages = []
    if access.sees_all:
        pages += [("home", "Engines and versions"), ("answers", "Answers")]
    if access.has(Role.RATER, Role.ANNOTATOR, Role.REVIEWER, Role.ADMIN):
        pages.append(("chat", "Chat"))
    if len(pages) < 2:
        return []
    return [
        {
            "label": label,
            "url": reverse(f"inference:{name}", args=[access.project.slug]),
            "current": name == current,
        }
        for name, label in pages
    ]
