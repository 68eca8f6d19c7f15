"""What each role, key policy and queue policy allows."""

import unittest

import yaml
from template import (
    ACTIONS,
    ACTIONS_WHERE,
    END_USER_MESSAGING,
    FIRST,
    GOOD,
    IDENTITY,
    POOL,
    POOL_OF_NUMBERS,
    ROOT,
    SENDERS,
    SMS,
    as_list,
    deployed,
    for_the_functions,
    of_type,
    policies,
    statements,
    template,
)


class Privileges(unittest.TestCase):
    def setUp(self):
        self.resources = deployed({**FIRST, **SMS}).section("Resources")

    def policies(self, role):
        return policies(self.resources, role)

    def test_the_tests_of_the_functions_know_what_is_deployed(self):
        text = (ROOT / "tests" / "fixtures" / "deployed.json").read_text(encoding="utf-8")
        self.assertEqual(text, for_the_functions(), "write it again: see the top of this file")

    def test_no_policy_of_a_role_has_a_wildcard_action(self):
        roles = of_type(self.resources, "AWS::IAM::Role")
        self.assertEqual(len(roles), 5)
        for role, properties in roles.items():
            # Only policies of the stack.
            for arn in properties.get("ManagedPolicyArns", []):
                self.assertRegex(arn, "^<(?:Sender|Runtime)Policy.Ref>$")
            for statement in self.policies(role):
                with self.subTest(role, statement=statement):
                    for action in as_list(statement["Action"]):
                        self.assertNotIn("*", action)
                    # To IAM an SMS is a phone number, which has no ARN.
                    if "*" in as_list(statement["Resource"]):
                        self.assertEqual(statement["Action"], "sns:Publish")

    def test_each_role_may_do_what_the_table_says_and_nothing_else(self):
        for name, given in GOOD.items():
            stack = deployed(given)
            self.resources = stack.section("Resources")
            for role in of_type(self.resources, "AWS::IAM::Role"):
                expected = set(ACTIONS[role])
                for applies, more in ACTIONS_WHERE:
                    expected |= more.get(role, set()) if applies(stack.parameters) else set()
                allowed = [s for s in self.policies(role) if s["Effect"] == "Allow"]
                with self.subTest(name, role=role):
                    self.assertEqual({a for s in allowed for a in as_list(s["Action"])}, expected)

    def test_the_senders_update_items_of_their_table_only(self):
        for role in ("CustomEmailSenderRole", "CustomSmsSenderRole"):
            (statement,) = [s for s in self.policies(role) if "dynamodb:" in str(s["Action"])]
            self.assertEqual(
                statement,
                {"Effect": "Allow", "Action": "dynamodb:UpdateItem", "Resource": "<DeliveryTable.Arn>"},
            )

    def test_end_user_messaging_is_bound_to_the_identity(self):
        self.resources = deployed({**FIRST, **END_USER_MESSAGING}).section("Resources")
        (statement,) = [s for s in self.policies("CustomSmsSenderRole") if "-voice:" in str(s["Action"])]
        sets = "arn:aws:sms-voice:*:123456789012:configuration-set/*"
        self.assertEqual(
            statement,
            {"Effect": "Allow", "Action": "sms-voice:SendTextMessage", "Resource": [POOL_OF_NUMBERS, sets]},
        )

    def test_the_redrive_role_can_do_its_work(self):
        statements_of_role = self.policies("RedriveRole")
        of_queue, of_key, of_functions = statements_of_role
        self.assertEqual(of_queue["Resource"], "<OnFailureQueue.Arn>")
        self.assertEqual(of_key["Resource"], "<CodeKey.Arn>")
        self.assertEqual(of_key["Condition"], {"StringEquals": {"kms:ViaService": "sqs.eu-central-1.amazonaws.com"}})
        self.assertEqual(set(of_functions["Resource"]), {f"<{f}.Arn>" for f in SENDERS})
        # What the queue denies, it denies to others, or to connections without TLS.
        (policy,) = of_type(self.resources, "AWS::SQS::QueuePolicy").values()
        for denied in statements(policy["PolicyDocument"]):
            self.assertIn(
                denied["Condition"],
                [
                    {"ArnNotEquals": {"aws:PrincipalArn": "<RedriveRole.Arn>"}},
                    {"Bool": {"aws:SecureTransport": "false"}},
                ],
            )

    def test_nobody_but_cognito_lambda_and_this_account_is_trusted(self):
        for role, properties in of_type(self.resources, "AWS::IAM::Role").items():
            (trust,) = statements(properties["AssumeRolePolicyDocument"])
            self.assertEqual(trust["Action"], "sts:AssumeRole")
            expected = {
                "RedriveRole": {"AWS": "arn:aws:iam::123456789012:root"},
            }.get(role, {"Service": "lambda.amazonaws.com"})
            self.assertEqual(trust["Principal"], expected)

    def test_synchronous_functions_may_write_their_own_log_and_nothing_else(self):
        for name in ("PreSignUp", "CustomMessage"):
            (statement,) = self.policies(f"{name}Role")
            self.assertEqual(statement["Action"], ["logs:CreateLogStream", "logs:PutLogEvents"])
            self.assertEqual(statement["Resource"], f"<{name}LogGroup.Arn>")

    def test_the_senders_use_one_key(self):
        for role in ("CustomEmailSenderRole", "CustomSmsSenderRole"):
            using = [s for s in self.policies(role) if "kms:" in str(s["Action"])]
            self.assertEqual({s["Resource"] for s in using}, {"<CodeKey.Arn>"})
            self.assertIn("kms:Decrypt", [s["Action"] for s in using if "Condition" not in s])
            (through_sqs,) = [s for s in using if "kms:ViaService" in str(s.get("Condition"))]
            self.assertEqual(through_sqs["Action"], ["kms:GenerateDataKey", "kms:Decrypt"])
            self.assertEqual(
                through_sqs["Condition"],
                {"StringEquals": {"kms:ViaService": "sqs.eu-central-1.amazonaws.com"}},
            )

    def test_decryption_is_bound_to_the_pool(self):
        for parameters, bound in [({}, None), (POOL, POOL["UserPoolId"])]:
            self.resources = deployed({**FIRST, **SMS, **parameters}).section("Resources")
            for role in ("CustomEmailSenderRole", "CustomSmsSenderRole"):
                (statement,) = [s for s in self.policies(role) if s["Action"] == "kms:Decrypt"]
                expected = {"StringEquals": {"kms:EncryptionContext:userpool-id": bound}} if bound else None
                self.assertEqual(statement.get("Condition"), expected)

    def test_email_is_sent_from_one_address(self):
        for given, expected in [
            ("no-reply@example.com", "no-reply@example.com"),
            ("Example <no-reply@example.com>", "no-reply@example.com"),
            ('"Example, Inc." <a@b.example>', "a@b.example"),
        ]:
            self.resources = deployed({"BrandName": "Example", "FromAddress": given}).section("Resources")
            (statement,) = [s for s in self.policies("CustomEmailSenderRole") if "ses:" in str(s["Action"])]
            self.assertEqual(statement["Action"], "ses:SendEmail")
            self.assertEqual(statement["Condition"], {"StringEqualsIgnoreCase": {"ses:FromAddress": expected}})
            self.assertEqual(
                statement["Resource"],
                [f"arn:aws:ses:eu-central-1:123456789012:{r}/*" for r in ("identity", "configuration-set")],
            )

    def test_email_uses_the_regions_of_the_parameters(self):
        def arns(region):
            return [f"arn:aws:ses:{region}:123456789012:{kind}/*" for kind in ("identity", "configuration-set")]

        fallback = {"SesFallbackRegion": "eu-north-1"}
        of_another_account = "arn:aws:ses:*:210987654321:identity/example.com"
        for given, expected in [
            ({}, arns("eu-central-1")),
            ({"SesRegion": "eu-west-1"}, arns("eu-west-1")),
            (fallback, arns("eu-central-1") + arns("eu-north-1")),
            ({"SesRegion": "eu-west-1", "SesIdentityArn": IDENTITY}, [*arns("eu-west-1"), of_another_account]),
        ]:
            self.resources = deployed({**FIRST, **given}).section("Resources")
            (statement,) = [s for s in self.policies("CustomEmailSenderRole") if "ses:" in str(s["Action"])]
            self.assertEqual(statement["Resource"], expected)
            self.assertEqual(
                statement["Condition"], {"StringEqualsIgnoreCase": {"ses:FromAddress": "no-reply@example.com"}}
            )

    def test_the_sms_sender_publishes_to_no_topic(self):
        allowed, denied = [s for s in self.policies("CustomSmsSenderRole") if "sns:" in str(s["Action"])]
        self.assertEqual((allowed["Effect"], allowed["Resource"]), ("Allow", "*"))
        self.assertEqual((denied["Effect"], denied["Resource"]), ("Deny", "arn:aws:sns:*:*:*"))

    def test_arns_name_no_partition_account_or_region_of_their_own(self):
        made = yaml.safe_dump([template()["Resources"], template()["Outputs"]])
        self.assertNotRegex(made, r"arn:aws|[a-z]{2}-[a-z]+-\d|\d{12}")
