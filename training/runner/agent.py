"""torchrun, as the worker starts it: python -m training.runner.agent <folder> <host> <arguments of torchrun>

torchrun starts the processes, ends all when one of them ends with an error, and knows how each of them ended. It and they end with
the process that started it, in whatever way that ends.
"""

import json
import os
import sys
from pathlib import Path

from core.host.processes import die_with_parent
from training.runner.job_folder import AGENT, EXITS, WORKER


def main(folder: Path, host: str, arguments: list[str]) -> None:
    die_with_parent()
    if os.getppid() != int(os.environ[WORKER]):
        sys.exit("The process that started this one is gone.")
    os.environ[AGENT] = str(os.getpid())
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    try:
        torchrun(arguments)
    except ChildFailedError as error:
        exits = {str(number): failure.exitcode for number, failure in error.failures.items()}
        (folder / EXITS.format(host)).write_text(json.dumps(exits))
        sys.exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
