"""The Celery application: queue `default` for ordinary work, `gpu` for training, beat for sweeps."""

import os

from celery import Celery
from celery.signals import worker_process_init

from core.host.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("guildhall")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def _end_with_the_worker(**kwargs: object) -> None:
    """Without this a task's process would survive a killed worker and continue training beside the worker that resumes
    its run."""
    die_with_parent()
