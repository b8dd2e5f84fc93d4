"""Reads typed settings from the environment. A wrong value stops the program with one sentence, without a traceback.

Every error has the variable, its value and the valid values. `READ` lists the variables read, so that a test can check
each of them.
"""

import ipaddress
import os
import re
import zoneinfo
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

_HOST = re.compile(r"^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*$")
# Names of the variables that were read, in order.
READ: list[str] = []
# This process's own defaults for unset variables, instead of the settings' defaults.
_OWN_DEFAULTS: dict[str, str] = {}


class WrongSetting(SystemExit):
    """Ends the program with this sentence on stderr and exit code 1.

    SystemExit, not an ordinary exception: celery, uvicorn and Django catch those and print tracebacks.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(f"guildhall: {sentence}")


def wrong(name: str, value: str, expected: str) -> WrongSetting:
    """An error to raise: the value found (on one line, at most 80 characters), and what it should be."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in value)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    return WrongSetting(f"{name}={shown} is not {expected}; correct it in the environment and start again.")


def own_default(name: str, value: str) -> None:
    """For a process with another default; call it before the settings are read."""
    _OWN_DEFAULTS[name] = value


def text(name: str, default: str = "") -> str:
    """The variable's text, or this process's default when it is unset or empty."""
    if name not in READ:
        READ.append(name)
    return os.environ.get(name, "").strip() or _OWN_DEFAULTS.get(name, default)


def choice(name: str, allowed: tuple[str, ...], default: str) -> str:
    value = text(name, default)
    if value not in allowed:
        raise wrong(name, value, "one of " + ", ".join(allowed))
    return value


def flag(name: str, default: bool = False) -> bool:
    value = text(name, "1" if default else "0").lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise wrong(name, value, "a yes or no (1/0, true/false)")


def number(name: str, default: int, *, least: int, most: int) -> int:
    raw = text(name, str(default))
    if not re.fullmatch(r"-?[0-9]{1,18}", raw):
        raise wrong(name, raw, f"a whole number from {least} to {most}")
    value = int(raw)
    if not least <= value <= most:
        raise wrong(name, raw, f"a whole number from {least} to {most}")
    return value


def items(name: str, default: str = "") -> list[str]:
    """Comma-separated values, blanks dropped."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def _is_host(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        # A name of numbers only is a wrong IP address (256.1.1.1).
        return bool(_HOST.match(value)) and not re.fullmatch(r"[0-9.]+", value)
    return True


def split_url(value: str) -> SplitResult | None:
    """The parts of a URL with a host and an optional valid port; None for anything else."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return None
    if re.search(r"[\s\\]", value) or port == 0 or not _is_host(parts.hostname or ""):
        return None
    return parts


def host(name: str, default: str) -> str:
    """An IP address or host name to listen on."""
    value = text(name, default)
    if not _is_host(value):
        raise wrong(name, value, "an IP address or host name (127.0.0.1, 0.0.0.0, ::)")
    return value


def hosts(name: str, default: str = "") -> list[str]:
    """Host names without scheme and port; '*' and a leading dot are wildcards."""
    values = items(name, default)
    for value in values:
        plain = value.removeprefix(".")
        if plain != "*" and not _is_host(plain.removeprefix("[").removesuffix("]")):
            raise wrong(name, value, "a host name without scheme, port and path (guildhall.example.org)")
    return values


def origins(name: str) -> list[str]:
    """Scheme and host, in the form of browsers."""
    values = items(name)
    for value in values:
        parts = split_url(value.replace("://*.", "://any.", 1))
        if (
            parts is None
            or parts.scheme not in {"http", "https"}
            or parts.path
            or parts.query
            or parts.fragment
        ):
            raise wrong(name, value, "a scheme with a host and no path (https://guildhall.example.org)")
        if parts.username is not None:
            raise wrong(name, value, "a scheme with a host and no user (https://guildhall.example.org)")
    return values


def urls(name: str) -> list[str]:
    """Comma-separated HTTP URLs."""
    return [_http(name, value) for value in items(name)]


def url(name: str) -> str:
    """One HTTP URL, or nothing."""
    value = text(name)
    return _http(name, value) if value else ""


def _http(name: str, value: str) -> str:
    parts = split_url(value)
    if parts is None or parts.scheme not in {"http", "https"} or parts.query or parts.fragment:
        raise wrong(name, value, "an address such as http://127.0.0.1:8101")
    return value


def networks(name: str) -> list[str]:
    """Comma-separated IP addresses and networks."""
    values = items(name)
    for value in values:
        try:
            network = ipaddress.ip_network(value)
        except ValueError:
            raise wrong(name, value, "an IP address or a network (10.0.0.5, 10.0.0.0/24)") from None
        if network.prefixlen == 0:
            raise wrong(name, value, "a network of your own proxies: this one would trust everyone")
    return values


def time_zone(name: str, default: str) -> str:
    value = text(name, default)
    try:
        zoneinfo.ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise wrong(name, value, "a time zone such as UTC or Europe/Berlin") from None
    return value


def own_folder(name: str, default: Path, *, write: bool = True) -> Path:
    """A folder that this program creates if needed and can write to (or, without `write`, read)."""
    path = _path(name, text(name, str(default)))
    try:
        if not path.exists():
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o700 if write else 0o755)
        path.stat()
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "it cannot be created").lower()
        raise wrong(name, str(path), f"a folder that can be created ({reason})") from None
    if not path.is_dir():
        raise wrong(name, str(path), "a folder")
    if not os.access(path, os.R_OK | os.X_OK | (os.W_OK if write else 0)):
        raise wrong(name, str(path), f"a folder in which this program may {'write' if write else 'read'}")
    return path


def _path(name: str, value: str) -> Path:
    try:
        return Path(value).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):
        raise wrong(name, value, "a path") from None


def folders(name: str) -> list[Path]:
    """Comma-separated folders that exist and can be read."""
    paths = []
    for value in items(name):
        path = _path(name, value)
        if not path.is_dir():
            raise wrong(name, value, "a folder that exists")
        if not os.access(path, os.R_OK | os.X_OK):
            raise wrong(name, value, "a folder that this program may read")
        paths.append(path)
    return paths


def matching(name: str, default: str, pattern: str, expected: str) -> str:
    value = text(name, default)
    if value and not re.fullmatch(pattern, value):
        raise wrong(name, value, expected)
    return value


def gone(name: str, instead: str) -> None:
    """A variable of earlier versions: the error names its replacement."""
    if text(name).lower() not in {"", "0", "false", "no", "off"}:
        raise WrongSetting(f"{name} is no longer read; {instead}")
