"""Turns the event files of the tests into events that a function with a real key can decrypt."""

import json

import codes

from local.processes import ROOT

FIXTURES = ROOT / "tests" / "fixtures" / "events"


def genuine(name, kms, key_arn, pool_id=None):
    """The event of the file `name` with its code encrypted anew under `key_arn`, for the pool `pool_id`.

    Suite and context stay what they were: a code that was made for another pool is so afterwards.
    """
    event = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    old_pool = event["userPoolId"]
    new_pool = pool_id or old_pool
    event["userPoolId"] = new_pool
    code = event.get("request", {}).get("code")
    if code is not None:
        text, made_for, suite = codes.decrypt(code, codes.FixtureKms(), codes.FixtureKms.KEY_ARN)
        form = codes.COGNITO if suite is codes.COGNITO[0] else codes.COMMITTING
        event["request"]["code"] = codes.encrypt(
            text, kms, key_arn, new_pool if made_for == old_pool else made_for, form
        )
    return event


def clear_code(name):
    """The code that the file `name` carries, in clear; the fixtures keep no secret."""
    event = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return codes.decrypt(event["request"]["code"], codes.FixtureKms(), codes.FixtureKms.KEY_ARN)[0]
