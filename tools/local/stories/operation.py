"""Stories of the operator: the stack, failed events, and an existing user pool."""

import contextlib
import json
import re
import time

from local.stage import FROM, FUNCTIONS, PARAMETERS

SECOND_STACK = "demo-existing-pool"
# A user pool with settings and a trigger of its own, as an existing application may have it.
EXISTING_POOL = {
    "PoolName": "accounts",
    "UsernameAttributes": ["email"],
    "AutoVerifiedAttributes": ["email"],
    "DeletionProtection": "ACTIVE",
    "MfaConfiguration": "OFF",
    "Policies": {
        "PasswordPolicy": {
            "MinimumLength": 14,
            "RequireUppercase": True,
            "RequireLowercase": True,
            "RequireNumbers": True,
            "RequireSymbols": True,
            "TemporaryPasswordValidityDays": 3,
        }
    },
    "AccountRecoverySetting": {"RecoveryMechanisms": [{"Name": "verified_email", "Priority": 1}]},
    "AdminCreateUserConfig": {
        "AllowAdminCreateUserOnly": False,
        "InviteMessageTemplate": {
            "EmailSubject": "Welcome",
            "EmailMessage": "You are {username}, your password is {####}",
            "SMSMessage": "You are {username}, your password is {####}",
        },
    },
    "VerificationMessageTemplate": {
        "DefaultEmailOption": "CONFIRM_WITH_CODE",
        "EmailSubject": "Your code",
        "EmailMessage": "Your code is {####}",
    },
    "EmailConfiguration": {
        "EmailSendingAccount": "DEVELOPER",
        "SourceArn": "arn:aws:ses:eu-central-1:123456789012:identity/shop.example",
        "From": FROM,
        "ReplyToEmailAddress": "help@shop.example",
    },
    "UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": ["email"]},
    "DeviceConfiguration": {"ChallengeRequiredOnNewDevice": True, "DeviceOnlyRememberedOnUserPrompt": True},
    "UserPoolAddOns": {"AdvancedSecurityMode": "OFF"},
    "UserPoolTags": {"owner": "accounts team", "stage": "production"},
    "LambdaConfig": {"PostConfirmation": "arn:aws:lambda:eu-central-1:123456789012:function:greet"},
}


@contextlib.contextmanager
def key_disabled(kms, key):
    """Disables the key for the block, and enables it again even if the block fails."""
    kms.disable_key(KeyId=key)
    try:
        yield
    finally:
        kms.enable_key(KeyId=key)


def may_be_invoked(statement, pool_arn):
    """Whether a policy statement lets Cognito invoke the function for this pool, of this account only."""
    condition = json.dumps(statement.get("Condition", {}))
    return (
        "cognito-idp.amazonaws.com" in json.dumps(statement["Principal"])
        and pool_arn in condition
        and "sourceaccount" in condition.lower()
    )


def the_stack(stage):
    with stage.step(
        "F2.9",
        "A stack of its own creates the pool and attaches the triggers",
        "the pool of the second stack has the functions, one sender per channel, and the key; Cognito may invoke them",
    ) as step:
        api = stage.aws.client("cognito-idp")
        pool = api.describe_user_pool(UserPoolId=stage.pool_id)["UserPool"]
        config = pool["LambdaConfig"]
        versioned = {
            name: {"LambdaArn": stage.arns[function], "LambdaVersion": "V1_0"}
            for name, function in (
                ("CustomEmailSender", "CustomEmailSenderFunction"),
                ("CustomSMSSender", "CustomSmsSenderFunction"),
            )
        }
        wanted = {"PreSignUp": stage.arns["PreSignUpFunction"], "KMSKeyID": stage.key_arn} | versioned
        step.check(
            config == wanted,
            "PreSignUp, CustomEmailSender and CustomSMSSender (V1_0) and the key, nothing else",
            f"LambdaConfig is {json.dumps(config)}",
        )
        for name in FUNCTIONS:
            policy = json.loads(stage.aws.client("lambda").get_policy(FunctionName=stage.resources[name])["Policy"])
            step.check(
                any(may_be_invoked(statement, pool["Arn"]) for statement in policy["Statement"]),
                None,
                f"this pool can't invoke {name}",
            )
        step.check(True, "this pool can invoke all four functions")
    with stage.step(
        "F1.6",
        "The stack of the functions has checked the pool",
        "pre-sign-up relies on email as the sign-in attribute",
    ) as step:
        variables = stage.aws.client("lambda").get_function_configuration(
            FunctionName=stage.resources["PreSignUpFunction"]
        )["Environment"]["Variables"]
        step.check(variables["EMAIL_IS_USERNAME"] == "true", "EMAIL_IS_USERNAME=true", f"variables: {variables}")
    with stage.step(
        "F2.9",
        "The key and the on-failure destination are configured correctly",
        "the key is enabled and its rotation is on; no event has failed",
    ) as step:
        kms = stage.aws.client("kms")
        key = kms.describe_key(KeyId=stage.key_arn)["KeyMetadata"]
        step.check(key["KeyState"] == "Enabled", "key enabled", f"key state {key['KeyState']}")
        step.check(
            kms.get_key_rotation_status(KeyId=stage.key_arn)["KeyRotationEnabled"], "rotation on", "rotation off"
        )
        stage.no_failed_events(step)


def failed_event(stage):
    with stage.step(
        "F2.9",
        "The same event arrives asynchronously, as Cognito sends it",
        "after its retries it is in the on-failure destination, with the code still encrypted",
    ) as step:
        event = stage.event("custom-email-sender-sign-up-other-pool")
        message = stage.fail_asynchronously(step, event)
        kept = json.loads(message["Body"])["requestPayload"]
        step.check(kept == event, "the whole event, its code encrypted", "not the event")
        step.check(not re.search(r"(?<!\d)123456(?!\d)", message["Body"]), "no clear code", "the code in clear")
        stage.aws.client("sqs").delete_message(
            QueueUrl=stage.outputs["OnFailureQueueUrl"], ReceiptHandle=message["ReceiptHandle"]
        )
        stage.new_mails(step, None, 0)
    stage.report.note("The AWS emulator retries after 1 and 2 seconds; Lambda does so after about 1 and 2 minutes.")


def redrive(stage):
    queue = stage.outputs["OnFailureQueueUrl"]
    kms = stage.aws.client("kms")
    event = stage.event("custom-email-sender-forgot-password")
    with stage.step(
        "F2.9",
        "An operator disables the key by mistake, and a user requests a code",
        "after its retries the event is in the on-failure destination",
    ) as step:
        with key_disabled(kms, stage.key_arn):
            stage.fail_asynchronously(step, event, hide_seconds=0)
        stage.new_mails(step, None, 0)
    with stage.step(
        "F2.9",
        "cognito-triggers redrive, after the key is enabled again",
        "the dry run shows the event and the cause, and changes nothing; with --send the email is sent",
    ) as step:
        shown = stage.operate("redrive", "--queue-url", queue)
        step.check(re.search("forgot-password by e-?mail", shown), "kind and channel", f"not the event: {shown}")
        step.check("DisabledException" in shown, "the cause", "no cause")
        step.check("@" not in shown.replace(queue, ""), "no address", "an address")
        stage.report.box("cognito-triggers redrive", shown.splitlines())
        stage.new_mails(step, None, 0)
        stage.operate("redrive", "--queue-url", queue, "--send")
        for _ in range(40):
            if len(stage.aws.mails()) > stage._mails_seen:
                break
            time.sleep(0.5)
        stage.new_mails(step, event["request"]["userAttributes"]["email"])
        stage.no_failed_events(step)


def existing_pool(stage):
    cognito = stage.aws.client("cognito-idp")
    pool_id = cognito.create_user_pool(**EXISTING_POOL)["UserPool"]["Id"]

    def pool():
        described = cognito.describe_user_pool(UserPoolId=pool_id)["UserPool"]
        return {name: value for name, value in described.items() if name != "LastModifiedDate"}

    def all_but_triggers():
        return {name: value for name, value in pool().items() if name != "LambdaConfig"}

    before = pool()
    kept = all_but_triggers()
    with stage.step(
        "F2.9",
        "A second stack is deployed for an existing user pool",
        "its triggers are attached; the pool's own trigger and all other settings stay",
    ) as step:
        more = {"UserPoolId": pool_id, "EmailIsUsername": "true"}
        stage.deploy(SECOND_STACK, PARAMETERS | more, stage.functions_template())
        outputs = stage.outputs_of(SECOND_STACK)
        wanted = before["LambdaConfig"] | json.loads(outputs["LambdaConfigToAttach"])
        step.check(
            pool()["LambdaConfig"] == wanted,
            f"{', '.join(wanted)}",
            f"LambdaConfig is {json.dumps(pool()['LambdaConfig'])}",
        )
        step.check(all_but_triggers() == kept, f"{len(kept)} other members as before", "another setting has changed")
        step.check(
            outputs["EmailIsUsername"] == "true", "email is the sign-in attribute", "email is no sign-in attribute"
        )
        _answer, error = stage.invoke_function(outputs["PreSignUpFunctionArn"], stage.event("pre-sign-up-sign-up"))
        step.check(error is None, "the trigger answers", f"error: {error}")
    target = ["--stack-name", SECOND_STACK]
    backup = stage.processes.folder / "pool-backup.json"
    with stage.step(
        "F2.9",
        "cognito-triggers diff, detach and attach",
        "no difference; after detach four differences and exit code 1; after attach none, and the pool as deployed",
    ) as step:
        attached = pool()
        stage.operate("diff", *target)
        stage.operate("detach", *target, "--apply", "--backup", backup)
        step.check(pool() == before, "detached: the pool as before", "detached: another pool")
        stage.report.box("cognito-triggers diff", stage.operate("diff", *target, exit_code=1).splitlines())
        stage.operate("attach", *target, "--apply", "--backup", f"{backup}.2")
        step.check(pool() == attached, "attached: the pool as deployed", "attached: another pool")
        stage.operate("diff", *target)
        step.check(True, "exit codes 0, 1 and 0")
    with stage.step(
        "F2.9", "The second stack is deleted", "the user pool is the same as before the deployment"
    ) as step:
        formation = stage.aws.client("cloudformation")
        formation.delete_stack(StackName=SECOND_STACK)
        formation.get_waiter("stack_delete_complete").wait(
            StackName=SECOND_STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
        )
        step.check(pool() == before, "every member as before", f"the pool is {json.dumps(pool(), default=str)}")


def aftermath(stage):
    with stage.step(
        "F2.9",
        "Nothing failed permanently, and no unexpected message was sent",
        "the on-failure destination is empty; no email or SMS except those above",
    ) as step:
        stage.no_failed_events(step)
        stage.new_mails(step, None, 0)
        stage.new_texts(step, None, 0)
