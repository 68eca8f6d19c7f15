"""Evaluates `template.yaml` without AWS, for its tests in `tools/tests/`.

A small evaluator of CloudFormation's functions computes `Rules`, `Conditions` and the resources for sets of
parameters. It needs `cfn-lint` or `aws-sam-cli`, which install PyYAML, the SAM translator and tomlkit. cfn-lint
itself checks that AWS has each resource and property.

`python tools/template.py --deployed > tests/fixtures/deployed.json` writes what the tests of the functions need:
the metrics that alarms and the dashboard use, and what each function's role allows.
"""

import copy
import functools
import json
import logging
import os
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent

# Every environment variable that the template sets in each function, and the parameter that it comes from; None if the
# template works the value out by itself. The functions' own lists of settings are compared with this one.
_COMMON = {"METRICS_NAMESPACE": None, "OBSERVABILITY": "Observability", "MORE_SETTINGS": "MoreSettings"}
_SENDER = {
    "BRAND_NAME": "BrandName",
    "DENIED_EMAIL_DOMAINS": "DeniedEmailDomains",
    "CODE_KEY_ARN": None,
    "RECIPIENT_HASH_KEY": None,
    "SIGN_UP_MODE": "SignUpMode",
    "ALLOWED_EMAIL_DOMAINS": "AllowedEmailDomains",
    "DELIVERY_TABLE": None,
}
ENVIRONMENT = {
    "PreSignUpFunction": {
        **_COMMON,
        "RECIPIENT_HASH_KEY": None,
        "ALLOWED_EMAIL_DOMAINS": "AllowedEmailDomains",
        "DENIED_EMAIL_DOMAINS": "DeniedEmailDomains",
        "SIGN_UP_MODE": "SignUpMode",
        "EMAIL_IS_USERNAME": None,
    },
    "AttachFunction": {
        "STACK_ID": None,
        "USER_POOL_ID": "UserPoolId",
        "CODE_KEY_ARN": None,
        "PHYSICAL_ID_KEY": None,
    },
    "CustomMessageFunction": {**_COMMON, "BRAND_NAME": "BrandName", "CUSTOM_MESSAGE_CHANNELS": None},
    "CustomEmailSenderFunction": {
        **_COMMON,
        **_SENDER,
        "FROM_ADDRESS": "FromAddress",
        "SES_IDENTITY_ARN": "SesIdentityArn",
        "SES_REGION": "SesRegion",
        "SES_FALLBACK_REGION": "SesFallbackRegion",
    },
    "CustomSmsSenderFunction": {
        **_COMMON,
        **_SENDER,
        "SMS_ALLOWED_COUNTRIES": "SmsAllowedCountries",
        "SMS_PROVIDER": None,
        "SMS_ORIGINATION_IDENTITY": "SmsOriginationIdentity",
    },
}
TRIGGERS = {
    "PreSignUpFunction": "pre-sign-up",
    "CustomMessageFunction": "custom-message",
    "CustomEmailSenderFunction": "custom-email-sender",
    "CustomSmsSenderFunction": "custom-sms-sender",
}
# No trigger: CloudFormation calls it.
BINARIES = {**TRIGGERS, "AttachFunction": "attach"}
SYNCHRONOUS = {"PreSignUpFunction", "CustomMessageFunction"}
SENDERS = {"CustomEmailSenderFunction", "CustomSmsSenderFunction"}

# What each role can do with all parameters. ACTIONS_WHERE has what depends on them.
_LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}
_SENDING = {*_LOG, "sqs:SendMessage", "kms:GenerateDataKey", "kms:Decrypt", "dynamodb:UpdateItem"}
_OF_THE_POOLS_KEY = {
    *("kms:CreateGrant", "kms:Decrypt", "kms:Encrypt"),
    *("kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"),
}
ACTIONS = {
    "PreSignUpRole": _LOG,
    "CustomMessageRole": _LOG,
    "CustomEmailSenderRole": {*_SENDING, "ses:SendEmail"},
    "CustomSmsSenderRole": _SENDING,
    "RedriveRole": {
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
        "sqs:GetQueueAttributes",
        "kms:Decrypt",
        "lambda:InvokeFunction",
    },
    "AttachRole": {*_LOG, *_OF_THE_POOLS_KEY, "cognito-idp:DescribeUserPool"},
}
_ROLES_OF_FUNCTIONS = [function.replace("Function", "Role") for function in BINARIES]
_TRACES = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
_NETWORK = {
    *("ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces"),
    *("ec2:DescribeSubnets", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"),
}
_ATTACHING = {"cognito-idp:UpdateUserPool", "iam:CreateServiceLinkedRole"}
# A condition on the parameters, and what each role may do then.
ACTIONS_WHERE = [
    (lambda p: not p["SmsOriginationIdentity"], {"CustomSmsSenderRole": {"sns:Publish"}}),
    (lambda p: p["SmsOriginationIdentity"], {"CustomSmsSenderRole": {"sms-voice:SendTextMessage"}}),
    (lambda p: p["AttachTriggers"] != "false", {"AttachRole": _ATTACHING}),
    (lambda p: p["PoolSmsRoleArn"], {"AttachRole": {"iam:PassRole"}}),
    (lambda p: p["Observability"] == "full-with-traces", dict.fromkeys(_ROLES_OF_FUNCTIONS, _TRACES)),
    (lambda p: p["VpcSubnetIds"], dict.fromkeys(_ROLES_OF_FUNCTIONS, _NETWORK)),
    (lambda p: p["DataKeyArn"], dict.fromkeys(_ROLES_OF_FUNCTIONS, {"kms:Decrypt"})),
]

# The metrics that the functions write (dimension Function), and those of AWS that alarms and the dashboard use, with
# their dimensions. The tests of the functions compare both with what `--deployed` prints.
_SENDER_METRICS = {
    *("Sent", "Duplicate", "Expired", "Blocked", "RecipientFault", "NothingToSend", "InProgress", "TakenOver"),
    *("FailedTransient", "FailedConfiguration", "FailedAmbiguous", "FailedMalformed", "RecordUnavailable"),
    *("DecryptMilliseconds", "RenderMilliseconds", "SendMilliseconds"),
}
METRICS = {
    "pre-sign-up": {"SignUpConfirmed", "SignUpPassedOn", "SignUpRefused", "SignUpUnchanged", "FailedMalformed"},
    "custom-message": {"MessageWritten", "MessageLeft"},
    "custom-email-sender": _SENDER_METRICS | {"FallbackUsed"},
    "custom-sms-sender": _SENDER_METRICS | {"PumpingBlocked"},
}
# Those that CloudWatch receives with Observability=minimal.
MINIMAL = {
    "pre-sign-up": {"SignUpPassedOn", "SignUpRefused"},
    "custom-email-sender": {"Sent"},
    "custom-sms-sender": {"Sent", "PumpingBlocked"},
}
AWS_METRICS = {
    ("AWS/Lambda", "Errors"): ["FunctionName"],
    ("AWS/Lambda", "Throttles"): ["FunctionName"],
    ("AWS/Lambda", "Duration"): ["FunctionName"],
    ("AWS/Lambda", "AsyncEventsDropped"): ["FunctionName"],
    ("AWS/Lambda", "DestinationDeliveryFailures"): ["FunctionName"],
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): ["QueueName"],
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): ["QueueName"],
    ("AWS/SES", "Reputation.BounceRate"): [],
    ("AWS/SES", "Reputation.ComplaintRate"): [],
    ("AWS/SNS", "SMSMonthToDateSpentUSD"): [],
}

# --- Parameter sets ---------------------------------------------------------------------------------------------

# What a stranger gives at the first deployment.
FIRST = {"BrandName": "Example", "FromAddress": "Example <no-reply@example.com>"}
KEY = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
LAYER = "arn:aws:lambda:eu-central-1:123456789012:layer:templates:3"
FULL = {"Observability": "full"}
SMS = {"SmsDelivery": "sender", "SmsAllowedCountries": "DE,AT"}
POOL_OF_NUMBERS = "arn:aws:sms-voice:eu-central-1:123456789012:pool/pool-0123456789abcdef0123456789abcdef"
END_USER_MESSAGING = {**SMS, "SmsOriginationIdentity": POOL_OF_NUMBERS}
POOL = {"UserPoolId": "eu-central-1_AbCdEfGhI"}
BY_HAND = {**POOL, "AttachTriggers": "false"}
POOL_ARN = "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_AbCdEfGhI"
COGNITO = {"EmailDelivery": "cognito"}
IDENTITY = "arn:aws:ses:eu-west-1:210987654321:identity/example.com"
SMS_ROLE = "arn:aws:iam::123456789012:role/pool/sms"
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"
VPC = {"VpcSubnetIds": "subnet-0a,subnet-0b", "VpcSecurityGroupIds": "sg-0c"}

GOOD = {
    "the first deployment": FIRST,
    "all four functions": {**FIRST, **SMS},
    "SMS over End User Messaging": {**FIRST, **END_USER_MESSAGING, "MoreSettings": "SmsConfigurationSet=codes"},
    "a fallback in another Region": {**FIRST, "SesFallbackRegion": "eu-west-1"},
    "emails from another Region": {**FIRST, "SesRegion": "eu-west-1", "SesFallbackRegion": "eu-central-1"},
    "emails of another account": {**FIRST, "SesRegion": "eu-west-1", "SesIdentityArn": IDENTITY},
    "other SMS limits": {
        **FIRST,
        **SMS,
        "MoreSettings": "SmsMaxPerNumberHourly=3; SmsMaxPerPrefixHourly=none; SmsDailyBudgetUsd=20; SmsMaxPriceUsd=0.15",
        "SmsSpendAlarmUsd": "400",
    },
    "all by Cognito": {**FIRST, **COGNITO, "SmsDelivery": "cognito"},
    "email by Cognito, SMS by the sender": {**FIRST, **COGNITO, **SMS},
    "email by the sender, SMS by Cognito": {**FIRST, "SmsDelivery": "cognito"},
    "a pool": {**FIRST, **POOL},
    "a pool, all four functions": {**FIRST, **POOL, **SMS, "PoolSmsRoleArn": SMS_ROLE},
    "a pool, attached by hand": {**FIRST, **BY_HAND},
    "a pool, attached by hand, with trusted users": {**FIRST, **BY_HAND, "EmailIsUsername": "true"},
    "a pool with triggers of other functions": {**FIRST, **POOL, "AttachTriggers": "replace"},
    "a pool, attached with a given key": {**FIRST, **POOL, "CodeKeyArn": KEY},
    "a pool with email as the sign-in attribute": {
        **FIRST,
        **POOL,
        "EmailIsUsername": "true",
        "AllowedEmailDomains": "example.com",
        "MoreSettings": "AutoVerifyPhone=true",
    },
    "a pool that sends its own emails": {
        "BrandName": "Example",
        **POOL,
        **COGNITO,
        "MoreSettings": "EmailConfirmation=link",
    },
    "a given key": {**FIRST, **SMS, "CodeKeyArn": KEY},
    "a given key and nothing to encrypt": {**FIRST, **COGNITO, "CodeKeyArn": KEY},
    "closed sign-up": {**FIRST, "SignUpMode": "closed", "AllowedEmailDomains": "example.com, *.example.org"},
    "review": {**FIRST, "SignUpMode": "review"},
    "an organization with rules": {
        **FIRST,
        **SMS,
        **POOL,
        **VPC,
        "DataKeyArn": KEY,
        "PermissionsBoundaryArn": BOUNDARY,
        "RolePath": "/applications/",
    },
    "every optional setting": {
        **FIRST,
        **SMS,
        "AllowedEmailDomains": "xn--bcher-kva.example",
        "DeniedEmailDomains": "file:/opt/denied.txt",
        "SesRegion": "eu-west-1",
        "SesFallbackRegion": "eu-north-1",
        "MoreSettings": "; ".join(
            (
                "SupportContact=https://example.com/help?a=b",
                "ReplyToAddress=help@example.com",
                "DefaultLocale=ja",
                "DenyDisposableEmail=true",
                "DisposableEmailExceptions=*.example.net",
                "RefusalMessage=This address cannot be used here",
                "SesConfigurationSet=codes",
                "SesFallbackConfigurationSet=spare",
                "SmsSenderId=EXAMPLE",
                "SmsOriginationNumber=+15550100",
                "SmsMaxPriceUsd=0.15",
                "SmsDailyBudgetUsd=7.50",
                "SmsPricesUsd=DE=0.0981,AT=0.0871",
                "FederatedSignUp=allowed",
                "SignInCodeMinutes=3",
                "TemplatesDir=/opt/templates",
                "LogLevel=debug",
                "DeliveryRecords=false",
            )
        ),
        "Observability": "full-with-traces",
        "SilenceAlarm": "false",
        "TemplatesLayerArn": LAYER,
        "ReservedConcurrency": "10",
        "AlarmTopicArn": "arn:aws:sns:eu-central-1:123456789012:alarms",
    },
}

# Sets that can't work, each with a word that the error must contain.
BAD = [
    ({"BrandName": "Example"}, "FromAddress"),
    ({**FIRST, "EmailIsUsername": "true"}, "UserPoolId"),
    ({**FIRST, "SmsDelivery": "sender"}, "SmsAllowedCountries"),
    ({**FIRST, "SignUpMode": "closed"}, "AllowedEmailDomains"),
    ({**FIRST, "VpcSubnetIds": "subnet-0a"}, "VpcSecurityGroupIds"),
]

_DOMAINS = (
    ["example.com", "*.example.com", "example.com,*.example.org", "a.example , b.example", "file:/opt/a.txt"],
    [
        "user@example.com",
        "a.example,,b.example",
        "a.example,",
        "a.example b.example",
        "https://example.com",
        "b\u00fccher.example",
    ],
)
# Values that each parameter accepts and rejects.
VALUES = {
    "BrandName": (
        ["E", "Example Shop", "Bücher & Söhne", "例え"],
        ["", " Example", "a\nb", "<b>", "{brand}", "a\u00a0b", "a\u200bb", "株式会社\u3000例"],
    ),
    "FromAddress": (
        [
            "no-reply@example.com",
            "Example <no-reply@example.com>",
            '"Example, Inc." <a@b.example>',
            "例え <a@b.example>",
        ],
        [
            "Example",
            "a@b.example\r\nBcc: c@d.example",
            "<a@b.example>",
            "A <a@b.example> <c@d.example>",
            "a@bücher.example",
            "a@localhost",
            "a@example.com.",
            "a@192.0.2.1",
            "a,b@example.com",
            '"a"@example.com',
            "Exam\u200bple <a@example.com>",
        ],
    ),
    "AllowedEmailDomains": _DOMAINS,
    "DeniedEmailDomains": _DOMAINS,
    "MoreSettings": (
        [
            "",
            GOOD["every optional setting"]["MoreSettings"],
            "SmsMaxPriceUsd=0.15",
            "SmsMaxPriceUsd=0.15;",
            "SmsRegion=ap-northeast-1 ; AwsUseFipsEndpoint=true",
            "RefusalMessage=Anmeldung hier nicht m\u00f6glich",
            "SupportContact=help@example.com",
            "SmsPricesUsd=file:/opt/prices.txt",
            "DisposableEmailExceptions=file:/opt/exceptions.txt",
            "file:/opt/settings.txt",
        ],
        [
            "SmsMaxPriceUsd",
            "SmsMaxPriceUsd=",
            "SmsMaxPriceUSD=0.15",
            "FromAddress=a@example.com",
            "SmsMaxPriceUsd=0",
            "SmsMaxPriceUsd=0.15, SmsDailyBudgetUsd=1",
            "SmsMaxPerNumberHourly=0",
            "DefaultLocale=tlh",
            "SignInCodeMinutes=16",
            "DenyDisposableEmail=yes",
            "SupportContact=http://example.com",
            "SmsSenderId=a",
            "TemplatesDir=/opt/../etc",
            "SmsRegion=Frankfurt",
        ],
    ),
    "UserPoolId": (["eu-central-1_AbCdEfGhI", "local_abc123"], ["eu-central-1", "a/b_c", "*"]),
    "PoolSmsRoleArn": ([SMS_ROLE], ["arn:aws:iam::123456789012:user/a", "*"]),
    "SesIdentityArn": ([IDENTITY, IDENTITY + "/x"], ["example.com", "*"]),
    "SesRegion": (["eu-central-1", "us-gov-west-1", "eusc-de-east-1"], ["eu-central", "EU-CENTRAL-1", "*"]),
    "SesFallbackRegion": (["eu-central-1", "us-gov-west-1"], ["eu-central", "EU-CENTRAL-1", "*"]),
    "SmsAllowedCountries": (["DE", "DE,AT, CH", "file:/opt/countries.txt"], ["de", "DEU", "DE,", "*", "all"]),
    "SmsOriginationIdentity": (
        [
            POOL_OF_NUMBERS,
            "arn:aws:sms-voice:us-east-1:123456789012:phone-number/phone-0123456789abcdef",
            "arn:aws:sms-voice:eu-central-1:123456789012:sender-id/EXAMPLE/DE",
        ],
        ["+12065550100", "*", POOL_OF_NUMBERS + "*", POOL_OF_NUMBERS.replace("pool/", "opt-out-list/")],
    ),
    "SmsSpendAlarmUsd": (["0.80", "1", "400"], ["", "0", "0.00", "-1", "1.234"]),
    "TemplatesLayerArn": ([LAYER], [LAYER.rsplit(":", 1)[0], "*"]),
    "CodeKeyArn": (
        [KEY, KEY.replace("key/", "key/mrk-")],
        [KEY.replace(":key/", ":alias/"), "alias/codes", "*"],
    ),
    "DataKeyArn": ([KEY], [KEY.replace(":key/", ":alias/"), "*"]),
    "PermissionsBoundaryArn": ([BOUNDARY, "arn:aws:iam::aws:policy/PowerUserAccess"], ["boundary", "*"]),
    "RolePath": (["/", "/a/", "/a/b/"], ["", "a", "/a", "a/"]),
    "VpcSubnetIds": (["subnet-0a", "subnet-0a,subnet-0b"], ["sg-0a", "subnet-0a,", "*"]),
    "VpcSecurityGroupIds": (["sg-0a"], ["subnet-0a", "*"]),
    "ReservedConcurrency": (["1", "1000"], ["0", "-1", "10000"]),
    "AlarmTopicArn": (["arn:aws-us-gov:sns:us-gov-west-1:123456789012:alarms"], ["alarms", "*"]),
}

# --- Loading and evaluating -------------------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms (`!Ref x`) as the long ones (`{"Ref": "x"}`)."""


def _tag(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _tag)


OBSERVABILITY = "observability.yaml"
USER_POOL = "examples/user-pool/template.yaml"


def read(file):
    """A template of CloudFormation, with long-form functions."""
    return yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)


@functools.cache
def _template(file):
    return read(ROOT / file)


def template(file="template.yaml"):
    """A fresh copy of a template, with long-form functions."""
    return copy.deepcopy(_template(file))


_NOTHING = object()
STACK_ID = "arn:aws:cloudformation:eu-central-1:123456789012:stack/demo/0a1b2c3d"
_PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::StackId": STACK_ID,
    "AWS::StackName": "demo",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::NoValue": _NOTHING,
}


class Stack:
    """A template with one set of parameters: what CloudFormation would make of it."""

    def __init__(self, source, parameters):
        self.source = source
        unknown = set(parameters) - set(source["Parameters"])
        assert not unknown, f"no such parameters: {unknown}"
        self.parameters = {
            name: str(parameters.get(name, declared.get("Default")))
            for name, declared in source["Parameters"].items()
            if name in parameters or "Default" in declared
        }
        self.used = set()

    def refusals(self):
        """The descriptions of all assertions of `Rules` that do not hold."""
        found = []
        for rule in self.source["Rules"].values():
            if "RuleCondition" not in rule or self.value(rule["RuleCondition"]):
                found += [a["AssertDescription"] for a in rule["Assertions"] if not self.value(a["Assert"])]
        return found

    def condition(self, name):
        return self.value(self.source["Conditions"][name])

    def section(self, name):
        """`Resources` or `Outputs` as they would be made: conditions applied, functions evaluated."""
        return {
            key: self.value({k: v for k, v in item.items() if k not in ("Condition", "Metadata")})
            for key, item in self.source[name].items()
            if "Condition" not in item or self.condition(item["Condition"])
        }

    def value(self, node):
        if isinstance(node, list):
            return [v for v in map(self.value, node) if v is not _NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((name, argument),) = node.items()
            method = getattr(self, "_" + name.removeprefix("Fn::").lower(), None)
            if method and (
                name.startswith("Fn::") or (name in ("Ref", "Condition") and isinstance(argument, str))
            ):
                return method(argument)
        found = {k: self.value(v) for k, v in node.items()}
        return {k: v for k, v in found.items() if v is not _NOTHING}

    def _ref(self, name):
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name in self.source["Parameters"]:
            return self.parameters[name]
        return self._resource(name, "Ref")

    def _getatt(self, argument):
        logical_id, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        return self._resource(logical_id, attribute)

    def _resource(self, logical_id, attribute):
        assert logical_id in self.source["Resources"], f"no such resource: {logical_id}"
        self.used.add(logical_id)
        return f"<{logical_id}.{attribute}>"

    def _sub(self, argument):
        text, local = (argument, {}) if isinstance(argument, str) else argument

        def one(match):
            name = match[1]
            if name in local:
                return self.value(local[name])
            return self._getatt(name) if "." in name else self._ref(name)

        return re.sub(r"\$\{([^!}][^}]*)\}", one, text)

    def _if(self, argument):
        condition, then, otherwise = argument
        return self.value(then if self.condition(condition) else otherwise)

    def _join(self, argument):
        return argument[0].join(self.value(argument[1]))

    def _split(self, argument):
        return self.value(argument[1]).split(argument[0])

    def _select(self, argument):
        return self.value(argument[1])[int(argument[0])]

    def _findinmap(self, argument):
        name, first, second = (self.value(a) for a in argument)
        return self.source["Mappings"][name][first][second]

    def _equals(self, argument):
        left, right = (self.value(a) for a in argument)
        return str(left) == str(right)

    def _and(self, argument):
        return all(self.value(a) for a in argument)

    def _or(self, argument):
        return any(self.value(a) for a in argument)

    def _not(self, argument):
        return not self.value(argument[0])

    def _condition(self, name):
        return self.condition(name)


def wrong_values(parameters, file="template.yaml"):
    """The parameters whose own declaration rejects the given value, as CloudFormation checks it."""
    wrong = []
    for name, declared in _template(file)["Parameters"].items():
        if name not in parameters and "Default" not in declared:
            wrong.append(name)
            continue
        text = str(parameters.get(name, declared.get("Default")))
        number = declared["Type"] == "Number"
        fits = (
            ("AllowedValues" not in declared or text in map(str, declared["AllowedValues"]))
            # CloudFormation compares the whole value with the pattern.
            and ("AllowedPattern" not in declared or re.fullmatch(declared["AllowedPattern"], text))
            and len(text) >= declared.get("MinLength", 0)
            and len(text) <= declared.get("MaxLength", 4096)
            and (not number or declared.get("MinValue", 0) <= float(text) <= declared.get("MaxValue", 1e9))
        )
        if not fits:
            wrong.append(name)
    return wrong


class _NoManagedPolicies:
    """The transform asks for a list of AWS's managed policies, of which this template uses none."""

    def load(self):
        return {}


@functools.cache
def _transformed(parameters):
    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-central-1")
    # It warns that its usage statistics are not collected.
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    from samtranslator.translator.transform import transform

    packaged = template()
    # `sam deploy` puts the built code into a bucket first; the transform takes no folder.
    for function in BINARIES:
        packaged["Resources"][function]["Properties"]["CodeUri"] = "s3://bucket/key"
    return transform(packaged, dict(parameters), _NoManagedPolicies())


def deployed(parameters):
    """The stack that `sam deploy` makes of these parameters: SAM's transform first, which sees the values too."""
    return Stack(copy.deepcopy(_transformed(tuple(sorted(parameters.items())))), parameters)


def observed(parameters):
    """The resources of the stack and of the nested one that `Observability=full` adds."""
    resources = deployed(parameters).section("Resources")
    for nested in of_type(resources, "AWS::CloudFormation::Stack").values():
        assert nested["TemplateURL"] == OBSERVABILITY
        resources |= Stack(template(OBSERVABILITY), nested["Parameters"]).section("Resources")
    return resources


def statements(document):
    return document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]


def as_list(value):
    return value if isinstance(value, list) else [value]


def of_type(resources, kind):
    return {k: r["Properties"] for k, r in resources.items() if r["Type"] == kind}


def by_alarms(resources):
    """What alarms watch: name of the alarm, and namespace, metric and dimensions."""
    for name, alarm in of_type(resources, "AWS::CloudWatch::Alarm").items():
        queries = [q["MetricStat"]["Metric"] for q in alarm.get("Metrics", []) if "MetricStat" in q]
        for metric in queries or [alarm]:
            dimensions = {d["Name"]: d["Value"] for d in metric.get("Dimensions", [])}
            yield name, (metric["Namespace"], metric["MetricName"], dimensions)


def widgets(resources):
    """The widgets of the dashboard."""
    for dashboard in of_type(resources, "AWS::CloudWatch::Dashboard").values():
        yield from json.loads(dashboard["DashboardBody"])["widgets"]


def by_widgets(resources):
    """What the dashboard shows: title of the widget, and namespace, metric and dimensions."""
    for widget in widgets(resources):
        previous = []
        for line in widget["properties"]["metrics"]:
            named = [part for part in line if isinstance(part, str)]
            # "." repeats a part of the previous metric, and "..." all of it.
            same = previous if named == ["..."] else named
            previous = [old if new == "." else new for new, old in zip(same, previous or same, strict=False)]
            namespace, metric, *dimensions = previous
            yield widget["properties"]["title"], (
                namespace,
                metric,
                dict(zip(dimensions[::2], dimensions[1::2], strict=True)),
            )


def relied_on():
    """The functions' own metrics that alarms and the dashboard use: pairs of function and metric."""
    resources = observed({**FIRST, **SMS, **FULL})
    seen = [metric for _, metric in [*by_alarms(resources), *by_widgets(resources)]]
    return sorted({(dims["Function"], name) for space, name, dims in seen if "Function" in dims})


def policies(resources, role):
    """All statements that bind a role, whether written in it or attached to it."""
    properties = resources[role]["Properties"]
    inline = [p["PolicyDocument"] for p in properties.get("Policies", [])]
    attached = [
        p["PolicyDocument"]
        for name, p in of_type(resources, "AWS::IAM::ManagedPolicy").items()
        if f"<{role}.Ref>" in p.get("Roles", []) or f"<{name}.Ref>" in properties.get("ManagedPolicyArns", [])
    ]
    return [s for document in inline + attached for s in statements(document)]


def for_the_functions():
    """What `tests/it/no_leak.rs` and `tests/it/policies.rs` hold the functions to."""
    found = {
        "metrics": {function: sorted(names) for function, names in METRICS.items()},
        "minimal": {function: sorted(MINIMAL.get(function, [])) for function in METRICS},
        "watched": {binary: [m for function, m in relied_on() if function == binary] for binary in METRICS},
        "variables": {function: sorted(variables) for function, variables in ENVIRONMENT.items()},
        "parameters": sorted(template()["Parameters"]),
        "roles": {},
    }
    for name, parameters in {
        "sns": {**FIRST, **SMS, "SesFallbackRegion": "eu-west-1"},
        "end-user-messaging": {**FIRST, **END_USER_MESSAGING},
        "one pool": {**FIRST, **SMS, "UserPoolId": "eu-central-1_Example01", "PoolSmsRoleArn": "<UserPoolSmsRole.Arn>"},
    }.items():
        resources = deployed(parameters).section("Resources")
        found["roles"][name] = {
            binary: policies(resources, function.replace("Function", "Role"))
            for function, binary in BINARIES.items()
            if function in resources
        }
    return json.dumps(found, indent=2) + "\n"


# --- Tests ------------------------------------------------------------------------------------------------------


if __name__ == "__main__":
    if sys.argv[1:] != ["--deployed"]:
        sys.exit(__doc__)
    print(for_the_functions(), end="")
