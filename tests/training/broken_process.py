"""A training process whose losses are no numbers: python -m tests.training.broken_process <folder of the job>"""

import sys
from pathlib import Path

from training.runner import process

if __name__ == "__main__":
    join = process._join

    def join_broken(job):
        join(job)
        from training.runner import loop

        real = loop.row_losses
        loop.row_losses = lambda model, batch: real(model, batch) * float("nan")

    process._join = join_broken
    process.main(Path(sys.argv[1]))
