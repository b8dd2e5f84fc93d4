"""`manage.py engines`: starts and watches the engines of this host until it is stopped."""

import signal
import threading

from django.core.management.base import BaseCommand

from inference.reconcile.loop import Reconciler


class Command(BaseCommand):
    help = "Starts engines (or attaches to those in GUILDHALL_ENGINE_URLS) and serves the model versions that the database lists."

    def handle(self, *args: object, **options: object) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        Reconciler(stop).run()
