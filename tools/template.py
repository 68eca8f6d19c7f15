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
    "SIGN_UP_MODE": "SignUpMode",
    "ALLOWED_EMAIL_DOMAINS": "AllowedEmailDomains",
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
        "FEDERATED_SIGN_UP": "FederatedSignUp",
        "CONFIRM_TRUSTED_USERS": "ConfirmTrustedUsers",
        "AUTO_VERIFY_PHONE": "AutoVerifyPhone",
        "EMAIL_IS_USERNAME": None,
        "REFUSAL_MESSAGE": "RefusalMessage",
    },
    "AttachFunction": {
        "LOG_LEVEL": "LogLevel",
        "STACK_ID": None,
        "USER_POOL_ID": "UserPoolId",
        "CODE_KEY_ARN": None,
        "PHYSICAL_ID_KEY": None,
    },
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

# What each role can do with all parameters. ACTIONS_WHERE has what depends on them.
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
    "emails from another Region": {**FIRST, "SesRegion": "eu-west-1", "SesFallbackRegion": "eu-central-1"},
    "other SMS limits": {
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
    "email by Cognito, SMS by the sender": {**FIRST, **COGNITO, **SMS},
    "email by the sender, SMS by Cognito": {**FIRST, "SmsDelivery": "cognito"},
    "confirmation links": {
        **FIRST,
        **COGNITO,
        "EmailConfirmation": "link",
        "UserPoolDomainPrefix": "example-sign-in",
    },
    "an existing pool": {**FIRST, **EXISTING},
    "an existing pool, all four functions": {**FIRST, **EXISTING, **SMS, "DecryptForUserPoolOnly": "true"},
    "an existing pool, attached by hand": {**FIRST, **BY_HAND},
    "an existing pool with triggers of other functions": {**FIRST, **EXISTING, "ReplaceTriggers": "true"},
    "an existing pool, attached with a given key": {**FIRST, **EXISTING, "CodeKeyArn": KEY},
    "an existing pool with email as the sign-in attribute": {
        **FIRST,
        **EXISTING,
        "EmailIsUsername": "true",
        "AllowedEmailDomains": "example.com",
        "AutoVerifyPhone": "true",
    },
    "an existing pool that sends its own emails": {
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


def read(file):
    """A template of CloudFormation, with long-form functions."""
    return yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)


@functools.cache
def _template():
    return read(ROOT / "template.yaml")


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


if __name__ == "__main__":
    if sys.argv[1:] != ["--deployed"]:
        sys.exit(__doc__)
    print(for_the_functions(), end="")
