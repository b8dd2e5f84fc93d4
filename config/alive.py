"""Exit code 0 when one part of the system is up, for container health checks: `python -m config.alive engines`."""

import os
import sys


def main(name: str) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from core import health

    found = [part for part in health.parts() if part.name == name]
    return 0 if found and all(part.up for part in found) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
