"""Reads typed settings from the environment and fails with one clear sentence when a value is wrong."""

import os
from typing import NoReturn

from django.core.exceptions import ImproperlyConfigured


def _wrong(name: str, value: str, wanted: str) -> NoReturn:
    raise ImproperlyConfigured(
        f"{name}={value!r} is not {wanted}. Correct it in the environment and start again."
    )


def text(name: str, default: str = "") -> str:
    """The variable's text, or `default` when it is unset or empty."""
    return os.environ.get(name, "").strip() or default


def choice(name: str, allowed: tuple[str, ...], default: str) -> str:
    value = text(name, default)
    if value not in allowed:
        _wrong(name, value, "one of " + ", ".join(allowed))
    return value


def flag(name: str, default: bool = False) -> bool:
    value = text(name, "1" if default else "0").lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    _wrong(name, value, "a yes or no (1/0, true/false)")


def number(name: str, default: int, *, least: int | None = None, most: int | None = None) -> int:
    raw = text(name, str(default))
    try:
        value = int(raw)
    except ValueError:
        _wrong(name, raw, "a whole number")
    if least is not None and value < least:
        _wrong(name, raw, f"at least {least}")
    if most is not None and value > most:
        _wrong(name, raw, f"at most {most}")
    return value


def items(name: str, default: str = "") -> list[str]:
    """Comma-separated values, blanks dropped."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]
