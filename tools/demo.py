"""Shows the whole bundle at work on one machine: deployed with SAM, driven by a real SDK client.

    make demo                      build, deploy to a local AWS, run every flow, clean up
    make demo DEMO_FLAGS=--keep    the same, and keep all servers running until Ctrl-C

Nothing leaves the machine and no AWS account is used. Ports are free ones, unless DEMO_AWS_PORT, DEMO_SMS_PORT,
DEMO_POOL_PORT and DEMO_MESSAGE_POOL_PORT name others. The exit code is 0 only when everything was as expected.
"""

import argparse
import os
import platform
import shutil
import sys
import time

from local.processes import ROOT, TOOLS, Processes, TimeUp, Trouble, end_by_itself, port

try:
    from local.report import NotAsExpected, Report
    from local.stage import RELEASE_BUILD, Stage
    from local.stories import messages, operation, users
except ModuleNotFoundError as error:
    sys.exit(f"missing: the Python package {error.name}; `make tools` installs it")

LOGS = ROOT / ".demo"
BUILD_LIMIT, PLAY_LIMIT, KEEP_LIMIT = 3600, 300, 8 * 3600  # seconds
STORIES = (
    ("The deployed stack", operation.the_stack),
    ("Signing up with a code", users.sign_up),
    ("Other languages", users.languages),
    ("A trusted domain", users.trusted_domain),
    ("A denied domain", users.denied_domain),
    ("Changing and verifying an address", users.attributes),
    ("A user created by an administrator", users.administrator),
    ("A forgotten password", users.forgotten_password),
    ("Why was no code sent?", users.why_no_code),
    ("SMS", messages.sms),
    ("The other emails", messages.other_mails),
    ("An event that is delivered twice", messages.repeated_event),
    ("An event that fails permanently", operation.failed_event),
    ("A failed event is sent again", operation.redrive),
    ("Federated users", users.federation),
    ("When Cognito sends the messages: custom-message", messages.custom_message),
    ("An existing user pool", operation.existing_pool),
    ("After all stories", operation.aftermath),
)


def play(stage):
    """Runs every story. If one fails, the next one starts."""
    for title, story in STORIES:
        stage.report.heading(title)
        try:
            story(stage)
        except NotAsExpected:
            stage.report.note("The rest of this story is skipped.")
        except Exception as error:  # outside a step: it must count too
            with_step = stage.report.step("-", f"{title} stopped", "no such error")
            try:
                with with_step:
                    raise NotAsExpected(f"{type(error).__name__}: {error}")
            except NotAsExpected:
                pass


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="keep all servers running until Ctrl-C")
    parser.add_argument("--no-build", action="store_true", help="deploy what .aws-sam/build holds")
    return parser.parse_args()


def preconditions(build):
    """Everything that is missing, in one go."""
    missing = []
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        missing.append("Linux on x86_64, since the functions run as processes of this machine")
    for path in (
        TOOLS / "venv" / "bin" / "sam",
        TOOLS / "node" / "node_modules" / "cognito-local",
    ):
        if not path.exists():
            missing.append(f"{os.path.relpath(path)} (`make tools` installs it)")
    for program in ["node"] + (["cargo"] if build else []):
        if not shutil.which(program):
            missing.append(f"{program} on the PATH")
    if not build and not (RELEASE_BUILD / "template.yaml").exists():
        missing.append(".aws-sam/build, which --no-build deploys (`make functions` builds it)")
    if missing:
        raise Trouble("\n".join(f"missing: {item}" for item in missing))


def main():
    asked = arguments()
    report = Report()
    try:
        preconditions(not asked.no_build)
        ports = [port(name) for name in ("DEMO_AWS_PORT", "DEMO_SMS_PORT", "DEMO_POOL_PORT", "DEMO_MESSAGE_POOL_PORT")]
        end_by_itself(BUILD_LIMIT if not asked.no_build else PLAY_LIMIT)
        with Processes(LOGS) as processes:
            stage = Stage(report, processes)
            if not asked.no_build:
                stage.build()
            end_by_itself(PLAY_LIMIT)
            report.began = time.monotonic()
            stage.start(*ports[:2])
            stage.start_pools(*ports[2:])
            play(stage)
            good = report.table()
            if not good:
                report.say(f"The servers' logs are in {os.path.relpath(LOGS)}/.")
            if asked.keep:
                end_by_itself(KEEP_LIMIT)
                report.say(f"All servers keep running until Ctrl-C, for {KEEP_LIMIT // 3600} hours at most.")
                while True:
                    time.sleep(3600)
            return 0 if good else 1
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
    except TimeUp as time_up:
        print(f"{time_up}: a step hangs; the servers' logs are in {os.path.relpath(LOGS)}/", file=sys.stderr)
    except KeyboardInterrupt:
        print("\ninterrupted; all servers are stopped and temporary files removed", file=sys.stderr)
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
