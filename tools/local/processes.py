"""Child processes: started in a quiet, harmless environment, and gone when the program ends, however it ends."""

import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOOLS = ROOT / ".tools"
REGION = "eu-central-1"
ACCOUNT = "123456789012"

# Children get no AWS profile, key or role of the user, so they can't reach AWS.
HARMLESS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "SAM_CLI_TELEMETRY": "0",
    # cargo-lambda asks rustup for a target that is missing; nothing here may install a toolchain.
    "RUSTUP_DIST_SERVER": "http://127.0.0.1:9",
}


class Trouble(Exception):
    """Something that the user can fix; the text says how."""


def environment(**more):
    """The caller's environment without AWS and SAM settings, with the pinned tools first on the PATH."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_", "MINISTACK_"))}
    kept |= {name: value for name, value in os.environ.items() if name.startswith("AWS_LC_")}
    kept |= HARMLESS
    kept["PATH"] = os.pathsep.join([str(TOOLS / "venv" / "bin"), kept.get("PATH", os.defpath)])
    for name in ("NO_PROXY", "no_proxy"):  # a proxy knows nothing of our 127.0.0.1
        kept[name] = ",".join(filter(None, [kept.get(name), "127.0.0.1,localhost"]))
    return kept | more


def port(variable, host="127.0.0.1"):
    """The port of `host` that `variable` asks for, else a free one."""
    asked = os.environ.get(variable, "")
    if asked and not (asked.isdecimal() and 0 < int(asked) < 65536):
        raise Trouble(f"{variable}={asked} is not a port number")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(asked or 0)))
        except OSError as error:
            which = f"port {asked} ({variable})" if asked else "a free port"
            raise Trouble(f"{which} of {host} cannot be used: {error.strerror}") from None
        return probe.getsockname()[1]


def _end_with_parent():
    """In the child: be ended when the parent dies, even when it is killed (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # 1 is PR_SET_PDEATHSIG


class Processes(contextlib.AbstractContextManager):
    """Keeps all children and one temporary folder, and clears both away at the end.

    Each child leads a process group of its own: Ctrl-C in a terminal reaches this program only, which then
    ends the groups one by one, grandchildren included.
    """

    def __init__(self, logs):
        self.logs = pathlib.Path(logs)
        shutil.rmtree(self.logs, ignore_errors=True)
        self.logs.mkdir(parents=True)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cognito-triggers-"))
        self._running = []

    def __exit__(self, *_):
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
            signal.signal(signum, signal.SIG_IGN)  # nothing may interrupt the clearing away
        self.end(*self._running)
        shutil.rmtree(self.folder, ignore_errors=True)

    def end(self, *children):
        """Ends children and what they started."""
        for child in children:
            self._signal(child, signal.SIGTERM)
        for child in children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=5)
            self._signal(child, signal.SIGKILL)  # also what is left of its group
            child.wait()
            self._running.remove(child)

    @staticmethod
    def _signal(child, signum):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signum)

    def log(self, name):
        """Where the output of the child `name` is kept."""
        return self.logs / f"{name}.log"

    def start(self, name, command, cwd=ROOT, **variables):
        """Starts a server; `ready` says when it answers."""
        return self._spawn(name, command, cwd, environment(**variables))

    def run(self, name, command, cwd=ROOT, **variables):
        """Runs a command to its end; trouble when it fails."""
        child = self._spawn(name, command, cwd, environment(**variables))
        if child.wait() != 0:
            raise Trouble(f"{name} failed with exit code {child.returncode}:\n{self.tail(name)}")

    def _spawn(self, name, command, cwd, variables):
        with open(self.log(name), "ab") as log:
            try:
                child = subprocess.Popen(
                    [str(word) for word in command],
                    cwd=cwd,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=_end_with_parent,
                )
            except OSError as error:
                raise Trouble(
                    f"{command[0]} does not start: {error.strerror}; `make tools` installs what is missing"
                ) from None
        self._running.append(child)
        return child

    def ready(self, name, child, url, seconds=60):
        """Waits until the server answers at `url`, whatever it answers."""
        end = time.monotonic() + seconds
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while time.monotonic() < end:
            if child.poll() is not None:
                raise Trouble(f"{name} ended with exit code {child.returncode} before it was ready:\n{self.tail(name)}")
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                try:
                    direct.open(url, timeout=2).close()
                except urllib.error.HTTPError:
                    pass  # any response counts
                return
            time.sleep(0.1)
        raise Trouble(f"{name} did not answer within {seconds} s:\n{self.tail(name)}")

    def tail(self, name, lines=15):
        """The end of a child's output, for an error message."""
        path = self.log(name)
        text = path.read_text(errors="replace").splitlines() if path.exists() else []
        shown = "\n".join(f"  | {line}" for line in text[-lines:])
        return f"{shown}\n  (all of it: {os.path.relpath(path)})"


class TimeUp(Exception):
    """The overall time limit has passed."""


def end_by_itself(seconds):
    """From now on the program ends after `seconds`, or at a signal, in the same orderly way as at Ctrl-C."""

    def time_up(*_):
        raise TimeUp(f"stopped after {seconds} s")

    def interrupted(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, time_up)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, interrupted)
    signal.alarm(seconds)
