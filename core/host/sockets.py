"""Where Unix sockets lie, and folders that only this user can enter. No Django."""

import hashlib
import os
import re
import stat
from pathlib import Path

# The kernel's limit for the path of a Unix socket is 107 bytes; the longest below this folder is an engine's
# ("/e12345/" and a UUID).
_LONGEST = 60


def socket_dir(state_dir: Path) -> Path:
    """In the state folder, or under /tmp when its path is too long for a socket or has odd characters."""
    inside = Path(state_dir).resolve() / "run"
    if len(os.fsencode(inside)) <= _LONGEST and re.fullmatch(r"[A-Za-z0-9._/-]+", str(inside)):
        return inside
    key = hashlib.sha256(os.fsencode(inside)).hexdigest()[:16]
    return Path("/tmp") / f"guildhall-{os.getuid()}-{key}"  # noqa: S108 - private_dir refuses somebody else's


def own_state_dir(path: Path) -> Path:
    """Closes the state folder, which holds all data and logs, to everybody but its owner.

    Raises PermissionError, with advice, for a folder that is shared by its nature (/tmp, a home of everybody) and for one of
    another user; root may use another user's folder, and leaves it as it is.
    """
    info = path.stat()
    if info.st_mode & (stat.S_ISVTX | stat.S_IWOTH):
        raise PermissionError(
            f"{path} is open to everybody, and data and logs would be, too; name a folder of its own below it."
        )
    if info.st_uid == os.getuid():
        if info.st_mode & 0o077:
            path.chmod(0o700)
    elif os.getuid() != 0:
        raise PermissionError(f"{path} belongs to another user; name a folder of your own.")
    return path


def private_dir(path: Path, *, owner: int | None = None) -> Path:
    """Makes the folder for this user alone (or for the user number `owner`, where root asks).

    Raises PermissionError, with advice, for one that belongs to somebody else: a trap set under /tmp.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid not in {os.getuid(), owner}:
        raise PermissionError(
            f"{path} belongs to another user; remove it or set GUILDHALL_STATE to a folder of your own."
        )
    if owner is not None and info.st_uid != owner:
        os.chown(path, owner, -1)
    path.chmod(0o700)
    return path
