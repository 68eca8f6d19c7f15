//! `cognito-triggers doctor`: who sends the emails, and why they don't reach a user.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use insta::assert_snapshot;
use serde_json::{Value, json};
use tests::cli::Output;
use tests::mock_aws::{CUSTOM_EMAIL_SENDER, CUSTOM_MESSAGE, MockAws, POOL, SENDER, SUB, USER};
use tests::service::Reply;

use crate::dns::{Dns, Record};

/// An account and a DNS in which everything is as it should be.
pub(crate) struct Place {
    pub(crate) world: MockAws,
    pub(crate) dns: Dns,
}

impl Place {
    pub(crate) fn new() -> Self {
        let (world, dns) = (MockAws::start(), Dns::start());
        dns.add("example.com", Record::Mail("mx.example.com".to_owned()));
        dns.add("shop.example", Record::Mail("mx.shop.example".to_owned()));
        dns.add("_dmarc.shop.example", Record::Text("v=DMARC1; p=none".to_owned()));
        let place = Self { world, dns };
        place.identity("shop.example", |_| ());
        place
    }

    /// The only identity, changed like that.
    fn identity(&self, name: &'static str, change: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.world.answer_with("ses:GetEmailIdentity", move |request| {
            if request["EmailIdentity"] != name {
                return Err(Reply::error(404, "NotFoundException"));
            }
            let mut answer = json!({
                "IdentityType": "DOMAIN",
                "VerifiedForSendingStatus": true,
                "VerificationStatus": "SUCCESS",
                "DkimAttributes": { "SigningEnabled": true, "Status": "SUCCESS" },
                "MailFromAttributes": {
                    "MailFromDomain": "bounces.shop.example",
                    "MailFromDomainStatus": "SUCCESS",
                    "BehaviorOnMxFailure": "USE_DEFAULT_VALUE",
                },
                "ConfigurationSetName": "codes",
            });
            change(&mut answer);
            Ok(answer)
        });
    }

    fn variable(&self, name: &str, value: &str) {
        self.world.set_variable(CUSTOM_EMAIL_SENDER, name, Some(value));
    }

    /// The pool sends itself.
    pub(crate) fn without_sender(&self, slot: &str, account: &str) {
        self.world.change_pool(|pool| {
            pool["LambdaConfig"].as_object_mut().expect("an object").remove(slot);
            pool["EmailConfiguration"]["EmailSendingAccount"] = json!(account);
        });
    }

    fn user_has(&self, address: &str) {
        self.world.set_attribute("email", Some(address));
    }

    pub(crate) async fn doctor(&self, who: &str, more: &[&str]) -> Output {
        let resolver = self.dns.address();
        let arguments = ["doctor", who, "--user-pool-id", POOL, "--resolver", &resolver];
        self.world.run(&[&arguments, more].concat()).await
    }

    /// The findings of the area that are not `ok`, as text. It also collects the levels in the JSON output.
    async fn complaints(&self, title: &str, seen: &mut BTreeSet<String>) -> String {
        let output = self.doctor(SUB, &[]).await;
        let document = self.doctor(SUB, &["--format", "json"]).await;
        let document: Value = serde_json::from_str(&document.stdout).expect("JSON");
        for finding in document["findings"].as_array().expect("findings") {
            let text = |name: &str| finding[name].as_str().expect("a text").to_owned();
            seen.insert(format!("{} {}", text("level"), text("check")));
        }
        let section = section(&output, title);
        assert!(!section.is_empty(), "{output:?}");
        if section.lines().any(|line| line.starts_with("CAUSE") || line.starts_with("warning")) {
            assert_eq!(output.code, Some(1), "{output:?}");
        }
        let mut kept = String::new();
        let mut keeps = false;
        for line in section.lines() {
            if !line.starts_with(' ') {
                keeps = !line.starts_with("ok ");
            }
            if keeps {
                writeln!(kept, "{line}").expect("a text");
            }
        }
        kept
    }
}

/// The part of the text under that title.
pub(crate) fn section(output: &Output, title: &str) -> String {
    let lines = output.stdout.lines().skip_while(|line| *line != title).skip(1);
    lines.take_while(|line| !line.is_empty()).fold(String::new(), |text, line| text + line + "\n")
}

/// The same in one line.
pub(crate) fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Commands and addresses of pages are one line each, so that they can be copied; everything else wraps.
pub(crate) fn assert_width(text: &str) {
    let is_whole =
        |line: &&str| ["aws ", "see https://"].iter().any(|start| line.trim_start().starts_with(start));
    for line in text.lines().filter(|line| !is_whole(line)) {
        assert!(line.chars().count() <= 80 || !line.trim().contains(' '), "{line}");
    }
}

/// What is wrong in it.
pub(crate) type Change = fn(&Place);

/// The complaints of an area in each of the cases, and the levels of the checks whose names contain `checks`. Each case
/// changes a place that `set_up` has set up.
pub(crate) async fn complaints_of(
    title: &str,
    checks: &str,
    cases: &[(&str, Change)],
    set_up: Change,
) -> (String, String) {
    let (mut shown, mut seen) = (String::new(), BTreeSet::new());
    for (name, change) in cases {
        let place = Place::new();
        set_up(&place);
        change(&place);
        let complaints = place.complaints(title, &mut seen).await;
        assert!(!complaints.is_empty(), "{name}");
        writeln!(shown, "# {name}\n{complaints}").expect("a text");
    }
    assert_width(&shown);
    seen.retain(|check| check.contains(checks));
    (shown, Vec::from_iter(seen).join("\n"))
}

/// What is wrong, by a name for the snapshot.
const CASES: &[(&str, Change)] = &[
    ("Cognito sends with its own account", |place| {
        place.without_sender("CustomEmailSender", "COGNITO_DEFAULT");
    }),
    ("custom-message writes what Cognito refuses", |place| {
        place.without_sender("CustomEmailSender", "COGNITO_DEFAULT");
        place.world.set_variable(CUSTOM_MESSAGE, "CUSTOM_MESSAGE_CHANNELS", Some("sms,email"));
        place.world.change_pool(|pool| pool["LambdaConfig"]["CustomMessage"] = json!(CUSTOM_MESSAGE));
    }),
    ("a custom-message function that is not the stack's", |place| {
        place.without_sender("CustomEmailSender", "COGNITO_DEFAULT");
        place.world.set_variable(CUSTOM_MESSAGE, "CUSTOM_MESSAGE_CHANNELS", None);
        place.world.change_pool(|pool| pool["LambdaConfig"]["CustomMessage"] = json!(CUSTOM_MESSAGE));
    }),
    ("Cognito could not send", |place| {
        place.without_sender("CustomEmailSender", "DEVELOPER");
        place.world.change_pool(|pool| pool["EmailConfigurationFailure"] = json!("Access denied"));
    }),
    ("Cognito could not send, but need not", |place| {
        place.world.change_pool(|pool| pool["EmailConfigurationFailure"] = json!("Access denied"));
    }),
    ("no FROM_ADDRESS", |place| {
        place.world.set_variable(CUSTOM_EMAIL_SENDER, "FROM_ADDRESS", None);
    }),
    ("another function", |place| {
        place.world.change("lambda:GetFunctionConfiguration", |answer| {
            answer["Environment"]["Variables"] = json!({});
        });
    }),
    ("settings without permission", |place| {
        place.world.refuse("lambda:GetFunctionConfiguration", 403, "AccessDeniedException");
    }),
    ("sending paused", |place| {
        place.world.change("ses:GetAccount", |answer| answer["SendingEnabled"] = json!(false));
    }),
    ("sending stopped by AWS", |place| {
        place.world.change("ses:GetAccount", |answer| {
            answer["EnforcementStatus"] = json!("SHUTDOWN");
            answer["SendingEnabled"] = json!(false);
        });
    }),
    ("under review", |place| {
        place.world.change("ses:GetAccount", |answer| answer["EnforcementStatus"] = json!("PROBATION"));
    }),
    ("no production access", |place| {
        place.world.change("ses:GetAccount", |answer| answer["ProductionAccessEnabled"] = json!(false));
    }),
    ("no production access, user without an address", |place| {
        place.world.change("ses:GetAccount", |answer| answer["ProductionAccessEnabled"] = json!(false));
        place.world.set_attribute("email", None);
    }),
    ("quota used up", |place| {
        place.world.change("ses:GetAccount", |answer| {
            answer["SendQuota"] = json!({ "Max24HourSend": 200.0, "SentLast24Hours": 200.0 });
        });
    }),
    ("quota nearly used up", |place| {
        place.world.change("ses:GetAccount", |answer| {
            answer["SendQuota"] = json!({ "Max24HourSend": 200.0, "SentLast24Hours": 160.0 });
        });
    }),
    ("no identity", |place| place.identity("another.example", |_| ())),
    ("a domain that is not verified", |place| {
        place.identity("shop.example", |answer| {
            answer["VerifiedForSendingStatus"] = json!(false);
            answer["VerificationStatus"] = json!("PENDING");
        });
    }),
    ("an address that is not verified", |place| {
        place.identity(SENDER, |answer| {
            answer["VerifiedForSendingStatus"] = json!(false);
            answer["VerificationStatus"] = json!("FAILED");
        });
    }),
    ("no signatures", |place| {
        place.identity("shop.example", |answer| answer["DkimAttributes"]["SigningEnabled"] = json!(false));
    }),
    ("keys not in DNS", |place| {
        place.identity("shop.example", |answer| answer["DkimAttributes"]["Status"] = json!("PENDING"));
    }),
    ("an address without keys", |place| {
        place.identity(SENDER, |answer| {
            answer["DkimAttributes"] = json!({ "SigningEnabled": false, "Status": "NOT_STARTED" });
            answer["MailFromAttributes"] = Value::Null;
        });
    }),
    ("MAIL FROM not set up", |place| {
        place.identity("shop.example", |answer| {
            answer["MailFromAttributes"]["MailFromDomainStatus"] = json!("FAILED");
        });
    }),
    ("MAIL FROM not set up, and nothing instead", |place| {
        place.identity("shop.example", |answer| {
            answer["MailFromAttributes"]["MailFromDomainStatus"] = json!("PENDING");
            answer["MailFromAttributes"]["BehaviorOnMxFailure"] = json!("REJECT_MESSAGE");
        });
    }),
    ("no such configuration set", |place| {
        place.variable("SES_CONFIGURATION_SET", "lost");
        place.world.refuse("ses:GetConfigurationSet", 404, "NotFoundException");
    }),
    ("a configuration set that is off", |place| {
        place.world.change("ses:GetConfigurationSet", |answer| {
            answer["SendingOptions"]["SendingEnabled"] = json!(false);
        });
    }),
    ("bounced before", |place| suppressed(place, "BOUNCE")),
    ("complained before", |place| suppressed(place, "COMPLAINT")),
    ("on the list, which is not applied", |place| {
        suppressed(place, "BOUNCE");
        place.world.change("ses:GetConfigurationSet", |answer| {
            answer["SuppressionOptions"]["SuppressedReasons"] = json!([]);
        });
    }),
    ("a denied domain", |place| place.variable("DENIED_EMAIL_DOMAINS", "*.denied.example, example.com")),
    ("a disposable mailbox", |place| {
        place.variable("DENY_DISPOSABLE_EMAIL", "true");
        place.user_has("ann@mailinator.com");
        place.dns.add("mailinator.com", Record::Address);
    }),
    ("a list in a Lambda layer", |place| place.variable("DENIED_EMAIL_DOMAINS", "file:/opt/denied.txt")),
    ("lists that stop the sender", |place| place.variable("DENIED_EMAIL_DOMAINS", "*.com")),
    ("no address", |place| place.user_has("Ann <ann@example.com>")),
    ("no such domain", |place| place.dns.remove("example.com")),
    ("a domain without email", |place| {
        place.dns.remove("example.com");
        place.dns.add("example.com", Record::Mail(String::new()));
    }),
    ("a domain without a mail server", |place| {
        place.dns.remove("example.com");
        place.dns.add("example.com", Record::Text("v=spf1 -all".to_owned()));
    }),
    ("a failing DNS server", |place| {
        place.dns.fail("example.com");
        place.dns.fail("_dmarc.shop.example");
    }),
    ("no DMARC record", |place| place.dns.remove("_dmarc.shop.example")),
    ("two DMARC records", |place| {
        place.dns.add("_dmarc.shop.example", Record::Text("v=DMARC1; p=reject".to_owned()));
    }),
    ("a DMARC record that cannot be fulfilled, none", |place| unaligned(place, "v=DMARC1; p=none")),
    ("a DMARC record that cannot be fulfilled, quarantine", |place| {
        unaligned(place, "v=DMARC1; p=quarantine");
    }),
    ("a DMARC record that cannot be fulfilled, reject", |place| unaligned(place, "v=DMARC1; p=reject")),
    ("a fallback that could not take over", |place| {
        place.variable("SES_FALLBACK_CONFIGURATION_SET", "second");
        place.world.answer_with("ses:GetConfigurationSet", |request| {
            if request["ConfigurationSetName"] == "second" {
                return Err(Reply::error(404, "NotFoundException"));
            }
            Ok(json!({ "SendingOptions": { "SendingEnabled": true } }))
        });
    }),
    ("the first way off, the fallback not", |place| {
        place.variable("SES_FALLBACK_CONFIGURATION_SET", "second");
        place.world.answer_with("ses:GetConfigurationSet", |request| {
            json!({ "SendingOptions": { "SendingEnabled": request["ConfigurationSetName"] == "second" } })
        });
    }),
    ("a pool without permission", |place| {
        place.world.refuse("cognito-idp:DescribeUserPool", 400, "AccessDeniedException");
    }),
    ("SES without permission", |place| {
        place.world.refuse("ses:*", 403, "AccessDeniedException");
        place.world.refuse("ses:GetEmailIdentity", 403, "AccessDeniedException");
    }),
];

fn suppressed(place: &Place, reason: &'static str) {
    let entry = json!({ "EmailAddress": USER, "Reason": reason, "LastUpdateTime": "2026-11-02T08:00:00Z" });
    place.world.answer("ses:GetSuppressedDestination", json!({ "SuppressedDestination": entry }));
}

fn unaligned(place: &Place, record: &str) {
    place.dns.remove("_dmarc.shop.example");
    place.dns.add("_dmarc.example", Record::Text(record.to_owned()));
    place.identity("shop.example", |answer| {
        answer["DkimAttributes"]["SigningEnabled"] = json!(false);
        answer["MailFromAttributes"] = Value::Null;
    });
}

#[tokio::test]
async fn every_cause_that_keeps_an_email_back_is_found() {
    let (shown, levels) = complaints_of("Email", " email.", CASES, |_| {}).await;
    assert_snapshot!("doctor, every cause about email", shown);
    assert_snapshot!("doctor, levels of the checks about email", levels);
}

#[tokio::test]
async fn healthy_email_is_ok_with_evidence() {
    let place = Place::new();
    let output = place.doctor(SUB, &["--why"]).await;
    let section = section(&output, "Email");
    assert!(section.lines().all(|line| line.starts_with([' ', 'o'])), "{section}");
    assert_width(&section);
    assert_snapshot!("doctor, healthy email, with evidence", section);
}

#[tokio::test]
async fn if_cognito_sends_through_ses_its_identity_is_checked() {
    let place = Place::new();
    place.without_sender("CustomEmailSender", "DEVELOPER");
    let arn = "arn:aws:ses:us-west-2:123456789012:identity/shop.example";
    place.world.also_in("us-west-2");
    place.world.change_pool(|pool| pool["EmailConfiguration"]["SourceArn"] = json!(arn));
    let output = place.doctor(SUB, &[]).await;
    assert_snapshot!("doctor, Cognito sends email through SES", section(&output, "Email"));
    assert_eq!(place.world.regions("ses:GetAccount"), ["us-west-2"]);
    assert_eq!(place.world.asked("ses:GetEmailIdentity"), [json!({ "EmailIdentity": "shop.example" })]);
}

#[tokio::test]
async fn both_ses_routes_are_checked() {
    let place = Place::new();
    place.variable("SES_REGION", "eu-west-1");
    place.variable("SES_FALLBACK_REGION", "eu-north-1");
    place.world.also_in("eu-west-1");
    place.world.also_in("eu-north-1");
    let output = place.doctor(SUB, &[]).await;
    let text = section(&output, "Email");
    assert!(text.contains("through SES in eu-west-1"), "{text}");
    assert!(text.contains("ok        the fallback through SES in eu-north-1 can send"), "{text}");
    let regions: BTreeSet<_> = place.world.regions("ses:GetAccount").into_iter().collect();
    assert_eq!(regions, BTreeSet::from(["eu-north-1".to_owned(), "eu-west-1".to_owned()]));
    // Where the recipient is suppressed is a question to the first Region alone.
    assert_eq!(place.world.regions("ses:GetSuppressedDestination"), ["eu-west-1"]);
}

#[tokio::test]
async fn in_the_sandbox_a_verified_domain_is_written_to() {
    for (identity, verified) in [("example.com", true), (USER, true), ("another.example", false)] {
        let place = Place::new();
        place.world.change("ses:GetAccount", |answer| answer["ProductionAccessEnabled"] = json!(false));
        place.world.answer_with("ses:GetEmailIdentity", move |request| {
            if [identity, "shop.example"].iter().any(|name| request["EmailIdentity"] == *name) {
                Ok(json!({ "VerifiedForSendingStatus": true }))
            } else {
                Err(Reply::error(404, "NotFoundException"))
            }
        });
        let text = section(&place.doctor(SUB, &[]).await, "Email");
        let said = format!("but {USER} is a verified recipient");
        assert_eq!(words(&text).contains(&said), verified, "{text}");
    }
}

#[tokio::test]
async fn the_mailbox_simulator_needs_no_production_access() {
    let place = Place::new();
    place.world.change("ses:GetAccount", |answer| answer["ProductionAccessEnabled"] = json!(false));
    place.user_has("success@simulator.amazonses.com");
    // Without an MX record the address of the domain counts.
    place.dns.add("simulator.amazonses.com", Record::Address);
    let words = words(&section(&place.doctor(SUB, &[]).await, "Email"));
    assert!(
        words.contains("no production access to SES in eu-central-1, but the mailbox simulator needs none")
    );
    assert!(words.contains("ok simulator.amazonses.com may receive email"), "{words}");
}

#[tokio::test]
async fn an_address_without_a_user_is_checked_too() {
    let place = Place::new();
    place.world.change_users(Vec::clear);
    suppressed(&place, "BOUNCE");
    let text = section(&place.doctor(USER, &[]).await, "Email");
    assert!(text.contains(&format!("CAUSE     {USER} has been on the SES suppression list")), "{text}");
    place.dns.remove("example.com");
    let text = section(&place.doctor(USER, &[]).await, "Email");
    assert!(text.contains("Check the spelling of the address."), "{text}");
}

#[tokio::test]
async fn a_username_without_a_user_has_no_recipient() {
    let place = Place::new();
    let text = section(&place.doctor("unknown", &[]).await, "Email");
    assert!(text.contains("ok        sending is on in SES in eu-central-1"), "{text}");
    assert_eq!(place.world.asked("ses:GetSuppressedDestination"), Vec::<Value>::new());
    assert!(!place.dns.asked().contains(&"example.com".to_owned()));
}

#[tokio::test]
async fn a_silent_dns_server_affects_only_the_dns_checks() {
    let place = Place::new();
    place.dns.be_silent("example.com");
    place.dns.be_silent("_dmarc.shop.example");
    let output = place.doctor(SUB, &[]).await;
    let text = section(&output, "Email");
    let words = words(&text);
    assert!(
        words.contains("- whether example.com receives email: not checked, no DNS server answered in time")
    );
    assert!(
        words.contains("- the DMARC record of shop.example: not checked, no DNS server answered in time")
    );
    assert!(!words.contains("CAUSE"), "{text}");
}

#[tokio::test]
async fn a_dmarc_record_can_be_long_and_belong_to_the_parent_domain() {
    let place = Place::new();
    place.variable("FROM_ADDRESS", "Acme <no-reply@mail.shop.example>");
    place.dns.remove("_dmarc.shop.example");
    let record = format!("v=DMARC1; rua=mailto:{}@shop.example; p=reject; sp=quarantine", "a".repeat(300));
    place.dns.add("_dmarc.shop.example", Record::Text(record));
    let text = words(&section(&place.doctor(SUB, &["--why"]).await, "Email"));
    assert!(
        text.contains("mail.shop.example has a DMARC record, and its emails pass it with DKIM"),
        "{text}"
    );
    assert!(text.contains("the record at _dmarc.shop.example asks for p=quarantine"), "{text}");
    let asked = place.dns.asked();
    for name in ["_dmarc.mail.shop.example", "_dmarc.shop.example", "_dmarc.example"] {
        assert!(asked.contains(&name.to_owned()), "{asked:?}");
    }
}
