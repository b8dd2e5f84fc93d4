"""What `make run` runs: the embedded servers, migrations, the demo, and then the Procfile's processes until Ctrl-C.

Two processes watch each other so that nothing is left behind when one of them ends in any way:

* the guard, in the terminal's foreground, turns Ctrl-C, SIGTERM and SIGHUP into one request to stop. It adopts every
  process after its parent has ended, so when the supervisor has ended (was killed, for example) it finds and ends the
  rest;
* the supervisor, its child, starts and restarts the processes and stops them in order. The kernel signals it when the
  guard has ended, and it then stops everything itself.

docs/decisions/ explains why this is our own code.
"""

import argparse
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

from core.host import env, ports
from core.host.processes import adopt_orphans, as_child, die_with_parent
from core.host.sockets import own_state_dir
from launcher import embedded
from launcher.leftovers import keepers, sweep
from launcher.procfile import ROOT, Process, StartError, Supervisor, read_procfile, say
from launcher.servers import EmbeddedError

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _StopAsked(BaseException):
    """Raised by the signal handler during the start."""


# --- the guard -----------------------------------------------------------------------------------------------


class Guard:
    """Keeps the terminal and ends after the supervisor, to clean up."""

    def __init__(self) -> None:
        self.child: subprocess.Popen[bytes] | None = None
        self.asked = 0

    def main(self) -> int:
        if _parent_is_make():
            die_with_parent(signal.SIGTERM)
        adopt_orphans()
        for number in STOP_SIGNALS:
            signal.signal(number, self._pass_on)
        self.child = subprocess.Popen(
            [sys.executable, "-m", "launcher.supervise", "--inner", *sys.argv[1:]],
            start_new_session=True,  # Ctrl-C reaches only the guard, once
            cwd=ROOT,
            preexec_fn=as_child(os.getpid(), death_signal=signal.SIGTERM),
        )
        if self.asked:
            self.child.terminate()
        code = self._wait()
        sweep(patience=5.0)
        if code < 0 and not self.asked:
            say("The supervisor was killed; all its processes have been stopped.")
        if code < 0:
            # It could not wait for the embedded servers; they stop automatically when their last user has ended.
            deadline = time.monotonic() + 25.0
            while keepers() and time.monotonic() < deadline:
                time.sleep(0.1)
        return code if code >= 0 else 1

    def _wait(self) -> int:
        """Waits until the supervisor ends; reaps adopted processes meanwhile."""
        assert self.child is not None
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == self.child.pid:
                self.child.returncode = os.waitstatus_to_exitcode(status)
                return self.child.returncode

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self.asked += 1
        if self.child is None or self.child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            # A second signal means at once: the sweep afterwards ends what the supervisor could not.
            os.kill(self.child.pid, signal.SIGKILL if self.asked > 2 else signal.SIGTERM)


def _parent_is_make() -> bool:
    """Killing make must stop the program; a shell that ends after `nohup ... &` must not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{os.getppid()}/comm").read_text().strip() in {"make", "gmake"}
    return False


# --- the supervisor ------------------------------------------------------------------------------------------


def _raise_stop(number: int, frame: FrameType | None) -> NoReturn:
    raise _StopAsked


def supervise(procfile: Path) -> int:
    for number in STOP_SIGNALS:
        signal.signal(number, _raise_stop)
    os.umask(0o077)  # logs and the servers' data are only for this user
    state = env.own_folder("GUILDHALL_STATE", embedded.default_state_dir())
    try:
        commands = read_procfile(procfile)
        with _only_one(own_state_dir(state)):
            environment = child_environment(state)
            if words := ports.problem(environment["GUILDHALL_HOST"], environment["GUILDHALL_PORT"]):
                raise StartError(words)
            _start_and_run(state, environment, commands)
    except (StartError, EmbeddedError, PermissionError) as error:
        say(str(error))
        return 1
    except _StopAsked:
        sweep(patience=3.0)
    say("Everything has stopped.")
    return 0


def _start_and_run(state: Path, environment: dict[str, str], commands: dict[str, str]) -> None:
    missing = embedded.needed()
    if missing:
        labels = {"postgres": "PostgreSQL", "valkey": "Valkey"}
        say(f"Starting {' and '.join(labels[name] for name in missing)} (data in {state}).")
    with embedded.services(state, missing):
        _prepare(environment)
        url = _url(environment)
        processes = [
            Process(name, command, state / "logs" / f"{name}.log") for name, command in commands.items()
        ]
        supervisor = Supervisor(state, environment, processes, url, tend=lambda: _tend(state, missing))
        for number in STOP_SIGNALS:
            signal.signal(number, supervisor.ask_to_stop)
        say(f"Starting {', '.join(commands)}.")
        try:
            supervisor.run()
        finally:
            supervisor.stop()


def _tend(state: Path, servers: list[str]) -> None:
    """A killed keeper ends its server; other processes would wait for it without end."""
    try:
        for name in embedded.revive(state, servers):
            say(f"The keeper of {name} had ended; it is running again.")
    except (EmbeddedError, OSError) as error:  # a full disk must not end the rest
        say(str(error))


def _prepare(environment: dict[str, str]) -> None:
    say("Updating the database and the demo project.")
    child = subprocess.Popen(
        [sys.executable, "-m", "config.prepare"],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        cwd=ROOT,
        env=environment,
        preexec_fn=as_child(os.getpid()),
    )
    if child.wait():
        raise StartError("Nothing was started; see the messages above.")


@contextlib.contextmanager
def _only_one(state: Path) -> Iterator[None]:
    """One `make run` for each state folder."""
    (state / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
    file = state / "run" / "supervisor.lock"
    with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(
                f"Guildhall is running already on {state} (process {lock.read().strip() or 'unknown'}); stop it first, or "
                "set GUILDHALL_STATE and GUILDHALL_PORT for a second one."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def child_environment(state: Path) -> dict[str, str]:
    """The environment of every process of the program."""
    environment = dict(os.environ)
    for name, value in (("GUILDHALL_HOST", "127.0.0.1"), ("GUILDHALL_PORT", "8000")):
        environment[name] = environment.get(name, "").strip() or value
    environment["GUILDHALL_STATE"] = str(state)
    environment["PYTHONUNBUFFERED"] = "1"
    environment["TQDM_DISABLE"] = "1"  # progress is on the run's page; bars in a log are noise
    # The programs of this environment come first.
    environment["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), environment.get("PATH", os.defpath)]
    )
    return environment


def _url(environment: dict[str, str]) -> str:
    host = environment["GUILDHALL_HOST"]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - read, not bound
    return f"http://{host}:{environment['GUILDHALL_PORT']}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make run", description="Runs the whole of Guildhall until Ctrl-C.")
    default = Path(os.environ.get("GUILDHALL_PROCFILE", "").strip() or ROOT / "Procfile")
    parser.add_argument("--procfile", type=Path, default=default, help="which processes to run")
    parser.add_argument("--inner", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    return supervise(arguments.procfile.resolve()) if arguments.inner else Guard().main()


if __name__ == "__main__":
    sys.exit(main())
