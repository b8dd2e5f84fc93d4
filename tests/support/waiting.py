"""The one way in which tests wait for something that another thread, process or the browser does."""

import time
from collections.abc import Callable
from typing import Any


def wait_for(
    condition: Callable[[], Any], what: str = "it", seconds: float = 30.0, every: float = 0.05
) -> Any:
    """Waits until `condition` is true and returns its value; fails with `what` when it never is within the limit."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(every)
    return value
