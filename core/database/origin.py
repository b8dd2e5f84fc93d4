"""Whether the database was made by a version of the program whose migrations this one no longer has."""

from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader


def unknown_migrations() -> list[str]:
    """Migrations of our own apps that were applied and that this program does not have, as "annotation.0002_name". One query."""
    own = {
        config.label
        for config in apps.get_app_configs()
        # Installed packages may lie in an environment inside the project's folder.
        if Path(config.path).parent == Path(settings.BASE_DIR)
    }
    loader = MigrationLoader(connection)
    gone = set(loader.applied_migrations or {}) - set(loader.disk_migrations or {})
    return sorted(f"{app}.{name}" for app, name in gone if app in own)
