"""What the web process loads: everything that any page could need, and none of the machine-learning libraries."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HEAVY = ["torch", "transformers", "peft", "trl", "vllm", "accelerate", "numba"]
LOAD = """
import sys
import config.asgi
from django.urls import get_resolver

def walk(patterns):
    for pattern in patterns:
        walk(getattr(pattern, "url_patterns", ()))
        getattr(pattern, "callback", None)

walk(get_resolver().url_patterns)
print(sorted(name for name in sys.argv[1:] if name in sys.modules))
"""


def test_the_web_process_loads_no_machine_learning_library():
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *HEAVY],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip().splitlines()[-1:] == ["[]"], done.stdout + done.stderr
