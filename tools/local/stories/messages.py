"""Stories of messages: events sent straight to the functions that send or render them."""

import base64
import hashlib
import json
import re

from local.event_files import clear_code
from local.stage import BRAND, PASSWORD
from local.text import plain, readable, unescape


def sms(stage):
    stage.report.note(
        "No local user pool sends SMS. These events go straight to the deployed function, their codes "
        "genuinely encrypted by the AWS Encryption SDK under the stack's key."
    )
    for case, flow in (
        ("sign-up", "F1.3"),
        ("resend-code", "F1.4"),
        ("forgot-password", "F1.3"),
        ("update-user-attribute", "F1.9"),
        ("verify-user-attribute", "F1.5"),
        ("authentication", "F1.13"),
        ("admin-create-user", "F1.10"),
    ):
        name = f"custom-sms-sender-{case}"
        event = stage.event(name)
        with stage.step(
            flow, f"{event['triggerSource']} for a user with a phone", "one SMS in one segment with the code"
        ) as step:
            _answer, error = stage.invoke("CustomSmsSenderFunction", event)
            step.check(error is None, None, f"error: {error}")
            message = stage.new_texts(step, event["request"]["userAttributes"]["phone_number"])
            code = unescape(clear_code(name))
            step.check(code in message, "the code that was encrypted", "not the code that was encrypted")
            step.check(
                len(message) <= 160 and message.isascii(),
                f"{len(message)} characters",
                f"{len(message)} characters, not one segment",
            )
    for case, why in (
        ("sign-up-other-country", "a country that is not allowed"),
        ("sign-up-premium-number", "a premium number"),
    ):
        event = stage.event(f"custom-sms-sender-{case}")
        with stage.step(
            "F1.3", f"A user requests an SMS to {why}", "nothing is sent, and no event fails permanently"
        ) as step:
            _answer, error = stage.invoke("CustomSmsSenderFunction", event)
            step.check(error is None, "succeeded", f"error: {error}")
            stage.new_texts(step, event["request"]["userAttributes"]["phone_number"], 0)


def other_mails(stage):
    stage.report.note(
        "The local pool does not use these trigger sources either, so the demo sends these events to the function too."
    )
    for case, flow in (
        ("resend-code", "F1.4"),
        ("verify-user-attribute", "F1.5"),
        ("forgot-password", "F1.11"),
        ("authentication", "F1.13"),
        ("authentication-eight-digits", "F1.13"),
    ):
        name = f"custom-email-sender-{case}"
        event = stage.event(name)
        sentence = event["triggerSource"] + (", 8 digits" if case.endswith("eight-digits") else "")
        with stage.step(flow, sentence, "one email with the code") as step:
            _answer, error = stage.invoke("CustomEmailSenderFunction", event)
            step.check(error is None, None, f"error: {error}")
            mail = stage.new_mails(step, event["request"]["userAttributes"]["email"])
            code = clear_code(name)
            step.check(
                code in mail["BodyText"] and code in mail["BodyHtml"],
                "the code that was encrypted, in both parts",
                "not the code that was encrypted",
            )
    with stage.step(
        "F1.10",
        "CustomEmailSender_AdminCreateUser, escaped password",
        "the function removes Cognito's escaping: the email shows the password unescaped",
    ) as step:
        name = "custom-email-sender-admin-create-user"
        _answer, error = stage.invoke("CustomEmailSenderFunction", stage.event(name))
        step.check(error is None, None, f"error: {error}")
        lines = [line.strip() for line in stage.new_mails(step, "ann.example@example.com")["BodyText"].splitlines()]
        step.check(
            unescape(clear_code(name)) in lines, "unescaped, on a line of its own", "no line with just the password"
        )
    with stage.step(
        "F1.14",
        "CustomEmailSender_AccountTakeOverNotification",
        "it contains neither code nor address: no email, no error",
    ) as step:
        _answer, error = stage.invoke(
            "CustomEmailSenderFunction", stage.event("custom-email-sender-account-take-over-notification")
        )
        step.check(error is None, "succeeded", f"error: {error}")
        stage.new_mails(step, None, 0)
    with stage.step("F1.1", "A code that was encrypted for another pool", "the function rejects it; no email") as step:
        _answer, error = stage.invoke(
            "CustomEmailSenderFunction", stage.event("custom-email-sender-sign-up-other-pool")
        )
        step.check(error is not None, "rejected", "accepted")
        stage.new_mails(step, None, 0)


def repeated_event(stage):
    with stage.step(
        "F2.9",
        "Lambda delivers the same event twice",
        "one email; the delivery record has the state sent, and contains no address",
    ) as step:
        event = stage.event("custom-email-sender-sign-up")
        for _ in range(2):
            _answer, error = stage.invoke("CustomEmailSenderFunction", event)
            step.check(error is None, "succeeded", f"error: {error}")
        address = event["request"]["userAttributes"]["email"]
        stage.new_mails(step, address)
        # Without the footer, a signature of always 103 bytes after its length in two bytes.
        signed = base64.b64decode(event["request"]["code"])[:-105]
        record = stage.aws.client("dynamodb").get_item(
            TableName=stage.resources["DeliveryTable"],
            Key={"id": {"S": f"delivery#{hashlib.sha256(signed).hexdigest()}"}},
        )["Item"]
        state = (record["state"]["S"], record["outcome"]["S"])
        step.check(state == ("done", "sent"), "recorded as sent", f"recorded as {state}")
        step.check(address not in json.dumps(record), "no address in the record", "the address in the record")


def custom_message(stage):
    pool, user = stage.message_pool, "hana@people.example"
    with stage.step(
        "F1.1",
        f"{user} signs up if Cognito sends the messages",
        "the pool uses subject and text of the custom-message function and inserts the code; the code confirms",
    ) as step:
        pool.sign_up(user, PASSWORD, locale="en")
        log = plain(stage.message_pools.log.read_text(errors="replace")).rpartition("Confirmation Code Delivery")[2]
        found = re.search(
            r"Code:\s+(?P<code>\d{6})\s.*Email Subject:\s+(?P<subject>.+?)\s+Email Message:(?P<html>.+</html>)",
            log,
            re.DOTALL,
        )
        step.check(found is not None, "sent with subject and text of the function", "no such message in the pool's log")
        text, code = readable(found["html"]), found["code"]
        stage.report.box("email, as text", [f"Subject: {found['subject']}", "", *text])
        step.check(BRAND in found["subject"], "with the brand's name", "without the brand's name")
        step.check(any(code == line for line in text), "with the code on a line of its own", "no code in the text")
        pool.confirm(user, code)
        step.check(pool.user(user)["status"] == "CONFIRMED", "CONFIRMED", pool.user(user)["status"])
    for case, flow in (
        ("sign-up", "F1.1"),
        ("resend-code", "F1.4"),
        ("forgot-password", "F3.3"),
        ("update-user-attribute", "F1.9"),
        ("verify-user-attribute", "F1.5"),
        ("authentication", "F1.13"),
        ("admin-create-user", "F1.10"),
    ):
        event = stage.event(f"custom-message-{case}")
        with stage.step(
            flow,
            f"{event['triggerSource']} straight to the function",
            "subject, email and SMS with Cognito's placeholder exactly once, all other fields unchanged",
        ) as step:
            answer, error = stage.invoke("CustomMessageFunction", event)
            step.check(error is None, None, f"error: {error}")
            response = answer["response"]
            step.check(
                answer | {"response": None} == event | {"response": None},
                "the event unchanged",
                "other fields changed",
            )
            needed = ["{####}"] + (["{username}"] if case == "admin-create-user" else [])
            for field, limit in (("smsMessage", 140), ("emailMessage", 20_000)):
                text = response[field] or ""
                step.check(
                    all(text.count(part) == 1 for part in needed) and len(text) <= limit,
                    f"{field} of {len(text):,} characters",
                    f"{field} is wrong",
                )
            step.check(0 < len(response["emailSubject"] or "") <= 140, "subject", "no subject")
            stage.report.box(
                "subject and SMS, with placeholders", [response["emailSubject"], "", response["smsMessage"]]
            )
