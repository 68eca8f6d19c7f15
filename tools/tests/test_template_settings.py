"""What the parameters accept, and how they reach the functions."""

import unittest

from template import (
    BAD,
    BY_HAND,
    COGNITO,
    ENVIRONMENT,
    EXISTING,
    FIRST,
    GOOD,
    KEY,
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
                self.assertTrue(declared["ConstraintDescription"])
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
        domains = {"DeniedEmailDomains", "DisposableEmailExceptions"}  # the same pattern as AllowedEmailDomains
        self.assertEqual(patterns - set(VALUES), domains)
        used = {template()["Parameters"][n]["AllowedPattern"] for n in domains | {"AllowedEmailDomains"}}
        self.assertEqual(len(used), 1)

    def test_defaults_in_rules_are_the_parameters_own(self):
        """A setting that may only be changed where it has an effect is compared with its default."""
        found = 0
        for rule in template()["Rules"].values():
            for assertion in rule["Assertions"]:
                match assertion["Assert"]:
                    case {"Fn::Equals": [{"Ref": name}, value]} if name.startswith("Sms"):
                        self.assertEqual(value, template()["Parameters"][name]["Default"], name)
                        found += 1
        self.assertGreater(found, 10)


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

    def test_email_is_the_username_in_the_own_pool_or_with_the_parameter(self):
        says_so = {"EmailIsUsername": "true"}
        checked = "<CheckedUserPool.Trusted>"
        for parameters, value in [
            ({}, "true"),
            (EXISTING, checked),
            ({**EXISTING, **says_so}, checked),
            (BY_HAND, "false"),
            ({**BY_HAND, **says_so}, "true"),
        ]:
            found = self.variables("PreSignUpFunction", parameters)
            self.assertEqual(found["EMAIL_IS_USERNAME"], value)

    def test_the_senders_get_the_arn_of_the_key(self):
        for parameters, value in [(SMS, "<CodeKey.Arn>"), ({**SMS, "CodeKeyArn": KEY}, KEY)]:
            for function in SENDERS:
                self.assertEqual(self.variables(function, parameters)["CODE_KEY_ARN"], value)

    def test_the_hash_key_is_read_from_the_generated_secret_at_deployment(self):
        found = self.variables("PreSignUpFunction", {})["RECIPIENT_HASH_KEY"]
        self.assertEqual(found, "{{resolve:secretsmanager:<RecipientHashKey.Ref>}}")

    def test_the_table_is_named_where_there_is_something_to_write_there(self):
        for parameters, function, value in [
            ({}, "CustomEmailSenderFunction", "<DeliveryTable.Ref>"),
            ({"DeliveryRecords": "false"}, "CustomEmailSenderFunction", ""),
            ({**SMS, "DeliveryRecords": "false"}, "CustomEmailSenderFunction", ""),
            (SMS, "CustomSmsSenderFunction", "<DeliveryTable.Ref>"),
            # Its guard counts there in any case.
            ({**SMS, "DeliveryRecords": "false"}, "CustomSmsSenderFunction", "<DeliveryTable.Ref>"),
        ]:
            with self.subTest(parameters, function=function):
                self.assertEqual(self.variables(function, parameters)["DELIVERY_TABLE"], value)

    def test_metrics_go_into_the_namespace_of_the_stack(self):
        for function in TRIGGERS:
            self.assertEqual(self.variables(function, SMS)["METRICS_NAMESPACE"], "demo")
        self.assertNotIn("METRICS_NAMESPACE", self.variables("AttachFunction", EXISTING))

    def test_the_attach_function_knows_its_stack_pool_and_key_and_proves_what_it_recorded(self):
        found = self.variables("AttachFunction", EXISTING)
        self.assertEqual(found["STACK_ID"], "arn:aws:cloudformation:eu-central-1:123456789012:stack/demo/0a1b2c3d")
        self.assertEqual(found["USER_POOL_ID"], EXISTING["UserPoolId"])
        self.assertEqual(found["CODE_KEY_ARN"], "<CodeKey.Arn>")
        self.assertEqual(found["PHYSICAL_ID_KEY"], "{{resolve:secretsmanager:<PhysicalIdKey.Ref>}}")
        self.assertEqual(self.variables("AttachFunction", {**EXISTING, "CodeKeyArn": KEY})["CODE_KEY_ARN"], KEY)
        self.assertEqual(self.variables("AttachFunction", {**EXISTING, **COGNITO})["CODE_KEY_ARN"], "")

    def test_the_longest_settings_fit_into_lambdas_4_kb(self):
        declared = template()["Parameters"]
        # What the template works out: names that CloudFormation makes begin with the stack's, of at most 128
        # characters.
        worked_out = {
            "METRICS_NAMESPACE": 128,
            "RECIPIENT_HASH_KEY": 64,
            "PHYSICAL_ID_KEY": 64,
            "STACK_ID": 100 + 128,
            "CODE_KEY_ARN": 100,
            "DELIVERY_TABLE": 128 + len("-DeliveryTable-") + 13,
            "EMAIL_IS_USERNAME": 5,
            "CUSTOM_MESSAGE_CHANNELS": 9,
        }
        for function, variables in ENVIRONMENT.items():
            size = sum(len(v) for v in variables)
            for variable, parameter in variables.items():
                if parameter is None:
                    size += worked_out[variable]
                elif declared[parameter]["Type"] == "Number":
                    size += len(str(declared[parameter]["MaxValue"]))
                else:
                    size += declared[parameter].get("MaxLength") or max(
                        map(len, declared[parameter].get("AllowedValues", ["x" * 64]))
                    )
            with self.subTest(function):
                self.assertLess(size, 4096)
