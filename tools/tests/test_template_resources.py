"""The table, the user pool, and what outlives the stack."""

import unittest

from template import (
    COGNITO,
    EXISTING,
    FIRST,
    GOOD,
    IDENTITY,
    KEY,
    SMS,
    Stack,
    deployed,
    statements,
    template,
)


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

    def test_it_is_there_where_a_sender_writes_to_it(self):
        for parameters, there in [
            ({}, True),
            (SMS, True),
            ({"DeliveryRecords": "false"}, False),
            ({**SMS, "DeliveryRecords": "false"}, True),
            ({**COGNITO, **SMS, "DeliveryRecords": "false"}, True),
            (COGNITO, False),
        ]:
            with self.subTest(parameters):
                resources = deployed({**FIRST, **parameters}).section("Resources")
                self.assertEqual("DeliveryTable" in resources, there)


class Kept(unittest.TestCase):
    def test_pool_client_domain_and_key_outlive_the_stack(self):
        resources = template()["Resources"]
        kept = {k for k, r in resources.items() if r.get("DeletionPolicy") == "Retain"}
        self.assertEqual(kept, {"CodeKey", "UserPool", "UserPoolClient", "UserPoolDomain"})
        for name in kept:
            self.assertEqual(resources[name]["UpdateReplacePolicy"], "Retain")
        self.assertEqual(template()["Parameters"]["DeletionProtection"]["Default"], "ACTIVE")

    def test_the_key_rotates_and_its_policy_names_this_account_only(self):
        resources = Stack(template(), {**FIRST, **EXISTING}).section("Resources")
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


class UserPool(unittest.TestCase):
    def pool(self, **parameters):
        return deployed({**FIRST, **parameters}).section("Resources")["UserPool"]["Properties"]

    def test_each_channel_has_one_writer(self):
        email = {"LambdaArn": "<CustomEmailSenderFunction.Arn>", "LambdaVersion": "V1_0"}
        sms = {"LambdaArn": "<CustomSmsSenderFunction.Arn>", "LambdaVersion": "V1_0"}
        key, message = "<CodeKey.Arn>", "<CustomMessageFunction.Arn>"
        for parameters, expected in [
            ({}, {"CustomEmailSender": email, "KMSKeyID": key}),
            (SMS, {"CustomEmailSender": email, "CustomSMSSender": sms, "KMSKeyID": key}),
            (
                {**SMS, "CodeKeyArn": KEY},
                {"CustomEmailSender": email, "CustomSMSSender": sms, "KMSKeyID": KEY},
            ),
            (
                {"SmsDelivery": "cognito"},
                {"CustomEmailSender": email, "CustomMessage": message, "KMSKeyID": key},
            ),
            ({**COGNITO, **SMS}, {"CustomSMSSender": sms, "CustomMessage": message, "KMSKeyID": key}),
            (COGNITO, {"CustomMessage": message}),
        ]:
            with self.subTest(parameters):
                found = self.pool(**parameters)["LambdaConfig"]
                self.assertEqual(found, {"PreSignUp": "<PreSignUpFunction.Arn>", **expected})

    def test_the_address_is_the_user_name_in_any_case(self):
        pool = self.pool()
        self.assertEqual(pool["UsernameAttributes"], ["email"])
        self.assertEqual(pool["UsernameConfiguration"], {"CaseSensitive": False})
        self.assertNotIn("AliasAttributes", pool)

    def test_review_sends_no_code_at_sign_up(self):
        self.assertEqual(self.pool()["AutoVerifiedAttributes"], ["email"])
        self.assertNotIn("AutoVerifiedAttributes", self.pool(SignUpMode="review"))

    def test_an_account_recovers_by_email_first(self):
        email, phone = (
            {"Name": "verified_email", "Priority": 1},
            {
                "Name": "verified_phone_number",
                "Priority": 2,
            },
        )
        self.assertEqual(self.pool()["AccountRecoverySetting"]["RecoveryMechanisms"], [email])
        self.assertEqual(self.pool(**SMS)["AccountRecoverySetting"]["RecoveryMechanisms"], [email, phone])

    def test_sms_need_a_role_of_the_pool(self):
        self.assertNotIn("SmsConfiguration", self.pool())
        for parameters in (SMS, {"SmsDelivery": "cognito"}):
            self.assertEqual(self.pool(**parameters)["SmsConfiguration"]["SnsCallerArn"], "<UserPoolSmsRole.Arn>")

    def test_cognito_sends_with_the_identity_where_there_is_one(self):
        self.assertEqual(self.pool()["EmailConfiguration"], {"EmailSendingAccount": "COGNITO_DEFAULT"})
        found = self.pool(**COGNITO, ReplyToAddress="help@example.com")["EmailConfiguration"]
        self.assertEqual(
            found,
            {
                "EmailSendingAccount": "DEVELOPER",
                "SourceArn": IDENTITY["SesIdentityArn"],
                "From": FIRST["FromAddress"],
                "ReplyToEmailAddress": "help@example.com",
            },
        )

    def test_links_are_cognitos_option(self):
        for parameters, option in [
            ({}, "CONFIRM_WITH_CODE"),
            (GOOD["confirmation links"], "CONFIRM_WITH_LINK"),
        ]:
            self.assertEqual(self.pool(**parameters)["VerificationMessageTemplate"], {"DefaultEmailOption": option})

    def test_the_client_keeps_a_secret_and_hides_who_exists(self):
        client = deployed(FIRST).section("Resources")["UserPoolClient"]["Properties"]
        self.assertIs(client["GenerateSecret"], True)
        self.assertEqual(client["PreventUserExistenceErrors"], "ENABLED")
