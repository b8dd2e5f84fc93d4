from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config import demo
from core.errors import ExpectedError


class Command(BaseCommand):
    help = "Makes the demo project with its people and examples; does nothing if it exists."

    def handle(self, *args: object, **options: object) -> None:
        if settings.PRODUCTION:
            raise CommandError("The demo's passwords are public, so it cannot be made in production.")
        try:
            demo.build(self.stdout.write)
        except ExpectedError as error:
            raise CommandError(str(error)) from None
