"""The memory, disk, processors and GPU of the training machine. Reads them without torch.

The `gpu` worker notes its machine in the cache when it starts, so that the preflight in the web process uses the
figures of that machine, not its own.
"""

import os
import shutil
import socket
import subprocess
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from celery.signals import worker_ready
from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError

from core.text import lines_of
from training.distribution import devices_of

if TYPE_CHECKING:
    from celery.worker import WorkController

CACHE_KEY = "training.host.machine"
GPU_QUEUE = "gpu"


@dataclass(frozen=True)
class Machine:
    """`memory_free` is the GPU's where there is one, else the host's available memory. Bytes."""

    host: str
    device: str  # "cpu" or "cuda"
    device_name: str
    threads: int
    memory_total: int
    memory_free: int
    disk_free: int
    bfloat16: bool = False  # whether it multiplies bfloat16 natively
    packages: tuple[str, ...] = ()  # those of OPTIONAL_PACKAGES that are installed
    devices: int = 1  # processes that can train one run together, on each host
    hosts: int = 1


# Packages that some training methods need, and that are installed on machines with an NVIDIA GPU only.
OPTIONAL_PACKAGES = ("bitsandbytes",)


# Flags of /proc/cpuinfo: Intel and AMD since 2020 to 2022, Arm servers.
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


@lru_cache
def multiplies_bfloat16(device: str) -> bool:
    """Whether "cpu" or "cuda" has instructions for it; emulated, it is slower than float32. GPUs are assumed to have
    them."""
    if device == "cuda":
        return True
    try:
        lines = lines_of(Path("/proc/cpuinfo").read_text())
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return not _BFLOAT16_FLAGS.isdisjoint(flags.split())


def threads() -> int:
    """Threads a training may use: the setting, else the processors this process may run on."""
    return int(settings.TRAINING_THREADS or len(os.sched_getaffinity(0)))


def _gpus() -> list[tuple[str, int, int]]:
    """(name, total, free) of the GPUs of this host, from nvidia-smi, that with most free memory first."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "unset") in ("", "-1") or not shutil.which("nvidia-smi"):
        return []
    try:
        answer = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout
        rows = [[part.strip() for part in line.split(",")] for line in lines_of(answer) if line.strip()]
        gpus = [(name, int(total) * 2**20, int(free) * 2**20) for name, total, free in rows]
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
    return sorted(gpus, key=lambda gpu: -gpu[2])


def _visible(gpus: int) -> int:
    """How many of the host's GPUs this process may use."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return gpus if named is None else min(gpus, len(named.split(",")))


def this_machine() -> Machine:
    memory = psutil.virtual_memory()
    gpus = _gpus()
    devices = devices_of(_visible(len(gpus)))
    # Of several, each needs the same: what the fullest of those used has free.
    gpu = gpus[min(devices, len(gpus)) - 1] if gpus else None
    settings.STATE_DIR.mkdir(parents=True, exist_ok=True)
    device = "cuda" if gpu else "cpu"
    return Machine(
        host=socket.gethostname(),
        device=device,
        device_name=gpu[0] if gpu else f"CPU, {threads()} threads",
        threads=threads(),
        bfloat16=multiplies_bfloat16(device),
        devices=devices,
        hosts=settings.TRAINING_HOSTS,
        memory_total=gpu[1] if gpu else memory.total,
        memory_free=gpu[2] if gpu else memory.available,
        disk_free=shutil.disk_usage(settings.STATE_DIR).free,
        packages=tuple(name for name in OPTIONAL_PACKAGES if find_spec(name)),
    )


def training_machine() -> Machine:
    """The machine of the last `gpu` worker that started; on the same host its figures are current."""
    try:
        noted: dict[str, Any] | None = cache.get(CACHE_KEY)
    except RedisError:
        noted = None
    if noted is None or noted["host"] == socket.gethostname():
        return this_machine()
    return Machine(**noted)


@worker_ready.connect
def _note_machine(sender: "WorkController", **_: object) -> None:
    if GPU_QUEUE in sender.app.amqp.queues.consume_from:
        cache.set(CACHE_KEY, asdict(this_machine()), timeout=None)
