import sys

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import ExpectedError
from core.management.passwords import as_command_error, read_password
from core.services.people import create_operator


class Command(BaseCommand):
    help = "Creates an operator's account: an operator creates projects, registers base models and manages accounts."
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--email", help="the address to sign in with; the command asks for it when it is missing"
        )
        parser.add_argument(
            "--name", help="the name that colleagues see; the command asks for it when it is missing"
        )
        parser.add_argument(
            "--password-file",
            metavar="FILE",
            help="read the password from this file, or - for standard input",
        )

    def handle(
        self, *args: object, email: str | None, name: str | None, password_file: str | None, **options: object
    ) -> None:
        email = email or self._ask("E-mail address: ", "--email")
        name = name or self._ask("Name: ", "--name")
        try:
            user = create_operator(email=email, name=name, password=read_password(password_file))
        except ExpectedError as error:
            raise as_command_error(error) from None
        self.stdout.write(f"{user.name} <{user.email}> is an operator and can sign in.")

    def _ask(self, words: str, option: str) -> str:
        if not sys.stdin.isatty():
            raise CommandError(f"There is no terminal. Give {option}.")
        return input(words).strip()
