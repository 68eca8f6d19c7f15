"""What the parameters accept, and how they reach the functions."""

import unittest

from template import (
    BAD,
    BY_HAND,
    COGNITO,
    END_USER_MESSAGING,
    ENVIRONMENT,
    FIRST,
    GOOD,
    KEY,
    POOL,
    SENDERS,
    SMS,
    TRIGGERS,
    VALUES,
    Stack,
    deployed,
    template,
    wrong_values,
)


class Parameters(unittest.TestCase):
    def test_each_says_what_it_is_and_what_it_takes(self):
        for name, declared in template()["Parameters"].items():
            with self.subTest(name):
                self.assertTrue(declared["Description"].endswith("."))
                # CloudFormation itself lists the allowed values and the bounds.
                self.assertEqual("ConstraintDescription" in declared, "AllowedPattern" in declared)
                bounds = (
                    {"AllowedPattern", "AllowedValues"}
                    if declared["Type"] == "String"
                    else {"MinValue", "AllowedValues"}
                )
                self.assertTrue(bounds & set(declared), f"{name} takes anything")
                if "AllowedPattern" in declared:
                    self.assertRegex(declared["AllowedPattern"], r"^\^.*\$$")

    def test_only_the_brand_has_no_default(self):
        without = [n for n, d in template()["Parameters"].items() if "Default" not in d]
        self.assertEqual(without, ["BrandName"])

    def test_each_stands_in_exactly_one_group(self):
        groups = template()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        grouped = [name for group in groups for name in group["Parameters"]]
        self.assertEqual(sorted(grouped), sorted(template()["Parameters"]))

    def test_patterns_take_and_refuse(self):
        for name, (taken, refused) in VALUES.items():
            for value in taken:
                with self.subTest(name, takes=value):
                    self.assertNotIn(name, wrong_values({name: value}))
            for value in refused:
                with self.subTest(name, refuses=value):
                    self.assertIn(name, wrong_values({name: value}))

    def test_no_pattern_is_left_without_examples(self):
        patterns = {n for n, d in template()["Parameters"].items() if "AllowedPattern" in d}
        self.assertEqual(patterns - set(VALUES), set())


class Rules(unittest.TestCase):
    def test_sensible_sets_are_taken(self):
        for name, parameters in GOOD.items():
            with self.subTest(name):
                self.assertEqual(wrong_values(parameters), [])
                self.assertEqual(Stack(template(), parameters).refusals(), [])

    def test_contradictions_are_refused_and_the_refusal_names_the_remedy(self):
        for parameters, word in BAD:
            with self.subTest(parameters):
                self.assertEqual(wrong_values(parameters), [])
                refusals = Stack(template(), parameters).refusals()
                self.assertTrue([r for r in refusals if word in r], refusals)

    def test_one_parameter_stops_sms_and_changes_the_provider(self):
        """CloudFormation keeps the previous values of the other parameters."""
        for before, change in [
            (GOOD["every optional setting"], {"SmsDelivery": "none"}),
            (GOOD["other SMS limits"], {"SmsDelivery": "none"}),
            (GOOD["other SMS limits"], {"SmsDelivery": "cognito"}),
            (GOOD["SMS over End User Messaging"], {"SmsOriginationIdentity": ""}),
            (GOOD["emails from another Region"], {**COGNITO}),
            (GOOD["emails of another account"], {**COGNITO}),
        ]:
            with self.subTest(change):
                self.assertEqual(Stack(template(), before | change).refusals(), [])

    def test_every_assertion_has_a_case(self):
        seen = {r for parameters, _ in BAD for r in Stack(template(), parameters).refusals()}
        declared = {a["AssertDescription"] for r in template()["Rules"].values() for a in r["Assertions"]}
        self.assertEqual(declared - seen, set(), "no set of BAD breaks these")


class Environment(unittest.TestCase):
    def test_each_function_gets_exactly_the_variables_of_the_table(self):
        source = template()
        common = source["Globals"]["Function"]["Environment"]["Variables"]
        for function, expected in ENVIRONMENT.items():
            own = source["Resources"][function]["Properties"]["Environment"]["Variables"]
            left_out = {name for name, value in own.items() if value == {"Ref": "AWS::NoValue"}}
            with self.subTest(function):
                self.assertEqual((set(common) | set(own)) - left_out, set(expected))
                for variable, parameter in expected.items():
                    if parameter:
                        self.assertEqual({**common, **own}[variable], {"Ref": parameter}, variable)

    def test_parameters_and_variables_are_the_same_words(self):
        for variables in ENVIRONMENT.values():
            for variable, parameter in variables.items():
                if parameter:
                    words = "".join(word.capitalize() for word in variable.split("_"))
                    self.assertEqual(parameter, words)

    def variables(self, function, parameters):
        resources = deployed({**FIRST, **parameters}).section("Resources")
        return resources[function]["Properties"]["Environment"]["Variables"]

    def test_the_channels_are_those_that_cognito_delivers(self):
        for parameters, channels in [
            ({}, "email,sms"),  # attached to nothing: shows both
            (SMS, "email,sms"),  # the same
            ({"SmsDelivery": "cognito"}, "sms"),
            (COGNITO, "email"),
            ({**COGNITO, **SMS}, "email"),
            ({**COGNITO, "SmsDelivery": "cognito"}, "email,sms"),
        ]:
            with self.subTest(parameters):
                found = self.variables("CustomMessageFunction", parameters)
                self.assertEqual(found["CUSTOM_MESSAGE_CHANNELS"], channels)

    def test_no_user_is_confirmed_without_a_code_unless_the_stack_has_read_the_pool(self):
        trusts, checked = {"EmailIsUsername": "true"}, "<CheckedUserPool.Trusted>"
        for parameters, value in [
            ({}, "false"),
            (POOL, checked),
            ({**POOL, **trusts}, checked),
            (BY_HAND, "false"),
            ({**BY_HAND, **trusts}, checked),
        ]:
            found = self.variables("PreSignUpFunction", parameters)
            self.assertEqual(found["EMAIL_IS_USERNAME"], value)

    def test_the_provider_follows_from_the_identity(self):
        for parameters, value in [(SMS, "sns"), (END_USER_MESSAGING, "end-user-messaging")]:
            self.assertEqual(self.variables("CustomSmsSenderFunction", parameters)["SMS_PROVIDER"], value)

    def test_the_senders_get_the_arn_of_the_key(self):
        for parameters, value in [(SMS, "<CodeKey.Arn>"), ({**SMS, "CodeKeyArn": KEY}, KEY)]:
            for function in SENDERS:
                self.assertEqual(self.variables(function, parameters)["CODE_KEY_ARN"], value)

    def test_the_hash_key_is_read_from_the_generated_secret_at_deployment(self):
        found = self.variables("PreSignUpFunction", {})["RECIPIENT_HASH_KEY"]
        self.assertEqual(found, "{{resolve:secretsmanager:<RecipientHashKey.Ref>}}")

    def test_metrics_go_into_the_namespace_of_the_stack(self):
        for function in TRIGGERS:
            self.assertEqual(self.variables(function, SMS)["METRICS_NAMESPACE"], "demo")
        self.assertNotIn("METRICS_NAMESPACE", self.variables("AttachFunction", POOL))

    def test_the_attach_function_knows_its_stack_pool_and_key_and_proves_what_it_recorded(self):
        found = self.variables("AttachFunction", POOL)
        self.assertEqual(found["STACK_ID"], "arn:aws:cloudformation:eu-central-1:123456789012:stack/demo/0a1b2c3d")
        self.assertEqual(found["USER_POOL_ID"], POOL["UserPoolId"])
        self.assertEqual(found["CODE_KEY_ARN"], "<CodeKey.Arn>")
        self.assertEqual(found["PHYSICAL_ID_KEY"], "{{resolve:secretsmanager:<PhysicalIdKey.Ref>}}")
        self.assertEqual(self.variables("AttachFunction", {**POOL, "CodeKeyArn": KEY})["CODE_KEY_ARN"], KEY)
        self.assertEqual(self.variables("AttachFunction", {**POOL, **COGNITO})["CODE_KEY_ARN"], "")

    def test_the_longest_settings_fit_into_lambdas_4_kb(self):
        declared = template()["Parameters"]
        # What the template works out: names that CloudFormation makes begin with the stack's, of at most 128
        # characters.
        worked_out = {
            "METRICS_NAMESPACE": 128,
            "RECIPIENT_HASH_KEY": 64,
            "PHYSICAL_ID_KEY": 64,
            "STACK_ID": 100 + 128,
            "CODE_KEY_ARN": 120,
            "DELIVERY_TABLE": 128 + len("-DeliveryTable-") + 13,
            "EMAIL_IS_USERNAME": 5,
            "CUSTOM_MESSAGE_CHANNELS": 9,
            "SMS_PROVIDER": 18,
        }
        # The only values that need not be ASCII, with their longest part that is not, in characters of up to four bytes.
        not_ascii = {"BRAND_NAME": 64, "FROM_ADDRESS": 100, "MORE_SETTINGS": 200}
        for function, variables in ENVIRONMENT.items():
            size = sum(len(v) for v in variables) + 3 * sum(not_ascii.get(v, 0) for v in variables)
            for variable, parameter in variables.items():
                if parameter is None:
                    size += worked_out[variable]
                else:
                    one = declared[parameter]
                    size += one.get("MaxLength") or max(map(len, one["AllowedValues"]))
            with self.subTest(function):
                self.assertLess(size, 4096)
        for variables in ENVIRONMENT.values():
            for variable, parameter in variables.items():
                pattern = declared[parameter].get("AllowedPattern", "") if parameter else ""
                if variable not in not_ascii:
                    self.assertNotRegex(pattern, r"\\S|\[\^", variable)
