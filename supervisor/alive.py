"""Exit code 0 while a process gives its signs of life, for container health checks: `python -m supervisor.alive engines`.

`worker` stands for beat and the default queue (beat's notes are written by a worker), `engines` for the process that starts
engines: an engine that is still loading is no reason to start that process again.
"""

import os
import sys

PARTS = ("postgres", "broker", "worker", "engines")


def main(name: str) -> int:
    if name not in PARTS:
        print(f"There is no part {name!r}; there are {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from core import health

    # Without the database nobody's signs of life can be read.
    return 0 if all(part.up for part in health.parts() if part.name in {name, "postgres"}) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
