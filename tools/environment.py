"""What tools and checks need to load Django's models and routes without a database."""

import os
from pathlib import Path


def without_servers(root: Path) -> "dict[str, str]":
    """The environment of this process, less what configures an installation, with servers that are never asked."""
    binaries = root / ".venv" / "bin"
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("GUILDHALL_")},
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "HF_HUB_OFFLINE": "1",
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
    }
