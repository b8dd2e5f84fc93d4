"""Makes .venv and installs the locked packages into it. Needs only the system's Python.

    python3.11 bin/setup.py          set up what is missing
    python3.11 bin/setup.py --tests  also Chromium, for the browser tests
    python3.11 bin/setup.py --run    first check whether `make run` can start (the port)

Reports its progress. If something is missing, it ends with one sentence of advice.
Packages come from the index in pip's settings on this machine (pip.conf, PIP_INDEX_URL).
"""

import errno
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "guildhall-lock"
LOG = VENV / "setup.log"
NEEDED_PYTHON = (3, 11)
# GB: the packages, and pip's temporary files. Measured: 3.6 on a CPU, about 12 with CUDA.
NEEDED_DISK = {"cpu": 6, "gpu": 20}
TORCH_LINE = re.compile(r"^torch==(\S+)", re.MULTILINE)


class SetupError(Exception):
    """One sentence for the person who typed `make`."""


def say(words: str) -> None:
    print(f"guildhall: {words}", flush=True)


def main(arguments: "list[str]") -> int:
    try:
        check_python()
        if "--run" in arguments:
            check_port()
        kind = accelerator()
        install(kind)
        if "--tests" in arguments:
            ensure_chromium()
    except SetupError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("Interrupted; the next start continues from here.")
        return 130
    except OSError as error:
        if error.errno == errno.ENOSPC:
            say(f"The disk is full; free some space for {ROOT} and start again.")
            return 1
        raise
    return 0


def check_python() -> None:
    version = sys.version_info[:2]
    if version != NEEDED_PYTHON:
        raise SetupError(
            "Guildhall needs Python {}.{} and this is {}.{}; install it, or give its path: make run PYTHON=/path/to/python3.11".format(
                *NEEDED_PYTHON, *version
            )
        )
    if sys.platform != "linux" or platform.machine() not in {"x86_64", "AMD64"}:
        raise SetupError(
            f"The locked packages are for Linux on x86-64 and this is {sys.platform} on {platform.machine()}; "
            "use docker-compose.yml on such a machine."
        )


def check_port() -> None:
    """Checked before minutes of installing."""
    from core.host.ports import problem

    host = os.environ.get("GUILDHALL_HOST", "").strip() or "127.0.0.1"
    words = problem(host, os.environ.get("GUILDHALL_PORT", "").strip() or "8000")
    if words:
        raise SetupError(words)


def accelerator() -> str:
    """`gpu` if an NVIDIA driver reports at least one device; GUILDHALL_ACCELERATOR=cpu|gpu overrides it."""
    named = os.environ.get("GUILDHALL_ACCELERATOR", "").strip()
    if named:
        if named not in NEEDED_DISK:
            raise SetupError(f"GUILDHALL_ACCELERATOR is {named!r}; it can be cpu or gpu.")
        return named
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "cpu"
    try:
        listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "cpu"
    return "gpu" if listed.returncode == 0 and "GPU 0" in listed.stdout else "cpu"


# --- packages ------------------------------------------------------------------------------------------------


def install(kind: str) -> None:
    locks = [ROOT / "requirements" / f"{kind}.lock", ROOT / "requirements" / f"{kind}-dev.lock"]
    fingerprint = hashlib.sha256(
        b"\0".join(
            [kind.encode(), platform.python_version().encode(), *(lock.read_bytes() for lock in locks)]
        )
    ).hexdigest()
    if up_to_date(fingerprint):
        return
    VENV.mkdir(exist_ok=True)
    with (VENV / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another set-up is running here; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if up_to_date(fingerprint):
            return
        began = time.monotonic()
        make_environment(kind)
        install_torch(kind, locks[0])
        install_locked(locks)
        verify(kind)
        STAMP.write_text(fingerprint + "\n")
        say(f"Packages are installed ({time.monotonic() - began:.0f} s).")


def up_to_date(fingerprint: str) -> bool:
    return STAMP.is_file() and STAMP.read_text().strip() == fingerprint and os.access(PYTHON, os.X_OK)


def make_environment(kind: str) -> None:
    fresh = not PYTHON.exists() or not runs_this_python()
    if fresh:
        free = shutil.disk_usage(VENV).free / 1e9
        if free < NEEDED_DISK[kind]:
            raise SetupError(
                f"Installing needs about {NEEDED_DISK[kind]} GB and {ROOT} has {free:.1f} GB free; free some space and start again."
            )
    hardware = (
        "an NVIDIA GPU: using the GPU builds" if kind == "gpu" else "no NVIDIA GPU: using the CPU builds"
    )
    say(f"This machine has {hardware} of torch and vLLM. The first set-up takes a few minutes.")
    if not fresh:
        return
    say(f"Making the virtual environment {VENV}.")
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise SetupError(
            "Python could not make a virtual environment; on Debian and Ubuntu install the package python3.11-venv and start again."
        )


def runs_this_python() -> bool:
    answer = subprocess.run(
        [str(PYTHON), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.returncode == 0 and answer.stdout.strip() == "{}.{}".format(*NEEDED_PYTHON)


def install_torch(kind: str, lock: Path) -> None:
    """Separately, with its dependencies: the build depends on the index in pip's settings."""
    match = TORCH_LINE.search(lock.read_text())
    if kind == "gpu" or match is None:
        return  # the GPU lock names torch's CUDA packages too
    say(f"Installing torch {match.group(1)}.")
    pip(["install", f"torch=={match.group(1)}", "--constraint", str(lock)])


def install_locked(locks: "list[Path]") -> None:
    total = sum(len(re.findall(r"^[A-Za-z0-9][^=\s]*==", lock.read_text(), re.MULTILINE)) for lock in locks)
    say(f"Installing {total} locked packages.")
    arguments = ["install", "--no-deps", "--only-binary", ":all:"]
    # Published as source only, in pure Python; mlcroissant, the validator of the tests, needs it.
    arguments += ["--no-binary", "jsonpath-rw"]
    for lock in locks:
        arguments += ["--requirement", str(lock)]
    pip(arguments, total=total)


def pip(arguments: "list[str]", total: int = 0) -> None:
    """Runs pip with its output in a log; shows its progress. Raises SetupError with the likely reason."""
    command = [
        str(PYTHON),
        "-m",
        "pip",
        *arguments,
        "--disable-pip-version-check",
        "--no-input",
        "--progress-bar",
        "off",
    ]
    # A machine's pip may use a directory of wheels; those settings are kept.
    lines: list[str] = []
    collected = 0
    with (
        LOG.open("a") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            lines.append(line.rstrip())
            if line.startswith(("Collecting ", "Requirement already satisfied")):
                collected += 1
                progress(collected, total)
            elif line.startswith("Installing collected packages") and total:
                progress(total, total)
                say("Unpacking them.")
    if process.returncode:
        raise SetupError(f"{reason(lines)} The full log is {LOG}.")


def progress(done: int, total: int) -> None:
    if not total:
        return
    if sys.stdout.isatty():
        print(
            f"\rguildhall: {min(done, total)} of {total} fetched",
            end="\n" if done == total else "",
            flush=True,
        )
    elif done % 50 == 0:
        say(f"{done} of {total} fetched.")


def reason(lines: "list[str]") -> str:
    text = "\n".join(lines[-200:])
    if "No space left" in text:
        return "The disk is full: free some space and start again."
    if re.search(
        r"Temporary failure in name resolution|Connection (refused|reset)|Max retries|timed out|ProxyError",
        text,
    ):
        return "pip cannot reach its package index: check the network, or pip's settings, and start again."
    missing = re.search(r"No matching distribution found for (\S+)", text)
    if missing:
        return f"pip's package index does not have {missing.group(1)}: check the index in pip's settings."
    errors = [line for line in lines if line.startswith("ERROR")]
    return f"pip failed ({(errors or lines or ['no message'])[-1][:200]})."


def verify(kind: str) -> None:
    say("Checking that torch and vLLM load.")
    code = "import torch, transformers, peft; print(torch.version.cuda or 'cpu')"
    answer = subprocess.run(
        [str(PYTHON), "-c", code], capture_output=True, text=True, check=False, env=quiet_environment()
    )
    if answer.returncode:
        last = (answer.stderr.strip().splitlines() or ["no message"])[-1]
        raise SetupError(
            f"The packages are installed but do not load ({last[:200]}); remove {VENV} and start again."
        )
    if kind == "gpu" and answer.stdout.strip() == "cpu":
        raise SetupError(
            "This machine has a GPU but pip installed a CPU build of torch; set pip to an index with the CUDA build, remove .venv and start again."
        )


def quiet_environment() -> "dict[str, str]":
    return {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


# --- Chromium ------------------------------------------------------------------------------------------------


def ensure_chromium() -> None:
    """The browser tests use the Chromium on the PATH; as root it is installed from the system's packages."""
    if any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        return
    advice = "The browser tests need Chromium on the PATH; install it (on Debian: apt-get install chromium) and start again."
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SetupError(advice)
    say("Installing Chromium for the browser tests.")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (
        ["update", "-q"],
        ["install", "-q", "-y", "--no-install-recommends", "chromium", "fonts-liberation"],
    ):
        done = subprocess.run(
            ["apt-get", *arguments], capture_output=True, text=True, check=False, env=environment
        )
        if done.returncode and arguments[0] == "install":
            raise SetupError(advice)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
