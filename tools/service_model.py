"""Writes what the tests know of AWS's service models, which come from botocore.

`python tools/service_model.py` writes two files; with `--check` it compares them with the models.

- `tests/fixtures/services.json`: the shapes of the operations that the tests' mock serves, so that the mock can parse
  each request, format each response, and reject a response that AWS could never return.
- `tests/fixtures/errors.json`: the errors of the operations that the senders call, by their code, with the reasons
  that the service gives. A test compares them with the senders' table of errors.
"""

import gzip
import json
import sys
from pathlib import Path

import botocore

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(botocore.__file__).parent / "data"
FIXTURES = ROOT / "tests" / "fixtures"

# The prefix of the IAM actions: the name of the model, and the operations.
SERVICES = {
    "cloudformation": (
        "cloudformation",
        "DescribeStackEvents DescribeStackResource DescribeStackResources DescribeStacks ListStackResources",
    ),
    "cloudwatch": ("cloudwatch", "DescribeAlarms GetMetricData GetMetricStatistics ListMetrics"),
    "cognito-idp": (
        "cognito-idp",
        "AdminConfirmSignUp AdminCreateUser AdminDeleteUser AdminDisableUser AdminEnableUser AdminGetUser"
        " AdminResetUserPassword AdminSetUserPassword AdminUpdateUserAttributes DescribeUserPool"
        " DescribeUserPoolClient GetLogDeliveryConfiguration GetUserPoolMfaConfig ListUserPoolClients ListUserPools"
        " ListUsers SetLogDeliveryConfiguration UpdateUserPool",
    ),
    "iam": ("iam", "GetRole GetRolePolicy ListAttachedRolePolicies ListRolePolicies SimulatePrincipalPolicy"),
    "kms": (
        "kms",
        "CancelKeyDeletion CreateGrant Decrypt DescribeKey DisableKey EnableKey GenerateDataKey GetKeyPolicy"
        " ListAliases ListGrants RevokeGrant",
    ),
    "lambda": (
        "lambda",
        "AddPermission DeleteFunctionConcurrency GetAccountSettings GetFunction GetFunctionConcurrency"
        " GetFunctionConfiguration GetFunctionEventInvokeConfig GetPolicy Invoke PutFunctionConcurrency"
        " PutFunctionEventInvokeConfig RemovePermission",
    ),
    "logs": ("logs", "DescribeLogGroups FilterLogEvents GetQueryResults StartQuery StopQuery"),
    "secretsmanager": ("secretsmanager", "DescribeSecret GetSecretValue"),
    "ses": (
        "sesv2",
        "DeleteSuppressedDestination GetAccount GetConfigurationSet GetConfigurationSetEventDestinations"
        " GetEmailIdentity GetSuppressedDestination ListEmailIdentities ListSuppressedDestinations"
        " PutAccountSendingAttributes PutConfigurationSetSendingOptions SendEmail",
    ),
    "sms-voice": (
        "pinpoint-sms-voice-v2",
        "DeleteOptedOutNumber DescribeAccountAttributes DescribeAccountLimits DescribeConfigurationSets"
        " DescribeOptOutLists DescribeOptedOutNumbers DescribePhoneNumbers DescribePools DescribeSenderIds"
        " DescribeSpendLimits DescribeVerifiedDestinationNumbers SendTextMessage SetTextMessageSpendLimitOverride",
    ),
    "sns": (
        "sns",
        "CheckIfPhoneNumberIsOptedOut GetSMSAttributes GetSMSSandboxAccountStatus ListOriginationNumbers"
        " ListPhoneNumbersOptedOut ListSMSSandboxPhoneNumbers OptInPhoneNumber Publish SetSMSAttributes",
    ),
    "sqs": (
        "sqs",
        "ChangeMessageVisibility ChangeMessageVisibilityBatch DeleteMessage GetQueueAttributes GetQueueUrl"
        " ReceiveMessage SendMessage",
    ),
    "sts": ("sts", "AssumeRole GetCallerIdentity"),
}

# The operations that the senders call.
SENDERS = {
    "kms": "Decrypt",
    "sesv2": "SendEmail",
    "sns": "Publish",
    "pinpoint-sms-voice-v2": "SendTextMessage",
    "dynamodb": "UpdateItem",
}

PROTOCOLS = {
    "json": "json",
    "query": "query",
    "rest-json": "rest-json",
    "smithy-rpc-v2-cbor": "cbor",
}


def model(name):
    """The newest version of a service model."""
    newest = max(path for path in (DATA / name).iterdir() if path.is_dir())
    with gzip.open(newest / "service-2.json.gz") as file:
        return json.load(file)


def service(name, operations):
    """What the mock has to know of a service."""
    source = model(name)
    metadata, shapes = source["metadata"], {}
    known = {
        "protocol": PROTOCOLS[metadata["protocol"]],
        "signing_name": metadata.get("signingName", metadata["endpointPrefix"]),
        "target": metadata.get("targetPrefix"),
        "json_version": metadata.get("jsonVersion"),
        "namespace": metadata.get("xmlNamespace"),
        "operations": {},
        "shapes": shapes,
    }
    for operation in operations.split():
        found = source["operations"][operation]
        entry = {
            "method": found["http"]["method"],
            "uri": found["http"].get("requestUri", "/"),
            "status": found["http"].get("responseCode", 200),
        }
        for side in ("input", "output"):
            if side in found:
                entry[side] = shape(source, found[side]["shape"], shapes)
        known["operations"][operation] = entry
    return {key: value for key, value in known.items() if value is not None}


def shape(source, name, shapes):
    """The name of a shape, which is in `shapes` afterwards with all that it consists of."""
    found = source["shapes"][name]
    kind = found["type"]
    if kind == "string" and "enum" in found:
        shapes.setdefault(name, {"type": "string", "enum": found["enum"]})
        return name
    if kind not in ("structure", "list", "map"):
        # The name of a plain type says it all.
        return kind
    if name in shapes:
        return name
    written = shapes[name] = {"type": kind}
    if kind == "list":
        written["member"] = shape(source, found["member"]["shape"], shapes)
        if "locationName" in found["member"]:
            written["name"] = found["member"]["locationName"]
        if found.get("flattened"):
            written["flattened"] = True
    elif kind == "map":
        for side in ("key", "value"):
            written[side] = shape(source, found[side]["shape"], shapes)
            if "locationName" in found[side]:
                written[f"{side}_name"] = found[side]["locationName"]
    else:
        written["required"] = found.get("required", [])
        if "payload" in found:
            written["payload"] = found["payload"]
        if found.get("document"):
            written["document"] = True
        written["members"] = {
            member: reference(source, target, shapes) for member, target in found["members"].items()
        }
    return name


def reference(source, target, shapes):
    """A member of a structure: the name of its shape, with where it stands if that is not the body."""
    name = shape(source, target["shape"], shapes)
    place = {key: target[key] for key in ("location", "locationName") if key in target}
    return {"shape": name, **place} if place else name


def services():
    """The text of services.json: one line for each operation and each shape."""
    known_services = {prefix: service(*entry) for prefix, entry in SERVICES.items()}
    lines = ["{"]
    for number, (prefix, known) in enumerate(known_services.items()):
        lines.append(f"  {json.dumps(prefix)}: {{")
        for key, value in known.items():
            if isinstance(value, dict):
                lines.append(f"    {json.dumps(key)}: {{")
                entries = [f"      {json.dumps(name)}: {json.dumps(entry)}" for name, entry in sorted(value.items())]
                lines.append(",\n".join(entries))
                lines.append("    }" if key == "shapes" else "    },")
            else:
                lines.append(f"    {json.dumps(key)}: {json.dumps(value)},")
        lines.append("  }" if number + 1 == len(known_services) else "  },")
    lines.append("}")
    return "\n".join(lines) + "\n"


def errors():
    """The text of errors.json: one line for each error, with the values of its `Reason`."""
    written = {}
    for name, operation in SENDERS.items():
        shapes = (source := model(name))["shapes"]
        known = {}
        for error in source["operations"][operation]["errors"]:
            found = shapes[error["shape"]]
            known[found.get("error", {}).get("code", error["shape"])] = reasons(shapes, found)
        lines = [f"    {json.dumps(code)}: {json.dumps(listed)}" for code, listed in sorted(known.items())]
        written[f"{name}:{operation}"] = "{\n" + ",\n".join(lines) + "\n  }"
    return "{\n" + ",\n".join(f"  {json.dumps(key)}: {value}" for key, value in written.items()) + "\n}\n"


def reasons(shapes, error):
    """The values of an error's `Reason`, if it has one."""
    reason = error["members"].get("Reason")
    return shapes[reason["shape"]]["enum"] if reason else []


def main():
    """Writes the files, or compares them."""
    for name, text in (("services.json", services()), ("errors.json", errors())):
        file = FIXTURES / name
        if sys.argv[1:] != ["--check"]:
            file.write_text(text, encoding="utf-8")
        elif file.read_text(encoding="utf-8") != text:
            sys.exit(f"{file.relative_to(ROOT)} differs from botocore's models: run `python tools/service_model.py`")


if __name__ == "__main__":
    main()
