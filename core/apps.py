from django.apps import AppConfig
from django.conf import settings


class CoreConfig(AppConfig):
    name = "core"
    label = "core"
    verbose_name = "People, projects, runs and audit"

    def ready(self) -> None:
        from core import tasks  # noqa: F401 - core.runs.messages finds them by name
        from core.moving.own import register_own
        from core.moving.run_kinds import ARCHIVE, IMPORT
        from core.runs.kinds import register_kind

        register_own()
        register_kind(ARCHIVE)
        register_kind(IMPORT)

        # Not in the settings: reading them must not change anything on the disk.
        for folder in (settings.UPLOAD_DIR, settings.STATIC_ROOT):
            folder.mkdir(parents=True, exist_ok=True)
