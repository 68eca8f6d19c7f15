"""The deployed stack and the local user pools, and what the stories of the demo share."""

import json
import os
import re
import shutil
import subprocess
import time
from email.utils import parseaddr

from samcli.yamlhelper import yaml_dump, yaml_parse

from local.aws import LocalAws
from local.event_files import genuine
from local.heartbeat import Heartbeat
from local.pool import LocalPools
from local.processes import ROOT, TOOLS
from local.report import NotAsExpected
from local.text import plural

# Debug functions have a folder of their own, so that `sam deploy` never finds them in the default folder.
DEBUG_BUILD = ROOT / ".aws-sam" / "demo"
# No debugger reads these binaries, and incremental compilation only helps a second build.
ONE_BUILD = {"CARGO_INCREMENTAL": "0", "CARGO_PROFILE_DEV_DEBUG": "false", "CARGO_PROFILE_DEV_STRIP": "symbols"}
CODE_URI = re.compile(r"^( +CodeUri: )functions/(\S+)$", re.MULTILINE)
RELEASE_BUILD = ROOT / ".aws-sam" / "build"
STACK = "demo"
POOL_STACK = "demo-pool"
POOL_TEMPLATE = ROOT / "examples" / "user-pool" / "template.yaml"
FUNCTIONS = ("PreSignUpFunction", "CustomMessageFunction", "CustomEmailSenderFunction", "CustomSmsSenderFunction")
BRAND = "Example Shop"
FROM = "Example Shop <no-reply@shop.example>"
ANN, ANN_NEW = "ann@people.example", "ann.new@people.example"
BEN, CARL = "ben@trusted.example", "carl@denied.example"
DORA, EMMA, FUMI = "dora@people.example", "emma@people.example", "fumi@people.example"
PASSWORD, NEW_PASSWORD = "Correct-Horse-1", "Battery-Staple-2"
PARAMETERS = {
    "BrandName": BRAND,
    "FromAddress": FROM,
    "AllowedEmailDomains": "trusted.example",
    "DeniedEmailDomains": "denied.example",
    "EmailDelivery": "sender",
    "SmsDelivery": "sender",
    "SmsAllowedCountries": "US",
    "MoreSettings": "SupportContact=help@shop.example; SmsSenderId=EXAMPLE",
}


class Stage:
    """The deployed stack, the local pools, and what the stories share."""

    def __init__(self, report, processes):
        self.report, self.processes = report, processes
        self.built, self.tool = RELEASE_BUILD, ROOT / "target" / "debug" / "cognito-triggers"

    def build(self):
        """Builds functions and tool without optimization; `make test` plays the same stories with release functions.

        One command compiles the crates that they share once. `sam build` runs cargo for each function, with other
        features and another linker.
        """
        self.report.heading("Build")
        log = os.path.relpath(self.processes.log("build"))
        self.report.say(f"cargo build of the functions and cognito-triggers; log: {log}")
        began = time.monotonic()
        template = (ROOT / "template.yaml").read_text(encoding="utf-8")
        functions = [package for _, package in CODE_URI.findall(template)]
        packages = [word for package in (*functions, "cli") for word in ("--package", package)]
        with Heartbeat("building the functions and cognito-triggers"):
            self.processes.run("build", ["cargo", "build", "--locked", "--bins", *packages], **ONE_BUILD)
        for package in functions:
            folder = DEBUG_BUILD / package
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / "target" / "debug" / package, folder / "bootstrap")
        (DEBUG_BUILD / "template.yaml").write_text(CODE_URI.sub(r"\1\2", template), encoding="utf-8")
        # The nested stack, which is packaged even though the demo doesn't deploy it.
        shutil.copy2(ROOT / "observability.yaml", DEBUG_BUILD)
        self.built = DEBUG_BUILD
        self.report.say(f"built in {time.monotonic() - began:.0f} s")

    def start(self, main_port, sms_port):
        self.report.heading("Local AWS and sam deploy")
        began = time.monotonic()
        self.aws = LocalAws(self.processes, main_port, sms_port)
        self.report.say(
            f"AWS emulator (ministack) at {self.aws.url}; SMS (moto) at {self.aws.sms_url}, because ministack does not "
            f"show SMS; up after {time.monotonic() - began:.0f} s"
        )
        began = time.monotonic()
        functions = self.functions_template()
        self.deploy(STACK, PARAMETERS, functions)
        self.aws.verify_sender(parseaddr(FROM)[1].rpartition("@")[2])
        # The functions first, because the pool needs their ARNs; then the pool; then the functions again, which check
        # the pool before pre-sign-up confirms a user without a code.
        given = dict(one.split("=", 1) for one in self.outputs_of(STACK)["UserPoolParameters"].split())
        self.deploy(POOL_STACK, given | {"Sms": "true"}, self.pool_template())
        self.pool_id = self.outputs_of(POOL_STACK)["UserPoolId"]
        pool = {"UserPoolId": self.pool_id, "AttachTriggers": "false", "EmailIsUsername": "true"}
        self.deploy(STACK, PARAMETERS | pool, functions)
        self.report.say(f"sam deploy succeeded three times after {time.monotonic() - began:.0f} s")
        described = self.aws.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
        self.resources = {item["LogicalResourceId"]: item["PhysicalResourceId"] for item in described}
        functions = self.aws.client("lambda")
        self.arns = {
            name: functions.get_function(FunctionName=self.resources[name])["Configuration"]["FunctionArn"]
            for name in FUNCTIONS
        }
        self.outputs = self.outputs_of(STACK)
        self.key_arn = self.outputs["CodeKeyArn"]

    def deploy(self, stack, parameters, template):
        self.processes.run(
            f"deploy-{stack}",
            [
                TOOLS / "venv" / "bin" / "sam",
                "deploy",
                "--template-file",
                template,
                "--stack-name",
                stack,
                "--resolve-s3",
                "--capabilities",
                "CAPABILITY_IAM",
                "CAPABILITY_AUTO_EXPAND",
                "--no-confirm-changeset",
                "--no-progressbar",
                *self._common(parameters),
            ],
            AWS_ENDPOINT_URL=self.aws.url,
            **self._quiet(),
        )

    def functions_template(self):
        """A copy of the built template without the alarms that the AWS emulator rejects, and with a setting for the local
        pool, which binds no code to itself.

        No parameter sets it, because a deployed sender must reject such codes. The file is in the build's folder, because
        the template names the functions relative to it.
        """
        template = yaml_parse((self.built / "template.yaml").read_text(encoding="utf-8"))
        resources = template["Resources"]
        for name in [name for name, item in resources.items() if "Metrics" in item.get("Properties", {})]:
            del resources[name]
        for sender in ("CustomEmailSenderFunction", "CustomSmsSenderFunction"):
            resources[sender]["Properties"]["Environment"]["Variables"]["ALLOW_CODES_WITHOUT_POOL"] = "true"
        copy = self.built / "demo.yaml"
        copy.write_text(yaml_dump(template), encoding="utf-8")
        return copy

    def pool_template(self):
        """A copy of the pool's template with literal numbers and booleans: the AWS emulator would store the strings of
        the parameters, which no SDK accepts in a response."""
        template = yaml_parse(POOL_TEMPLATE.read_text(encoding="utf-8"))
        defaults = {name: str(one.get("Default")) for name, one in template["Parameters"].items()}

        def literal(value):
            if isinstance(value, list):
                return [literal(one) for one in value]
            if not isinstance(value, dict):
                return value
            text = defaults.get(value.get("Ref"), "")
            if text in ("true", "false") or text.isdigit():
                return json.loads(text)
            return {name: literal(one) for name, one in value.items()}

        pool = template["Resources"]["UserPool"]
        pool["Properties"] = literal(pool["Properties"])
        copy = self.processes.folder / "pool.yaml"
        copy.write_text(yaml_dump(template), encoding="utf-8")
        return copy

    def outputs_of(self, stack):
        outputs = self.aws.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
        return {item["OutputKey"]: item["OutputValue"] for item in outputs}

    def start_pools(self, sender_port, message_port):
        """Two servers, because the local user pool has one set of triggers for all its pools."""
        triggers = {
            "PreSignUp": self.resources["PreSignUpFunction"],
            "CustomEmailSender": self.resources["CustomEmailSenderFunction"],
        }
        self.pool = LocalPools(self.processes, "user-pool", sender_port, self.aws, triggers, self.key_arn).create()
        triggers = {"CustomMessage": self.resources["CustomMessageFunction"]}
        self.message_pools = LocalPools(
            self.processes, "user-pool-with-custom-message", message_port, self.aws, triggers, self.key_arn
        )
        self.message_pool = self.message_pools.create()
        self.report.say(
            f"local user pools (cognito-local) at {self.pool.api.meta.endpoint_url} and {self.message_pools.url}"
        )

    def _common(self, parameters=PARAMETERS):
        """The demo ignores the user's samconfig.toml (a stack, a profile)."""
        empty = self.processes.folder / "samconfig.toml"
        empty.write_text("version = 0.1\n")
        return [
            "--config-file",
            empty,
            "--parameter-overrides",
            *(f'{name}="{value}"' for name, value in parameters.items()),
        ]

    def _quiet(self):
        """SAM writes nothing into the home folder, and does not check for a newer version."""
        (self.processes.folder / "metadata.json").write_text(json.dumps({"lastVersionCheck": time.time()}))
        return {"__SAM_CLI_APP_DIR": str(self.processes.folder)}

    def step(self, flow, sentence, expected):
        return self.report.step(flow, sentence, expected)

    def new_mails(self, step, to, count=1):
        """The emails that came since the last look: exactly `count`, each to `to` only. Shows them."""
        mails, self._mails_seen = self.aws.mails()[self._mails_seen :], len(self.aws.mails())
        for mail in mails:
            self.report.mail(mail)
        step.check(len(mails) == count, None, f"{plural(len(mails), 'email')} instead of {count}")
        for mail in mails:
            addressed = [*mail["To"], *mail["CC"], *mail["BCC"]]
            step.check(addressed == [to], None, "an email to another address")
            step.check(parseaddr(mail["Source"]) == parseaddr(FROM), None, f"an email from {mail['Source']}")
            step.check(mail["BodyText"] and mail["BodyHtml"], None, "a part is missing")
        step.check(True, f"{plural(count, 'email')} to {to} with text and HTML" if count else "no email")
        return mails[0] if mails else None

    def new_texts(self, step, to, count=1):
        """The same for SMS."""
        texts, self._texts_seen = self.aws.texts()[self._texts_seen :], len(self.aws.texts())
        for number, message in texts:
            self.report.text(number, message)
        step.check(len(texts) == count, None, f"{len(texts)} SMS instead of {count}")
        step.check(
            all(number == to for number, _ in texts),
            f"{count} SMS to {to}" if count else "no SMS",
            "an SMS to another number",
        )
        return texts[0][1] if texts else None

    _mails_seen = _texts_seen = 0

    def code_in(self, step, mail):
        """The six digits of a mail, the same in both parts."""
        found = set(re.findall(r"(?<![\w-])\d{6}(?![\w-])", mail["BodyText"]))  # not a piece of a username
        step.check(len(found) == 1, "one code of 6 digits", f"{len(found)} codes of 6 digits in the text")
        code = found.pop()
        step.check(code in mail["BodyHtml"], "the same code in the HTML part", "another code in the HTML part")
        return code

    def invoke(self, function, event):
        """Answer of a function of the first stack, and the text of its error or None."""
        return self.invoke_function(self.resources[function], event)

    def invoke_function(self, name, event):
        """The same of any function."""
        answer = self.aws.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read() or "null")
        return (None, payload.get("errorMessage", "")) if answer.get("FunctionError") else (payload, None)

    def event(self, name):
        """A fixture event with a genuinely encrypted code for the local pool."""
        return genuine(name, self.aws.client("kms"), self.key_arn, self.pool.id)

    def refused(self, step, what, error, call):
        """`call` must be refused with `error`; gives the error's message."""
        try:
            call()
        except error as refusal:
            step.check(True, f"{what}: {error.__name__}")
            return refusal.response["Error"]["Message"]
        step.check(False, "", f"{what} was accepted")

    def fail_asynchronously(self, step, event, hide_seconds=30):
        """Invokes the custom email sender as Cognito does; returns the one failed event that its queue then has."""
        self.aws.client("lambda").invoke(
            FunctionName=self.resources["CustomEmailSenderFunction"],
            InvocationType="Event",
            Payload=json.dumps(event),
        )
        messages = (
            self.aws.client("sqs")
            .receive_message(
                QueueUrl=self.outputs["OnFailureQueueUrl"], WaitTimeSeconds=20, VisibilityTimeout=hide_seconds
            )
            .get("Messages", [])
        )
        step.check(len(messages) == 1, "one failed event in the queue", f"{len(messages)} failed events within 20 s")
        return messages[0]

    def no_failed_events(self, step):
        depth = self.aws.client("sqs").get_queue_attributes(
            QueueUrl=self.outputs["OnFailureQueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]["ApproximateNumberOfMessages"]
        step.check(int(depth) == 0, "no failed events", f"{depth} failed events")

    def operate(self, *arguments, exit_code=0):
        """What the operator's tool prints, run against the local AWS and nothing else."""
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": self.aws.url,
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        command = [self.tool, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != exit_code:
            raise NotAsExpected(
                f"cognito-triggers {arguments[0]} ended with {done.returncode}: {done.stdout}{done.stderr}"
            )
        return done.stdout
