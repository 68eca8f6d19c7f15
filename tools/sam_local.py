"""Plays every event file through `sam local invoke` in containers, and the commands of README.md as they stand there.

    make sam-local                                        everything, two containers at a time
    make sam-local SAM_LOCAL_FLAGS="--only pre-sign-up"   the events and commands that contain this

The same binary then gets the same event without a container and without SAM: in AWS's runtime interface emulator, with
the variables that tools/template.py computes. Response, log lines, emails and SMS must be equal.

It uses the container engine that DOCKER_HOST names, or the default one. If none responds, one line says so, and the
exit code is 0.
"""

import argparse
import concurrent.futures
import contextlib
import ipaddress
import json
import pathlib
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.request

from local.processes import ROOT, Processes, TimeUp, Trouble, end_by_itself, environment, port

try:
    import docker
    import events
    import samcli
    from local.event_files import FIXTURES
    from local.heartbeat import Heartbeat
    from local.sam_environment import expected
    from samcli.local.docker.lambda_image import LambdaImage, Runtime
    from template import TRIGGERS
except ModuleNotFoundError as error:
    sys.exit(f"missing: the Python package {error.name}; `make tools` installs it")

LOGS = ROOT / ".demo" / "sam-local"
LIMIT = 45 * 60  # seconds
# One `sam local invoke` computes for about 3 s, and waits for the engine at least as long.
AT_ONCE = 2
EMULATOR = pathlib.Path(samcli.__file__).parent / "local" / "rapid" / "aws-lambda-rie-x86_64"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
SECTION = "## Try a single function locally"
PARAMETERS = {
    "BrandName": "Example Shop",
    "AllowedEmailDomains": "trusted.example,*.trusted.example",
    "DeniedEmailDomains": "denied.example",
    # For the senders; events/env.json sets the rest of their variables.
    "FromAddress": "no-reply@shop.example",
    "SmsDelivery": "sender",
    "SmsAllowedCountries": "US",
}
# What has to be equal of an email.
MAIL = ("Source", "To", "Subject", "BodyText", "BodyHtml")
# The template can't know it before the attach function has read the user pool.
EMAIL_IS_USERNAME = {"EMAIL_IS_USERNAME": "true"}


class Engine:
    """The container engine, and what SAM needs for it."""

    def __init__(self):
        client = docker.from_env(timeout=60)
        client.ping()
        name = Runtime.get_image_name_tag("provided.al2023", "x86_64")
        present = bool(client.images.list(name=f"{LambdaImage._INVOKE_REPO_PREFIX}/{name}"))
        # Without this flag, SAM asks the registry for a newer image.
        self.flags = ["--skip-pull-image"] if present else []
        self.host = self._host(client)

    @staticmethod
    def _host(client):
        """The address of this machine that containers reach, and the network outside doesn't."""
        for config in client.networks.get("bridge").attrs["IPAM"]["Config"]:
            gateway = config.get("Gateway") or str(ipaddress.ip_network(config["Subnet"])[1])
            with contextlib.suppress(OSError), socket.socket() as probe:
                probe.bind((gateway, 0))
                return gateway
        return "127.0.0.1"  # Docker Desktop forwards to it


class Played:
    """What an invocation returned, and the errors that it logged."""

    def __init__(self, response, log):
        self.response = json.loads(response)
        if isinstance(self.response, dict):
            for differs in ("requestId", "stackTrace"):
                self.response.pop(differs, None)
        self.errors = {entry["message"] for entry in _entries(log) if entry.get("level") == "ERROR"}

    def __str__(self):
        return "\n".join([json.dumps(self.response, ensure_ascii=False), *sorted(self.errors)])


def _entries(log):
    """The log lines of the function; SAM and the emulator write other lines between them."""
    for line in log.splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry


class Player:
    """Invokes functions through SAM and directly."""

    def __init__(self, processes, engine):
        self.processes, self.engine = processes, engine
        # SAM writes nothing into the home folder, and does not check for a newer version.
        (processes.folder / "metadata.json").write_text(json.dumps({"lastVersionCheck": time.time()}))
        local = json.loads((events.EVENTS / "env.json").read_text(encoding="utf-8"))
        local |= {"PreSignUpFunction": EMAIL_IS_USERNAME}
        self.env_file = processes.folder / "env.json"
        self.env_file.write_text(json.dumps(local))
        self.variables = {name: values | local.get(name, {}) for name, values in expected(PARAMETERS).items()}

    def command(self, line):
        """Runs a line of the shell that contains `sam local invoke`."""
        line = " ".join([line, *self.engine.flags])
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=ROOT,
            env=environment(__SAM_CLI_APP_DIR=str(self.processes.folder)),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode != 0 or not done.stdout.strip():
            raise Trouble(f"exit code {done.returncode}: {line}\n{done.stderr[-3000:]}")
        return Played(done.stdout, done.stderr)

    def in_container(self, function, event):
        line = ["sam", "local", "invoke", function, "--template", "events/template.yaml", "--event", str(event)]
        line += ["--env-vars", str(self.env_file), "--add-host", f"{events.HOST}:host-gateway"]
        line += ["--parameter-overrides", *(f'{name}="{value}"' for name, value in PARAMETERS.items())]
        return self.command(shlex.join(line))

    def direct(self, function, event):
        """The same binary in the emulator, as a process of this machine."""
        interface, runtime_api = (f"127.0.0.1:{port('')}" for _ in range(2))
        variables = {
            name: value.replace(f"//{events.HOST}:", f"//{self.engine.host}:")
            for name, value in self.variables[function].items()
        }
        emulator = self.processes.start(
            event.stem,
            [
                EMULATOR,
                "--runtime-interface-emulator-address",
                interface,
                "--runtime-api-address",
                runtime_api,
                events.BUILT.parent / function / "bootstrap",
            ],
            **variables,
            AWS_LAMBDA_FUNCTION_NAME=function,
            AWS_LAMBDA_FUNCTION_MEMORY_SIZE="128",
            AWS_LAMBDA_FUNCTION_TIMEOUT="15",
            AWS_LAMBDA_LOG_FORMAT="JSON",
        )
        try:
            url = f"http://{interface}/2015-03-31/functions/function/invocations"
            self.processes.ready(event.stem, emulator, f"http://{interface}/")
            with DIRECT.open(url, event.read_bytes(), timeout=60) as answer:
                response = answer.read()
        finally:
            self.processes.end(emulator)
        return Played(response, self.processes.log(event.stem).read_text(errors="replace"))


def commands_of_the_readme():
    """The commands of the section about a single function, as in the fenced blocks."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index(SECTION) :].split("\n## ")[0]
    lines = "".join(re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)).replace("\\\n", " ")
    found = [line for line in lines.splitlines() if re.match(r"(\w+=\S+ )*sam local invoke ", line)]
    if not found:
        raise Trouble(f"README.md has no command under {SECTION!r}")
    return found


def play_readme(player, only):
    """Runs the README's commands; the first one confirms its user."""
    wrong = []
    for number, line in enumerate(commands_of_the_readme()):
        if only in line:
            played = player.command(line)
            confirmed = number or played.response.get("response", {}).get("autoConfirmUser") is True
            good = confirmed and "errorMessage" not in played.response and not played.errors
            print(f"{'ok  ' if good else 'FAIL'} README: {' '.join(line.split())}", flush=True)
            wrong += [] if good else [f"{line}\n{played}"]
    return wrong


def play_events(player, aws, only):
    """Plays each event file in a container and directly; returns what differs."""
    cases = [
        (function, (events.EVENTS if function in events.SENDERS else FIXTURES) / path.name)
        for function, prefix in TRIGGERS.items()
        for path in sorted(FIXTURES.glob(f"{prefix}-*.json"))
        if only in path.name
    ]

    def sent():
        mails = [json.dumps([mail[part] for part in MAIL], ensure_ascii=False) for mail in aws.mails()]
        return mails, aws.texts()

    def since(before):
        return [sorted(now[len(then) :]) for then, now in zip(before, sent(), strict=True)]

    before = sent()
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool, Heartbeat(f"playing {len(cases)} events in containers"):
        in_containers = list(pool.map(lambda case: player.in_container(*case), cases))
    by_containers, before = since(before), sent()
    wrong = []
    for (function, event), played in zip(cases, in_containers, strict=True):
        direct = player.direct(function, event)
        good = played.response == direct.response and played.errors <= direct.errors
        print(f"{'ok  ' if good else 'FAIL'} {event.stem}", flush=True)
        wrong += [] if good else [f"{event.stem} in a container:\n{played}\nand directly:\n{direct}"]
    directly = since(before)
    for what, container, process in zip(("emails", "SMS"), by_containers, directly, strict=True):
        print(f"{'ok  ' if container == process else 'FAIL'} {len(container)} {what}")
        wrong += [] if container == process else [f"{what} in containers: {container}\nand directly: {process}"]
    print(f"{len(cases)} event files played")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="TEXT", default="", help="events and commands that contain TEXT")
    only = parser.parse_args().only
    try:
        engine = Engine()
    except docker.errors.DockerException as error:
        print(f"sam local invoke: skipped, because no container engine responds ({error})")
        return 0
    try:
        end_by_itself(LIMIT)
        with Processes(LOGS) as processes:
            ports = [port(name, engine.host) for name in ("EVENTS_AWS_PORT", "EVENTS_SMS_PORT")]
            aws, _, _ = events.start(processes, ports, engine.host)
            player = Player(processes, engine)
            wrong = play_readme(player, only) + play_events(player, aws, only)
        for difference in wrong:
            print(f"\n{difference}", file=sys.stderr)
        return 1 if wrong else 0
    except (Trouble, TimeUp) as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
