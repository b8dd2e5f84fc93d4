"""The place of Unix sockets, and folders that only this user can open. No Django."""

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
    """Closes the state folder, with all data and logs, to everybody except its owner.

    Raises PermissionError, with advice, for a shared folder (/tmp, a common home) and for one of another user; root can use another
    user's folder and does not change it.
    """
    info = path.stat()
    if info.st_mode & (stat.S_ISVTX | stat.S_IWOTH):
        raise PermissionError(
            f"{path} is open to everybody, and data and logs would be, too. Choose a separate folder below it."
        )
    if info.st_uid == os.getuid():
        if info.st_mode & 0o077:
            path.chmod(0o700)
    elif os.getuid() != 0:
        raise PermissionError(f"{path} belongs to another user. Choose your own folder.")
    return path


def private_dir(path: Path, *, owner: int | None = None) -> Path:
    """Makes the folder for this user only (or for the user number `owner`, when root calls it).

    Raises PermissionError, with advice, for one of another user: an attack under /tmp.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid not in {os.getuid(), owner}:
        raise PermissionError(
            f"{path} belongs to another user. Remove it or set GUILDHALL_STATE to your own folder."
        )
    if owner is not None and info.st_uid != owner:
        os.chown(path, owner, -1)
    path.chmod(0o700)
    return path
