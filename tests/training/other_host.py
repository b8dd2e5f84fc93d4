"""Another host: `manage.py train_along --host 1` on a state folder of the tests' own.

python -m tests.training.other_host <state folder>
"""

import os
import sys
from pathlib import Path

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

if __name__ == "__main__":
    import django
    from django.conf import settings

    settings.STATE_DIR = Path(sys.argv[1])
    django.setup()
    from django.core.management import call_command

    call_command("train_along", host=1)
