"""A task that works for minutes and hears of nothing, for the tests of stopping."""

import time
from pathlib import Path

from celery import shared_task


@shared_task(name="tests.sleep", ignore_result=True)
def sleep(began: str) -> None:
    Path(began).write_text("began")
    time.sleep(600)
