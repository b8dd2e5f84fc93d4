"""What the processes of one training run tell each other. With one process each function gives back what it got.

Every process must call these functions in the same order: each waits for all others. Imports torch, as `training.runner.loop` does.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import distributed
from torch.distributed.tensor import DTensor, distribute_tensor

T = TypeVar("T")


def processes() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def number() -> int:
    """Of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_first() -> bool:
    """The first process reports and writes checkpoints."""
    return number() == 0


def total(*counts: int) -> list[int]:
    """Each count summed over all processes."""
    if processes() == 1:
        return list(counts)
    sums = torch.tensor(counts, dtype=torch.int64)
    distributed.all_reduce(sums)
    return [int(count) for count in sums]


def mean(values: torch.Tensor) -> torch.Tensor:
    """The mean of the (n,) values of all processes; a scalar, on the device of `values`."""
    if processes() == 1:
        return values.mean()
    return torch.cat(gathered(values.cpu())).mean().to(values.device)


def decided(*choices: bool) -> list[bool]:
    """The first process's choices: all processes must stop or save after the same step."""
    if processes() == 1:
        return list(choices)
    taken = torch.tensor(choices, dtype=torch.int64)
    distributed.broadcast(taken, src=0)
    return [bool(choice) for choice in taken]


def gathered(value: T) -> list[T]:
    """Each process's value, in the order of the processes. Tensors on the processor only."""
    if processes() == 1:
        return [value]
    values: list[Any] = [None] * processes()
    distributed.all_gather_object(values, value)
    return values


def own_share(work: Sequence[T]) -> list[T]:
    """The part of `work` that this process does. All do the same number of pieces, because sharded weights are put together for each;
    where pieces are missing, the last one is done again."""
    count = processes()
    padded = [*work, *[work[-1]] * (-len(work) % count)] if work else []
    return padded[number() :: count]


def together(done: Sequence[T], pieces: int) -> list[T]:
    """What all processes made of their `own_share` of `pieces`, in the order of the pieces, nothing twice."""
    parts = gathered(list(done))
    return [parts[at % len(parts)][at // len(parts)] for at in range(pieces)]


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor put together from the parts of all processes, on the processor; every process must ask for it."""
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().cpu()


def like(full: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """This process's part of `full`, divided as `other` is."""
    if not isinstance(other, DTensor):
        return full
    return distribute_tensor(full.to(other.device), other.device_mesh, other.placements, src_data_rank=None)
