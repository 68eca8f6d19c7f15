"""Writes events whose codes a local KMS can decrypt, for `sam local invoke`, and keeps that KMS running.

    make events                    write events/ and serve KMS, SES and SNS on 127.0.0.1 until Ctrl-C

`sam local invoke` runs a function in a container of Docker. Docker Desktop lets a container reach 127.0.0.1 of
its host as host.docker.internal. Docker Engine on Linux does not: there, listen on the bridge's address, which
the network outside cannot reach either:

    make events EVENTS_FLAGS="--listen 172.17.0.1"

The files hold no secret: their codes are invented, and the key is gone when the program ends.
"""

import argparse
import json
import os
import shutil
import sys
import time

from local.processes import ROOT, Processes, TimeUp, Trouble, end_by_itself, port

try:
    from samcli.yamlhelper import yaml_dump, yaml_parse

    from local.aws import LocalAws
    from local.event_files import FIXTURES, genuine
except ModuleNotFoundError as error:
    sys.exit(f"missing: the Python package {error.name}; `make tools` installs it")

EVENTS = ROOT / "events"
LOGS = ROOT / ".demo" / "events"
BUILT = ROOT / ".aws-sam" / "build" / "template.yaml"
LIMIT = 8 * 3600  # seconds
SENDERS = {"CustomEmailSenderFunction": "custom-email-sender", "CustomSmsSenderFunction": "custom-sms-sender"}
HOST = "host.docker.internal"
# Without a table: `sam local invoke` knows the name of none, and a delivery record would keep the second try silent.
SETTINGS = {
    "DELIVERY_RECORDS": "false",
    "DELIVERY_TABLE": "",
    "BRAND_NAME": "Example Shop",
    "FROM_ADDRESS": "Example Shop <no-reply@shop.example>",
    "DEFAULT_LOCALE": "en",
    "DENIED_EMAIL_DOMAINS": "denied.example",
    "SMS_ALLOWED_COUNTRIES": "US",
    "RECIPIENT_HASH_KEY": "not-a-secret-in-a-local-run",
}


def write(aws, key_arn):
    """Fills events/: one file per event of both senders, and what the functions need to know."""
    shutil.rmtree(EVENTS, ignore_errors=True)
    EVENTS.mkdir()
    kms = aws.client("kms")
    names = {
        function: sorted(path.stem for path in FIXTURES.glob(f"{prefix}-*.json"))
        for function, prefix in SENDERS.items()
    }
    for name in (name for group in names.values() for name in group):
        event = genuine(name, kms, key_arn)
        (EVENTS / f"{name}.json").write_text(json.dumps(event, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    endpoints = {name: url.replace(f"//{aws.host}:", f"//{HOST}:") for name, url in aws.endpoints.items()}
    variables = SETTINGS | {"CODE_KEY_ARN": key_arn} | endpoints
    (EVENTS / "env.json").write_text(json.dumps(dict.fromkeys(SENDERS, variables), indent=2) + "\n")
    return names, endpoints


def write_template(endpoints):
    """The built template with the endpoints among the variables.

    `sam local invoke --env-vars` changes variables that the template declares and drops all others, and test
    settings do not belong into the template that is deployed.
    """
    template = yaml_parse(BUILT.read_text(encoding="utf-8"))
    for function, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if function in SENDERS:
            properties["Environment"]["Variables"] |= endpoints
        for path in ("CodeUri", "TemplateURL"):
            if isinstance(properties.get(path), str):
                properties[path] = os.path.relpath(BUILT.parent / properties[path], EVENTS)
    (EVENTS / "template.yaml").write_text(yaml_dump(template), encoding="utf-8")


def start(processes, ports, host):
    """Starts the local services and fills events/; returns the services, the key's ARN and the names of the events."""
    aws = LocalAws(processes, *ports, host=host)
    aws.verify_sender("shop.example")
    key_arn = aws.client("kms").create_key(Description="codes of make events")["KeyMetadata"]["Arn"]
    names, endpoints = write(aws, key_arn)
    if BUILT.exists():
        write_template(endpoints)
    return aws, key_arn, names


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--listen", metavar="ADDRESS", default="127.0.0.1", help="where the local services listen (%(default)s)"
    )
    parser.add_argument("--once", action="store_true", help="write the files and end: the key is gone then")
    asked = parser.parse_args()
    try:
        ports = [port(name, asked.listen) for name in ("EVENTS_AWS_PORT", "EVENTS_SMS_PORT")]
        end_by_itself(LIMIT)
        with Processes(LOGS) as processes:
            aws, key_arn, names = start(processes, ports, asked.listen)
            count = sum(map(len, names.values()))
            print(f"{count} events in {os.path.relpath(EVENTS)}/, codes encrypted with {key_arn}")
            if not BUILT.exists():
                print("events/template.yaml is missing, since nothing is built: run sam build, then this again")
            print("\nIn another terminal, for each of them:\n")
            for function, group in names.items():
                example = next(name for name in group if name.endswith("-sign-up"))
                print(f"  sam local invoke {function} -t events/template.yaml -n events/env.json \\")
                print(f"    --add-host {HOST}:host-gateway -e events/{example}.json\n")
            print(f"What was sent: {aws.url}/_ministack/ses/messages (emails)")
            print(f"          and {aws.sms_url}/moto-api/data.json (SMS, under sns.SMS)")
            if not asked.once:
                print(f"KMS, SES and SNS go on until Ctrl-C, for {LIMIT // 3600} hours at most.", flush=True)
                while True:
                    time.sleep(3600)
            return 0
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
    except TimeUp as time_up:
        print(time_up, file=sys.stderr)
    except KeyboardInterrupt:
        print("\nended; events/ stays, its key is gone", file=sys.stderr)
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
