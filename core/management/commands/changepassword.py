from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.errors import ExpectedError
from core.management.passwords import as_command_error, read_password
from core.models import User
from core.services.people import set_password


class Command(BaseCommand):
    """Replaces Django's command, which would leave keys valid and write no audit entry."""

    help = "Gives an account a new password; its sessions and keys end."
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="the account's address")
        parser.add_argument(
            "--password-file",
            metavar="FILE",
            help="read the password from this file, or - for standard input",
        )

    def handle(self, *args: object, email: str, password_file: str | None, **options: object) -> None:
        user = User.objects.filter(email=email.strip().lower()).first()
        if user is None:
            raise CommandError(f"There is no account with the address {email}.")
        try:
            set_password(user=user, new=read_password(password_file))
        except ExpectedError as error:
            raise as_command_error(error) from None
        self.stdout.write(f"The password of {user.name} is changed. Its sessions and keys have ended.")
