"""Shared by the pages of this section."""

from typing import Any

from django.urls import reverse

from core.access import Access
from core.roles import CHATTERS


def subnav(access: Access, current: str) -> list[dict[str, Any]]:
    """Engines and answers for people who may see names, the chat for people who may write."""
    pages = []
    if access.sees_all:
        pages += [("home", "Engines and versions"), ("answers", "Answers")]
    if access.has(*CHATTERS):
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
