from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from core.errors import ExpectedError
from core.models import User
from core.moving.services import import_now
from core.wording import counted


class Command(BaseCommand):
    help = "Imports a project from an archive that export_project or the page “Move this project” made."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the archive")
        parser.add_argument(
            "--slug", default="", help="the project's address here; without it the address that it had"
        )
        parser.add_argument(
            "--by", metavar="EMAIL", help="the operator who imports it and becomes an admin of it"
        )

    def handle(self, *args: object, file: Path, slug: str, by: str | None, **options: object) -> None:
        operator = None
        if by is not None:
            operator = User.objects.filter(email=by.strip().lower(), is_operator=True, is_active=True).first()
            if operator is None:
                raise CommandError(f"{by} is not an operator of this installation.")
        try:
            with transaction.atomic():
                result = import_now(by=operator, path=file, slug=slug)
        except ExpectedError as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{file} could not be read: {error.strerror}.") from None
        self.stdout.write(
            f"{result.project.name} is at /p/{result.project.slug}/ now: {counted(result.rows, 'row')}, "
            f"{counted(result.known, 'person', 'people')} with an account, {len(result.created)} new."
        )
        for user in result.created:
            self.stdout.write(f"  {user.name} <{user.email}> has no password yet.")
        if result.missing:
            self.stdout.write("The files of models are not in the archive: it was made without weights.")
