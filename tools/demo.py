"""Shows the whole bundle at work on one machine: built and deployed with SAM, driven by a real SDK client.

    make demo                      build, deploy to a local AWS, play every flow, clear away
    make demo DEMO_FLAGS=--keep    the same, and leave everything running until Ctrl-C

Nothing leaves the machine and no AWS account is used. Ports are free ones, unless DEMO_AWS_PORT, DEMO_SMS_PORT,
DEMO_POOL_PORT and DEMO_MESSAGE_POOL_PORT name others. The exit code is 0 only when everything was as expected.
"""

import argparse
import base64
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from email.utils import parseaddr

from local.heartbeat import Heartbeat
from local.processes import ROOT, TOOLS, Processes, TimeUp, Trouble, end_by_itself, port

try:
    from local.aws import LocalAws
    from local.event_files import clear_code, genuine
    from local.pool import LocalPools
    from local.report import NotAsExpected, Report
except ModuleNotFoundError as error:
    sys.exit(f"missing: the Python package {error.name}; `make tools` installs it")

LOGS = ROOT / ".demo"
STACK, SECOND_STACK = "demo", "demo-existing-pool"
BUILD_LIMIT, PLAY_LIMIT, KEEP_LIMIT = 3600, 300, 8 * 3600  # seconds
FUNCTIONS = ("PreSignUpFunction", "CustomMessageFunction", "CustomEmailSenderFunction", "CustomSmsSenderFunction")
BRAND = "Example Shop"
FROM = "Example Shop <no-reply@shop.example>"
ANN, ANN_NEW = "ann@people.example", "ann.new@people.example"
BEN, CARL = "ben@trusted.example", "carl@denied.example"
DORA, EMMA, FUMI = "dora@people.example", "emma@people.example", "fumi@people.example"
PASSWORD, NEW_PASSWORD = "Correct-Horse-1", "Battery-Staple-2"
PARAMETERS = {
    "Architecture": "x86_64",
    "BrandName": BRAND,
    "FromAddress": FROM,
    "SupportContact": "help@shop.example",
    "AllowedEmailDomains": "trusted.example",
    "DeniedEmailDomains": "denied.example",
    "EmailDelivery": "sender",
    "SmsDelivery": "sender",
    "SmsAllowedCountries": "US",
    "SmsSenderId": "EXAMPLE",
    # The local AWS takes no alarm that calculates with metrics.
    "SilenceAlarm": "false",
}
# A pool as somebody may have had it for years, with a trigger of its own.
EXISTING_POOL = {
    "PoolName": "accounts",
    "UsernameAttributes": ["email"],
    "AutoVerifiedAttributes": ["email"],
    "DeletionProtection": "ACTIVE",
    "MfaConfiguration": "OFF",
    "Policies": {
        "PasswordPolicy": {
            "MinimumLength": 14,
            "RequireUppercase": True,
            "RequireLowercase": True,
            "RequireNumbers": True,
            "RequireSymbols": True,
            "TemporaryPasswordValidityDays": 3,
        }
    },
    "AccountRecoverySetting": {"RecoveryMechanisms": [{"Name": "verified_email", "Priority": 1}]},
    "AdminCreateUserConfig": {
        "AllowAdminCreateUserOnly": False,
        "InviteMessageTemplate": {
            "EmailSubject": "Welcome",
            "EmailMessage": "You are {username}, your password is {####}",
            "SMSMessage": "You are {username}, your password is {####}",
        },
    },
    "VerificationMessageTemplate": {
        "DefaultEmailOption": "CONFIRM_WITH_CODE",
        "EmailSubject": "Your code",
        "EmailMessage": "Your code is {####}",
    },
    "EmailConfiguration": {
        "EmailSendingAccount": "DEVELOPER",
        "SourceArn": "arn:aws:ses:eu-central-1:123456789012:identity/shop.example",
        "From": FROM,
        "ReplyToEmailAddress": "help@shop.example",
    },
    "UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": ["email"]},
    "DeviceConfiguration": {"ChallengeRequiredOnNewDevice": True, "DeviceOnlyRememberedOnUserPrompt": True},
    "UserPoolAddOns": {"AdvancedSecurityMode": "OFF"},
    "UserPoolTags": {"owner": "accounts team", "stage": "production"},
    "LambdaConfig": {"PostConfirmation": "arn:aws:lambda:eu-central-1:123456789012:function:greet"},
}


class Demo:
    """The deployed stack, the local pools, and what the stories share."""

    def __init__(self, report, processes):
        self.report, self.processes = report, processes

    # ------------------------------------------------------------------------------ setting the stage

    def build(self):
        self.report.heading("Build")
        log = os.path.relpath(self.processes.log("build"))
        self.report.say(f"sam build, release binaries for x86_64: some minutes the first time; see {log}")
        began = time.monotonic()
        sam = TOOLS / "venv" / "bin" / "sam"
        with Heartbeat("building the functions for release"):
            self.processes.run("build", [sam, "build", *self._common()], **self._quiet())
        with Heartbeat("building cognito-triggers"):
            self.processes.run("build-tool", ["cargo", "build", "--locked", "--package", "cli"], **self._quiet())
        self.report.say(f"built in {time.monotonic() - began:.0f} s")

    def start(self, main_port, sms_port):
        self.report.heading("Local AWS and sam deploy")
        began = time.monotonic()
        self.aws = LocalAws(self.processes, main_port, sms_port)
        self.report.say(
            f"local AWS (ministack) at {self.aws.url}; SMS (moto) at {self.aws.sms_url}, since the first does not "
            f"show SMS; up after {time.monotonic() - began:.0f} s"
        )
        began = time.monotonic()
        self.deploy(STACK, PARAMETERS)
        self.aws.verify_sender(parseaddr(FROM)[1].rpartition("@")[2])
        self.report.say(f"sam deploy ended well after {time.monotonic() - began:.0f} s")
        described = self.aws.client("cloudformation").describe_stack_resources(StackName=STACK)["StackResources"]
        self.resources = {item["LogicalResourceId"]: item["PhysicalResourceId"] for item in described}
        functions = self.aws.client("lambda")
        self.arns = {
            name: functions.get_function(FunctionName=self.resources[name])["Configuration"]["FunctionArn"]
            for name in FUNCTIONS
        }
        self.outputs = self.outputs_of(STACK)
        self.key_arn = self.outputs["CodeKeyArn"]

    def deploy(self, stack, parameters):
        self.processes.run(
            f"deploy-{stack}",
            [
                TOOLS / "venv" / "bin" / "sam",
                "deploy",
                "--template-file",
                ROOT / ".aws-sam" / "build" / "template.yaml",
                "--stack-name",
                stack,
                "--resolve-s3",
                "--capabilities",
                "CAPABILITY_IAM",
                "--no-confirm-changeset",
                "--no-progressbar",
                *self._common(parameters),
            ],
            AWS_ENDPOINT_URL=self.aws.url,
            **self._quiet(),
        )

    def outputs_of(self, stack):
        outputs = self.aws.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
        return {item["OutputKey"]: item["OutputValue"] for item in outputs}

    def start_pools(self, sender_port, message_port):
        """Two servers, since the local user pool knows one set of triggers for all its pools."""
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
        """What a person keeps in samconfig.toml (a stack, a profile) is not for the demo."""
        empty = self.processes.folder / "samconfig.toml"
        empty.write_text("version = 0.1\n")
        return [
            "--config-file",
            empty,
            "--parameter-overrides",
            *(f'{name}="{value}"' for name, value in parameters.items()),
        ]

    def _quiet(self):
        """SAM keeps its notes about itself out of the home folder, and does not look for a newer version."""
        (self.processes.folder / "metadata.json").write_text(json.dumps({"lastVersionCheck": time.time()}))
        return {"__SAM_CLI_APP_DIR": str(self.processes.folder)}

    # ----------------------------------------------------------------------------- tools of the stories

    def step(self, flow, sentence, expected):
        return self.report.step(flow, sentence, expected)

    def new_mails(self, step, to, count=1):
        """The e-mails that came since the last look: exactly `count`, each to `to` only. Shows them."""
        mails, self._mails_seen = self.aws.mails()[self._mails_seen :], len(self.aws.mails())
        for mail in mails:
            self.report.mail(mail)
        step.check(len(mails) == count, None, f"{plural(len(mails), 'e-mail')} instead of {count}")
        for mail in mails:
            addressed = [*mail["To"], *mail["CC"], *mail["BCC"]]
            step.check(addressed == [to], None, "an e-mail to somebody else")
            step.check(parseaddr(mail["Source"]) == parseaddr(FROM), None, f"an e-mail from {mail['Source']}")
            step.check(mail["BodyText"] and mail["BodyHtml"], None, "a part is missing")
        step.check(True, f"{plural(count, 'e-mail')} to {to} with text and HTML" if count else "no e-mail")
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
            "an SMS to somebody else",
        )
        return texts[0][1] if texts else None

    _mails_seen = _texts_seen = 0

    def code_in(self, step, mail):
        """The six digits of a mail, the same in both parts."""
        found = set(re.findall(r"(?<![\w-])\d{6}(?![\w-])", mail["BodyText"]))  # not a piece of a user name
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
        step.check(False, "", f"{what} was not refused")

    # ------------------------------------------------------------------------------------------ stories

    def the_stack(self):
        with self.step(
            "F2.9",
            "The template attaches the triggers",
            "the stack's own pool names our functions, one writer per channel, and the key; Cognito may invoke them",
        ) as step:
            api = self.aws.client("cognito-idp")
            config = api.describe_user_pool(UserPoolId=self.resources["UserPool"])["UserPool"]["LambdaConfig"]
            versioned = {
                name: {"LambdaArn": self.arns[function], "LambdaVersion": "V1_0"}
                for name, function in (
                    ("CustomEmailSender", "CustomEmailSenderFunction"),
                    ("CustomSMSSender", "CustomSmsSenderFunction"),
                )
            }
            wanted = {"PreSignUp": self.arns["PreSignUpFunction"], "KMSKeyID": self.key_arn} | versioned
            step.check(
                config == wanted,
                "PreSignUp, CustomEmailSender and CustomSMSSender (V1_0) and the key, nothing else",
                f"LambdaConfig is {json.dumps(config)}",
            )
            pool_arn = api.describe_user_pool(UserPoolId=self.resources["UserPool"])["UserPool"]["Arn"]
            for name in FUNCTIONS:
                policy = json.loads(self.aws.client("lambda").get_policy(FunctionName=self.resources[name])["Policy"])
                step.check(
                    any(may_be_invoked(statement, pool_arn) for statement in policy["Statement"]),
                    None,
                    f"{name} may not be invoked for this pool",
                )
            step.check(True, "all four functions may be invoked for this pool")
        with self.step(
            "F2.9",
            "The key and the queue of failed events are in order",
            "the key is enabled and turns over by itself; no event has failed",
        ) as step:
            kms = self.aws.client("kms")
            key = kms.describe_key(KeyId=self.key_arn)["KeyMetadata"]
            step.check(key["KeyState"] == "Enabled", "key enabled", f"key state {key['KeyState']}")
            step.check(
                kms.get_key_rotation_status(KeyId=self.key_arn)["KeyRotationEnabled"], "rotation on", "rotation off"
            )
            self.no_failed_events(step)

    def no_failed_events(self, step):
        depth = self.aws.client("sqs").get_queue_attributes(
            QueueUrl=self.outputs["OnFailureQueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]["ApproximateNumberOfMessages"]
        step.check(int(depth) == 0, "queue of failed events empty", f"{depth} failed events")

    def sign_up(self):
        pool = self.pool
        with self.step(
            "F1.15",
            "The client signs its calls with a secret hash",
            "the hash of a known vector; from now on every call of the app carries one",
        ) as step:
            pool_of_vector = type(pool)(pool.api, "-", "1example23456789", "examplesecret")
            step.check(
                pool_of_vector.secret_hash("ann") == SECRET_HASH_OF_ANN, "the known vector's hash", "another hash"
            )
        self.report.note(
            "The local pool takes the hash but does not check it. That it is right is shown by the vector alone."
        )
        with self.step(
            "F1.1", f"{ANN} signs up", "Ann is UNCONFIRMED and gets one e-mail with a code of 6 digits"
        ) as step:
            answer = pool.sign_up(ANN, PASSWORD)
            step.check(
                not answer["UserConfirmed"] and pool.user(ANN)["status"] == "UNCONFIRMED",
                "UNCONFIRMED",
                "confirmed at once",
            )
            mail = self.new_mails(step, ANN)
            code = self.code_in(step, mail)
            step.check(BRAND in mail["BodyText"] + mail["Subject"], "with the brand's name", "without the brand's name")
        with self.step("F1.1", "Ann cannot sign in yet, and a wrong code does not help", "both refused") as step:
            self.refused(step, "signing in", pool.errors.UserNotConfirmedException, lambda: pool.sign_in(ANN, PASSWORD))
            wrong = f"{(int(code) + 1) % 1_000_000:06}"
            self.refused(step, "a wrong code", pool.errors.CodeMismatchException, lambda: pool.confirm(ANN, wrong))
        with self.step("F1.1", "Ann types the code from her e-mail", "Ann is CONFIRMED and can sign in") as step:
            pool.confirm(ANN, code)
            step.check(pool.user(ANN)["status"] == "CONFIRMED", "CONFIRMED", pool.user(ANN)["status"])
            tokens = pool.sign_in(ANN, PASSWORD).get("AuthenticationResult", {})
            step.check("AccessToken" in tokens, "signed in, tokens received", "no tokens")
            self.new_mails(step, ANN, 0)

    def languages(self):
        for user, locale, language in ((EMMA, "de-DE", "German"), (FUMI, "ja_JP.UTF-8", "Japanese")):
            with self.step(
                "F1.1", f"{user} signs up with the locale {locale}", f"the same flow with an e-mail in {language}"
            ) as step:
                self.pool.sign_up(user, PASSWORD, locale=locale)
                mail = self.new_mails(step, user)
                code = self.code_in(step, mail)
                step.check(
                    f'lang="{locale[:2]}"' in mail["BodyHtml"], f"marked as {language}", f"not marked as {language}"
                )
                self.pool.confirm(user, code)
                step.check(self.pool.user(user)["status"] == "CONFIRMED", "CONFIRMED", "not confirmed")

    def trusted_domain(self):
        with self.step(
            "F1.6",
            f"{BEN} signs up, of an allowlisted domain",
            "confirmed and e-mail verified at once; Ben can sign in without a code",
        ) as step:
            answer = self.pool.sign_up(BEN, PASSWORD)
            step.check(answer["UserConfirmed"], "UserConfirmed is true", "UserConfirmed is false")
            user = self.pool.user(BEN)
            step.check(user["status"] == "CONFIRMED", "CONFIRMED", user["status"])
            step.check(user.get("email_verified") == "true", "email_verified is true", "e-mail not verified")
            step.check(
                "AccessToken" in self.pool.sign_in(BEN, PASSWORD).get("AuthenticationResult", {}),
                "signed in",
                "no tokens",
            )
        self._mails_seen = len(self.aws.mails())
        self.report.note(
            "Cognito sends no code to a user who is confirmed at once. The local pool does; that e-mail is not shown."
        )

    def denied_domain(self):
        with self.step(
            "F1.1",
            f"{CARL} signs up, of a denied domain",
            "refused with a neutral sentence that names neither the address nor the list; no user, no e-mail",
        ) as step:
            refusal = self.refused(
                step,
                "signing up",
                self.pool.errors.UserLambdaValidationException,
                lambda: self.pool.sign_up(CARL, PASSWORD),
            )
            said = refusal.partition(" failed with error ")[2]
            step.check(bool(said), f"the user reads “{said}”", f"the user reads “{refusal}”")
            step.check(
                not re.search(r"carl|denied|example|list|domain", said, re.IGNORECASE),
                "which gives nothing away",
                "which gives something away",
            )
            step.check(self.pool.user(CARL) is None, "no such user", "the user exists")
            self.new_mails(step, CARL, 0)

    def attributes(self):
        pool = self.pool
        token = pool.sign_in(ANN, PASSWORD)["AuthenticationResult"]["AccessToken"]
        with self.step(
            "F1.9",
            f"Ann changes her address to {ANN_NEW}",
            "one e-mail with a code to the new address; with the code it is verified",
        ) as step:
            pool.api.update_user_attributes(AccessToken=token, UserAttributes=[{"Name": "email", "Value": ANN_NEW}])
            mail = self.new_mails(step, ANN_NEW)
            code = self.code_in(step, mail)
            step.check(pool.user(ANN_NEW).get("email_verified") != "true", "not verified before", "verified already")
            pool.api.verify_user_attribute(AccessToken=token, AttributeName="email", Code=code)
            step.check(
                pool.user(ANN_NEW).get("email_verified") == "true", "email_verified is true after it", "not verified"
            )
        with self.step(
            "F1.5", "Ann asks once more for a code for her address", "one e-mail; its code verifies the address"
        ) as step:
            pool.api.get_user_attribute_verification_code(AccessToken=token, AttributeName="email")
            code = self.code_in(step, self.new_mails(step, ANN_NEW))
            pool.api.verify_user_attribute(AccessToken=token, AttributeName="email", Code=code)
            step.check(pool.user(ANN_NEW).get("email_verified") == "true", "verified", "not verified")

    def administrator(self):
        pool, temporary = self.pool, "k7<Q&m>2z"
        with self.step(
            "F1.10",
            "PreSignUp_AdminCreateUser, sent as an event file",
            "the event comes back as it went: the administrator decides, even about a denied domain",
        ) as step:
            for name in ("pre-sign-up-admin-create-user", "pre-sign-up-admin-create-user-denied"):
                event = self.event(name)
                answer, error = self.invoke("PreSignUpFunction", event)
                step.check(answer == event, f"{name}: unchanged", f"{name}: {error or 'changed'}")
        with self.step(
            "F1.10",
            f"An administrator creates {DORA}",
            "FORCE_CHANGE_PASSWORD; an invitation with user name and exactly the password that was set on a line of its own",
        ) as step:
            pool.api.admin_create_user(
                UserPoolId=pool.id,
                Username=DORA,
                TemporaryPassword=temporary,
                DesiredDeliveryMediums=["EMAIL"],
                UserAttributes=[{"Name": "email", "Value": DORA}, {"Name": "email_verified", "Value": "true"}],
            )
            mail = self.new_mails(step, DORA)
            lines = [line.strip() for line in mail["BodyText"].splitlines()]
            step.check(temporary in lines, "the password on a line of its own", "no line with just the password")
            step.check(
                any(name in mail["BodyText"] for name in (DORA, pool.user(DORA)["sub"])),
                "the user name",
                "no user name",
            )
            step.check(
                "k7&lt;Q&amp;m&gt;2z" in mail["BodyHtml"] and temporary not in mail["BodyHtml"],
                "escaped in the HTML part",
                "not escaped in the HTML part",
            )
            step.check(
                pool.user(DORA)["status"] == "FORCE_CHANGE_PASSWORD", "FORCE_CHANGE_PASSWORD", pool.user(DORA)["status"]
            )
        with self.step(
            "F1.10", "Dora signs in with it", "she must choose a password of her own; then she is CONFIRMED"
        ) as step:
            challenge = pool.sign_in(DORA, temporary)
            step.check(
                challenge.get("ChallengeName") == "NEW_PASSWORD_REQUIRED", "NEW_PASSWORD_REQUIRED", "no such challenge"
            )
            answer = pool.set_first_password(DORA, challenge["Session"], PASSWORD)
            step.check("AccessToken" in answer.get("AuthenticationResult", {}), "signed in", "no tokens")
            step.check(pool.user(DORA)["status"] == "CONFIRMED", "CONFIRMED", pool.user(DORA)["status"])
        self.report.note(
            "The local pool does not compare the temporary password. That it is right is shown by the e-mail alone."
        )

    def forgotten_password(self):
        pool = self.pool
        with self.step(
            "F3.3", "Emma has forgotten her password and asks for a code", "one e-mail with a code of 6 digits"
        ) as step:
            pool.forgot_password(EMMA)
            code = self.code_in(step, self.new_mails(step, EMMA))
        with self.step(
            "F3.3",
            "Emma sets a new password with the code",
            "a wrong code is refused, the right one works; the new password signs in, the old one does not",
        ) as step:
            wrong = f"{(int(code) + 1) % 1_000_000:06}"
            self.refused(
                step,
                "a wrong code",
                pool.errors.CodeMismatchException,
                lambda: pool.reset_password(EMMA, wrong, NEW_PASSWORD),
            )
            pool.reset_password(EMMA, code, NEW_PASSWORD)
            step.check(
                "AccessToken" in pool.sign_in(EMMA, NEW_PASSWORD).get("AuthenticationResult", {}),
                "new password signs in",
                "no tokens",
            )
            self.refused(
                step, "the old password", pool.api.exceptions.ClientError, lambda: pool.sign_in(EMMA, PASSWORD)
            )

    def why_no_code(self):
        pool, gina = self.pool, "gina@people.example"
        with self.step(
            "F2.2",
            "Why no code? The user may not exist in this pool",
            "AdminGetUser knows no such user; asking for a code sends nothing",
        ) as step:
            step.check(pool.user("nobody@people.example") is None, "UserNotFoundException", "the user exists")
            self.refused(
                step,
                "asking for a code",
                pool.errors.UserNotFoundException,
                lambda: pool.forgot_password("nobody@people.example"),
            )
            self.new_mails(step, "nobody@people.example", 0)
        with self.step(
            "F2.3",
            "Why no code? The user may be in the wrong state",
            "AdminGetUser shows FORCE_CHANGE_PASSWORD for an invited user",
        ) as step:
            pool.api.admin_create_user(
                UserPoolId=pool.id,
                Username=gina,
                MessageAction="SUPPRESS",
                TemporaryPassword=PASSWORD,
                UserAttributes=[{"Name": "email", "Value": gina}],
            )
            step.check(
                pool.user(gina)["status"] == "FORCE_CHANGE_PASSWORD", "FORCE_CHANGE_PASSWORD", pool.user(gina)["status"]
            )
            self.new_mails(step, gina, 0)
        with self.step(
            "F2.4",
            "Why no code? The address may not be verified",
            "AdminGetUser shows it; AdminUpdateUserAttributes mends it",
        ) as step:
            step.check(pool.user(gina).get("email_verified") != "true", "not verified", "verified")
            # The local pool wants the address as well; Cognito does not.
            pool.api.admin_update_user_attributes(
                UserPoolId=pool.id,
                Username=gina,
                UserAttributes=[{"Name": "email", "Value": gina}, {"Name": "email_verified", "Value": "true"}],
            )
            step.check(
                pool.user(gina).get("email_verified") == "true", "then email_verified is true", "still not verified"
            )
        with self.step(
            "F2.5",
            "Why no code? The pool may not let the account recover",
            "DescribeUserPool of the deployed pool names the contacts",
        ) as step:
            own = self.aws.client("cognito-idp").describe_user_pool(UserPoolId=self.resources["UserPool"])["UserPool"]
            names = [item["Name"] for item in own.get("AccountRecoverySetting", {}).get("RecoveryMechanisms", [])]
            step.check("verified_email" in names, f"recovery by {', then '.join(names)}", "no recovery by e-mail")
        with self.step(
            "F2.8",
            "Meanwhile an administrator lets the user in",
            "AdminSetUserPassword makes the user CONFIRMED; the password signs in",
        ) as step:
            pool.api.admin_set_user_password(UserPoolId=pool.id, Username=gina, Password=NEW_PASSWORD, Permanent=True)
            step.check(pool.user(gina)["status"] == "CONFIRMED", "CONFIRMED", pool.user(gina)["status"])
            step.check(
                "AccessToken" in pool.sign_in(gina, NEW_PASSWORD).get("AuthenticationResult", {}),
                "signed in",
                "no tokens",
            )
        self.report.note("The local pool sends codes to users in any state, so that Cognito refuses is not shown here.")

    def sms(self):
        self.report.note(
            "No local user pool sends SMS. These events go straight to the deployed function, their codes "
            "genuinely encrypted by the AWS Encryption SDK under the stack's key."
        )
        for case, flow in (
            ("sign-up", "F1.3"),
            ("resend-code", "F1.4"),
            ("forgot-password", "F1.3"),
            ("update-user-attribute", "F1.9"),
            ("verify-user-attribute", "F1.5"),
            ("authentication", "F1.13"),
            ("admin-create-user", "F1.10"),
        ):
            name = f"custom-sms-sender-{case}"
            event = self.event(name)
            with self.step(
                flow, f"{event['triggerSource']} for a user with a phone", "one SMS in one segment with the code"
            ) as step:
                _answer, error = self.invoke("CustomSmsSenderFunction", event)
                step.check(error is None, None, f"error: {error}")
                message = self.new_texts(step, event["request"]["userAttributes"]["phone_number"])
                code = unescape(clear_code(name))
                step.check(code in message, "the code that was encrypted", "not the code that was encrypted")
                step.check(
                    len(message) <= 160 and message.isascii(),
                    f"{len(message)} characters",
                    f"{len(message)} characters, not one segment",
                )
        for case, why in (
            ("sign-up-other-country", "a country that is not allowed"),
            ("sign-up-premium-number", "a premium number"),
        ):
            event = self.event(f"custom-sms-sender-{case}")
            with self.step(
                "F1.3", f"An SMS is asked for to {why}", "nothing is sent, and no event fails for good"
            ) as step:
                _answer, error = self.invoke("CustomSmsSenderFunction", event)
                step.check(error is None, "ended well", f"error: {error}")
                self.new_texts(step, event["request"]["userAttributes"]["phone_number"], 0)

    def other_mails(self):
        self.report.note("The local pool does not fire these sources either; they are sent the same way.")
        for case, flow in (
            ("resend-code", "F1.4"),
            ("verify-user-attribute", "F1.5"),
            ("forgot-password", "F1.11"),
            ("authentication", "F1.13"),
            ("authentication-eight-digits", "F1.13"),
        ):
            name = f"custom-email-sender-{case}"
            event = self.event(name)
            sentence = event["triggerSource"] + (", 8 digits" if case.endswith("eight-digits") else "")
            with self.step(flow, sentence, "one e-mail with the code") as step:
                _answer, error = self.invoke("CustomEmailSenderFunction", event)
                step.check(error is None, None, f"error: {error}")
                mail = self.new_mails(step, event["request"]["userAttributes"]["email"])
                code = clear_code(name)
                step.check(
                    code in mail["BodyText"] and code in mail["BodyHtml"],
                    "the code that was encrypted, in both parts",
                    "not the code that was encrypted",
                )
        with self.step(
            "F1.10",
            "CustomEmailSender_AdminCreateUser, escaped password",
            "the function undoes Cognito's escaping: the e-mail shows the password as it is",
        ) as step:
            name = "custom-email-sender-admin-create-user"
            _answer, error = self.invoke("CustomEmailSenderFunction", self.event(name))
            step.check(error is None, None, f"error: {error}")
            lines = [line.strip() for line in self.new_mails(step, "ann.example@example.com")["BodyText"].splitlines()]
            step.check(
                unescape(clear_code(name)) in lines, "unescaped, on a line of its own", "no line with just the password"
            )
        with self.step(
            "F1.14",
            "CustomEmailSender_AccountTakeOverNotification",
            "it carries neither code nor address: no e-mail, no error",
        ) as step:
            _answer, error = self.invoke(
                "CustomEmailSenderFunction", self.event("custom-email-sender-account-take-over-notification")
            )
            step.check(error is None, "ended well", f"error: {error}")
            self.new_mails(step, "nobody", 0)
        with self.step(
            "F1.1", "A code that was encrypted for another pool", "the function refuses it; no e-mail"
        ) as step:
            _answer, error = self.invoke(
                "CustomEmailSenderFunction", self.event("custom-email-sender-sign-up-other-pool")
            )
            step.check(error is not None, "refused", "accepted")
            self.new_mails(step, "nobody", 0)

    def failed_event(self):
        with self.step(
            "F2.9",
            "The same event arrives asynchronously, as Cognito sends it",
            "after its retries it waits in the queue of failed events, with the code still encrypted",
        ) as step:
            event = self.event("custom-email-sender-sign-up-other-pool")
            self.aws.client("lambda").invoke(
                FunctionName=self.resources["CustomEmailSenderFunction"],
                InvocationType="Event",
                Payload=json.dumps(event),
            )
            failed = self.aws.client("sqs").receive_message(
                QueueUrl=self.outputs["OnFailureQueueUrl"], WaitTimeSeconds=20
            )
            messages = failed.get("Messages", [])
            step.check(len(messages) == 1, "one failed event in the queue", f"{len(messages)} events within 20 s")
            kept = json.loads(messages[0]["Body"])["requestPayload"]
            step.check(kept == event, "the whole event, its code encrypted", "not the event")
            step.check(not re.search(r"(?<!\d)123456(?!\d)", messages[0]["Body"]), "no clear code", "the code in clear")
            self.aws.client("sqs").delete_message(
                QueueUrl=self.outputs["OnFailureQueueUrl"], ReceiptHandle=messages[0]["ReceiptHandle"]
            )
            self.new_mails(step, "nobody", 0)
        self.report.note("The local AWS retries after 1 and 2 seconds; Lambda does so after about 1 and 2 minutes.")

    def repeated_event(self):
        with self.step(
            "F2.9",
            "Lambda hands the same event over twice",
            "one e-mail; the delivery record says that it was sent, and names nobody",
        ) as step:
            event = self.event("custom-email-sender-sign-up")
            for _ in range(2):
                _answer, error = self.invoke("CustomEmailSenderFunction", event)
                step.check(error is None, "ended well", f"error: {error}")
            address = event["request"]["userAttributes"]["email"]
            self.new_mails(step, address)
            ciphertext = base64.b64decode(event["request"]["code"])
            record = self.aws.client("dynamodb").get_item(
                TableName=self.resources["DeliveryTable"],
                Key={"id": {"S": f"delivery#email#{hashlib.sha256(ciphertext).hexdigest()}"}},
            )["Item"]
            state = (record["state"]["S"], record["outcome"]["S"])
            step.check(state == ("done", "sent"), "recorded as sent", f"recorded as {state}")
            step.check(address not in json.dumps(record), "no address in the record", "the address in the record")

    def redrive(self):
        queue = self.outputs["OnFailureQueueUrl"]
        kms = self.aws.client("kms")
        event = self.event("custom-email-sender-forgot-password")
        with self.step(
            "F2.9",
            "An operator disables the key by mistake, and a code is asked for",
            "after its retries the event waits in the queue of failed events",
        ) as step:
            kms.disable_key(KeyId=self.key_arn)
            self.aws.client("lambda").invoke(
                FunctionName=self.resources["CustomEmailSenderFunction"],
                InvocationType="Event",
                Payload=json.dumps(event),
            )
            messages = self.aws.client("sqs").receive_message(
                QueueUrl=queue, WaitTimeSeconds=20, VisibilityTimeout=0
            )
            step.check(len(messages.get("Messages", [])) == 1, "one failed event", "no failed event within 20 s")
            self.new_mails(step, "nobody", 0)
        with self.step(
            "F2.9",
            "cognito-triggers redrive, after the key is enabled again",
            "the dry run says what it is and why it failed, and changes nothing; with --send the e-mail arrives",
        ) as step:
            kms.enable_key(KeyId=self.key_arn)
            shown = self.operate("redrive", "--queue-url", queue)
            step.check("forgot-password by e-mail" in shown, "kind and channel", f"not the event: {shown}")
            step.check("DisabledException" in shown, "the cause", "no cause")
            step.check("@" not in shown.replace(queue, ""), "no address", "an address")
            self.report.box("cognito-triggers redrive", shown.splitlines())
            self.new_mails(step, "nobody", 0)
            self.operate("redrive", "--queue-url", queue, "--send")
            for _ in range(40):
                if len(self.aws.mails()) > self._mails_seen:
                    break
                time.sleep(0.5)
            self.new_mails(step, event["request"]["userAttributes"]["email"])
            self.no_failed_events(step)

    def existing_pool(self):
        cognito = self.aws.client("cognito-idp")
        pool_id = cognito.create_user_pool(**EXISTING_POOL)["UserPool"]["Id"]

        def pool():
            described = cognito.describe_user_pool(UserPoolId=pool_id)["UserPool"]
            return {name: value for name, value in described.items() if name != "LastModifiedDate"}

        def all_but_triggers():
            return {name: value for name, value in pool().items() if name != "LambdaConfig"}

        before = pool()
        kept = all_but_triggers()
        with self.step(
            "F2.9",
            "A second stack is deployed for a user pool that has been there for years",
            "its triggers are attached; the pool's own trigger and every other setting stay",
        ) as step:
            self.deploy(SECOND_STACK, PARAMETERS | {"UserPoolId": pool_id, "EmailIsUsername": "true"})
            outputs = self.outputs_of(SECOND_STACK)
            wanted = before["LambdaConfig"] | json.loads(outputs["LambdaConfigToAttach"])
            step.check(
                pool()["LambdaConfig"] == wanted,
                f"{', '.join(wanted)}",
                f"LambdaConfig is {json.dumps(pool()['LambdaConfig'])}",
            )
            step.check(all_but_triggers() == kept, f"{len(kept)} other members as before", "another setting has changed")
            step.check(outputs["EmailIsUsername"] == "true", "user names are addresses", "user names are no addresses")
            _answer, error = self.invoke_function(outputs["PreSignUpFunctionArn"], self.event("pre-sign-up-sign-up"))
            step.check(error is None, "the trigger answers", f"error: {error}")
        target = ["--stack-name", SECOND_STACK]
        backup = self.processes.folder / "pool-backup.json"
        with self.step(
            "F2.9",
            "cognito-triggers diff, detach and attach",
            "no difference; then four, and exit code 1; then none again, and the pool as it was deployed",
        ) as step:
            attached = pool()
            self.operate("diff", *target)
            self.operate("detach", *target, "--apply", "--backup", backup)
            step.check(pool() == before, "detached: the pool as it was at first", "detached: another pool")
            self.report.box("cognito-triggers diff", self.operate("diff", *target, exit_code=1).splitlines())
            self.operate("attach", *target, "--apply", "--backup", f"{backup}.2")
            step.check(pool() == attached, "attached: the pool as it was deployed", "attached: another pool")
            self.operate("diff", *target)
            step.check(True, "exit codes 0, 1 and 0")
        with self.step(
            "F2.9", "The second stack is deleted", "the user pool is what it was before the deployment"
        ) as step:
            formation = self.aws.client("cloudformation")
            formation.delete_stack(StackName=SECOND_STACK)
            formation.get_waiter("stack_delete_complete").wait(
                StackName=SECOND_STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
            )
            step.check(pool() == before, "every member as before", f"the pool is {json.dumps(pool(), default=str)}")

    def operate(self, *arguments, exit_code=0):
        """What the operator's tool prints, run against the local AWS and nothing else."""
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": self.aws.url,
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        command = [ROOT / "target" / "debug" / "cognito-triggers", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != exit_code:
            raise NotAsExpected(f"cognito-triggers {arguments[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def federation(self):
        with self.step(
            "F1.12",
            "A federated user signs in for the first time",
            "the event comes back unchanged; with a denied domain it is refused",
        ) as step:
            event = self.event("pre-sign-up-external-provider")
            answer, error = self.invoke("PreSignUpFunction", event)
            step.check(answer == event, "unchanged", error or "changed")
            _answer, error = self.invoke("PreSignUpFunction", self.event("pre-sign-up-external-provider-denied"))
            step.check(error is not None, "denied domain refused", "denied domain accepted")

    def custom_message(self):
        pool, user = self.message_pool, "hana@people.example"
        with self.step(
            "F1.1",
            f"{user} signs up where Cognito delivers",
            "the pool takes subject and text from our custom-message function and puts the code in; the code confirms",
        ) as step:
            pool.sign_up(user, PASSWORD, locale="en")
            log = plain(self.message_pools.log.read_text(errors="replace")).rpartition("Confirmation Code Delivery")[2]
            found = re.search(
                r"Code:\s+(?P<code>\d{6})\s.*Email Subject:\s+(?P<subject>.+?)\s+Email Message:(?P<html>.+</html>)",
                log,
                re.DOTALL,
            )
            step.check(
                found is not None, "delivered with subject and text of ours", "no message of ours in the pool's log"
            )
            text, code = readable(found["html"]), found["code"]
            self.report.box("e-mail, as text", [f"Subject: {found['subject']}", "", *text])
            step.check(BRAND in found["subject"], "with the brand's name", "without the brand's name")
            step.check(any(code == line for line in text), "with the code on a line of its own", "no code in the text")
            pool.confirm(user, code)
            step.check(pool.user(user)["status"] == "CONFIRMED", "CONFIRMED", pool.user(user)["status"])
        for case, flow in (
            ("sign-up", "F1.1"),
            ("resend-code", "F1.4"),
            ("forgot-password", "F3.3"),
            ("update-user-attribute", "F1.9"),
            ("verify-user-attribute", "F1.5"),
            ("authentication", "F1.13"),
            ("admin-create-user", "F1.10"),
        ):
            event = self.event(f"custom-message-{case}")
            with self.step(
                flow,
                f"{event['triggerSource']} straight to the function",
                "subject, e-mail and SMS with Cognito's placeholder exactly once, all else as it came",
            ) as step:
                answer, error = self.invoke("CustomMessageFunction", event)
                step.check(error is None, None, f"error: {error}")
                response = answer["response"]
                step.check(
                    answer | {"response": None} == event | {"response": None},
                    "the event as it came",
                    "other fields changed",
                )
                needed = ["{####}"] + (["{username}"] if case == "admin-create-user" else [])
                for field, limit in (("smsMessage", 140), ("emailMessage", 20_000)):
                    text = response[field] or ""
                    step.check(
                        all(text.count(part) == 1 for part in needed) and len(text) <= limit,
                        f"{field} of {len(text):,} characters",
                        f"{field} is wrong",
                    )
                step.check(0 < len(response["emailSubject"] or "") <= 140, "subject", "no subject")
                self.report.box(
                    "subject and SMS, with placeholders", [response["emailSubject"], "", response["smsMessage"]]
                )

    def aftermath(self):
        with self.step(
            "F2.9",
            "Nothing failed for good, and nothing was sent unseen",
            "the queue of failed events is empty; no e-mail or SMS but those above",
        ) as step:
            self.no_failed_events(step)
            self.new_mails(step, "nobody", 0)
            self.new_texts(step, "nobody", 0)

    STORIES = (
        ("The deployed stack", the_stack),
        ("Signing up with a code", sign_up),
        ("Other languages", languages),
        ("A trusted domain", trusted_domain),
        ("A denied domain", denied_domain),
        ("Changing and verifying an address", attributes),
        ("A user made by an administrator", administrator),
        ("A forgotten password", forgotten_password),
        ("Why was no code sent?", why_no_code),
        ("SMS", sms),
        ("The other e-mails", other_mails),
        ("An event that comes twice", repeated_event),
        ("An event that fails for good", failed_event),
        ("A failed event is sent again", redrive),
        ("Federated users", federation),
        ("When Cognito itself delivers: custom-message", custom_message),
        ("A user pool that exists already", existing_pool),
        ("In the end", aftermath),
    )

    def play(self):
        """Every story; one that goes wrong ends there, and the next begins."""
        for title, story in self.STORIES:
            self.report.heading(title)
            try:
                story(self)
            except NotAsExpected:
                self.report.note("The rest of this story is not played.")
            except Exception as error:  # outside a step: it must count all the same
                with_step = self.report.step("-", f"{title} could not go on", "no such error")
                try:
                    with with_step:
                        raise NotAsExpected(f"{type(error).__name__}: {error}")
                except NotAsExpected:
                    pass


# Base64(HMAC-SHA-256("examplesecret", "ann" + "1example23456789")), computed with openssl.
SECRET_HASH_OF_ANN = "7VxCTfx4qTeaMHnIKmLZasmksv3YvavZD1T2TxephK8="


def may_be_invoked(statement, pool_arn):
    """Whether a policy statement lets Cognito invoke the function for this pool, of this account only."""
    condition = json.dumps(statement.get("Condition", {}))
    return (
        "cognito-idp.amazonaws.com" in json.dumps(statement["Principal"])
        and pool_arn in condition
        and "sourceaccount" in condition.lower()
    )


def plural(count, noun):
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def unescape(text):
    """The five entities that Cognito may put into a temporary password."""
    for entity, letter in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#39;", "'"), ("&amp;", "&")):
        text = text.replace(entity, letter)
    return text


def readable(html):
    """The lines of an HTML part that a person sees."""
    html = re.sub(r"<!--.*?-->|<head>.*?</head>", "", re.sub(r"\s+", " ", html))
    text = re.sub(r"<[^>]*>", "", re.sub(r"</(?:p|h1|td|tr)>|<br>", "\n", html))
    return [line.strip() for line in unescape(text).splitlines() if line.strip()]


def plain(text):
    """Terminal output without colours and box lines."""
    return re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", "", text)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument("--no-build", action="store_true", help="deploy what .aws-sam/build holds")
    return parser.parse_args()


def preconditions(build):
    """Everything that is missing, in one go."""
    missing = []
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        missing.append("Linux on x86_64, since the functions run as processes of this machine")
    for path in (
        TOOLS / "venv" / "bin" / "sam",
        TOOLS / "venv" / "bin" / "cargo-lambda",
        TOOLS / "node" / "node_modules" / "cognito-local",
    ):
        if not path.exists():
            missing.append(f"{os.path.relpath(path)} (`make tools` installs it)")
    for program in ["node"] + (["cargo"] if build else []):
        if not shutil.which(program):
            missing.append(f"{program} on the PATH")
    if not build and not (ROOT / ".aws-sam" / "build" / "template.yaml").exists():
        missing.append(".aws-sam/build, which --no-build deploys (run once without it)")
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
            demo = Demo(report, processes)
            if not asked.no_build:
                demo.build()
            end_by_itself(PLAY_LIMIT)
            report.began = time.monotonic()
            demo.start(*ports[:2])
            demo.start_pools(*ports[2:])
            demo.play()
            good = report.table()
            if not good:
                report.say(f"What the servers said is in {os.path.relpath(LOGS)}/.")
            if asked.keep:
                end_by_itself(KEEP_LIMIT)
                report.say(f"Everything is left running until Ctrl-C, for {KEEP_LIMIT // 3600} hours at most.")
                while True:
                    time.sleep(3600)
            return 0 if good else 1
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
    except TimeUp as time_up:
        print(f"{time_up}: something hangs; what the servers said is in {os.path.relpath(LOGS)}/", file=sys.stderr)
    except KeyboardInterrupt:
        print("\ninterrupted; everything has been cleared away", file=sys.stderr)
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
