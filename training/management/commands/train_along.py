"""`manage.py train_along --host 1`: lets this host train along with the runs of the training worker until it is stopped."""

import signal
import threading

from django.core.management.base import BaseCommand, CommandParser

from training.runner.along import follow


class Command(BaseCommand):
    help = (
        "Joins the training runs of another host's worker with this host's devices. All hosts share the state folder; see "
        "docs/how-to/train-on-several-devices.md."
    )
    requires_system_checks: list[str] = []  # it needs no database

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--host",
            type=int,
            required=True,
            help="1, 2, ...: another number on each host; the worker's is 0.",
        )

    def handle(self, *args: object, **options: int) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        follow(options["host"], stop)
