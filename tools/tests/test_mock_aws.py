"""Compares the data of the tests' mock of AWS with botocore and with `template.yaml`.

`python tools/tests/test_mock_aws.py --stack > tests/fixtures/stack.json` writes the deployment that the mock serves:
resources, outputs, parameters, and the configuration of the functions.
"""

import base64
import hashlib
import json
import re
import sys
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import service_model
import template

FIXTURES = template.ROOT / "tests" / "fixtures"

ACCOUNT = "123456789012"
REGION = "eu-central-1"
STACK = "triggers"
STACK_ID = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/11112222-3333-4444-5555-666677778888"
POOL = "eu-central-1_Example01"
SENDER = "no-reply@shop.example"


def suffix(name):
    """12 upper-case letters and digits, as CloudFormation appends them. These follow from the logical ID."""
    return base64.b32encode(hashlib.sha256(name.encode()).digest()).decode()[:12]


def physical_id(name, stack=STACK):
    """The name that CloudFormation generates for a resource without one of its own."""
    return f"{stack}-{name}-{suffix(name)}"


# CloudFormation leaves out the stack's name. Secrets Manager appends six more characters in the ARN.
SECRET_NAME = f"RecipientHashKey-{suffix('RecipientHashKey')}"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{SECRET_NAME}-AbCdEf"
QUEUE = physical_id("OnFailureQueue")

PARAMETERS = {
    "BrandName": "Acme",
    "FromAddress": f"Acme <{SENDER}>",
    "SmsDelivery": "sender",
    "SmsAllowedCountries": "US,DE",
    "MoreSettings": "SesConfigurationSet=codes; SmsOriginationNumber=+12065550100",
    "AllowedEmailDomains": "trusted.example",
    "DeniedEmailDomains": "denied.example",
    "Observability": "full",
}
BY_THE_STACK = {**PARAMETERS, "UserPoolId": POOL, "EmailIsUsername": "true"}
BY_HAND = {**PARAMETERS, "UserPoolId": POOL, "AttachTriggers": "false"}

LOG_GROUPS = {name.replace("Function", "LogGroup"): binary for name, binary in template.TRIGGERS.items()}
# The physical IDs that CloudFormation doesn't generate.
PHYSICAL_IDS = {
    "CodeKey": "11111111-2222-3333-4444-555555555555",
    "CodeKeyAlias": f"alias/{STACK}-codes",
    "OnFailureQueue": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{QUEUE}",
    "OverviewDashboard": f"{STACK}-{REGION}",
    "RecipientHashKey": SECRET,
    **{name: f"/aws/lambda/{STACK}-{binary}" for name, binary in LOG_GROUPS.items()},
}
# The stack of examples/user-pool, to which the pool, its app client and its SMS role belong.
POOL_STACK = "pool"
OF_THE_POOL = {
    "UserPool": POOL,
    "UserPoolClient": "1example23456789",
    "UserPoolSmsRole": physical_id("UserPoolSmsRole", POOL_STACK),
}
# What comes before the physical ID in an ARN.
ARNS = {
    "AWS::Cognito::UserPool": f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/",
    "AWS::KMS::Key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/",
    "AWS::Lambda::Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:",
}


def names(resources):
    """What `<CodeKey.Ref>`, `<CodeKey.Arn>` and the like are in a deployed stack."""
    found = {
        "OnFailureQueue.Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUE}",
        # What the attach function returns for a pool with this sign-in attribute.
        "CheckedUserPool.Trusted": "true",
        "AttachedTriggers.EmailIsUsername": "true",
    }
    for name, resource in resources.items():
        found[f"{name}.Ref"] = PHYSICAL_IDS.get(name) or physical_id(name)
        if resource["Type"] in ARNS:
            found[f"{name}.Arn"] = ARNS[resource["Type"]] + found[f"{name}.Ref"]
    for name, one in OF_THE_POOL.items():
        kind = template.template(template.USER_POOL)["Resources"][name]["Type"]
        found[f"{name}.Ref"] = one
        if kind in ARNS:
            found[f"{name}.Arn"] = ARNS[kind] + one
    return found


def resolved(value, found):
    """A value with its references as a deployed stack has them."""
    text = re.sub(r"<(\w+\.\w+)>", lambda match: found[match[1]], json.dumps(value))
    return json.loads(text.replace(f"{{{{resolve:secretsmanager:{SECRET}}}}}", "a key for tests"))


def outputs(stack):
    """As DescribeStacks shows them."""
    return [
        {"OutputKey": name, "OutputValue": output["Value"], "Description": output["Description"]}
        for name, output in stack.section("Outputs").items()
    ]


def parameters(given):
    """As DescribeStacks shows them: those that were not given have their defaults."""
    defaults = {name: str(one.get("Default", "")) for name, one in template.template()["Parameters"].items()}
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in {**defaults, **given}.items()]


def function(name, properties):
    """As GetFunctionConfiguration shows it."""
    wanted = ("Description", "Handler", "Runtime", "Timeout", "Environment", "TracingConfig", "Architectures")
    return {
        "FunctionName": f"<{name}.Ref>",
        "FunctionArn": f"<{name}.Arn>",
        **{name: properties[name] for name in wanted},
        "MemorySize": int(properties["MemorySize"]),
        "Role": properties["Role"],
        "LoggingConfig": properties["LoggingConfig"],
    }


def stack():
    """The file."""
    pseudo = {"AWS::StackName": STACK, "AWS::StackId": STACK_ID}
    with mock.patch.dict(template._PSEUDO, pseudo):
        template._transformed.cache_clear()
        by_the_stack, by_hand = template.deployed(BY_THE_STACK), template.deployed(BY_HAND)
        resources = by_the_stack.section("Resources")
        found = names(resources)
        written = {
            "id": STACK_ID,
            "names": {"RecipientHashKey": SECRET_NAME},
            "arns": {name.removesuffix(".Arn"): arn for name, arn in found.items() if name.endswith(".Arn")},
            "resources": [
                {
                    "LogicalResourceId": name,
                    "PhysicalResourceId": f"<{name}.Ref>",
                    "ResourceType": resource["Type"],
                }
                for name, resource in resources.items()
            ],
            "resources of the pool": [
                {"LogicalResourceId": name, "PhysicalResourceId": f"<{name}.Ref>"} for name in OF_THE_POOL
            ],
            "attached by the stack": {"Outputs": outputs(by_the_stack), "Parameters": parameters(BY_THE_STACK)},
            "attached by hand": {"Outputs": outputs(by_hand), "Parameters": parameters(BY_HAND)},
            "functions": {
                binary: function(name, resources[name]["Properties"]) for name, binary in template.TRIGGERS.items()
            },
        }
        template._transformed.cache_clear()
    return json.dumps(resolved(written, found), indent=2, ensure_ascii=False) + "\n"


class MockOfAws(unittest.TestCase):
    maxDiff = None

    def test_the_mock_has_the_shapes_of_the_service_models(self):
        text = (FIXTURES / "services.json").read_text(encoding="utf-8")
        self.assertEqual(text, service_model.services(), "python tools/service_model.py")

    def test_the_errors_of_the_senders_are_those_of_the_service_models(self):
        text = (FIXTURES / "errors.json").read_text(encoding="utf-8")
        self.assertEqual(text, service_model.errors(), "python tools/service_model.py")

    def test_the_mock_serves_what_the_template_deploys(self):
        text = (FIXTURES / "stack.json").read_text(encoding="utf-8")
        self.assertEqual(text, stack(), "python tools/tests/test_mock_aws.py --stack > tests/fixtures/stack.json")


if __name__ == "__main__":
    if sys.argv[1:] == ["--stack"]:
        sys.stdout.write(stack())
    else:
        unittest.main()
