"""The table, and what outlives the stack."""

import unittest

from template import COGNITO, FIRST, POOL, SMS, Stack, deployed, statements, template


class Records(unittest.TestCase):
    def test_the_table_has_one_key_forgets_by_itself_and_costs_by_use(self):
        resource = deployed(FIRST).section("Resources")["DeliveryTable"]
        self.assertEqual((resource["DeletionPolicy"], resource["UpdateReplacePolicy"]), ("Delete", "Delete"))
        self.assertEqual(
            resource["Properties"],
            {
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
            },
        )

    def test_it_is_there_if_a_sender_writes_to_it(self):
        for parameters, there in [({}, True), (SMS, True), ({**COGNITO, **SMS}, True), (COGNITO, False)]:
            with self.subTest(parameters):
                resources = deployed({**FIRST, **parameters}).section("Resources")
                self.assertEqual("DeliveryTable" in resources, there)


class Kept(unittest.TestCase):
    def test_only_the_key_outlives_the_stack_and_not_a_first_deployment_that_failed(self):
        resources = template()["Resources"]
        kept = {k: r["DeletionPolicy"] for k, r in resources.items() if "Retain" in r.get("DeletionPolicy", "")}
        self.assertEqual(kept, {"CodeKey": "RetainExceptOnCreate"})
        self.assertEqual(resources["CodeKey"]["UpdateReplacePolicy"], "Retain")

    def test_the_key_rotates_and_its_policy_names_this_account_only(self):
        resources = Stack(template(), {**FIRST, **POOL}).section("Resources")
        key = resources["CodeKey"]["Properties"]
        self.assertTrue(key["EnableKeyRotation"])
        self.assertEqual((key["KeySpec"], key["KeyUsage"]), ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"))
        account, cognito = statements(key["KeyPolicy"])
        self.assertEqual(account["Principal"], {"AWS": "arn:aws:iam::123456789012:root"})
        self.assertEqual(cognito["Action"], "kms:CreateGrant")
        self.assertEqual(
            cognito["Condition"],
            {
                "StringEquals": {"aws:SourceAccount": "123456789012"},
                "ArnLike": {
                    "aws:SourceArn": "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_AbCdEfGhI"
                },
            },
        )
