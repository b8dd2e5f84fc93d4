"""Exit code 0 while a process sends heartbeats, for container health checks: `python -m launcher.alive engines`.

`worker` covers beat and the default queue (a worker writes beat's heartbeats), `engines` the process that starts
engines: an engine that is loading is no reason to restart that process.
"""

import os
import sys

PARTS = ("postgres", "broker", "worker", "engines")


def main(name: str) -> int:
    if name not in PARTS:
        print(f"Unknown part {name!r}. Choose one of {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from core import health

    # Without the database no heartbeat can be read.
    return 0 if all(part.up for part in health.parts() if part.name in {name, "postgres"}) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
