"""How many processes train one run together: one for each device.

Every process computes an equal part of the rows of each step, so their number divides the rows of a step. Calculations only.
"""

from dataclasses import dataclass

from django.conf import settings

from training.methods import Method


@dataclass(frozen=True)
class Layout:
    """`per_host` processes on each of `hosts` hosts."""

    hosts: int = 1
    per_host: int = 1

    @property
    def processes(self) -> int:
        return self.hosts * self.per_host


ALONE = Layout()


def devices_of(gpus: int) -> int:
    """The processes that a host with this many visible GPUs has for a run: the setting, else one for each GPU. No GPU gets two."""
    wanted = int(settings.TRAINING_PROCESSES) or max(1, gpus)
    return min(wanted, gpus) if gpus else wanted


def layout_of(method: Method, batch_size: int, *, hosts: int, devices: int) -> Layout:
    """The largest number of processes, of at most `devices` on each of at most `hosts`, that divides the rows of a step evenly; one for
    a method whose weights cannot be divided."""
    if not method.divisible:
        return ALONE
    possible = [
        Layout(some, each)
        for some in range(1, hosts + 1)
        for each in range(1, devices + 1)
        if batch_size % (some * each) == 0
    ]
    # Of equal ones that with fewer hosts: they talk over a network.
    return max(possible, key=lambda layout: (layout.processes, -layout.hosts))
