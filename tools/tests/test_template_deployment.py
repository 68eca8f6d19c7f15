"""The shape of the whole stack, its outputs, and the defaults of `sam deploy`."""

import unittest

import tomlkit
from template import GOOD, ROOT, TRIGGERS, as_list, deployed, template


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
        functions, queue = set(TRIGGERS), {"OnFailureQueue", "CodeKey", "RedriveRole", "DeliveryTable"}
        email, sms = {"CustomEmailSenderFunction"}, {"CustomSmsSenderFunction"}
        check = {"AttachFunction", "CheckedUserPool"}
        attach = check | {"AttachedTriggers"}
        watched = functions | queue | attach | {"FullObservability"}
        for name, expected in {
            "the first deployment": functions - sms | queue,
            "all four functions": functions | queue,
            "all by Cognito": functions - email - sms,
            "email by Cognito, SMS by the sender": functions - email | queue,
            "a pool": functions - sms | queue | attach,
            "a pool, attached by hand": functions - sms | queue,
            "a pool, attached by hand, with trusted users": functions - sms | queue | check,
            "a pool that sends its own emails": functions - email - sms | attach,
            "a given key": functions | queue - {"CodeKey"},
            "a given key and nothing to encrypt": functions - email - sms,
            "every optional setting": functions | queue | {"FullObservability"},
        }.items():
            with self.subTest(name):
                resources = deployed(GOOD[name]).section("Resources")
                self.assertEqual(set(resources) & watched, expected)

    def test_outputs_say_what_there_is(self):
        always = {"PreSignUpFunctionArn", "CustomMessageFunctionArn", "LambdaConfigToAttach", "UserPoolParameters"}
        sender = {"CodeKeyArn", "OnFailureQueueUrl", "RedriveRoleArn"}
        email, sms = {"CustomEmailSenderFunctionArn"}, {"CustomSmsSenderFunctionArn"}
        for name, expected in {
            "all four functions": always | sender | email | sms | {"AttachGuidance"},
            "all by Cognito": always | {"AttachGuidance"},
            "a pool": always | sender | email | {"UserPoolId", "EmailIsUsername"},
            "a pool, attached by hand": always | sender | email | {"UserPoolId", "AttachGuidance"},
        }.items():
            with self.subTest(name):
                self.assertEqual(set(deployed(GOOD[name]).section("Outputs")), expected)

    def test_the_template_stays_readable(self):
        lines = (ROOT / "template.yaml").read_text(encoding="utf-8").splitlines()
        self.assertLessEqual(len(lines), 1400)
        self.assertLessEqual(len(template()["Parameters"]), 32)


class Samconfig(unittest.TestCase):
    def test_it_deploys_with_care_and_gives_away_nothing(self):
        config = tomlkit.parse((ROOT / "samconfig.toml").read_text(encoding="utf-8")).unwrap()
        deploy = config["default"]["deploy"]["parameters"]
        # The second one for the nested stack of Observability=full.
        self.assertEqual(deploy["capabilities"], "CAPABILITY_IAM CAPABILITY_AUTO_EXPAND")
        self.assertTrue(deploy["confirm_changeset"] and deploy["resolve_s3"])
        # Values of parameters, Regions and profiles are the operator's.
        for command in config["default"].values():
            self.assertFalse({"parameter_overrides", "region", "profile", "s3_bucket"} & set(command["parameters"]))
