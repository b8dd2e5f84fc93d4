"""The pages of annotation; those of its data are in the app datasets."""

from core.access import Access
from core.subnav import NavLink, subnav


def annotation_subnav(access: Access, current: str) -> list[NavLink]:
    """Imports only for people who see the origin of examples."""
    pages = [
        ("annotation:overview", "Work"),
        ("annotation:review-list", "Review"),
        ("annotation:examples", "Examples"),
        ("quality:findings", "Quality"),
        *([("datasets:sources", "Sources"), ("datasets:imports", "Imports")] if access.sees_all else []),
        ("datasets:datasets", "Datasets"),
    ]
    return subnav(pages, access.project.slug, current=current)
