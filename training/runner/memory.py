"""Peak memory of this process while a training runs: resident memory on a CPU, allocated memory on a GPU."""

import threading

import psutil


class PeakMemory:
    """Samples in its own thread. The kernel's high-water mark would also include earlier work of this process."""

    def __init__(self, device: str, *, every: float = 0.25) -> None:
        self.device = device
        self._every = every
        self._peak = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)

    def __enter__(self) -> "PeakMemory":
        if self.device == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats()
        else:
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _watch(self) -> None:
        process = psutil.Process()
        while not self._stop.wait(self._every):
            self._peak = max(self._peak, process.memory_info().rss)

    @property
    def peak(self) -> int:
        """Bytes, the highest so far."""
        if self.device == "cuda":
            import torch

            return int(torch.cuda.max_memory_reserved())
        self._peak = max(self._peak, psutil.Process().memory_info().rss)
        return self._peak
