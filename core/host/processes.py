"""Helpers to start processes that end with the process that started them. Linux only; no Django.

They are for `subprocess.Popen(preexec_fn=...)` in single-threaded processes.
"""

import ctypes
import os
import pwd
import signal
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_SET_CHILD_SUBREAPER = 36
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CAP_DAC_OVERRIDE = 1
_LINUX_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Asks the kernel to send this process `number` when the process that started it ends, in any way."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def adopt_orphans() -> None:
    """Makes this process the parent of descendants whose own parent ends, so that it can find and end them."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def as_child(parent: int, *, death_signal: int = signal.SIGKILL, user: str = "") -> Callable[[], None]:
    """A `preexec_fn`: ends with `parent` (a process id) and, when `user` is given, runs as that user.

    The user keeps the one capability that lets it reach its own files below folders closed to it (a checkout under
    /root). If that capability is not available the process starts without it, which is enough below open folders.
    """
    account = pwd.getpwnam(user) if user else None

    def prepare() -> None:
        if account is not None:
            _libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
            os.setgroups([])
            os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
            os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
            _keep_file_access()
        # After the change of user, because that clears it.
        die_with_parent(death_signal)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def _keep_file_access() -> None:
    bit = 1 << _CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0)
    # effective, permitted, inheritable: first for capabilities 0-31, then for 32-63
    data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    if _libc.capset(header, data) == 0:
        _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)
