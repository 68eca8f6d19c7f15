"""Stories of users and administrators, played through a local user pool."""

import re

from local.stage import ANN, ANN_NEW, BEN, BRAND, CARL, DORA, EMMA, FUMI, NEW_PASSWORD, PASSWORD

# Base64(HMAC-SHA-256("examplesecret", "ann" + "1example23456789")), computed with openssl.
SECRET_HASH_OF_ANN = "7VxCTfx4qTeaMHnIKmLZasmksv3YvavZD1T2TxephK8="


def sign_up(stage):
    pool = stage.pool
    with stage.step(
        "F1.15",
        "The client signs its calls with a secret hash",
        "the hash of a known vector; from now on every call of the app carries one",
    ) as step:
        pool_of_vector = type(pool)(pool.api, "-", "1example23456789", "examplesecret")
        step.check(pool_of_vector.secret_hash("ann") == SECRET_HASH_OF_ANN, "the known vector's hash", "another hash")
    stage.report.note("The local pool accepts any hash, so only the known vector shows that the hash is right.")
    with stage.step("F1.1", f"{ANN} signs up", "Ann is UNCONFIRMED and gets one email with a code of 6 digits") as step:
        answer = pool.sign_up(ANN, PASSWORD)
        step.check(
            not answer["UserConfirmed"] and pool.user(ANN)["status"] == "UNCONFIRMED",
            "UNCONFIRMED",
            "confirmed at once",
        )
        mail = stage.new_mails(step, ANN)
        code = stage.code_in(step, mail)
        step.check(BRAND in mail["BodyText"] + mail["Subject"], "with the brand's name", "without the brand's name")
    with stage.step("F1.1", "Ann can't sign in yet, and a wrong code is rejected", "both rejected") as step:
        stage.refused(step, "signing in", pool.errors.UserNotConfirmedException, lambda: pool.sign_in(ANN, PASSWORD))
        wrong = f"{(int(code) + 1) % 1_000_000:06}"
        stage.refused(step, "a wrong code", pool.errors.CodeMismatchException, lambda: pool.confirm(ANN, wrong))
    with stage.step("F1.1", "Ann enters the code from her email", "Ann is CONFIRMED and can sign in") as step:
        pool.confirm(ANN, code)
        step.check(pool.user(ANN)["status"] == "CONFIRMED", "CONFIRMED", pool.user(ANN)["status"])
        tokens = pool.sign_in(ANN, PASSWORD).get("AuthenticationResult", {})
        step.check("AccessToken" in tokens, "signed in, tokens received", "no tokens")
        stage.new_mails(step, ANN, 0)


def languages(stage):
    for user, locale, language in ((EMMA, "de-DE", "German"), (FUMI, "ja_JP.UTF-8", "Japanese")):
        with stage.step(
            "F1.1", f"{user} signs up with the locale {locale}", f"the same flow with an email in {language}"
        ) as step:
            stage.pool.sign_up(user, PASSWORD, locale=locale)
            mail = stage.new_mails(step, user)
            code = stage.code_in(step, mail)
            step.check(f'lang="{locale[:2]}"' in mail["BodyHtml"], f"marked as {language}", f"not marked as {language}")
            stage.pool.confirm(user, code)
            step.check(stage.pool.user(user)["status"] == "CONFIRMED", "CONFIRMED", "not confirmed")


def trusted_domain(stage):
    with stage.step(
        "F1.6",
        f"{BEN} signs up with a trusted domain",
        "confirmed and email verified at once; Ben can sign in without a code",
    ) as step:
        answer = stage.pool.sign_up(BEN, PASSWORD)
        step.check(answer["UserConfirmed"], "UserConfirmed is true", "UserConfirmed is false")
        user = stage.pool.user(BEN)
        step.check(user["status"] == "CONFIRMED", "CONFIRMED", user["status"])
        step.check(user.get("email_verified") == "true", "email_verified is true", "email not verified")
        step.check(
            "AccessToken" in stage.pool.sign_in(BEN, PASSWORD).get("AuthenticationResult", {}),
            "signed in",
            "no tokens",
        )
    stage._mails_seen = len(stage.aws.mails())
    stage.report.note(
        "Cognito sends no code to a user who is confirmed at once. The local pool does; that email is not shown."
    )


def denied_domain(stage):
    with stage.step(
        "F1.1",
        f"{CARL} signs up with a denied domain",
        "rejected with a neutral sentence without the address and the list; no user, no email",
    ) as step:
        refusal = stage.refused(
            step,
            "signing up",
            stage.pool.errors.UserLambdaValidationException,
            lambda: stage.pool.sign_up(CARL, PASSWORD),
        )
        said = refusal.partition(" failed with error ")[2]
        step.check(bool(said), f"the user reads “{said}”", f"the user reads “{refusal}”")
        step.check(
            not re.search(r"carl|denied|example|list|domain", said, re.IGNORECASE),
            "which reveals nothing",
            "which reveals something",
        )
        step.check(stage.pool.user(CARL) is None, "no such user", "the user exists")
        stage.new_mails(step, CARL, 0)


def attributes(stage):
    pool = stage.pool
    token = pool.sign_in(ANN, PASSWORD)["AuthenticationResult"]["AccessToken"]
    with stage.step(
        "F1.9",
        f"Ann changes her address to {ANN_NEW}",
        "one email with a code to the new address; with the code it is verified",
    ) as step:
        pool.api.update_user_attributes(AccessToken=token, UserAttributes=[{"Name": "email", "Value": ANN_NEW}])
        mail = stage.new_mails(step, ANN_NEW)
        code = stage.code_in(step, mail)
        step.check(pool.user(ANN_NEW).get("email_verified") != "true", "not verified before", "verified already")
        pool.api.verify_user_attribute(AccessToken=token, AttributeName="email", Code=code)
        step.check(
            pool.user(ANN_NEW).get("email_verified") == "true", "email_verified is true after it", "not verified"
        )
    with stage.step(
        "F1.5", "Ann requests another code for her address", "one email; its code verifies the address"
    ) as step:
        pool.api.get_user_attribute_verification_code(AccessToken=token, AttributeName="email")
        code = stage.code_in(step, stage.new_mails(step, ANN_NEW))
        pool.api.verify_user_attribute(AccessToken=token, AttributeName="email", Code=code)
        step.check(pool.user(ANN_NEW).get("email_verified") == "true", "verified", "not verified")


def administrator(stage):
    pool, temporary = stage.pool, "k7<Q&m>2z"
    with stage.step(
        "F1.10",
        "PreSignUp_AdminCreateUser, sent as an event file",
        "the function returns the event unchanged: the administrator decides, even about a denied domain",
    ) as step:
        for name in ("pre-sign-up-admin-create-user", "pre-sign-up-admin-create-user-denied"):
            event = stage.event(name)
            answer, error = stage.invoke("PreSignUpFunction", event)
            step.check(answer == event, f"{name}: unchanged", f"{name}: {error or 'changed'}")
    with stage.step(
        "F1.10",
        f"An administrator creates {DORA}",
        "FORCE_CHANGE_PASSWORD; an invitation with username and exactly the password that was set on a line of its own",
    ) as step:
        pool.api.admin_create_user(
            UserPoolId=pool.id,
            Username=DORA,
            TemporaryPassword=temporary,
            DesiredDeliveryMediums=["EMAIL"],
            UserAttributes=[{"Name": "email", "Value": DORA}, {"Name": "email_verified", "Value": "true"}],
        )
        mail = stage.new_mails(step, DORA)
        lines = [line.strip() for line in mail["BodyText"].splitlines()]
        step.check(temporary in lines, "the password on a line of its own", "no line with just the password")
        step.check(
            any(name in mail["BodyText"] for name in (DORA, pool.user(DORA)["sub"])),
            "the username",
            "no username",
        )
        step.check(
            "k7&lt;Q&amp;m&gt;2z" in mail["BodyHtml"] and temporary not in mail["BodyHtml"],
            "escaped in the HTML part",
            "not escaped in the HTML part",
        )
        step.check(
            pool.user(DORA)["status"] == "FORCE_CHANGE_PASSWORD", "FORCE_CHANGE_PASSWORD", pool.user(DORA)["status"]
        )
    with stage.step("F1.10", "Dora signs in with it", "she must choose a new password; then she is CONFIRMED") as step:
        challenge = pool.sign_in(DORA, temporary)
        step.check(
            challenge.get("ChallengeName") == "NEW_PASSWORD_REQUIRED", "NEW_PASSWORD_REQUIRED", "no such challenge"
        )
        answer = pool.set_first_password(DORA, challenge["Session"], PASSWORD)
        step.check("AccessToken" in answer.get("AuthenticationResult", {}), "signed in", "no tokens")
        step.check(pool.user(DORA)["status"] == "CONFIRMED", "CONFIRMED", pool.user(DORA)["status"])
    stage.report.note("The local pool does not check the temporary password, so only the email shows that it is right.")


def forgotten_password(stage):
    pool = stage.pool
    with stage.step(
        "F3.3", "Emma forgot her password and requests a code", "one email with a code of 6 digits"
    ) as step:
        pool.forgot_password(EMMA)
        code = stage.code_in(step, stage.new_mails(step, EMMA))
    with stage.step(
        "F3.3",
        "Emma sets a new password with the code",
        "a wrong code is rejected, the right one accepted; the new password works, the old one does not",
    ) as step:
        wrong = f"{(int(code) + 1) % 1_000_000:06}"
        stage.refused(
            step,
            "a wrong code",
            pool.errors.CodeMismatchException,
            lambda: pool.reset_password(EMMA, wrong, NEW_PASSWORD),
        )
        pool.reset_password(EMMA, code, NEW_PASSWORD)
        step.check(
            "AccessToken" in pool.sign_in(EMMA, NEW_PASSWORD).get("AuthenticationResult", {}),
            "new password signs in",
            "no tokens",
        )
        stage.refused(step, "the old password", pool.api.exceptions.ClientError, lambda: pool.sign_in(EMMA, PASSWORD))


def why_no_code(stage):
    pool, gina = stage.pool, "gina@people.example"
    with stage.step(
        "F2.2",
        "Why no code? The user may not exist in this pool",
        "AdminGetUser returns no such user; a request for a code sends nothing",
    ) as step:
        step.check(pool.user("unknown@people.example") is None, "UserNotFoundException", "the user exists")
        stage.refused(
            step,
            "asking for a code",
            pool.errors.UserNotFoundException,
            lambda: pool.forgot_password("unknown@people.example"),
        )
        stage.new_mails(step, "unknown@people.example", 0)
    with stage.step(
        "F2.3",
        "Why no code? The user may be in the wrong state",
        "AdminGetUser shows FORCE_CHANGE_PASSWORD for an invited user",
    ) as step:
        pool.api.admin_create_user(
            UserPoolId=pool.id,
            Username=gina,
            MessageAction="SUPPRESS",
            TemporaryPassword=PASSWORD,
            UserAttributes=[{"Name": "email", "Value": gina}],
        )
        step.check(
            pool.user(gina)["status"] == "FORCE_CHANGE_PASSWORD", "FORCE_CHANGE_PASSWORD", pool.user(gina)["status"]
        )
        stage.new_mails(step, gina, 0)
    with stage.step(
        "F2.4",
        "Why no code? The address may not be verified",
        "AdminGetUser shows it; AdminUpdateUserAttributes fixes it",
    ) as step:
        step.check(pool.user(gina).get("email_verified") != "true", "not verified", "verified")
        # The local pool wants the address as well; Cognito does not.
        pool.api.admin_update_user_attributes(
            UserPoolId=pool.id,
            Username=gina,
            UserAttributes=[{"Name": "email", "Value": gina}, {"Name": "email_verified", "Value": "true"}],
        )
        step.check(pool.user(gina).get("email_verified") == "true", "then email_verified is true", "still not verified")
    with stage.step(
        "F2.5",
        "Why no code? The pool may not let the account recover",
        "DescribeUserPool of the deployed pool names the contacts",
    ) as step:
        own = stage.aws.client("cognito-idp").describe_user_pool(UserPoolId=stage.pool_id)["UserPool"]
        names = [item["Name"] for item in own.get("AccountRecoverySetting", {}).get("RecoveryMechanisms", [])]
        step.check("verified_email" in names, f"recovery by {', then '.join(names)}", "no recovery by email")
    with stage.step(
        "F2.8",
        "An administrator gives the user access meanwhile",
        "AdminSetUserPassword makes the user CONFIRMED; the password signs in",
    ) as step:
        pool.api.admin_set_user_password(UserPoolId=pool.id, Username=gina, Password=NEW_PASSWORD, Permanent=True)
        step.check(pool.user(gina)["status"] == "CONFIRMED", "CONFIRMED", pool.user(gina)["status"])
        step.check(
            "AccessToken" in pool.sign_in(gina, NEW_PASSWORD).get("AuthenticationResult", {}),
            "signed in",
            "no tokens",
        )
    stage.report.note(
        "The local pool sends codes to users in any state, so this demo can't show that Cognito rejects the request."
    )


def federation(stage):
    with stage.step(
        "F1.12",
        "A federated user signs in for the first time",
        "the function returns the event unchanged, and rejects a denied domain",
    ) as step:
        event = stage.event("pre-sign-up-external-provider")
        answer, error = stage.invoke("PreSignUpFunction", event)
        step.check(answer == event, "unchanged", error or "changed")
        _answer, error = stage.invoke("PreSignUpFunction", stage.event("pre-sign-up-external-provider-denied"))
        step.check(error is not None, "denied domain rejected", "denied domain accepted")
