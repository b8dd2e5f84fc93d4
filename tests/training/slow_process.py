"""A training process that saves after each step and takes its time: python -m tests.training.slow_process <folder of the job>"""

import sys
import time
from pathlib import Path

from training.runner import process

PAUSE = 0.3


def slow() -> None:
    from training.runner import loop

    loop.CHECKPOINT_SECONDS = 0.0
    finish_step = loop._Watch.on_step_end

    def slowly(self, *args, **kwargs):
        finish_step(self, *args, **kwargs)
        time.sleep(PAUSE)

    loop._Watch.on_step_end = slowly


if __name__ == "__main__":
    join = process._join

    def join_slowly(job):
        join(job)
        slow()

    process._join = join_slowly
    process.main(Path(sys.argv[1]))
