"""How each function is built, invoked and attached."""

import unittest
import warnings

import yaml
from template import (
    BINARIES,
    BOUNDARY,
    BY_HAND,
    COGNITO,
    ENVIRONMENT,
    FIRST,
    FULL,
    KEY,
    LAYER,
    POOL,
    POOL_ARN,
    SMS_ROLE,
    VPC,
    ROOT,
    SENDERS,
    SMS,
    SYNCHRONOUS,
    TRIGGERS,
    as_list,
    deployed,
    of_type,
    policies,
    statements,
    template,
)


class Functions(unittest.TestCase):
    def setUp(self):
        self.source = template()
        self.stack = deployed({**FIRST, **SMS})
        self.resources = self.stack.section("Resources")

    def test_each_is_built_from_its_own_binary(self):
        for function, binary in BINARIES.items():
            metadata = self.source["Resources"][function]["Metadata"]
            self.assertEqual(metadata, {"BuildMethod": "rust-cargolambda", "BuildProperties": {"Binary": binary}})
            code = self.source["Resources"][function]["Properties"]["CodeUri"]
            self.assertEqual(code, f"functions/{binary}")
        shared = self.source["Globals"]["Function"]
        self.assertEqual((shared["Handler"], shared["Runtime"]), ("bootstrap", "provided.al2023"))

    def test_one_deployment_can_hold_all_four_and_the_one_that_attaches_them(self):
        self.assertEqual(set(of_type(self.resources, "AWS::Lambda::Function")), set(TRIGGERS))
        resources = deployed({**FIRST, **SMS, **POOL}).section("Resources")
        self.assertEqual(set(of_type(resources, "AWS::Lambda::Function")), set(BINARIES))

    def test_timeouts_are_cognitos_five_seconds_or_the_senders_fifteen_or_a_minute(self):
        resources = deployed({**FIRST, **SMS, **POOL}).section("Resources")
        for name, function in of_type(resources, "AWS::Lambda::Function").items():
            expected = 5 if name in SYNCHRONOUS else 15 if name in SENDERS else 60
            self.assertEqual(function["Timeout"], expected, name)

    def test_no_parameter_can_deploy_another_architecture_than_the_build_is_for(self):
        for name, function in self.source["Resources"].items():
            if function["Type"] == "AWS::Serverless::Function":
                self.assertNotIn("Architectures", function["Properties"], name)
        self.assertEqual(self.source["Globals"]["Function"]["Architectures"], ["x86_64"])

    def test_only_the_pool_of_this_account_may_invoke_them(self):
        for parameters in (POOL, BY_HAND):
            resources = deployed({**FIRST, **SMS, **parameters}).section("Resources")
            permissions = of_type(resources, "AWS::Lambda::Permission").values()
            self.assertEqual({p["FunctionName"] for p in permissions}, {f"<{f}.Ref>" for f in TRIGGERS})
            for permission in permissions:
                self.assertEqual(permission["Action"], "lambda:InvokeFunction")
                self.assertEqual(permission["Principal"], "cognito-idp.amazonaws.com")
                self.assertEqual(permission["SourceAccount"], "123456789012")
                self.assertEqual(permission["SourceArn"], POOL_ARN)
        self.assertEqual(of_type(self.resources, "AWS::Lambda::Permission"), {}, "without a pool")

    def test_events_that_fail_end_in_the_encrypted_queue(self):
        configs = of_type(self.resources, "AWS::Lambda::EventInvokeConfig")
        self.assertEqual({c["FunctionName"] for c in configs.values()}, {f"<{f}.Ref>" for f in SENDERS})
        for config in configs.values():
            self.assertEqual(config["MaximumRetryAttempts"], 2)
            self.assertEqual(int(config["MaximumEventAgeInSeconds"]), 900)
            self.assertEqual(config["DestinationConfig"]["OnFailure"]["Destination"], "<OnFailureQueue.Arn>")
        queue = self.resources["OnFailureQueue"]["Properties"]
        self.assertEqual(queue["KmsMasterKeyId"], "<CodeKey.Arn>")
        self.assertEqual(queue["MessageRetentionPeriod"], 4 * 24 * 3600)

    def test_only_the_redrive_role_reads_the_queue(self):
        (policy,) = of_type(self.resources, "AWS::SQS::QueuePolicy").values()
        denied = statements(policy["PolicyDocument"])[0]
        self.assertEqual((denied["Effect"], denied["Principal"]), ("Deny", "*"))
        self.assertIn("sqs:ReceiveMessage", denied["Action"])
        self.assertEqual(denied["Condition"], {"ArnNotEquals": {"aws:PrincipalArn": "<RedriveRole.Arn>"}})

    def test_logs_are_json_kept_for_a_time_and_never_cut_by_lambda(self):
        resources = deployed({**FIRST, **SMS, **POOL}).section("Resources")
        groups = of_type(resources, "AWS::Logs::LogGroup")
        self.assertEqual(len(groups), len(BINARIES))
        for group in groups.values():
            self.assertEqual(group["RetentionInDays"], "30")
        # Below INFO, because Lambda counts a metrics line as INFO and would drop it.
        for name, function in of_type(resources, "AWS::Lambda::Function").items():
            logging = function["LoggingConfig"]
            self.assertEqual((logging["LogFormat"], logging["ApplicationLogLevel"]), ("JSON", "DEBUG"))
            self.assertEqual(logging["LogGroup"], f"<{name.replace('Function', 'LogGroup')}.Ref>")

    def test_sam_local_invoke_sees_the_settings(self):
        from samcli.lib.providers.sam_function_provider import SamFunctionProvider
        from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

        given = {**FIRST, "AWS::Region": "eu-central-1", "TemplatesLayerArn": LAYER}
        with warnings.catch_warnings():
            # SAM's own use of an old validator is not this project's.
            warnings.simplefilter("ignore", DeprecationWarning)
            stacks, _ = SamLocalStackProvider.get_stacks(str(ROOT / "template.yaml"), parameter_overrides=given)
            functions = list(SamFunctionProvider(stacks).get_all())
        self.assertEqual({f.name for f in functions}, set(BINARIES))
        for function in functions:
            # It does not evaluate the condition; a layer with a strange name would stop it.
            self.assertEqual(function.layers, [])
            variables = function.environment["Variables"]
            if function.name in TRIGGERS:
                self.assertEqual(set(variables), set(ENVIRONMENT[function.name]))
            self.assertEqual(variables.get("BRAND_NAME", "Example"), "Example")

    def test_a_layer_and_a_reserve_reach_every_function_or_none(self):
        given = {"TemplatesLayerArn": LAYER, "ReservedConcurrency": "7"}
        for parameters, layers, reserve in [({}, [], None), (given, [LAYER], "7")]:
            resources = deployed({**FIRST, **SMS, **parameters}).section("Resources")
            for function in of_type(resources, "AWS::Lambda::Function").values():
                self.assertEqual(function.get("Layers"), layers)
                self.assertEqual(function.get("ReservedConcurrentExecutions"), reserve)
        attach = deployed({**FIRST, **POOL, **given}).section("Resources")["AttachFunction"]["Properties"]
        self.assertNotIn("ReservedConcurrentExecutions", attach)

    def test_a_vpc_a_boundary_a_path_and_a_key_reach_everything_that_they_must(self):
        rules = {**VPC, "PermissionsBoundaryArn": BOUNDARY, "RolePath": "/a/", "DataKeyArn": KEY}
        resources = deployed({**FIRST, **SMS, **POOL, **rules}).section("Resources")
        for role in of_type(resources, "AWS::IAM::Role").values():
            self.assertEqual((role["PermissionsBoundary"], role["Path"]), (BOUNDARY, "/a/"))
        for group in of_type(resources, "AWS::Logs::LogGroup").values():
            self.assertEqual(group["KmsKeyId"], KEY)
        for name, function in of_type(resources, "AWS::Lambda::Function").items():
            self.assertEqual(function["KmsKeyArn"], KEY)
            # From a VPC without a route it could not answer CloudFormation, and the stack would hang.
            subnets = None if name == "AttachFunction" else ["subnet-0a", "subnet-0b"]
            self.assertEqual(function.get("VpcConfig", {}).get("SubnetIds"), subnets, name)
        without = deployed({**FIRST, **SMS, **POOL}).section("Resources")
        self.assertNotIn("RuntimePolicy", without)
        for function in of_type(without, "AWS::Lambda::Function").values():
            self.assertFalse({"KmsKeyArn", "VpcConfig"} & set(function))

    def test_traces_are_made_where_they_are_wanted(self):
        for parameters, mode in [(FULL, "PassThrough"), ({"Observability": "full-with-traces"}, "Active")]:
            resources = deployed({**FIRST, **SMS, **POOL, **parameters}).section("Resources")
            for function in of_type(resources, "AWS::Lambda::Function").values():
                self.assertEqual(function["TracingConfig"], {"Mode": mode})


class Attachment(unittest.TestCase):
    """The pool that exists already: who changes it, in which order, with which rights."""

    def resources(self, **parameters):
        return deployed({**FIRST, **SMS, **POOL, **parameters}).section("Resources")

    def test_it_is_there_for_an_existing_pool_that_the_stack_is_to_change(self):
        parts = {
            "AttachFunction",
            "AttachRole",
            "AttachPolicy",
            "AttachLogGroup",
            "CheckedUserPool",
            "AttachedTriggers",
        }
        for parameters, there in [
            ({}, set()),
            (POOL, parts),
            (BY_HAND, set()),
            ({**BY_HAND, "EmailIsUsername": "true"}, parts - {"AttachedTriggers"}),
            ({**POOL, "AttachTriggers": "replace"}, parts),
        ]:
            with self.subTest(parameters):
                resources = deployed({**FIRST, **parameters}).section("Resources")
                self.assertEqual(parts & set(resources), there)

    def test_each_channel_has_one_writer(self):
        email, sms = "<CustomEmailSenderFunction.Arn>", "<CustomSmsSenderFunction.Arn>"
        key, message = "<CodeKey.Arn>", "<CustomMessageFunction.Arn>"
        for parameters, expected in [
            ({}, {"CustomEmailSender": email, "KMSKeyID": key}),
            (SMS, {"CustomEmailSender": email, "CustomSMSSender": sms, "KMSKeyID": key}),
            ({**SMS, "CodeKeyArn": KEY}, {"CustomEmailSender": email, "CustomSMSSender": sms, "KMSKeyID": KEY}),
            ({"SmsDelivery": "cognito"}, {"CustomEmailSender": email, "CustomMessage": message, "KMSKeyID": key}),
            ({**COGNITO, **SMS}, {"CustomSMSSender": sms, "CustomMessage": message, "KMSKeyID": key}),
            (COGNITO, {"CustomMessage": message}),
        ]:
            stack = deployed({**FIRST, **POOL, **parameters})
            told = stack.section("Resources")["AttachedTriggers"]["Properties"]
            others = {"ServiceToken", "ServiceTimeout", "UserPoolId", "ReplaceTriggers", "EmailIsUsername", "After"}
            attached = {name: value for name, value in told.items() if name not in others}
            outputs = stack.section("Outputs")
            # YAML, because JSON is a part of it.
            shown = yaml.safe_load(outputs["LambdaConfigToAttach"]["Value"])
            with self.subTest(parameters):
                self.assertEqual(attached, {"PreSignUp": "<PreSignUpFunction.Arn>", **expected})
                self.assertEqual(told["UserPoolId"], POOL["UserPoolId"])
                arns = {name: one["LambdaArn"] if isinstance(one, dict) else one for name, one in shown.items()}
                self.assertEqual(arns, attached)
                given = dict(one.split("=", 1) for one in outputs["UserPoolParameters"]["Value"].split())
                self.assertEqual(sorted(given.values()), sorted(attached.values()))

    def test_what_it_is_told_follows_the_parameters(self):
        for value in ("true", "false"):
            self.assertEqual(self.resources(EmailIsUsername=value)["AttachedTriggers"]["Properties"]["EmailIsUsername"], value)
        for value, told in [("true", "false"), ("replace", "true")]:
            found = self.resources(AttachTriggers=value)["AttachedTriggers"]["Properties"]["ReplaceTriggers"]
            self.assertEqual(found, told)

    def test_what_is_said_of_the_pool_is_checked_before_pre_sign_up_changes(self):
        stack = deployed({**FIRST, **POOL, "EmailIsUsername": "true"})
        resources = stack.section("Resources")
        told = resources["CheckedUserPool"]["Properties"]
        self.assertEqual(
            {name: told[name] for name in ("CheckOnly", "UserPoolId", "EmailIsUsername")},
            {"CheckOnly": "true", "UserPoolId": POOL["UserPoolId"], "EmailIsUsername": "true"},
        )
        self.assertEqual(set(told), {"ServiceToken", "ServiceTimeout", "CheckOnly", "UserPoolId", "EmailIsUsername"})
        # What the check waits for does not wait for pre-sign-up.
        waits, seen = {"CheckedUserPool"}, set()
        while new := waits - seen:
            seen |= new
            for item in (stack.source["Resources"][name] for name in new):
                stack.used = set()
                stack.value(item.get("Properties", {}))
                waits |= stack.used | set(as_list(item.get("DependsOn", [])))
        self.assertLess({"AttachFunction", "AttachRole", "AttachLogGroup"}, waits)
        self.assertFalse(waits & set(TRIGGERS))

    def test_it_comes_after_all_that_the_triggers_need_and_goes_before_it(self):
        stack = deployed({**FIRST, **SMS, **POOL})
        item = stack.source["Resources"]["AttachedTriggers"]
        stack.value(item["Properties"])
        before = stack.used | set(as_list(item["DependsOn"]))
        permissions = {name for name in stack.source["Resources"] if name.endswith("Permission")}
        policies = {"AttachPolicy"}
        rest = {"CodeKey", "AttachFunctionEventInvokeConfig"}
        self.assertEqual(before, permissions | policies | set(BINARIES) - {"CustomMessageFunction"} | rest)

    def test_what_it_waits_for_is_there_whenever_it_is(self):
        # CloudFormation does not say what a dependency on a resource means that a condition leaves out.
        source = deployed({**FIRST, **POOL}).source["Resources"]
        for resource in ("CheckedUserPool", "AttachedTriggers"):
            for name in as_list(source[resource]["DependsOn"]):
                self.assertIn(source[name].get("Condition"), (None, "AttachedByStack", "ChecksPool", "HasPool"), name)

    def test_a_request_is_worked_on_once_and_not_longer_than_cloudformation_waits(self):
        resources = self.resources()
        (config,) = [
            c
            for c in of_type(resources, "AWS::Lambda::EventInvokeConfig").values()
            if c["FunctionName"] == "<AttachFunction.Ref>"
        ]
        wait = resources["AttachedTriggers"]["Properties"]["ServiceTimeout"]
        self.assertEqual((config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]), (0, wait))
        self.assertGreater(wait, resources["AttachFunction"]["Properties"]["Timeout"])

    def test_the_function_may_change_this_pool_and_pass_to_cognito_what_is_in_it(self):
        granted = policies(self.resources(PoolSmsRoleArn=SMS_ROLE), "AttachRole")[1:]
        read, write, pass_role, email_role, code_key, key_of_pool = granted
        self.assertEqual((read["Resource"], write["Resource"]), (POOL_ARN, POOL_ARN))
        self.assertEqual(pass_role["Resource"], SMS_ROLE)
        self.assertEqual(pass_role["Condition"], {"StringEquals": {"iam:PassedToService": "cognito-idp.amazonaws.com"}})
        email = "email.cognito-idp.amazonaws.com"
        self.assertEqual(email_role["Resource"], f"arn:aws:iam::123456789012:role/aws-service-role/{email}/*")
        self.assertEqual(email_role["Condition"], {"StringEquals": {"iam:AWSServiceName": email}})
        self.assertEqual(code_key["Resource"], ["<CodeKey.Arn>", "arn:aws:kms:eu-central-1:123456789012:key/*"])
        self.assertEqual(
            code_key["Condition"],
            {"StringEquals": {"kms:EncryptionContext:userpool-id": POOL["UserPoolId"]}},
        )
        # A key of the pool's data only through Cognito, and only for this pool.
        self.assertEqual(
            key_of_pool["Condition"]["StringEquals"],
            {
                "kms:ViaService": "cognito-idp.eu-central-1.amazonaws.com",
                "kms:EncryptionContext:aws:cognito-idp:userpool-arn": POOL_ARN,
            },
        )

    def test_it_passes_no_role_unless_one_is_named(self):
        self.assertNotIn("iam:PassRole", [s["Action"] for s in policies(self.resources(), "AttachRole")])

    def test_it_only_reads_a_pool_that_it_does_not_attach_to(self):
        resources = self.resources(AttachTriggers="false", EmailIsUsername="true")
        _, read, key_of_pool = policies(resources, "AttachRole")
        self.assertEqual((read["Action"], read["Resource"]), ("cognito-idp:DescribeUserPool", POOL_ARN))
        self.assertIn("kms:ViaService", key_of_pool["Condition"]["StringEquals"])

    def test_its_rights_on_a_former_pool_last_until_that_has_let_go(self):
        # A change of the description replaces the policy, and the old one goes after what depends on it.
        one = self.resources()["AttachPolicy"]["Properties"]
        other = self.resources(UserPoolId="eu-central-1_Another01")["AttachPolicy"]["Properties"]
        self.assertNotEqual(one["Description"], other["Description"])
        self.assertNotIn("ManagedPolicyName", one)
