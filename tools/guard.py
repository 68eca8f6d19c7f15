"""Evaluates `tools/security.guard` with AWS CloudFormation Guard, on what the templates deploy.

`tools/security_exceptions.toml` has the findings that are accepted, each with its reason. A finding without an exception
and an exception without a finding are errors.
"""

import re
import sys
from pathlib import Path

import tomlkit
from template import BOUNDARY, FIRST, KEY, POOL, SMS, USER_POOL, VPC, Stack, observed, template

try:
    from cfn_guard_rs import run_checks
except ModuleNotFoundError:
    if sys.version_info < (3, 13):
        raise
    run_checks = None

TOOLS = Path(__file__).resolve().parent
# With everything that an organization may require, so that an exception is what no parameter can fix.
ORGANIZATION = {
    **FIRST,
    **SMS,
    **POOL,
    **VPC,
    "DataKeyArn": KEY,
    "PermissionsBoundaryArn": BOUNDARY,
    "ReservedConcurrency": "10",
    "Observability": "full-with-traces",
    "AlarmTopicArn": "arn:aws:sns:eu-central-1:123456789012:alarms",
}
STRICT_POOL = {
    "PreSignUpFunctionArn": "arn:aws:lambda:eu-central-1:123456789012:function:pre-sign-up",
    "UserPoolTier": "PLUS",
    "Mfa": "ON",
    "PasswordRequiresSymbols": "true",
    "Sms": "true",
}


def rules():
    """The rules, each with the definitions that all of them share."""
    text = (TOOLS / "security.guard").read_text(encoding="utf-8")
    shared = text[: text.index("\nrule ")]
    return {match[1]: shared + "\n" + match[0] for match in re.finditer(r"^rule (\w+) .*?^}", text, re.S | re.M)}


def findings():
    """Pairs of rule and resource. One at a time, because the library returns a long report cut at its beginning."""
    resources = observed(ORGANIZATION) | Stack(template(USER_POOL), STRICT_POOL).section("Resources")
    return {
        (rule, name)
        for rule, text in rules().items()
        for name, resource in resources.items()
        if run_checks({"Resources": {name: resource}}, text).status == "FAIL"
    }


def main():
    if run_checks is None:
        print("cfn-guard has no package for this Python: the security rules are not checked", file=sys.stderr)
        return 0
    accepted = tomlkit.parse((TOOLS / "security_exceptions.toml").read_text(encoding="utf-8"))["exception"]
    expected = {(one["rule"], name) for one in accepted for name in one["resources"]}
    found = findings()
    for rule, name in sorted(found - expected):
        print(f"{name}: {rule}", file=sys.stderr)
    for rule, name in sorted(expected - found):
        print(f"security_exceptions.toml: {name} has no finding of {rule}", file=sys.stderr)
    print(f"{len(rules())} rules, {len(found)} findings, {len(expected)} exceptions")
    return int(found != expected)


if __name__ == "__main__":
    sys.exit(main())
