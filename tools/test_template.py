"""What `template.yaml` and `samconfig.toml` promise, checked without AWS.

Run by `python -m unittest tools/test_template.py` (or `discover -s tools`) in an environment that has `cfn-lint` or
`aws-sam-cli`, which bring PyYAML, the SAM translator and tomlkit. Whether AWS knows each resource and property is
cfn-lint's part; here stands what this project wants of them. A small evaluator of CloudFormation's functions plays
`Rules`, `Conditions` and the resources for tables of parameter sets.

`python tools/test_template.py --deployed > tests/fixtures/deployed.json` writes down what the tests of the functions
need to know of the template: the metrics that alarms and the dashboard rely on, and what each function's role allows.
"""

import copy
import functools
import json
import logging
import os
import re
import sys
import unittest
import warnings
from pathlib import Path

import tomlkit
import yaml

ROOT = Path(__file__).resolve().parent.parent

# Every environment variable of every function, and the template parameter that it comes from; None where the
# template works the value out by itself. The functions' own lists of settings are compared with this one.
_COMMON = {"LOG_LEVEL": "LogLevel", "METRICS_NAMESPACE": None}
_DENIED = {
    "DENIED_EMAIL_DOMAINS": "DeniedEmailDomains",
    "DENY_DISPOSABLE_EMAIL": "DenyDisposableEmail",
    "DISPOSABLE_EMAIL_EXCEPTIONS": "DisposableEmailExceptions",
}
_MESSAGES = {
    "BRAND_NAME": "BrandName",
    "SUPPORT_CONTACT": "SupportContact",
    "DEFAULT_LOCALE": "DefaultLocale",
    "TEMPLATES_DIR": "TemplatesDir",
}
_SENDER = {
    "RECIPIENT_HASH_KEY": None,
    "CODE_KEY_ARN": None,
    **_DENIED,
    "SIGN_IN_CODE_MINUTES": "SignInCodeMinutes",
    "DELIVERY_RECORDS": "DeliveryRecords",
    "DELIVERY_TABLE": None,
}
ENVIRONMENT = {
    "PreSignUpFunction": {
        **_COMMON,
        "RECIPIENT_HASH_KEY": None,
        "ALLOWED_EMAIL_DOMAINS": "AllowedEmailDomains",
        **_DENIED,
        "SIGN_UP_MODE": "SignUpMode",
        "CONFIRM_TRUSTED_USERS": "ConfirmTrustedUsers",
        "AUTO_VERIFY_PHONE": "AutoVerifyPhone",
        "EMAIL_IS_USERNAME": None,
        "REFUSAL_MESSAGE": "RefusalMessage",
    },
    "AttachFunction": {"LOG_LEVEL": "LogLevel"},
    "CustomMessageFunction": {
        **_COMMON,
        **_MESSAGES,
        "EMAIL_CONFIRMATION": "EmailConfirmation",
        "CUSTOM_MESSAGE_CHANNELS": None,
    },
    "CustomEmailSenderFunction": {
        **_COMMON,
        **_MESSAGES,
        **_SENDER,
        "FROM_ADDRESS": "FromAddress",
        "REPLY_TO_ADDRESS": "ReplyToAddress",
        "SES_CONFIGURATION_SET": "SesConfigurationSet",
        "SES_REGION": "SesRegion",
        "SES_FALLBACK_REGION": "SesFallbackRegion",
        "SES_FALLBACK_CONFIGURATION_SET": "SesFallbackConfigurationSet",
    },
    "CustomSmsSenderFunction": {
        **_COMMON,
        **_MESSAGES,
        **_SENDER,
        "SMS_ALLOWED_COUNTRIES": "SmsAllowedCountries",
        "SMS_PROVIDER": "SmsProvider",
        "SMS_SENDER_ID": "SmsSenderId",
        "SMS_ORIGINATION_NUMBER": "SmsOriginationNumber",
        "SMS_ORIGINATION_IDENTITY": "SmsOriginationIdentity",
        "SMS_CONFIGURATION_SET": "SmsConfigurationSet",
        "SMS_MAX_PRICE_USD": "SmsMaxPriceUsd",
        "SMS_MAX_PER_NUMBER_HOURLY": "SmsMaxPerNumberHourly",
        "SMS_MAX_PER_PREFIX_HOURLY": "SmsMaxPerPrefixHourly",
        "SMS_MAX_PER_COUNTRY_DAILY": "SmsMaxPerCountryDaily",
        "SMS_DAILY_BUDGET_MESSAGES": "SmsDailyBudgetMessages",
        "SMS_DAILY_BUDGET_USD": "SmsDailyBudgetUsd",
        "SMS_PRICES_USD": "SmsPricesUsd",
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

# What each role may do, whatever the parameters are; what depends on them stands in ACTIONS_WHERE.
_LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}
_SENDING = {*_LOG, "sqs:SendMessage", "kms:GenerateDataKey", "kms:Decrypt"}
ACTIONS = {
    "PreSignUpRole": _LOG,
    "CustomMessageRole": _LOG,
    "CustomEmailSenderRole": {*_SENDING, "ses:SendEmail"},
    "CustomSmsSenderRole": {*_SENDING, "dynamodb:UpdateItem"},
    "RedriveRole": {
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
        "sqs:GetQueueAttributes",
        "kms:Decrypt",
        "lambda:InvokeFunction",
    },
    "UserPoolSmsRole": {"sns:Publish"},
    "AttachRole": {
        *_LOG,
        "cognito-idp:DescribeUserPool",
        "cognito-idp:UpdateUserPool",
        "iam:PassRole",
        "iam:CreateServiceLinkedRole",
        "kms:CreateGrant",
    },
}
_TRACES = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
ACTIONS_WHERE = [
    ("DeliveryRecords", "true", {"CustomEmailSenderRole": {"dynamodb:UpdateItem"}}),
    ("SmsProvider", "sns", {"CustomSmsSenderRole": {"sns:Publish"}}),
    ("SmsProvider", "end-user-messaging", {"CustomSmsSenderRole": {"sms-voice:SendTextMessage"}}),
    ("Tracing", "Active", {function.replace("Function", "Role"): _TRACES for function in BINARIES}),
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
AWS_METRICS = {
    ("AWS/Lambda", "Errors"): ["FunctionName"],
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
IDENTITY = {"SesIdentityArn": "arn:aws:ses:eu-central-1:123456789012:identity/example.com"}
KEY = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
LAYER = "arn:aws:lambda:eu-central-1:123456789012:layer:templates:3"
SMS = {"SmsDelivery": "sender", "SmsAllowedCountries": "DE,AT"}
POOL_OF_NUMBERS = "arn:aws:sms-voice:eu-central-1:123456789012:pool/pool-0123456789abcdef0123456789abcdef"
END_USER_MESSAGING = {**SMS, "SmsProvider": "end-user-messaging", "SmsOriginationIdentity": POOL_OF_NUMBERS}
EXISTING = {"UserPoolId": "eu-central-1_AbCdEfGhI"}
BY_HAND = {**EXISTING, "AttachTriggers": "false"}
POOL_ARN = "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_AbCdEfGhI"
COGNITO = {"EmailDelivery": "cognito", **IDENTITY}

GOOD = {
    "the first deployment": FIRST,
    "the first deployment with an identity": {**FIRST, **IDENTITY},
    "all four functions": {**FIRST, **SMS},
    "SMS over End User Messaging": {**FIRST, **END_USER_MESSAGING, "SmsConfigurationSet": "codes"},
    "no records": {**FIRST, "DeliveryRecords": "false"},
    "no records, all four functions": {**FIRST, **SMS, "DeliveryRecords": "false"},
    "a fallback in another Region": {**FIRST, "SesFallbackRegion": "eu-west-1"},
    "a fallback with another configuration set": {**FIRST, "SesFallbackConfigurationSet": "spare"},
    "e-mails from another Region": {**FIRST, "SesRegion": "eu-west-1", "SesFallbackRegion": "eu-central-1"},
    "limits of one's own": {
        **FIRST,
        **SMS,
        "SmsMaxPerNumberHourly": "3",
        "SmsMaxPerPrefixHourly": "none",
        "SmsMaxPerCountryDaily": "100",
        "SmsDailyBudgetMessages": "none",
        "SmsDailyBudgetUsd": "20",
        "SmsMaxPriceUsd": "0.15",
        "SmsSpendAlarmUsd": "400",
    },
    "all by Cognito": {**FIRST, **COGNITO, "SmsDelivery": "cognito"},
    "e-mail by Cognito, SMS by the sender": {**FIRST, **COGNITO, **SMS},
    "e-mail by the sender, SMS by Cognito": {**FIRST, "SmsDelivery": "cognito"},
    "confirmation links": {
        **FIRST,
        **COGNITO,
        "EmailConfirmation": "link",
        "UserPoolDomainPrefix": "example-sign-in",
    },
    "an existing pool": {**FIRST, **EXISTING},
    "an existing pool, all four functions": {**FIRST, **EXISTING, **SMS, "DecryptForUserPoolOnly": "true"},
    "an existing pool, attached by hand": {**FIRST, **BY_HAND},
    "an existing pool with triggers of others": {**FIRST, **EXISTING, "ReplaceTriggers": "true"},
    "an existing pool, attached with a given key": {**FIRST, **EXISTING, "CodeKeyArn": KEY},
    "an existing pool whose user names are addresses": {
        **FIRST,
        **EXISTING,
        "EmailIsUsername": "true",
        "AllowedEmailDomains": "example.com",
        "AutoVerifyPhone": "true",
    },
    "an existing pool that sends its own e-mails": {
        "BrandName": "Example",
        **EXISTING,
        "EmailDelivery": "cognito",
        "EmailConfirmation": "link",
    },
    "a given key": {**FIRST, **SMS, "CodeKeyArn": KEY},
    "a given key and nothing to encrypt": {**FIRST, **COGNITO, "CodeKeyArn": KEY},
    "decryption bound to the own pool": {**FIRST, **SMS, "DecryptForUserPoolOnly": "true"},
    "closed sign-up": {**FIRST, "SignUpMode": "closed", "AllowedEmailDomains": "example.com, *.example.org"},
    "review": {**FIRST, "SignUpMode": "review"},
    "trusted phone numbers": {**FIRST, "AllowedEmailDomains": "example.com", "AutoVerifyPhone": "true"},
    "every optional setting": {
        **FIRST,
        **IDENTITY,
        **SMS,
        "SupportContact": "https://example.com/help",
        "ReplyToAddress": "help@example.com",
        "DefaultLocale": "ja",
        "AllowedEmailDomains": "bücher.example",
        "DeniedEmailDomains": "file:/opt/denied.txt",
        "DenyDisposableEmail": "true",
        "DisposableEmailExceptions": "*.example.net",
        "RefusalMessage": "This address cannot be used here",
        "SesConfigurationSet": "codes",
        "SesRegion": "eu-west-1",
        "SesFallbackRegion": "eu-north-1",
        "SesFallbackConfigurationSet": "spare",
        "SmsSenderId": "EXAMPLE",
        "SmsOriginationNumber": "+15550100",
        "SmsMaxPriceUsd": "0.15",
        "SmsDailyBudgetUsd": "7.50",
        "SmsPricesUsd": "DE=0.0981,AT=0.0871",
        "SignInCodeMinutes": "3",
        "Tracing": "Active",
        "SilenceAlarm": "false",
        "Dashboard": "false",
        "TemplatesLayerArn": LAYER,
        "TemplatesDir": "/opt/templates",
        "Architecture": "x86_64",
        "ReservedConcurrency": "10",
        "AlarmTopicArn": "arn:aws:sns:eu-central-1:123456789012:alarms",
        "DeletionProtection": "INACTIVE",
    },
}

# Contradictions, each with a word that the refusal must contain.
BAD = [
    ({"BrandName": "Example"}, "FromAddress"),
    ({**FIRST, "AttachTriggers": "false"}, "UserPoolId"),
    ({**FIRST, "ReplaceTriggers": "true"}, "UserPoolId"),
    ({**FIRST, "EmailIsUsername": "true"}, "UserPoolId"),
    ({**FIRST, **BY_HAND, "ReplaceTriggers": "true"}, "AttachTriggers=false"),
    ({**FIRST, **EXISTING, **IDENTITY}, "SesIdentityArn"),
    ({**FIRST, **EXISTING, "UserPoolDomainPrefix": "example"}, "UserPoolDomainPrefix"),
    (
        {**FIRST, **EXISTING, "AllowedEmailDomains": "example.com", "AutoVerifyPhone": "true"},
        "EmailIsUsername=true",
    ),
    ({**FIRST, "EmailDelivery": "cognito"}, "SesIdentityArn"),
    ({"BrandName": "Example", **COGNITO}, "FromAddress"),
    ({**FIRST, **COGNITO, "SesRegion": "eu-west-1"}, "SesRegion"),
    ({**FIRST, "EmailConfirmation": "link", "UserPoolDomainPrefix": "example"}, "EmailDelivery=cognito"),
    ({**FIRST, **COGNITO, "EmailConfirmation": "link"}, "UserPoolDomainPrefix"),
    (
        {**GOOD["confirmation links"], "SignUpMode": "review"},
        "SignUpMode=review",
    ),
    ({**FIRST, "SmsDelivery": "sender"}, "SmsAllowedCountries"),
    ({**FIRST, "SmsAllowedCountries": "DE"}, "SmsDelivery=sender"),
    ({**FIRST, "SmsDelivery": "cognito", "SmsAllowedCountries": "DE"}, "SmsDelivery=sender"),
    ({**FIRST, "SmsSenderId": "EXAMPLE"}, "SmsSenderId"),
    ({**FIRST, "SmsOriginationNumber": "15550100"}, "SmsOriginationNumber"),
    ({**FIRST, "SmsMaxPriceUsd": "0.15"}, "SmsMaxPriceUsd"),
    ({**FIRST, "SmsProvider": "end-user-messaging"}, "SmsDelivery=sender"),
    ({**FIRST, "SmsOriginationIdentity": POOL_OF_NUMBERS}, "SmsDelivery=sender"),
    ({**FIRST, "SmsConfigurationSet": "codes"}, "SmsDelivery=sender"),
    ({**FIRST, **SMS, "SmsProvider": "end-user-messaging"}, "SmsOriginationIdentity"),
    ({**FIRST, **SMS, "SmsOriginationIdentity": POOL_OF_NUMBERS}, "SmsProvider=end-user-messaging"),
    ({**FIRST, **SMS, "SmsConfigurationSet": "codes"}, "SmsProvider=end-user-messaging"),
    ({**FIRST, **END_USER_MESSAGING, "SmsSenderId": "EXAMPLE"}, "SmsSenderId"),
    ({**FIRST, **END_USER_MESSAGING, "SmsOriginationNumber": "15550100"}, "SmsOriginationNumber"),
    ({**FIRST, "SmsMaxPerNumberHourly": "7"}, "SmsDelivery=sender"),
    ({**FIRST, "SmsMaxPerPrefixHourly": "none"}, "SmsDelivery=sender"),
    ({**FIRST, "SmsDelivery": "cognito", "SmsMaxPerCountryDaily": "7"}, "SmsDelivery=sender"),
    ({**FIRST, "SmsDelivery": "cognito", "SmsDailyBudgetMessages": "7"}, "SmsDelivery=sender"),
    ({**FIRST, "SmsDailyBudgetUsd": "7"}, "SmsDelivery=sender"),
    ({**FIRST, "SmsPricesUsd": "DE=0.1"}, "SmsDelivery=sender"),
    ({**FIRST, **SMS, "SmsDailyBudgetUsd": "7"}, "SmsPricesUsd or SmsMaxPriceUsd"),
    ({**FIRST, **SMS, "SmsPricesUsd": "DE=0.1"}, "SmsDailyBudgetUsd"),
    ({**FIRST, "SmsSpendAlarmUsd": "400"}, "SmsSpendAlarmUsd"),
    ({**FIRST, **END_USER_MESSAGING, "SmsSpendAlarmUsd": "400"}, "SmsSpendAlarmUsd"),
    ({**FIRST, **COGNITO, "SesFallbackRegion": "eu-west-1"}, "EmailDelivery=sender"),
    ({**FIRST, **COGNITO, "SesFallbackConfigurationSet": "spare"}, "EmailDelivery=sender"),
    (
        {**FIRST, "SesRegion": "eu-west-1", "SesFallbackRegion": "eu-west-1"},
        "another Region or another configuration set",
    ),
    (
        {**FIRST, "SesConfigurationSet": "codes", "SesFallbackConfigurationSet": "codes"},
        "another Region or another configuration set",
    ),
    ({**FIRST, "DisposableEmailExceptions": "example.com"}, "DenyDisposableEmail=true"),
    ({**FIRST, "SignUpMode": "closed"}, "AllowedEmailDomains"),
    (
        {
            **FIRST,
            "AllowedEmailDomains": "example.com",
            "AutoVerifyPhone": "true",
            "ConfirmTrustedUsers": "false",
        },
        "ConfirmTrustedUsers",
    ),
    ({**FIRST, "AutoVerifyPhone": "true"}, "AllowedEmailDomains"),
    (
        {**FIRST, "AllowedEmailDomains": "example.com", "AutoVerifyPhone": "true", "SignUpMode": "review"},
        "SignUpMode=review",
    ),
    ({**FIRST, "TemplatesDir": "/opt/templates"}, "TemplatesLayerArn"),
]

# Values that a parameter's own pattern takes, and values that it refuses.
VALUES = {
    "BrandName": (
        ["E", "Example Shop", "Bücher & Söhne", "例え"],
        ["", " Example", "a\nb", "<b>", "{brand}", "a\u00a0b", "a\u200bb", "株式会社\u3000例"],
    ),
    "SupportContact": (
        ["help@example.com", "https://example.com/x?y=1"],
        ["http://example.com", "javascript:1", "a b", "https://example.com/\u200b"],
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
    "ReplyToAddress": (["help@example.com"], ["Help <help@example.com>", "a b@example.com"]),
    "AllowedEmailDomains": (
        [
            "example.com",
            "*.example.com",
            "example.com,*.example.org",
            "a.example , b.example",
            "bücher.example",
            "file:/opt/a.txt",
        ],
        [
            "user@example.com",
            "a.example,,b.example",
            "a.example,",
            "a.example b.example",
            "https://example.com",
        ],
    ),
    "RefusalMessage": (["This address cannot be used here"], ["a\nb", "<a>"]),
    "UserPoolId": (["eu-central-1_AbCdEfGhI", "local_abc123"], ["eu-central-1", "a/b_c", "*"]),
    "UserPoolDomainPrefix": (["example", "a"], ["-a", "a-", "Example", "a.b"]),
    "SesIdentityArn": ([IDENTITY["SesIdentityArn"], IDENTITY["SesIdentityArn"] + "/x"], ["example.com", "*"]),
    "SesConfigurationSet": (["codes_1-a"], ["a b", "*"]),
    "SesRegion": (["eu-central-1", "us-gov-west-1"], ["eu-central", "EU-CENTRAL-1", "*"]),
    "SesFallbackRegion": (["eu-central-1", "us-gov-west-1"], ["eu-central", "EU-CENTRAL-1", "*"]),
    "SesFallbackConfigurationSet": (["spare"], ["a b", "*"]),
    "SmsAllowedCountries": (["DE", "DE,AT, CH", "file:/opt/countries.txt"], ["de", "DEU", "DE,", "*", "all"]),
    "SmsSenderId": (["EXAMPLE", "A-1", "12a"], ["AB", "123456", "TWELVELETTER", "EX AMPLE"]),
    "SmsOriginationNumber": (["15550100", "+15550100"], ["1234", "555-0100", "EXAMPLE"]),
    "SmsMaxPriceUsd": (["0.15", "1", "0.00645"], ["-1", ".5", "1,5", "free", "0", "0.00"]),
    "SmsOriginationIdentity": (
        [
            POOL_OF_NUMBERS,
            "arn:aws:sms-voice:us-east-1:123456789012:phone-number/phone-0123456789abcdef",
            "arn:aws:sms-voice:eu-central-1:123456789012:sender-id/EXAMPLE/DE",
        ],
        ["+12065550100", "*", POOL_OF_NUMBERS + "*", POOL_OF_NUMBERS.replace("pool/", "opt-out-list/")],
    ),
    "SmsConfigurationSet": (["codes_1-a"], ["a b", "*"]),
    **{
        name: (["none", "1", "1000"], ["", "0", "-1", "1.5", "None", "unlimited", "10000000"])
        for name in (
            "SmsMaxPerNumberHourly",
            "SmsMaxPerPrefixHourly",
            "SmsMaxPerCountryDaily",
            "SmsDailyBudgetMessages",
        )
    },
    "SmsDailyBudgetUsd": (["20", "7.50"], ["0", "0.0", "-1", "none", "7,50"]),
    "SmsPricesUsd": (
        ["DE=0.0981", "DE=0.0981,US=0.00581", "DE=1, US=2", "file:/opt/prices.txt"],
        ["DE", "DE=", "DE=0", "de=0.1", "DE=0.1,", "DE=0.1;US=0.2", "DE=0.1 US=0.2", "US=0.00,DE=0.1"],
    ),
    "SmsSpendAlarmUsd": (["0.80", "1", "400"], ["", "0", "0.00", "-1", "1.234"]),
    "TemplatesLayerArn": ([LAYER], [LAYER.rsplit(":", 1)[0], "*"]),
    "TemplatesDir": (["/opt/templates", "/opt/a/b.c"], ["/tmp", "/opt/../etc", "templates", "/opt"]),
    "CodeKeyArn": (
        [KEY, KEY.replace("key/", "key/mrk-")],
        [KEY.replace(":key/", ":alias/"), "alias/codes", "*"],
    ),
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


@functools.cache
def _template():
    return yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), Loader=_Loader)


def template():
    """A fresh copy of the template, with long-form functions."""
    return copy.deepcopy(_template())


_NOTHING = object()
_PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::StackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/demo/0a1b2c3d",
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


def wrong_values(parameters):
    """The parameters whose own declaration refuses the given value, as CloudFormation checks it."""
    wrong = []
    for name, declared in _template()["Parameters"].items():
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
    # It complains that nobody collects its usage statistics.
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
        for line in widget["properties"]["metrics"]:
            namespace, metric, *dimensions = (part for part in line if isinstance(part, str))
            yield widget["properties"]["title"], (
                namespace,
                metric,
                dict(zip(dimensions[::2], dimensions[1::2], strict=True)),
            )


def relied_on():
    """The functions' own metrics that alarms and the dashboard use: pairs of function and metric."""
    resources = deployed({**FIRST, **SMS}).section("Resources")
    seen = [metric for _, metric in [*by_alarms(resources), *by_widgets(resources)]]
    return sorted({(dims["Function"], name) for space, name, dims in seen if "Function" in dims})


def policies(resources, role):
    """All statements that bind a role, whether written in it or attached to it."""
    inline = [p["PolicyDocument"] for p in resources[role]["Properties"].get("Policies", [])]
    attached = [
        p["PolicyDocument"]
        for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")
        for p in of_type(resources, kind).values()
        if f"<{role}.Ref>" in p["Roles"]
    ]
    return [s for document in inline + attached for s in statements(document)]


def for_the_functions():
    """What `tests/it/no_leak.rs` and `tests/it/policies.rs` hold the functions to."""
    found = {
        "metrics": {function: sorted(names) for function, names in METRICS.items()},
        "watched": {binary: [m for function, m in relied_on() if function == binary] for binary in METRICS},
        "roles": {},
    }
    for name, parameters in {
        "sns": {**FIRST, **SMS, "SesConfigurationSet": "codes", "SesFallbackConfigurationSet": "spare"},
        "end-user-messaging": {**FIRST, **END_USER_MESSAGING, "SmsConfigurationSet": "codes"},
        "no records": {**FIRST, **SMS, "DeliveryRecords": "false"},
        "one pool": {**FIRST, **SMS, "DecryptForUserPoolOnly": "true"},
        "an existing pool": {**FIRST, **SMS, "UserPoolId": "eu-central-1_Example01"},
    }.items():
        resources = deployed(parameters).section("Resources")
        found["roles"][name] = {
            binary: policies(resources, function.replace("Function", "Role"))
            for function, binary in BINARIES.items()
            if function in resources
        }
    return json.dumps(found, indent=2) + "\n"


# --- Tests ------------------------------------------------------------------------------------------------------


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

    def test_the_address_is_called_the_user_name_in_the_own_pool_or_where_somebody_says_so(self):
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
        self.assertEqual(self.variables("AttachFunction", EXISTING), {"LOG_LEVEL": "info"})

    def test_the_longest_settings_fit_into_lambdas_4_kb(self):
        declared = template()["Parameters"]
        # What the template works out: names that CloudFormation makes begin with the stack's, of at most 128
        # characters.
        worked_out = {
            "METRICS_NAMESPACE": 128,
            "RECIPIENT_HASH_KEY": 64,
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


class Functions(unittest.TestCase):
    def setUp(self):
        self.source = template()
        self.stack = deployed({**FIRST, **SMS})
        self.resources = self.stack.section("Resources")

    def test_each_is_built_from_its_own_binary(self):
        for function, binary in BINARIES.items():
            metadata = self.source["Resources"][function]["Metadata"]
            self.assertEqual(
                metadata, {"BuildMethod": "rust-cargolambda", "BuildProperties": {"Binary": binary}}
            )
            code = self.source["Resources"][function]["Properties"]["CodeUri"]
            self.assertEqual(code, f"functions/{binary}")
        shared = self.source["Globals"]["Function"]
        self.assertEqual((shared["Handler"], shared["Runtime"]), ("bootstrap", "provided.al2023"))

    def test_one_deployment_can_hold_all_four_and_the_one_that_attaches_them(self):
        self.assertEqual(set(of_type(self.resources, "AWS::Lambda::Function")), set(TRIGGERS))
        resources = deployed({**FIRST, **SMS, **EXISTING}).section("Resources")
        self.assertEqual(set(of_type(resources, "AWS::Lambda::Function")), set(BINARIES))

    def test_timeouts_are_cognitos_five_seconds_or_the_senders_fifteen_or_a_minute(self):
        resources = deployed({**FIRST, **SMS, **EXISTING}).section("Resources")
        for name, function in of_type(resources, "AWS::Lambda::Function").items():
            expected = 5 if name in SYNCHRONOUS else 15 if name in SENDERS else 60
            self.assertEqual(function["Timeout"], expected, name)

    def test_arm64_is_the_default_and_x86_64_can_be_chosen(self):
        for parameters, expected in [({}, "arm64"), ({"Architecture": "x86_64"}, "x86_64")]:
            resources = deployed({**FIRST, **SMS, **EXISTING, **parameters}).section("Resources")
            for function in of_type(resources, "AWS::Lambda::Function").values():
                self.assertEqual(function["Architectures"], [expected])

    def test_only_the_pool_of_this_account_may_invoke_them(self):
        for parameters, expected in [({}, "<UserPool.Arn>"), (EXISTING, POOL_ARN), (BY_HAND, POOL_ARN)]:
            resources = deployed({**FIRST, **SMS, **parameters}).section("Resources")
            permissions = of_type(resources, "AWS::Lambda::Permission").values()
            self.assertEqual({p["FunctionName"] for p in permissions}, {f"<{f}.Ref>" for f in TRIGGERS})
            for permission in permissions:
                self.assertEqual(permission["Action"], "lambda:InvokeFunction")
                self.assertEqual(permission["Principal"], "cognito-idp.amazonaws.com")
                self.assertEqual(permission["SourceAccount"], "123456789012")
                self.assertEqual(permission["SourceArn"], expected)

    def test_events_that_fail_end_in_the_encrypted_queue(self):
        configs = of_type(self.resources, "AWS::Lambda::EventInvokeConfig")
        self.assertEqual({c["FunctionName"] for c in configs.values()}, {f"<{f}.Ref>" for f in SENDERS})
        for config in configs.values():
            self.assertEqual(config["MaximumRetryAttempts"], 2)
            self.assertEqual(int(config["MaximumEventAgeInSeconds"]), 900)
            self.assertEqual(config["DestinationConfig"]["OnFailure"]["Destination"], "<OnFailureQueue.Arn>")
        queue = self.resources["OnFailureQueue"]["Properties"]
        self.assertEqual(queue["KmsMasterKeyId"], "<CodeKey.Arn>")
        self.assertEqual(queue["MessageRetentionPeriod"], str(4 * 24 * 3600))

    def test_only_the_redrive_role_reads_the_queue(self):
        (policy,) = of_type(self.resources, "AWS::SQS::QueuePolicy").values()
        denied = statements(policy["PolicyDocument"])[0]
        self.assertEqual((denied["Effect"], denied["Principal"]), ("Deny", "*"))
        self.assertIn("sqs:ReceiveMessage", denied["Action"])
        self.assertEqual(denied["Condition"], {"ArnNotEquals": {"aws:PrincipalArn": "<RedriveRole.Arn>"}})

    def test_logs_are_json_kept_for_a_time_and_never_cut_above_info(self):
        resources = deployed({**FIRST, **SMS, **EXISTING}).section("Resources")
        groups = of_type(resources, "AWS::Logs::LogGroup")
        self.assertEqual(len(groups), len(BINARIES))
        for group in groups.values():
            self.assertEqual(group["RetentionInDays"], "30")
        for level, expected in [("error", "INFO"), ("warn", "INFO"), ("info", "INFO"), ("debug", "DEBUG")]:
            resources = deployed({**FIRST, **SMS, **EXISTING, "LogLevel": level}).section("Resources")
            for name, function in of_type(resources, "AWS::Lambda::Function").items():
                logging = function["LoggingConfig"]
                self.assertEqual((logging["LogFormat"], logging["ApplicationLogLevel"]), ("JSON", expected))
                self.assertEqual(logging["LogGroup"], f"<{name.replace('Function', 'LogGroup')}.Ref>")

    def test_sam_local_invoke_sees_the_settings(self):
        from samcli.lib.providers.sam_function_provider import SamFunctionProvider
        from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

        given = {**FIRST, "AWS::Region": "eu-central-1", "TemplatesLayerArn": LAYER}
        with warnings.catch_warnings():
            # SAM's own use of an old validator is not this project's.
            warnings.simplefilter("ignore", DeprecationWarning)
            stacks, _ = SamLocalStackProvider.get_stacks(
                str(ROOT / "template.yaml"), parameter_overrides=given
            )
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
        attach = deployed({**FIRST, **EXISTING, **given}).section("Resources")["AttachFunction"]["Properties"]
        self.assertNotIn("ReservedConcurrentExecutions", attach)

    def test_traces_are_made_where_they_are_wanted(self):
        for parameters, mode in [({}, "PassThrough"), ({"Tracing": "Active"}, "Active")]:
            resources = deployed({**FIRST, **SMS, **EXISTING, **parameters}).section("Resources")
            for function in of_type(resources, "AWS::Lambda::Function").values():
                self.assertEqual(function["TracingConfig"], {"Mode": mode})


class Attachment(unittest.TestCase):
    """The pool that exists already: who changes it, in which order, with which rights."""

    def resources(self, **parameters):
        return deployed({**FIRST, **SMS, **EXISTING, **parameters}).section("Resources")

    def test_it_is_there_for_an_existing_pool_that_the_stack_is_to_change(self):
        parts = {"AttachFunction", "AttachRole", "AttachPolicy", "AttachLogGroup", "CheckedUserPool", "AttachedTriggers"}
        for parameters, there in [
            ({}, set()),
            (EXISTING, parts),
            (BY_HAND, set()),
            ({**EXISTING, "ReplaceTriggers": "true"}, parts),
        ]:
            with self.subTest(parameters):
                resources = deployed({**FIRST, **parameters}).section("Resources")
                self.assertEqual(parts & set(resources), there)

    def test_it_attaches_what_the_own_pool_gets(self):
        for parameters in ({}, SMS, {"EmailDelivery": "cognito"}, {"SmsDelivery": "cognito"}):
            own = deployed({**FIRST, **parameters}).section("Resources")["UserPool"]["Properties"]["LambdaConfig"]
            existing = deployed({**FIRST, **parameters, **EXISTING}).section("Resources")
            told = existing["AttachedTriggers"]["Properties"]
            expected = {name: value["LambdaArn"] if "Sender" in name else value for name, value in own.items()}
            with self.subTest(parameters):
                self.assertEqual({name: told[name] for name in expected}, expected)
                others = {"ServiceToken", "ServiceTimeout", "UserPoolId", "ReplaceTriggers", "EmailIsUsername", "After"}
                self.assertEqual(set(told) - set(expected), others)
                self.assertEqual(told["UserPoolId"], EXISTING["UserPoolId"])

    def test_what_it_is_told_follows_the_parameters(self):
        for name in ("ReplaceTriggers", "EmailIsUsername"):
            for value in ("true", "false"):
                told = self.resources(**{name: value})["AttachedTriggers"]["Properties"]
                self.assertEqual(told[name], value)

    def test_what_is_said_of_the_pool_is_checked_before_pre_sign_up_changes(self):
        stack = deployed({**FIRST, **EXISTING, "EmailIsUsername": "true"})
        resources = stack.section("Resources")
        told = resources["CheckedUserPool"]["Properties"]
        self.assertEqual(
            {name: told[name] for name in ("CheckOnly", "UserPoolId", "EmailIsUsername")},
            {"CheckOnly": "true", "UserPoolId": EXISTING["UserPoolId"], "EmailIsUsername": "true"},
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
        stack = deployed({**FIRST, **SMS, **EXISTING})
        item = stack.source["Resources"]["AttachedTriggers"]
        stack.value(item["Properties"])
        before = stack.used | set(as_list(item["DependsOn"]))
        permissions = {name for name in stack.source["Resources"] if name.endswith("Permission")}
        policies = {"AttachPolicy", "CustomEmailSenderDecryptPolicy", "CustomSmsSenderDecryptPolicy"}
        rest = {"CodeKey", "AttachFunctionEventInvokeConfig"}
        self.assertEqual(before, permissions | policies | set(BINARIES) - {"CustomMessageFunction"} | rest)

    def test_what_it_waits_for_is_there_whenever_it_is(self):
        # CloudFormation does not say what a dependency on a resource means that a condition leaves out.
        source = deployed({**FIRST, **EXISTING}).source["Resources"]
        for resource in ("CheckedUserPool", "AttachedTriggers"):
            for name in as_list(source[resource]["DependsOn"]):
                self.assertIn(source[name].get("Condition"), (None, "AttachedByStack"), name)

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

    def test_the_function_may_change_this_pool_and_pass_to_cognito_what_stands_in_it(self):
        resources = self.resources()
        of_pool, pass_role, email_role, own_key, other_keys = policies(resources, "AttachRole")[1:]
        self.assertEqual(of_pool["Resource"], POOL_ARN)
        self.assertEqual(pass_role["Resource"], "arn:aws:iam::123456789012:role/*")
        self.assertEqual(
            pass_role["Condition"], {"StringEquals": {"iam:PassedToService": "cognito-idp.amazonaws.com"}}
        )
        email = "email.cognito-idp.amazonaws.com"
        self.assertEqual(email_role["Resource"], f"arn:aws:iam::123456789012:role/aws-service-role/{email}/*")
        self.assertEqual(email_role["Condition"], {"StringEquals": {"iam:AWSServiceName": email}})
        self.assertEqual((own_key["Resource"], own_key.get("Condition")), ("<CodeKey.Arn>", None))
        self.assertEqual(other_keys["Resource"], "arn:aws:kms:eu-central-1:123456789012:key/*")
        self.assertEqual(
            other_keys["Condition"],
            {"StringEquals": {"kms:EncryptionContext:userpool-id": EXISTING["UserPoolId"]}},
        )

    def test_it_grants_the_key_that_is_attached_and_none_where_none_is(self):
        for parameters, keys in [({}, ["<CodeKey.Arn>"]), ({"CodeKeyArn": KEY}, [KEY])]:
            granted = policies(self.resources(**parameters), "AttachRole")
            unbound = [s["Resource"] for s in granted if s["Action"] == "kms:CreateGrant" and "Condition" not in s]
            self.assertEqual(unbound, keys)
        resources = deployed({"BrandName": "Example", **EXISTING, "EmailDelivery": "cognito"}).section("Resources")
        granted = [s for s in policies(resources, "AttachRole") if s["Action"] == "kms:CreateGrant"]
        self.assertTrue(all("Condition" in s for s in granted))

    def test_its_rights_on_a_former_pool_last_until_that_has_let_go(self):
        # A change of the description replaces the policy, and the old one goes after what depends on it.
        one = self.resources()["AttachPolicy"]["Properties"]
        other = self.resources(UserPoolId="eu-central-1_Another01")["AttachPolicy"]["Properties"]
        self.assertNotEqual(one["Description"], other["Description"])
        self.assertNotIn("ManagedPolicyName", one)


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
        self.assertEqual(len(roles), 6)
        for role, properties in roles.items():
            self.assertNotIn("ManagedPolicyArns", properties, role)
            for statement in self.policies(role):
                with self.subTest(role, statement=statement):
                    for action in as_list(statement["Action"]):
                        self.assertNotIn("*", action)
                    # To IAM an SMS is a phone number, which has no ARN.
                    if "*" in as_list(statement["Resource"]):
                        self.assertEqual(statement["Action"], "sns:Publish")

    def test_each_role_may_do_what_the_table_says_and_nothing_else(self):
        for name, given in {**GOOD, "traced": {**FIRST, **SMS, "Tracing": "Active"}}.items():
            stack = deployed(given)
            self.resources = stack.section("Resources")
            for role in of_type(self.resources, "AWS::IAM::Role"):
                expected = set(ACTIONS[role])
                for parameter, value, more in ACTIONS_WHERE:
                    expected |= more.get(role, set()) if stack.parameters[parameter] == value else set()
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

    def test_end_user_messaging_is_bound_to_the_identity_and_the_configuration_set(self):
        codes = "arn:aws:sms-voice:eu-central-1:123456789012:configuration-set/codes"
        for more, resources in [
            ({}, [POOL_OF_NUMBERS]),
            ({"SmsConfigurationSet": "codes"}, [POOL_OF_NUMBERS, codes]),
        ]:
            self.resources = deployed({**FIRST, **END_USER_MESSAGING, **more}).section("Resources")
            (statement,) = [s for s in self.policies("CustomSmsSenderRole") if "-voice:" in str(s["Action"])]
            self.assertEqual(
                statement,
                {"Effect": "Allow", "Action": "sms-voice:SendTextMessage", "Resource": resources},
            )

    def test_the_redrive_role_can_do_its_work(self):
        statements_of_role = self.policies("RedriveRole")
        of_queue, of_key, of_functions = statements_of_role
        self.assertEqual(of_queue["Resource"], "<OnFailureQueue.Arn>")
        self.assertEqual(of_key["Resource"], "<CodeKey.Arn>")
        self.assertEqual(
            of_key["Condition"], {"StringEquals": {"kms:ViaService": "sqs.eu-central-1.amazonaws.com"}}
        )
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
                "UserPoolSmsRole": {"Service": "cognito-idp.amazonaws.com"},
                "RedriveRole": {"AWS": "arn:aws:iam::123456789012:root"},
            }.get(role, {"Service": "lambda.amazonaws.com"})
            self.assertEqual(trust["Principal"], expected)
        pool = self.resources["UserPool"]["Properties"]["SmsConfiguration"]
        (trust,) = statements(self.resources["UserPoolSmsRole"]["Properties"]["AssumeRolePolicyDocument"])
        self.assertEqual(trust["Condition"], {"StringEquals": {"sts:ExternalId": pool["ExternalId"]}})
        self.assertEqual(pool["ExternalId"], "0a1b2c3d")

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
            (through_sqs,) = [s for s in using if "Condition" in s]
            self.assertEqual(through_sqs["Action"], ["kms:GenerateDataKey", "kms:Decrypt"])
            self.assertEqual(
                through_sqs["Condition"],
                {"StringEquals": {"kms:ViaService": "sqs.eu-central-1.amazonaws.com"}},
            )

    def test_decryption_can_be_bound_to_the_pool(self):
        bound = {**FIRST, **SMS, "DecryptForUserPoolOnly": "true"}
        for parameters, pool in [(bound, "<UserPool.Ref>"), ({**bound, **EXISTING}, EXISTING["UserPoolId"])]:
            resources = deployed(parameters).section("Resources")
            policies = of_type(resources, "AWS::IAM::Policy").values()
            self.assertEqual(len(policies), 2)
            for policy in policies:
                (statement,) = statements(policy["PolicyDocument"])
                self.assertEqual(
                    statement["Condition"], {"StringEquals": {"kms:EncryptionContext:userpool-id": pool}}
                )

    def test_e_mail_goes_out_from_one_address(self):
        for given, expected in [
            ("no-reply@example.com", "no-reply@example.com"),
            ("Example <no-reply@example.com>", "no-reply@example.com"),
            ('"Example, Inc." <a@b.example>', "a@b.example"),
        ]:
            self.resources = deployed({"BrandName": "Example", "FromAddress": given}).section("Resources")
            (statement,) = [s for s in self.policies("CustomEmailSenderRole") if "ses:" in str(s["Action"])]
            self.assertEqual(statement["Action"], "ses:SendEmail")
            self.assertEqual(
                statement["Condition"], {"StringEqualsIgnoreCase": {"ses:FromAddress": expected}}
            )
            self.assertEqual(
                statement["Resource"],
                [f"arn:aws:ses:eu-central-1:123456789012:{r}/*" for r in ("identity", "configuration-set")],
            )

    def test_e_mail_goes_through_the_region_and_configuration_set_that_are_named(self):
        given = {**FIRST, "SesRegion": "eu-west-1", "SesConfigurationSet": "codes"}
        self.resources = deployed(given).section("Resources")
        (statement,) = [s for s in self.policies("CustomEmailSenderRole") if "ses:" in str(s["Action"])]
        self.assertEqual(
            statement["Resource"],
            [f"arn:aws:ses:eu-west-1:123456789012:{r}" for r in ("identity/*", "configuration-set/codes")],
        )

    def test_the_fallback_opens_its_own_region_and_configuration_set(self):
        here, there = (f"arn:aws:ses:{region}:123456789012:" for region in ("eu-central-1", "eu-north-1"))
        first = [f"{here}identity/*", f"{here}configuration-set/*"]
        region, name = {"SesFallbackRegion": "eu-north-1"}, {"SesFallbackConfigurationSet": "spare"}
        for given, added in [
            (region, [f"{there}identity/*", f"{there}configuration-set/*"]),
            (name, [f"{here}configuration-set/spare"]),
            ({**region, **name}, [f"{there}identity/*", f"{there}configuration-set/spare"]),
        ]:
            self.resources = deployed({**FIRST, **given}).section("Resources")
            (statement,) = [s for s in self.policies("CustomEmailSenderRole") if "ses:" in str(s["Action"])]
            self.assertEqual(statement["Resource"], first + added)
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

    def test_an_account_recovers_by_e_mail_first(self):
        email, phone = {"Name": "verified_email", "Priority": 1}, {
            "Name": "verified_phone_number",
            "Priority": 2,
        }
        self.assertEqual(self.pool()["AccountRecoverySetting"]["RecoveryMechanisms"], [email])
        self.assertEqual(self.pool(**SMS)["AccountRecoverySetting"]["RecoveryMechanisms"], [email, phone])

    def test_sms_need_a_role_of_the_pool(self):
        self.assertNotIn("SmsConfiguration", self.pool())
        for parameters in (SMS, {"SmsDelivery": "cognito"}):
            self.assertEqual(
                self.pool(**parameters)["SmsConfiguration"]["SnsCallerArn"], "<UserPoolSmsRole.Arn>"
            )

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
            self.assertEqual(
                self.pool(**parameters)["VerificationMessageTemplate"], {"DefaultEmailOption": option}
            )

    def test_the_client_keeps_a_secret_and_hides_who_exists(self):
        client = deployed(FIRST).section("Resources")["UserPoolClient"]["Properties"]
        self.assertIs(client["GenerateSecret"], True)
        self.assertEqual(client["PreventUserExistenceErrors"], "ENABLED")


class Shape(unittest.TestCase):
    """Whole deployments, after the SAM transform."""

    def test_what_is_used_exists_in_every_set(self):
        for name, parameters in GOOD.items():
            stack = deployed(parameters)
            resources = stack.section("Resources")
            stack.section("Outputs")
            with self.subTest(name):
                self.assertEqual(stack.used - set(resources), set())

    def test_nothing_waits_for_itself(self):
        for name, parameters in GOOD.items():
            stack = deployed(parameters)
            needs = {}
            for logical_id in stack.section("Resources"):
                stack.used = set()
                item = stack.source["Resources"][logical_id]
                stack.value({k: v for k, v in item.items() if k not in ("Condition", "Metadata")})
                needs[logical_id] = stack.used | set(as_list(item.get("DependsOn", [])))
            with self.subTest(name):
                while ready := [k for k, v in needs.items() if not v & set(needs)]:
                    for k in ready:
                        del needs[k]
                self.assertEqual(needs, {})

    def test_only_what_is_needed_is_deployed(self):
        functions, queue = set(TRIGGERS), {"OnFailureQueue", "CodeKey", "RedriveRole"}
        email, sms = {"CustomEmailSenderFunction"}, {"CustomSmsSenderFunction"}
        attach = {"AttachFunction", "CheckedUserPool", "AttachedTriggers"}
        watched = functions | queue | attach | {"UserPool", "UserPoolClient", "UserPoolDomain", "UserPoolSmsRole"}
        own = {"UserPool", "UserPoolClient"}
        for name, expected in {
            "the first deployment": functions - sms | queue | own,
            "all four functions": functions | queue | own | {"UserPoolSmsRole"},
            "all by Cognito": functions - email - sms | own | {"UserPoolSmsRole"},
            "e-mail by Cognito, SMS by the sender": functions - email | queue | own | {"UserPoolSmsRole"},
            "confirmation links": functions - email - sms | own | {"UserPoolDomain"},
            "an existing pool": functions - sms | queue | attach,
            "an existing pool, attached by hand": functions - sms | queue,
            "an existing pool that sends its own e-mails": functions - email - sms | attach,
            "a given key": functions | queue - {"CodeKey"} | own | {"UserPoolSmsRole"},
            "a given key and nothing to encrypt": functions - email - sms | own,
        }.items():
            with self.subTest(name):
                resources = deployed(GOOD[name]).section("Resources")
                self.assertEqual(set(resources) & watched, expected)

    def test_outputs_say_what_there_is(self):
        always = {"PreSignUpFunctionArn", "CustomMessageFunctionArn", "UserPoolId"}
        sender = {"CodeKeyArn", "OnFailureQueueUrl", "RedriveRoleArn"}
        for name, expected in {
            "all four functions": always
            | sender
            | {"CustomEmailSenderFunctionArn", "CustomSmsSenderFunctionArn", "UserPoolClientId"},
            "all by Cognito": always | {"UserPoolClientId"},
            "an existing pool": always
            | sender
            | {"CustomEmailSenderFunctionArn", "LambdaConfigToAttach", "EmailIsUsername"},
            "an existing pool, attached by hand": always
            | sender
            | {"CustomEmailSenderFunctionArn", "LambdaConfigToAttach", "AttachGuidance"},
        }.items():
            with self.subTest(name):
                self.assertEqual(set(deployed(GOOD[name]).section("Outputs")), expected)

    def test_an_existing_pool_is_told_what_the_own_one_gets(self):
        for parameters in ({}, SMS, {"EmailDelivery": "cognito"}, {"SmsDelivery": "cognito"}):
            own = deployed({**FIRST, **parameters}).section("Resources")
            outputs = deployed({**FIRST, **EXISTING, **parameters}).section("Outputs")
            # YAML, because JSON is a part of it.
            told = yaml.safe_load(outputs["LambdaConfigToAttach"]["Value"])
            self.assertEqual(told, own["UserPool"]["Properties"]["LambdaConfig"])


class Observability(unittest.TestCase):
    """Alarms and the dashboard: AWS evaluates them, here is what can be told beforehand."""

    def alarms(self, **parameters):
        return of_type(deployed({**FIRST, **parameters}).section("Resources"), "AWS::CloudWatch::Alarm")

    def test_what_is_watched_or_shown_is_a_metric_that_somebody_writes(self):
        for name, parameters in GOOD.items():
            resources = deployed(parameters).section("Resources")
            from_logs = [
                (made["MetricNamespace"], made["MetricName"], {})
                for lines in of_type(resources, "AWS::Logs::MetricFilter").values()
                for made in lines["MetricTransformations"]
            ]
            written = {binary for function, binary in BINARIES.items() if function in resources}
            for where, metric in [*by_alarms(resources), *by_widgets(resources)]:
                space, metric_name, dimensions = metric
                with self.subTest(name, where=where, metric=metric_name):
                    if metric in from_logs:
                        continue
                    if space == "demo":
                        self.assertEqual(list(dimensions), ["Function"])
                        self.assertIn(dimensions["Function"], written)
                        self.assertIn(metric_name, METRICS[dimensions["Function"]])
                    else:
                        self.assertEqual(list(dimensions), AWS_METRICS.get((space, metric_name)))

    def test_faults_of_pre_sign_up_are_counted_from_its_own_log(self):
        resources = deployed(FIRST).section("Resources")
        [lines] = of_type(resources, "AWS::Logs::MetricFilter").values()
        [made] = lines["MetricTransformations"]
        alarm = of_type(resources, "AWS::CloudWatch::Alarm")["PreSignUpErrorsAlarm"]
        self.assertEqual(lines["LogGroupName"], "<PreSignUpLogGroup.Ref>")
        self.assertEqual(
            (alarm["Namespace"], alarm["MetricName"]), (made["MetricNamespace"], made["MetricName"])
        )

    def test_every_known_metric_of_aws_is_used(self):
        resources = deployed({**FIRST, **SMS}).section("Resources")
        seen = {metric[:2] for _, metric in [*by_alarms(resources), *by_widgets(resources)]}
        self.assertEqual(set(AWS_METRICS) - seen, set())

    def test_every_alarm_says_what_to_do_and_reports_where_it_was_told(self):
        topic = "arn:aws:sns:eu-central-1:123456789012:alarms"
        for parameters, actions in [({}, None), ({"AlarmTopicArn": topic}, [topic])]:
            for name, alarm in self.alarms(**SMS, **parameters).items():
                with self.subTest(name, parameters=parameters):
                    self.assertRegex(alarm["AlarmDescription"], r"Read |See |Mend ")
                    self.assertLessEqual(len(alarm["AlarmDescription"]), 1024)
                    self.assertEqual((alarm.get("AlarmActions"), alarm.get("OKActions")), (actions, actions))

    def test_missing_values_mean_that_nothing_happened_or_nothing_new(self):
        for name, alarm in self.alarms(**SMS).items():
            seldom = alarm.get("Namespace") in ("AWS/SES", "AWS/SNS")
            self.assertEqual(alarm["TreatMissingData"], "ignore" if seldom else "notBreaching", name)

    def test_the_alarms_of_each_deployment(self):
        always = {"PreSignUpErrorsAlarm", "CustomMessageErrorsAlarm"}
        any_sender = always | {"FailedEventsAlarm"}
        each = ("Errors", "LostEvents", "DroppedEvents", "Configuration", "Malformed", "Records")
        email = {f"CustomEmailSender{kind}Alarm" for kind in each}
        sms = {f"CustomSmsSender{kind}Alarm" for kind in each} | {"SmsPumpingAlarm"}
        ses, spend = {"SesBounceRateAlarm", "SesComplaintRateAlarm"}, {"SmsSpendAlarm"}
        silence, no_record = {"NothingSentAlarm"}, {"CustomEmailSenderRecordsAlarm"}
        for parameters, expected in [
            ({}, any_sender | email | ses | silence),
            (SMS, any_sender | email | ses | silence | sms | spend),
            (END_USER_MESSAGING, any_sender | email | ses | silence | sms),
            (COGNITO, always),
            ({**COGNITO, "SmsDelivery": "cognito"}, always | spend),
            ({**COGNITO, **SMS}, any_sender | sms | spend),
            ({"SmsDelivery": "cognito"}, any_sender | email | ses | silence | spend),
            # A pool of yours may send its codes as SMS, and the review sends none.
            ({**EXISTING, "SmsDelivery": "cognito"}, any_sender | email | ses | spend),
            ({"SignUpMode": "review"}, any_sender | email | ses),
            ({"SilenceAlarm": "false"}, any_sender | email | ses),
            ({"SesRegion": "eu-west-1"}, any_sender | email | silence),
            ({"SesRegion": "eu-central-1"}, any_sender | email | ses | silence),
            ({"DeliveryRecords": "false"}, any_sender | email - no_record | ses | silence),
            (
                {**SMS, "DeliveryRecords": "false"},
                any_sender | email - no_record | ses | silence | sms | spend,
            ),
        ]:
            with self.subTest(parameters):
                self.assertEqual(set(self.alarms(**parameters)), expected)

    def test_thresholds_are_those_of_aws_and_of_the_operator(self):
        alarms = self.alarms(**SMS, SmsSpendAlarmUsd="400")
        thresholds = {name: float(alarm["Threshold"]) for name, alarm in alarms.items()}
        self.assertEqual(thresholds["SesBounceRateAlarm"], 0.05)
        self.assertEqual(thresholds["SesComplaintRateAlarm"], 0.001)
        self.assertEqual(thresholds["SmsSpendAlarm"], 400)
        for name, alarm in alarms.items():
            self.assertEqual(alarm["ComparisonOperator"], "GreaterThanOrEqualToThreshold", name)
            # CloudWatch's limit for periods of up to an hour is a day.
            self.assertLessEqual(alarm.get("Period", 1800) * alarm["EvaluationPeriods"], 86400)

    def test_silence_is_sign_ups_that_no_message_follows(self):
        for more, table in [
            # passed on, e-mails sent, SMS sent; None: no value in this half hour
            (
                {},
                [
                    (2, None, None, True),
                    (1, None, None, False),
                    (2, 1, None, False),
                    (None, None, None, False),
                ],
            ),
            (
                SMS,
                [(9, None, None, True), (9, None, 1, False), (9, 1, None, False), (None, 5, 5, False)],
            ),
        ]:
            alarm = self.alarms(**more)["NothingSentAlarm"]
            (expression,) = [q["Expression"] for q in alarm["Metrics"] if "Expression" in q]
            ids = {q["Id"] for q in alarm["Metrics"] if "MetricStat" in q}
            self.assertEqual(ids, {"passed", "emails", "texts"} if more else {"passed", "emails"})
            for passed, emails, texts, expected in table:
                functions = {
                    "IF": lambda condition, then, otherwise: then if condition else otherwise,
                    "FILL": lambda value, filling: filling if value is None else value,
                }
                values = {"passed": passed, "emails": emails, "texts": texts}
                # The expression is this repository's own text.
                found = eval(expression, {"__builtins__": {}}, functions | values)
                with self.subTest(more, passed=passed, emails=emails, texts=texts):
                    self.assertEqual(found is not None and found >= alarm["Threshold"], expected)

    def test_the_dashboard_shows_what_is_deployed_and_stays_within_the_free_size(self):
        for name, parameters in GOOD.items():
            resources = deployed(parameters).section("Resources")
            wanted = parameters.get("Dashboard") != "false"
            shown = list(widgets(resources))
            titles = " ".join(w["properties"]["title"] for w in shown)
            with self.subTest(name):
                self.assertEqual("OverviewDashboard" in resources, wanted)
                self.assertLessEqual(len(list(by_widgets(resources))), 50)
                if wanted:
                    self.assertIn("Sign-ups", titles)
                    self.assertEqual("E-mail:" in titles, "CustomEmailSenderFunction" in resources)
                    self.assertEqual("SMS:" in titles, "CustomSmsSenderFunction" in resources)
                    self.assertEqual("Failed events" in titles, "OnFailureQueue" in resources)
                for widget in shown:
                    self.assertEqual(widget["type"], "metric")
                    self.assertEqual(widget["properties"]["region"], "eu-central-1")

    def test_the_dashboard_shows_every_class_of_failure(self):
        resources = deployed({**FIRST, **SMS}).section("Resources")
        shown = {(dims.get("Function"), metric) for _, (_, metric, dims) in by_widgets(resources)}
        for function in ("custom-email-sender", "custom-sms-sender"):
            failed = {(function, m) for m in METRICS[function] if m.startswith("Failed")}
            self.assertEqual(failed - shown, set())

    def test_the_documented_costs_count_what_is_there(self):
        text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
        rows = {row[1].strip(): row for row in (line.split("|") for line in text.splitlines()) if len(row) == 6}
        for parameters, column in [({}, 3), (SMS, 4)]:
            resources = deployed({**FIRST, **parameters}).section("Resources")
            # One more than the functions write: the filter of the log of pre-sign-up.
            deployed_ones = [binary for function, binary in BINARIES.items() if function in resources]
            written = 1 + sum(len(METRICS[binary]) for binary in deployed_ones)
            watched, shown = len(list(by_alarms(resources))), len(list(by_widgets(resources)))
            self.assertIn(
                f" at most {written} metrics: {written * 0.3:.2f} ", rows["Metrics of the functions"][column]
            )
            self.assertIn(f" {watched} metrics: {watched * 0.1:.2f} ", rows["Alarms"][column])
            self.assertIn(f" {shown} metrics ", rows["Dashboard"][column])


class Samconfig(unittest.TestCase):
    def test_it_deploys_with_care_and_gives_away_nothing(self):
        config = tomlkit.parse((ROOT / "samconfig.toml").read_text(encoding="utf-8")).unwrap()
        deploy = config["default"]["deploy"]["parameters"]
        self.assertEqual(deploy["capabilities"], "CAPABILITY_IAM")
        self.assertTrue(deploy["confirm_changeset"] and deploy["resolve_s3"])
        # Values of parameters, Regions and profiles are the operator's.
        for command in config["default"].values():
            self.assertFalse(
                {"parameter_overrides", "region", "profile", "s3_bucket"} & set(command["parameters"])
            )


if __name__ == "__main__":
    if sys.argv[1:] == ["--deployed"]:
        print(for_the_functions(), end="")
    else:
        unittest.main()
