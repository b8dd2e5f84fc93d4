"""Unusual input for every operation of the API and every page, any number of times.

    python benchmarks/fuzz.py [--times 40] [--json]

Runs tests/test_fuzz.py with `--times` new cases for each operation and page (the tests take 6 and 8, the same each time
in CI). The last line, with --json: operations, cases, server_errors, schema_violations, pages, page_cases, page_errors.
Faults are printed with the request that caused them; exit code 1 when there is one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=40, help="cases for each operation and page")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON on the last line")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report"
        environment = {**os.environ, "FUZZ_TIMES": str(arguments.times), "FUZZ_REPORT": str(report)}
        command = [sys.executable, "-m", "pytest", "-q", "-m", "slow", "-n", "0", "tests/test_fuzz.py"]
        command += ["--timeout", str(24 * 3600)]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, check=False, stdout=sys.stderr if arguments.json else None
        )
        counts: dict[str, int] = {}
        for part in ("api", "pages"):
            path = Path(f"{report}.{part}")
            if not path.exists():
                print(f"The {part} part did not finish.", file=sys.stderr)
                return 1
            for name, count in json.loads(path.read_text()).items():
                counts[name] = counts.get(name, 0) + count
    print(
        json.dumps(counts)
        if arguments.json
        else "\n".join(f"{name:>18} {count:,}" for name, count in counts.items())
    )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
