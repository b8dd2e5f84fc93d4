"""Stops a `make run` on this state folder from another terminal."""

import contextlib
import os
import signal
import sys
import time

from launcher import embedded


def main() -> int:
    file = embedded.default_state_dir() / "run" / "supervisor.lock"
    pid = embedded.lock_holder(file)
    if pid is None:
        print("guildhall: Nothing is running here.")
        return 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 60
    while embedded.lock_holder(file) is not None:
        if time.monotonic() > deadline:
            print(f"guildhall: Process {pid} does not stop; see its terminal.")
            return 1
        time.sleep(0.1)
    print("guildhall: Everything has stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
