"""A program that is busy until it is killed: `python -m tests.support.busy`."""

if __name__ == "__main__":
    while True:
        pass
