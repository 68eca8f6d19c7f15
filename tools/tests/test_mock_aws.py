"""Compares the data of the tests' mock of AWS with botocore and with `template.yaml`.

`python tools/tests/test_mock_aws.py --stack > tests/fixtures/stack.json` writes the deployment that the mock serves:
resources, outputs, parameters, and the configuration of the functions.
"""

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
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:RecipientHashKey-AbCdEf"

PARAMETERS = {
    "BrandName": "Acme",
    "FromAddress": f"Acme <{SENDER}>",
    "SesConfigurationSet": "codes",
    "SmsDelivery": "sender",
    "SmsAllowedCountries": "US,DE",
    "SmsOriginationNumber": "+12065550100",
    "AllowedEmailDomains": "trusted.example",
    "DeniedEmailDomains": "denied.example",
}
OWN = {**PARAMETERS, "SesIdentityArn": f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/shop.example"}
EXISTING = {**PARAMETERS, "UserPoolId": POOL, "AttachTriggers": "false"}

# What the references to these resources are; of all others the stack's and their own name.
REFERENCES = {
    "CodeKey": ("11111111-2222-3333-4444-555555555555", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/"),
    "CodeKeyAlias": (f"alias/{STACK}-codes", ""),
    "OnFailureQueue": (
        f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/failed-events",
        f"arn:aws:sqs:{REGION}:{ACCOUNT}:failed-events",
    ),
    "RecipientHashKey": (SECRET, SECRET),
    "UserPool": (POOL, f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/"),
    "UserPoolClient": ("1example23456789", ""),
    **{
        f"{name}LogGroup": (f"/aws/lambda/{STACK}-{binary}", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:")
        for name, binary in (
            ("PreSignUp", "pre-sign-up"),
            ("CustomMessage", "custom-message"),
            ("CustomEmailSender", "custom-email-sender"),
            ("CustomSmsSender", "custom-sms-sender"),
        )
    },
    **{
        name: (f"{STACK}-{binary}", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:")
        for name, binary in template.TRIGGERS.items()
    },
}


def reference(match):
    """What stands for `<CodeKey.Arn>` in a deployed stack."""
    name, attribute = match[1], match[2]
    ref, arn = REFERENCES.get(name, (f"{STACK}-{name}", f"arn:aws:iam::{ACCOUNT}:role/"))
    if attribute == "Ref":
        return ref
    return arn if arn.endswith((":failed-events", "AbCdEf")) else arn + ref


def resolved(value):
    """A value with its references as a deployed stack has them."""
    text = re.sub(r"<(\w+)\.(Ref|Arn)>", reference, json.dumps(value))
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


def function(properties):
    """As GetFunctionConfiguration shows it."""
    wanted = ("Description", "Handler", "Runtime", "Timeout", "Environment", "TracingConfig", "Architectures")
    return {
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
        own, existing = template.deployed(OWN), template.deployed(EXISTING)
        resources = own.section("Resources")
        written = {
            "id": STACK_ID,
            "resources": [
                {
                    "LogicalResourceId": name,
                    "PhysicalResourceId": f"<{name}.Ref>",
                    "ResourceType": resource["Type"],
                }
                for name, resource in resources.items()
            ],
            "own pool": {"Outputs": outputs(own), "Parameters": parameters(OWN)},
            "existing pool": {"Outputs": outputs(existing), "Parameters": parameters(EXISTING)},
            "functions": {
                binary: function(resources[name]["Properties"]) for name, binary in template.TRIGGERS.items()
            },
        }
        template._transformed.cache_clear()
    return json.dumps(resolved(written), indent=2, ensure_ascii=False) + "\n"


class World(unittest.TestCase):
    maxDiff = None

    def test_the_mock_has_the_shapes_of_the_service_models(self):
        text = (FIXTURES / "services.json").read_text(encoding="utf-8")
        self.assertEqual(text, service_model.text(), "python tools/service_model.py > tests/fixtures/services.json")

    def test_the_mock_serves_what_the_template_deploys(self):
        text = (FIXTURES / "stack.json").read_text(encoding="utf-8")
        self.assertEqual(text, stack(), "python tools/tests/test_mock_aws.py --stack > tests/fixtures/stack.json")


if __name__ == "__main__":
    if sys.argv[1:] == ["--stack"]:
        sys.stdout.write(stack())
    else:
        unittest.main()
