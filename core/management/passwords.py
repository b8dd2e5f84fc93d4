"""A new password for a command: typed without echo, or read from a file or standard input for automation."""

import getpass
import sys
from pathlib import Path

from django.core.management.base import CommandError

from core.errors import ExpectedError, Invalid
from core.text import lines_of


def read_password(source: str | None) -> str:
    """From the file `source` (its first line; "-" is standard input), or typed twice at the terminal."""
    if source == "-":
        password = sys.stdin.readline()
    elif source is not None:
        try:
            password = (lines_of(Path(source).read_text(encoding="utf-8")) or [""])[0]
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(
                f"The password file {source} cannot be read ({error.__class__.__name__})."
            ) from None
    elif not sys.stdin.isatty():
        raise CommandError(
            "There is no terminal for the password. Give it with --password-file FILE, or - for standard input."
        )
    else:
        password = getpass.getpass("Password: ")
        if getpass.getpass("Password, again: ") != password:
            raise CommandError("The two passwords are different. Nothing was changed.")
    password = password.rstrip("\r\n")
    if not password:
        raise CommandError("The password is empty. Nothing was changed.")
    return password


def as_command_error(error: ExpectedError) -> CommandError:
    """The error of a service in one line: its sentence and the messages of each field."""
    sentences = [error.message, error.advice]
    if isinstance(error, Invalid):
        sentences += [words for fields in error.fields.values() for words in fields if words != error.message]
    return CommandError(" ".join(part for part in sentences if part))
