"""The pages of this section."""

from core.access import Access
from core.roles import CHATTERS
from core.subnav import NavLink, subnav


def serving_subnav(access: Access, current: str) -> list[NavLink]:
    """Engines and answers for people who may see names, the chat for people who may write; nothing for a single page."""
    pages = []
    if access.sees_all:
        pages += [
            ("inference:home", "Engines and versions"),
            ("inference:answers", "Answers"),
            ("inference:adapters", "Adapters"),
        ]
    if access.has(*CHATTERS):
        pages += [("inference:chat", "Chat"), ("inference:own-adapter", "Your adapter")]
    return subnav(pages, access.project.slug, current=current) if len(pages) > 1 else []
