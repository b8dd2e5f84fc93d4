"""`manage.py engines` in a process of its own, with the fake engine: for tests that kill it."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django

django.setup()

from django.conf import settings
from django.core.management import call_command

from inference.engines import BACKENDS
from tests.support.fakes.backend import FakeVLLM

if __name__ == "__main__":
    settings.DATABASES["default"]["NAME"] = os.environ["FAKE_DATABASE"]
    settings.ENGINE_PORTS_FROM = int(os.environ["FAKE_PORTS_FROM"])
    BACKENDS["vllm"] = FakeVLLM()
    call_command("engines")
