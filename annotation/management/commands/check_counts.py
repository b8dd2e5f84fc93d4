"""Compares the kept counts of examples with the examples: `manage.py check_counts [--mend]`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.services.counts import differences, mend


class Command(BaseCommand):
    help = "Counts all examples again and compares the numbers with the kept ones, which lists and Home show."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--mend", action="store_true", help="correct the kept numbers; people's writes wait meanwhile"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wrong = mend() if options["mend"] else differences()
        for one in wrong:
            place = f"project {one.project}, {one.status}, slice “{one.slice}”, source “{one.source}”"
            self.stdout.write(f"{place}: {one.real:,} examples, kept as {one.kept:,}")
        if not wrong:
            self.stdout.write("The kept counts agree with the examples.")
        elif options["mend"]:
            self.stdout.write("They were corrected.")
        else:
            raise CommandError("The kept counts are wrong. Correct them with --mend.")
