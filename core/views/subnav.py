"""The pages about the project."""

from core.access import Access
from core.subnav import NavLink, subnav

PAGES = (
    ("core:runs", "Background jobs"),
    ("core:people", "People"),
    ("core:application-keys", "Application keys"),
    ("core:settings", "Settings"),
    ("core:audit", "Audit"),
)


def project_subnav(access: Access, current: str) -> list[NavLink]:
    return subnav(PAGES, access.project.slug, current=current)
