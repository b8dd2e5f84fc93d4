"""Brings the database up to date and, outside production, the demo project: one process, one start of Django.

`make run` runs this before anything else starts. Ends with one sentence if the settings or the database are
wrong, or if the database was made by a version whose data this one cannot read.
"""

import os
import sys


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django
    from django.core.management import CommandError, call_command
    from django.db import OperationalError

    try:
        django.setup()
        from django.conf import settings

        from core.database.origin import unknown_migrations
        from core.host import scratch

        scratch.sweep()
        if unknown_migrations():
            return _say(
                "The data was made by an older version that this one cannot read; to start afresh, move the folder "
                f"{settings.STATE_DIR} away (or let DATABASE_URL name an empty database) and start again."
            )
        call_command("migrate", interactive=False, verbosity=0)
        if settings.DEMO:
            call_command("demo")
    except CommandError as error:
        return _say(str(error))
    except OperationalError as error:
        first = (str(error).strip().splitlines() or ["no message"])[0]
        return _say(
            f"The database does not respond ({first}); start it, or correct DATABASE_URL, and try again."
        )
    return 0


def _say(words: str) -> int:
    print(f"guildhall: {words}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
