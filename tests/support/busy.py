"""A program that wants a core for itself until it is killed: `python -m tests.support.busy`. It says when it begins."""

import sys

if __name__ == "__main__":
    sys.stdout.write("busy\n")
    sys.stdout.flush()
    while True:
        pass
