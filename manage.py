#!/usr/bin/env python
"""Guildhall's command line. `make run` is the usual way in; this is for single commands."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.conf import settings
    from django.core.management import execute_from_command_line

    from launcher import embedded, servers

    settings.INSTALLED_APPS  # noqa: B018 - read first: a wrong setting ends here, in one sentence
    try:
        # Without DATABASE_URL or REDIS_URL the embedded servers run for as long as this command does,
        # unless `make run` has them up already.
        with embedded.services():
            execute_from_command_line(sys.argv)
    except servers.EmbeddedError as error:
        sys.exit(f"guildhall: {error}")


if __name__ == "__main__":
    main()
