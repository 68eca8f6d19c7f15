"""The user pool of `examples/user-pool`, deployed after the stack of the functions."""

import unittest

from template import COGNITO, FIRST, KEY, SMS, USER_POOL, Stack, deployed, of_type, statements, template, wrong_values

LAMBDA = "arn:aws:lambda:eu-central-1:123456789012:function:"
IDENTITY = {"SesIdentityArn": "arn:aws:ses:eu-central-1:123456789012:identity/example.com", "FromAddress": "a@example.com"}
FIRST_POOL = {"PreSignUpFunctionArn": f"{LAMBDA}a"}
EMAIL = {**FIRST_POOL, "CustomEmailSenderFunctionArn": f"{LAMBDA}c", "CodeKeyArn": KEY}
BOTH = {**EMAIL, "CustomSmsSenderFunctionArn": f"{LAMBDA}d", "Sms": "true"}

GOOD = {
    "without senders": FIRST_POOL,
    "with the email sender": EMAIL,
    "with both senders": BOTH,
    "emails by Cognito": {**FIRST_POOL, **IDENTITY, "CustomMessageFunctionArn": f"{LAMBDA}b"},
    "confirmation links": {
        **FIRST_POOL,
        **IDENTITY,
        "CustomMessageFunctionArn": f"{LAMBDA}b",
        "EmailConfirmation": "link",
        "UserPoolDomainPrefix": "example-sign-in",
    },
    "email codes": {**EMAIL, **IDENTITY, "SignIn": "email-code"},
    "passkeys": {**EMAIL, "SignIn": "passkey", "PasskeyDomain": "example.com"},
    "invitations only": {**EMAIL, "AllowAdminCreateUserOnly": "true"},
    "review": {**EMAIL, "SendCodeAtSignUp": "false"},
    "MFA": {**EMAIL, "Mfa": "ON", "UserPoolTier": "LITE"},
}
BAD = [
    ({**FIRST_POOL, "CustomEmailSenderFunctionArn": f"{LAMBDA}c"}, "CodeKeyArn"),
    ({**EMAIL, "CustomSmsSenderFunctionArn": f"{LAMBDA}d"}, "Sms=true"),
    ({**FIRST_POOL, "EmailConfirmation": "link"}, "UserPoolDomainPrefix"),
    ({**EMAIL, "SignIn": "email-code"}, "SesIdentityArn"),
    ({**EMAIL, "SignIn": "passkey"}, "PasskeyDomain"),
    ({**GOOD["passkeys"], "UserPoolTier": "LITE"}, "UserPoolTier"),
    ({**GOOD["passkeys"], "Mfa": "ON"}, "Mfa"),
    ({**FIRST_POOL, "SesIdentityArn": IDENTITY["SesIdentityArn"]}, "FromAddress"),
]


def resources(parameters):
    return Stack(template(USER_POOL), parameters).section("Resources")


def pool(**parameters):
    return resources({**EMAIL, **parameters})["UserPool"]["Properties"]


class Rules(unittest.TestCase):
    def test_sensible_sets_are_accepted_and_refer_to_what_there_is(self):
        for name, parameters in GOOD.items():
            with self.subTest(name):
                self.assertEqual(wrong_values(parameters, USER_POOL), [])
                stack = Stack(template(USER_POOL), parameters)
                self.assertEqual(stack.refusals(), [])
                found = stack.section("Resources")
                stack.section("Outputs")
                self.assertEqual(stack.used - set(found), set())

    def test_sets_that_cannot_work_are_rejected(self):
        for parameters, word in BAD:
            with self.subTest(parameters):
                refusals = Stack(template(USER_POOL), parameters).refusals()
                self.assertTrue([r for r in refusals if word in r], refusals)
        seen = {r for parameters, _ in BAD for r in Stack(template(USER_POOL), parameters).refusals()}
        declared = {a["AssertDescription"] for r in template(USER_POOL)["Rules"].values() for a in r["Assertions"]}
        self.assertEqual(declared - seen, set(), "no set of BAD breaks these")


class Triggers(unittest.TestCase):
    def test_the_outputs_of_the_functions_are_its_parameters(self):
        for more in ({}, SMS, COGNITO, {**COGNITO, **SMS}):
            outputs = deployed({**FIRST, **more}).section("Outputs")
            given = dict(one.split("=", 1) for one in outputs["UserPoolParameters"]["Value"].split())
            self.assertEqual(set(given) - set(template(USER_POOL)["Parameters"]), set())

    def test_each_channel_has_one_writer(self):
        email, sms = ({"LambdaArn": f"{LAMBDA}{name}", "LambdaVersion": "V1_0"} for name in "cd")
        for parameters, expected in [
            (FIRST_POOL, {}),
            (EMAIL, {"CustomEmailSender": email, "KMSKeyID": KEY}),
            (BOTH, {"CustomEmailSender": email, "CustomSMSSender": sms, "KMSKeyID": KEY}),
            (GOOD["emails by Cognito"], {"CustomMessage": f"{LAMBDA}b"}),
        ]:
            found = resources(parameters)["UserPool"]["Properties"]["LambdaConfig"]
            self.assertEqual(found, {"PreSignUp": f"{LAMBDA}a", **expected})

    def test_only_this_pool_of_this_account_may_invoke_each_attached_function(self):
        for name, parameters in GOOD.items():
            found = resources(parameters)
            attached = [v for v in parameters.values() if v.startswith(LAMBDA)]
            permissions = of_type(found, "AWS::Lambda::Permission").values()
            with self.subTest(name):
                self.assertEqual(sorted(p["FunctionName"] for p in permissions), sorted(attached))
                for permission in permissions:
                    self.assertEqual(permission["Principal"], "cognito-idp.amazonaws.com")
                    self.assertEqual(permission["SourceAccount"], "123456789012")
                    self.assertEqual(permission["SourceArn"], "<UserPool.Arn>")


class UserPool(unittest.TestCase):
    def test_the_address_is_the_username_in_any_case(self):
        found = pool()
        self.assertEqual(found["UsernameAttributes"], ["email"])
        self.assertEqual(found["UsernameConfiguration"], {"CaseSensitive": False})
        self.assertNotIn("AliasAttributes", found)

    def test_it_has_no_schema_because_cognito_then_rejects_every_update(self):
        self.assertNotIn("Schema", pool())

    def test_what_outlives_the_stack_outlives_it_together_and_not_a_failed_creation(self):
        declared = template(USER_POOL)["Resources"]
        kept = {k for k, r in declared.items() if r.get("DeletionPolicy") == "RetainExceptOnCreate"}
        # Without its SMS role, Cognito rejects every update of the pool.
        self.assertEqual(kept, {"UserPool", "UserPoolClient", "UserPoolDomain", "UserPoolSmsRole"})
        for name in kept:
            self.assertEqual(declared[name]["UpdateReplacePolicy"], "Retain")
        self.assertEqual(template(USER_POOL)["Parameters"]["DeletionProtection"]["Default"], "ACTIVE")

    def test_it_follows_its_parameters(self):
        for parameters, member, expected in [
            ({}, "AutoVerifiedAttributes", ["email"]),
            ({"SendCodeAtSignUp": "false"}, "AutoVerifiedAttributes", None),
            ({}, "AdminCreateUserConfig", {"AllowAdminCreateUserOnly": "false"}),
            ({"AllowAdminCreateUserOnly": "true"}, "AdminCreateUserConfig", {"AllowAdminCreateUserOnly": "true"}),
            ({}, "EmailConfiguration", {"EmailSendingAccount": "COGNITO_DEFAULT"}),
            ({"Mfa": "ON"}, "EnabledMfas", ["SOFTWARE_TOKEN_MFA"]),
            ({}, "EnabledMfas", None),
            ({}, "VerificationMessageTemplate", {"DefaultEmailOption": "CONFIRM_WITH_CODE"}),
            ({"EmailConfirmation": "link"}, "VerificationMessageTemplate", {"DefaultEmailOption": "CONFIRM_WITH_LINK"}),
            ({"UserPoolTier": "PLUS"}, "UserPoolTier", "PLUS"),
            ({"SignIn": "passkey", "PasskeyDomain": "example.com"}, "WebAuthnRelyingPartyID", "example.com"),
        ]:
            with self.subTest(parameters, member=member):
                self.assertEqual(pool(**parameters).get(member), expected)
        for sign_in, factors in [("email-code", ["PASSWORD", "EMAIL_OTP"]), ("passkey", ["PASSWORD", "WEB_AUTHN"])]:
            found = resources({**EMAIL, **IDENTITY, "SignIn": sign_in, "PasskeyDomain": "example.com"})
            policies = found["UserPool"]["Properties"]["Policies"]
            self.assertEqual(policies["SignInPolicy"]["AllowedFirstAuthFactors"], factors)
            self.assertIn("ALLOW_USER_AUTH", found["UserPoolClient"]["Properties"]["ExplicitAuthFlows"])
        self.assertNotIn("SignInPolicy", pool()["Policies"])

    def test_an_account_recovers_by_email_first(self):
        email, phone = {"Name": "verified_email", "Priority": 1}, {"Name": "verified_phone_number", "Priority": 2}
        self.assertEqual(pool()["AccountRecoverySetting"]["RecoveryMechanisms"], [email])
        self.assertEqual(pool(Sms="true")["AccountRecoverySetting"]["RecoveryMechanisms"], [email, phone])

    def test_sms_need_a_role_that_only_cognito_assumes_and_only_for_this_pool(self):
        self.assertNotIn("SmsConfiguration", pool())
        found = resources(BOTH)
        configuration = found["UserPool"]["Properties"]["SmsConfiguration"]
        self.assertEqual(configuration, {"SnsCallerArn": "<UserPoolSmsRole.Arn>", "ExternalId": "0a1b2c3d"})
        (trust,) = statements(found["UserPoolSmsRole"]["Properties"]["AssumeRolePolicyDocument"])
        self.assertEqual(trust["Principal"], {"Service": "cognito-idp.amazonaws.com"})
        self.assertEqual(trust["Condition"], {"StringEquals": {"sts:ExternalId": "0a1b2c3d"}})

    def test_the_client_keeps_a_secret_and_hides_who_exists(self):
        client = resources(EMAIL)["UserPoolClient"]["Properties"]
        self.assertIs(client["GenerateSecret"], True)
        self.assertEqual(client["PreventUserExistenceErrors"], "ENABLED")
