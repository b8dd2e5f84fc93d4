"""A worker in a process of its own, for tests that kill it: does one run, slowed down so that it can be caught.

python -m tests.training.driver <database name> <run id> <seconds a step> <seconds between checkpoints> [processes]
"""

import os
import sys
import time

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"


def main(database: str, run_id: int, pause: float, every: float, processes: int = 1) -> None:
    import django
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = database
    django.setup()
    settings.RUN_HEARTBEAT_SECONDS = 1
    settings.TRAINING_THREADS = 1
    settings.TRAINING_PROCESSES = processes

    from core.tasks import execute_run
    from tests.training.trained import small_set
    from training.runner import asking, forgetting, loop, torchrun

    torchrun.MODULE = "tests.training.slow_process"

    loop.CHECKPOINT_SECONDS = every
    finish_step = loop._Watch.on_step_end

    def slowly(self, *args, **kwargs):
        finish_step(self, *args, **kwargs)
        time.sleep(pause)

    loop._Watch.on_step_end = slowly
    # A run that asks a base model: one example at a time.
    asking.TOKENS_AT_ONCE = 1
    store = asking.Asking._store

    def store_slowly(self, asked):
        store(self, asked)
        time.sleep(pause)

    asking.Asking._store = store_slowly
    # A run that measures what a version forgot: a few items at a time, of a small set.
    forgetting.TOKENS_AT_ONCE = 400
    forgetting.general_set = small_set
    note = forgetting.GeneralMeasuring._noted

    def note_slowly(self, *args):
        time.sleep(pause)
        note(self, *args)

    forgetting.GeneralMeasuring._noted = note_slowly
    execute_run(run_id)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), *map(int, sys.argv[5:]))
