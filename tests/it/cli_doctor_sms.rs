//! `cognito-triggers doctor`: who sends the SMS, and what keeps them from a user.

use insta::assert_snapshot;
use serde_json::{Value, json};
use tests::mock_aws::{CUSTOM_SMS_SENDER, PHONE, SUB, USER, metrics};
use tests::service::Reply;

use crate::cli_doctor_email::{Change, Place, assert_width, complaints_of, section, words};

const NUMBER_ARN: &str = "arn:aws:sms-voice:eu-central-1:123456789012:phone-number/phone-0123456789abcdef";
const POOL_ARN: &str = "arn:aws:sms-voice:eu-central-1:123456789012:pool/pool-0123456789abcdef";

impl Place {
    fn sms_variable(&self, name: &str, value: &str) {
        self.world.set_variable(CUSTOM_SMS_SENDER, name, Some(value));
    }

    /// The sender goes through End User Messaging SMS, from that number or pool.
    fn messaging(&self, identity: &str) {
        self.sms_variable("SMS_PROVIDER", "end-user-messaging");
        self.sms_variable("SMS_ORIGINATION_IDENTITY", identity);
    }

    /// The pool sends SMS itself.
    fn cognito_sends_sms(&self) {
        self.without_sender("CustomSMSSender", "DEVELOPER");
    }

    /// Codes go to the phone first.
    fn codes_go_by_sms(&self) {
        self.world.change_pool(|pool| {
            pool["AccountRecoverySetting"] =
                json!({ "RecoveryMechanisms": [{ "Name": "verified_phone_number", "Priority": 1 }] });
        });
    }

    /// What the month's SMS have cost.
    fn spent(&self, usd: f64) {
        self.world.answer_with("cloudwatch:GetMetricData", move |request| {
            metrics(request, |namespace, name, _| match (namespace, name) {
                ("AWS/SNS", "SMSMonthToDateSpentUSD") | ("AWS/SMSVoice", "TextMessageMonthlySpend") => {
                    vec![0.0, usd / 2.0, usd]
                }
                _ => Vec::new(),
            })
        });
    }

    fn user_calls(&self, number: &str) {
        self.world.set_attribute("phone_number", Some(number));
    }
}

/// What is wrong, by a name for the snapshot.
const CASES: &[(&str, Change)] = &[
    ("no sender", |place| {
        place.cognito_sends_sms();
        place.world.change_pool(|pool| {
            pool.as_object_mut().expect("an object").remove("SmsConfiguration");
            pool["MfaConfiguration"] = json!("OFF");
            pool["AccountRecoverySetting"] =
                json!({ "RecoveryMechanisms": [{ "Name": "verified_email", "Priority": 1 }] });
        });
    }),
    ("no sender, and the code would go to the phone", |place| {
        place.cognito_sends_sms();
        place.world.change_pool(|pool| {
            let pool = pool.as_object_mut().expect("an object");
            pool.remove("SmsConfiguration");
            pool.remove("AccountRecoverySetting");
        });
    }),
    ("a sender without an SMS configuration", |place| {
        place.world.change_pool(|pool| {
            pool.as_object_mut().expect("an object").remove("SmsConfiguration");
        });
    }),
    ("Cognito could not send", |place| {
        place.cognito_sends_sms();
        place.world.change_pool(|pool| pool["SmsConfigurationFailure"] = json!("Role cannot be taken"));
    }),
    ("Cognito could not send, but need not", |place| {
        place.world.change_pool(|pool| pool["SmsConfigurationFailure"] = json!("Role cannot be taken"));
    }),
    ("another function", |place| {
        place.world.change("lambda:GetFunctionConfiguration", |answer| {
            answer["Environment"]["Variables"] = json!({});
        });
    }),
    ("settings without permission", |place| {
        place.world.refuse("lambda:GetFunctionConfiguration", 403, "AccessDeniedException");
    }),
    ("no number", |place| place.user_calls("0206 555 0123")),
    ("a country that is not allowed", |place| place.user_calls("+14165550123")),
    ("a premium number", |place| place.user_calls("+19005550123")),
    ("a satellite telephone", |place| place.user_calls("+881612345678")),
    ("a number of nowhere", |place| place.user_calls("+21012345678")),
    ("countries that stop the sender", |place| place.sms_variable("SMS_ALLOWED_COUNTRIES", "US,Utopia")),
    ("no countries", |place| {
        place.world.set_variable(CUSTOM_SMS_SENDER, "SMS_ALLOWED_COUNTRIES", None);
    }),
    ("countries in a Lambda layer", |place| {
        place.sms_variable("SMS_ALLOWED_COUNTRIES", "file:/opt/countries.txt");
    }),
    ("a denied domain", |place| place.sms_variable("DENIED_EMAIL_DOMAINS", "example.com")),
    ("SNS: limit reached", |place| place.spent(100.0)),
    ("SNS: limit nearly reached, by default", |place| {
        place.world.answer("sns:GetSMSAttributes", json!({ "attributes": {} }));
        place.spent(0.8);
    }),
    ("SNS: SMS sandbox", |place| {
        place.world.answer("sns:GetSMSSandboxAccountStatus", json!({ "IsInSandbox": true }));
    }),
    ("SNS: SMS sandbox, not finished", |place| {
        place.world.answer("sns:GetSMSSandboxAccountStatus", json!({ "IsInSandbox": true }));
        let number = json!({ "PhoneNumber": PHONE, "Status": "Pending" });
        place.world.answer("sns:ListSMSSandboxPhoneNumbers", json!({ "PhoneNumbers": [number] }));
    }),
    ("SNS: SMS sandbox, user without a number", |place| {
        place.world.answer("sns:GetSMSSandboxAccountStatus", json!({ "IsInSandbox": true }));
        place.world.set_attribute("phone_number", None);
    }),
    ("SNS: opted out", |place| {
        place.world.answer("sns:CheckIfPhoneNumberIsOptedOut", json!({ "isOptedOut": true }));
    }),
    ("SNS: no number to send from", |place| {
        place.world.set_variable(CUSTOM_SMS_SENDER, "SMS_ORIGINATION_NUMBER", None);
        place.world.answer("sns:ListOriginationNumbers", json!({ "PhoneNumbers": [] }));
    }),
    ("SNS: a number to send from that SNS does not have", |place| {
        place.sms_variable("SMS_ORIGINATION_NUMBER", "+12065550199");
        place.world.answer("sns:ListOriginationNumbers", json!({ "PhoneNumbers": [] }));
    }),
    ("SNS: a number to send from that is not registered yet", |place| {
        place.world.change("sns:ListOriginationNumbers", |answer| {
            answer["PhoneNumbers"][0]["Status"] = json!("PENDING");
        });
    }),
    ("SNS: promotional", |place| {
        place.cognito_sends_sms();
        place.world.change("sns:GetSMSAttributes", |answer| {
            answer["attributes"]["DefaultSMSType"] = json!("Promotional");
        });
    }),
    ("SNS without permission", |place| place.world.refuse("sns:*", 403, "AuthorizationError")),
    ("CloudWatch without permission", |place| {
        place.world.refuse("cloudwatch:GetMetricData", 403, "AccessDenied");
    }),
    ("End User Messaging: limit reached", |place| {
        place.messaging(NUMBER_ARN);
        place.world.change("sms-voice:DescribeSpendLimits", |answer| {
            answer["SpendLimits"][0]["EnforcedLimit"] = json!(20);
            answer["SpendLimits"][0]["Overridden"] = json!(true);
        });
        place.spent(20.0);
    }),
    ("End User Messaging: quota nearly reached", |place| {
        place.messaging(NUMBER_ARN);
        place.spent(99.0);
    }),
    ("End User Messaging: SMS sandbox", |place| {
        place.messaging(NUMBER_ARN);
        place.world.change("sms-voice:DescribeAccountAttributes", |answer| {
            answer["AccountAttributes"][0]["Value"] = json!("SANDBOX");
        });
    }),
    ("End User Messaging: SMS sandbox, not finished", |place| {
        place.messaging(NUMBER_ARN);
        place.world.change("sms-voice:DescribeAccountAttributes", |answer| {
            answer["AccountAttributes"] = json!([{ "Name": "ACCOUNT_TIER", "Value": "SANDBOX" }]);
        });
        let number = json!({
            "VerifiedDestinationNumberArn": "arn:aws:sms-voice:eu-central-1:123456789012:verified-destination-number/v-1",
            "VerifiedDestinationNumberId": "v-1",
            "DestinationPhoneNumber": PHONE,
            "Status": "PENDING",
            "CreatedTimestamp": "2026-11-02T08:00:00Z",
        });
        let answer = json!({ "VerifiedDestinationNumbers": [number] });
        place.world.answer("sms-voice:DescribeVerifiedDestinationNumbers", answer);
    }),
    ("End User Messaging: opted out", |place| {
        place.messaging(NUMBER_ARN);
        place.world.change("sms-voice:DescribePhoneNumbers", |answer| {
            answer["PhoneNumbers"][0]["OptOutListName"] = json!("Codes");
        });
        place.world.answer_with("sms-voice:DescribeOptedOutNumbers", |request| {
            let out = request["OptOutListName"] == "Codes" && request["OptedOutNumbers"] == json!([PHONE]);
            let number = json!({
                "OptedOutNumber": PHONE,
                "OptedOutTimestamp": "2026-11-02T08:00:00Z",
                "EndUserOptedOut": true,
            });
            let numbers = if out { json!([number]) } else { json!([]) };
            json!({ "OptOutListName": request["OptOutListName"], "OptedOutNumbers": numbers })
        });
    }),
    ("End User Messaging: no such number", |place| {
        place.messaging(NUMBER_ARN);
        place.world.refuse("sms-voice:DescribePhoneNumbers", 400, "ResourceNotFoundException");
    }),
    ("End User Messaging: a number that is not active", |place| {
        place.messaging(NUMBER_ARN);
        place.world.change("sms-voice:DescribePhoneNumbers", |answer| {
            answer["PhoneNumbers"][0]["Status"] = json!("PENDING");
        });
    }),
    ("End User Messaging: a number that may not send abroad", |place| {
        place.messaging(NUMBER_ARN);
        place.sms_variable("SMS_ALLOWED_COUNTRIES", "DE,US");
        place.user_calls("+4915112345678");
    }),
    ("End User Messaging without permission", |place| {
        place.messaging(POOL_ARN);
        place.world.refuse("sms-voice:*", 400, "AccessDeniedException");
    }),
];

#[tokio::test]
async fn every_cause_that_keeps_an_sms_back_is_found() {
    let (shown, levels) = complaints_of("SMS", " sms.", CASES, Place::codes_go_by_sms).await;
    assert_snapshot!("doctor, every cause about SMS", shown);
    assert_snapshot!("doctor, levels of the checks about SMS", levels);
}

/// The channel that none of the user's codes takes is as broken as the other one.
#[tokio::test]
async fn a_problem_of_an_unused_channel_is_no_cause() {
    let place = Place::new();
    place.world.change_users(|users| users[0]["UserMFASettingList"] = json!([]));
    place.world.answer("sns:CheckIfPhoneNumberIsOptedOut", json!({ "isOptedOut": true }));
    place.world.change("ses:GetAccount", |answer| answer["SendingEnabled"] = json!(false));
    let (opted_out, paused) = ("opted out of the account's SMS", "sending");
    let areas = async || {
        let output = place.doctor(SUB, &[]).await;
        ["SMS", "Email"].map(|title| words(&section(&output, title)))
    };
    let [sms, email] = areas().await;
    assert!(sms.contains("this user's codes go by email") && !sms.contains("CAUSE"), "{sms}");
    assert!(sms.contains(opted_out), "{sms}");
    assert!(email.contains("CAUSE") && email.contains(paused), "{email}");
    place.codes_go_by_sms();
    let [sms, email] = areas().await;
    assert!(sms.contains("CAUSE") && sms.contains(opted_out), "{sms}");
    assert!(email.contains("this user's codes go by SMS") && !email.contains("CAUSE"), "{email}");
}

#[tokio::test]
async fn healthy_sms_is_ok_with_evidence() {
    let place = Place::new();
    let by_sns = section(&place.doctor(SUB, &["--why"]).await, "SMS");
    place.messaging(NUMBER_ARN);
    place.spent(12.0);
    let by_messaging = section(&place.doctor(SUB, &["--why"]).await, "SMS");
    let place = Place::new();
    place.cognito_sends_sms();
    let by_cognito = section(&place.doctor(SUB, &["--why"]).await, "SMS");
    let shown = format!("# SNS\n{by_sns}\n# End User Messaging\n{by_messaging}\n# Cognito\n{by_cognito}");
    assert!(shown.lines().all(|line| line.is_empty() || line.starts_with([' ', 'o', '#'])), "{shown}");
    assert_width(&shown);
    assert_snapshot!("doctor, healthy SMS, with evidence", shown);
}

#[tokio::test]
async fn without_phone_numbers_no_call_is_made() {
    let place = Place::new();
    place.world.set_attribute("phone_number", None);
    place.world.change_pool(|pool| {
        pool["MfaConfiguration"] = json!("OFF");
        pool["AccountRecoverySetting"] =
            json!({ "RecoveryMechanisms": [{ "Name": "verified_email", "Priority": 1 }] });
    });
    assert_eq!(section(&place.doctor(SUB, &[]).await, "SMS"), "");
    assert!(place.world.calls().iter().all(|(operation, _)| !operation.starts_with("sns:")));
}

#[tokio::test]
async fn the_region_of_cognitos_sms_configuration_is_used() {
    let place = Place::new();
    place.cognito_sends_sms();
    place.world.change_pool(|pool| pool["SmsConfiguration"]["SnsRegion"] = json!("us-west-2"));
    let text = section(&place.doctor(SUB, &[]).await, "SMS");
    assert!(text.contains("Cognito sends the SMS, through SNS in us-west-2, to any country"), "{text}");
    for operation in ["sns:GetSMSAttributes", "sns:CheckIfPhoneNumberIsOptedOut", "cloudwatch:GetMetricData"]
    {
        assert_eq!(place.world.regions(operation), ["us-west-2"], "{operation}");
    }
    let place = Place::new();
    place.cognito_sends_sms();
    place.world.change_pool(|pool| {
        let role = "arn:aws:iam::123456789012:role/sms";
        pool["SmsConfiguration"] = json!({ "EumsSms": { "CallerArn": role } });
    });
    let text = section(&place.doctor(SUB, &[]).await, "SMS");
    assert!(text.contains("through End User Messaging SMS in eu-central-1"), "{text}");
    let asked = &place.world.asked("sms-voice:DescribeOptedOutNumbers")[0];
    assert_eq!((&asked["OptOutListName"], &asked["OptedOutNumbers"]), (&json!("Default"), &json!([PHONE])));
}

#[tokio::test]
async fn a_number_without_a_user_is_checked_too() {
    let place = Place::new();
    place.world.change_users(Vec::clear);
    place.world.answer("sns:CheckIfPhoneNumberIsOptedOut", json!({ "isOptedOut": true }));
    for typed in [PHONE, "+1 206 555 0123"] {
        let text = section(&place.doctor(typed, &[]).await, "SMS");
        assert!(text.contains(&format!("CAUSE     {PHONE} has opted out")), "{text}");
    }
}

#[tokio::test]
async fn a_verified_number_is_ok_in_the_sandbox() {
    let place = Place::new();
    place.world.answer("sns:GetSMSSandboxAccountStatus", json!({ "IsInSandbox": true }));
    // It is on the second page.
    place.world.answer_with("sns:ListSMSSandboxPhoneNumbers", |request| {
        if request["NextToken"] == Value::Null {
            json!({ "PhoneNumbers": [], "NextToken": "2" })
        } else {
            json!({ "PhoneNumbers": [{ "PhoneNumber": PHONE, "Status": "Verified" }] })
        }
    });
    let text = words(&section(&place.doctor(SUB, &[]).await, "SMS"));
    assert!(
        text.contains(&format!("SMS sandbox of SNS in eu-central-1, and {PHONE} is verified there")),
        "{text}"
    );
    place.messaging(NUMBER_ARN);
    place.world.change("sms-voice:DescribeAccountAttributes", |answer| {
        answer["AccountAttributes"][0]["Value"] = json!("SANDBOX");
    });
    place.world.answer_with("sms-voice:DescribeVerifiedDestinationNumbers", |request| {
        if request["DestinationPhoneNumbers"] != json!([PHONE]) {
            return Err(Reply::error(400, "ResourceNotFoundException"));
        }
        Ok(json!({ "VerifiedDestinationNumbers": [{
            "VerifiedDestinationNumberArn": "arn:aws:sms-voice:eu-central-1:123456789012:verified-destination-number/v-1",
            "VerifiedDestinationNumberId": "v-1",
            "DestinationPhoneNumber": PHONE,
            "Status": "VERIFIED",
            "CreatedTimestamp": "2026-11-02T08:00:00Z",
        }] }))
    });
    let words = words(&section(&place.doctor(SUB, &[]).await, "SMS"));
    assert!(
        words.contains(&format!(
            "SMS sandbox of End User Messaging SMS in eu-central-1, and {PHONE} is verified there"
        )),
        "{words}"
    );
}

#[tokio::test]
async fn an_origination_pool_is_checked_as_a_pool() {
    let place = Place::new();
    place.messaging(POOL_ARN);
    place.sms_variable("SMS_MAX_PRICE_USD", "0.05");
    place.world.answer(
        "sms-voice:DescribePools",
        json!({ "Pools": [{
            "PoolArn": POOL_ARN,
            "PoolId": "pool-0123456789abcdef",
            "Status": "ACTIVE",
            "MessageType": "TRANSACTIONAL",
            "TwoWayEnabled": false,
            "SelfManagedOptOutsEnabled": false,
            "OptOutListName": "Codes",
            "SharedRoutesEnabled": false,
            "DeletionProtectionEnabled": false,
            "CreatedTimestamp": "2026-11-01T08:00:00Z",
        }] }),
    );
    let words = words(&section(&place.doctor(SUB, &[]).await, "SMS"));
    assert!(words.contains("ok the origination identity is active"), "{words}");
    assert!(words.contains("1000 per day, and at most USD 0.05 for one"), "{words}");
    assert_eq!(place.world.asked("sms-voice:DescribePools"), [json!({ "PoolIds": [POOL_ARN] })]);
    assert_eq!(place.world.asked("sms-voice:DescribeOptedOutNumbers")[0]["OptOutListName"], "Codes");
}

#[tokio::test]
async fn a_number_in_india_gets_no_advice_about_dlt() {
    let place = Place::new();
    place.sms_variable("SMS_ALLOWED_COUNTRIES", "IN");
    place.user_calls("+919876543210");
    let text = section(&place.doctor(SUB, &[]).await, "SMS");
    // DLT needs an entity id and a template id in each request, and no request carries them.
    assert!(!text.contains("India") && !text.contains("DLT"), "{text}");
    assert!(text.contains("custom-sms-sender allows IN"), "{text}");
    assert!(place.world.asked("sns:ListOriginationNumbers").is_empty());
}

#[tokio::test]
async fn neither_address_nor_number_reaches_standard_error() {
    let place = Place::new();
    place.world.refuse("*", 403, "AccessDeniedException");
    for asked in [USER, PHONE] {
        let output = place.doctor(asked, &[]).await;
        assert!(!output.stderr.contains(asked), "{output:?}");
    }
}
