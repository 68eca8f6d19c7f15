"""The shape of the whole stack, its outputs, and the defaults of `sam deploy`."""

import unittest

import tomlkit
import yaml
from template import (
    EXISTING,
    FIRST,
    GOOD,
    ROOT,
    SMS,
    TRIGGERS,
    as_list,
    deployed,
)


class Shape(unittest.TestCase):
    """Whole deployments, after the SAM transform."""

    def test_what_is_used_exists_in_every_set(self):
        for name, parameters in GOOD.items():
            stack = deployed(parameters)
            resources = stack.section("Resources")
            stack.section("Outputs")
            with self.subTest(name):
                self.assertEqual(stack.used - set(resources), set())

    def test_nothing_waits_for_itself(self):
        for name, parameters in GOOD.items():
            stack = deployed(parameters)
            needs = {}
            for logical_id in stack.section("Resources"):
                stack.used = set()
                item = stack.source["Resources"][logical_id]
                stack.value({k: v for k, v in item.items() if k not in ("Condition", "Metadata")})
                needs[logical_id] = stack.used | set(as_list(item.get("DependsOn", [])))
            with self.subTest(name):
                while ready := [k for k, v in needs.items() if not v & set(needs)]:
                    for k in ready:
                        del needs[k]
                self.assertEqual(needs, {})

    def test_only_what_is_needed_is_deployed(self):
        functions, queue = set(TRIGGERS), {"OnFailureQueue", "CodeKey", "RedriveRole"}
        email, sms = {"CustomEmailSenderFunction"}, {"CustomSmsSenderFunction"}
        attach = {"AttachFunction", "CheckedUserPool", "AttachedTriggers"}
        watched = functions | queue | attach | {"UserPool", "UserPoolClient", "UserPoolDomain", "UserPoolSmsRole"}
        own = {"UserPool", "UserPoolClient"}
        for name, expected in {
            "the first deployment": functions - sms | queue | own,
            "all four functions": functions | queue | own | {"UserPoolSmsRole"},
            "all by Cognito": functions - email - sms | own | {"UserPoolSmsRole"},
            "email by Cognito, SMS by the sender": functions - email | queue | own | {"UserPoolSmsRole"},
            "confirmation links": functions - email - sms | own | {"UserPoolDomain"},
            "an existing pool": functions - sms | queue | attach,
            "an existing pool, attached by hand": functions - sms | queue,
            "an existing pool that sends its own emails": functions - email - sms | attach,
            "a given key": functions | queue - {"CodeKey"} | own | {"UserPoolSmsRole"},
            "a given key and nothing to encrypt": functions - email - sms | own,
        }.items():
            with self.subTest(name):
                resources = deployed(GOOD[name]).section("Resources")
                self.assertEqual(set(resources) & watched, expected)

    def test_outputs_say_what_there_is(self):
        always = {"PreSignUpFunctionArn", "CustomMessageFunctionArn", "UserPoolId"}
        sender = {"CodeKeyArn", "OnFailureQueueUrl", "RedriveRoleArn"}
        for name, expected in {
            "all four functions": always
            | sender
            | {"CustomEmailSenderFunctionArn", "CustomSmsSenderFunctionArn", "UserPoolClientId"},
            "all by Cognito": always | {"UserPoolClientId"},
            "an existing pool": always
            | sender
            | {"CustomEmailSenderFunctionArn", "LambdaConfigToAttach", "EmailIsUsername"},
            "an existing pool, attached by hand": always
            | sender
            | {"CustomEmailSenderFunctionArn", "LambdaConfigToAttach", "AttachGuidance"},
        }.items():
            with self.subTest(name):
                self.assertEqual(set(deployed(GOOD[name]).section("Outputs")), expected)

    def test_an_existing_pool_is_told_what_the_own_one_gets(self):
        for parameters in ({}, SMS, {"EmailDelivery": "cognito"}, {"SmsDelivery": "cognito"}):
            own = deployed({**FIRST, **parameters}).section("Resources")
            outputs = deployed({**FIRST, **EXISTING, **parameters}).section("Outputs")
            # YAML, because JSON is a part of it.
            told = yaml.safe_load(outputs["LambdaConfigToAttach"]["Value"])
            self.assertEqual(told, own["UserPool"]["Properties"]["LambdaConfig"])


class Samconfig(unittest.TestCase):
    def test_it_deploys_with_care_and_gives_away_nothing(self):
        config = tomlkit.parse((ROOT / "samconfig.toml").read_text(encoding="utf-8")).unwrap()
        deploy = config["default"]["deploy"]["parameters"]
        self.assertEqual(deploy["capabilities"], "CAPABILITY_IAM")
        self.assertTrue(deploy["confirm_changeset"] and deploy["resolve_s3"])
        # Values of parameters, Regions and profiles are the operator's.
        for command in config["default"].values():
            self.assertFalse({"parameter_overrides", "region", "profile", "s3_bucket"} & set(command["parameters"]))
