"""The pages of this section."""

from core.access import Access
from core.subnav import NavLink, subnav

PAGES = (
    ("training:home", "Runs"),
    ("training:versions", "Model versions"),
    ("training:bases", "Base models"),
    ("training:compare", "Compare runs"),
    ("training:methods", "Compare methods"),
    ("training:learning-curves", "Learning curves"),
)


def training_subnav(access: Access, current: str) -> list[NavLink]:
    return subnav(PAGES, access.project.slug, current=current)
