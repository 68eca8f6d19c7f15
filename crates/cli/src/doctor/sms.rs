//! SMS: who sends it, whether the account still may, and whether that number gets any.
//!
//! Which questions: "SMS message settings for Amazon Cognito user pools", Amazon Cognito developer guide, and what SNS
//! and End User Messaging SMS say of accounts and numbers.

use std::collections::BTreeMap;

use shared::phone::{Country, PhoneNumber, SmsPermission, SmsRefusal, Territory};
use shared::trigger::Trigger;

use super::email::{denied, read, region_of_pool};
use super::finding::{Finding, Level};
use super::step::Step;
use super::user::{Contact, OWN, channels};
use super::{Subject, who};
use crate::aws::AwsError;
use crate::aws::cloudwatch::{Spend, month_to_date_spend};
use crate::aws::cognito::{Pool, SmsSettings};
use crate::aws::end_user_messaging::{Destination, EndUserMessaging, Origination, SpendLimit};
use crate::aws::sns::{Attributes, OriginationNumber, Sns};
use crate::terminal::output::plain;
use crate::terminal::shell::quote;

const SENDER: &str = "sms.sender";
const FAILURE: &str = "sms.configuration-failure";
const NUMBER: &str = "sms.number";
const COUNTRY: &str = "sms.country";
const DENIED: &str = "sms.denied";
const SPEND: &str = "sms.spend";
const SANDBOX: &str = "sms.sandbox";
const OPTED_OUT: &str = "sms.opted-out";
const ORIGINATION: &str = "sms.origination";
const TYPE: &str = "sms.type";
const LIMITS: &str = "sms.limits";

const COGNITO_SMS: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-sms-settings.html";
const CUSTOM_SENDER: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-sms-sender.html";
const SNS_SPEND: &str = "https://docs.aws.amazon.com/sns/latest/dg/sms_stats_cloudwatch.html";
const MESSAGING_SPEND: &str = "https://docs.aws.amazon.com/sms-voice/latest/userguide/spend-limit.html";

/// From which part of the limit on it is time to raise it.
const NEARLY: f64 = 0.8;

pub(super) async fn look(subject: &Subject<'_>) -> Vec<Finding> {
    let Ok(pool) = subject.pool else {
        // That the pool could not be described is said for e-mail.
        return Vec::new();
    };
    let number = number(subject);
    if number.is_none() && !uses_sms(pool) {
        return Vec::new();
    }
    let sender = Sender::of(subject, pool);
    let parsed = number.as_deref().and_then(|number| number.parse::<PhoneNumber>().ok());
    let mut findings = vec![sent_by(subject, pool, &sender)];
    findings.extend(failure(pool, &sender));
    if let Some(number) = number.as_deref() {
        findings.extend(of_number(subject, &sender, number, parsed.as_ref()));
    }
    findings.extend(match sender.way() {
        Some(way @ Way { provider: Provider::Sns { .. }, .. }) => by_sns(
            way,
            &Box::pin(facts_of_sns(subject, way, parsed.as_ref())).await,
            &sender,
            parsed.as_ref(),
        ),
        Some(way @ Way { provider: Provider::EndUserMessaging { identity }, .. }) => {
            let facts = facts_of_messaging(subject, way, identity.as_deref(), parsed.as_ref());
            let facts = Box::pin(facts).await;
            by_messaging(way, &facts, parsed.as_ref())
        }
        None => Vec::new(),
    });
    if let Sender::Function { variables, .. } = &sender {
        findings.push(limits(variables));
    }
    findings
}

/// Whom the code goes to: the user's number, else what the operator asked for if it is one.
fn number(subject: &Subject<'_>) -> Option<String> {
    match subject.user() {
        Some(user) => user.attribute("phone_number").map(str::to_owned),
        None => who::number(subject.asked)
            .or_else(|| subject.asked.starts_with('+').then(|| subject.asked.to_owned())),
    }
}

/// Whether the pool sends codes to phones at all.
fn uses_sms(pool: &Pool) -> bool {
    let named = |list: &[String], name: &str| list.iter().any(|entry| entry == name);
    named(&pool.recovery, "verified_phone_number")
        || named(&pool.auto_verified, "phone_number")
        || (pool.mfa != "OFF" && pool.sms.is_some())
}

/// Who sends the pool's SMS.
enum Sender<'a> {
    /// One of these triggers.
    Function {
        variables: &'a BTreeMap<String, String>,
        way: Way,
    },
    /// A function of somebody else, or one whose settings nobody tells.
    Unknown(Option<&'a AwsError>),
    Cognito {
        way: Way,
    },
    Nobody,
}

/// One way to phones.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Way {
    region: String,
    provider: Provider,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Provider {
    /// With the number that messages are sent from, where one was chosen.
    Sns { number: Option<String> },
    /// With the ARN of the number, pool or sender id that messages are sent from, where it is known.
    EndUserMessaging { identity: Option<String> },
}

impl<'a> Sender<'a> {
    fn of(subject: &Subject<'a>, pool: &Pool) -> Self {
        let own_region = region_of_pool(subject);
        if subject.sends(Trigger::CustomSmsSender) {
            return match subject.settings.get(&Trigger::CustomSmsSender) {
                Some(Ok(variables)) => Self::of_function(variables, own_region),
                Some(Err(error)) => Self::Unknown(Some(error)),
                None => Self::Unknown(None),
            };
        }
        pool.sms.as_ref().map_or(Self::Nobody, |sms| Self::Cognito { way: Way::of_cognito(sms, own_region) })
    }

    fn of_function(variables: &'a BTreeMap<String, String>, region: &str) -> Self {
        // Only these triggers have one of these settings.
        if !["SMS_ALLOWED_COUNTRIES", "CODE_KEY_ARN"].iter().any(|name| variables.contains_key(*name)) {
            return Self::Unknown(None);
        }
        let setting = |name| variables.get(name).filter(|value| !value.is_empty()).cloned();
        let provider = if setting("SMS_PROVIDER").as_deref() == Some("end-user-messaging") {
            Provider::EndUserMessaging { identity: setting("SMS_ORIGINATION_IDENTITY") }
        } else {
            Provider::Sns { number: setting("SMS_ORIGINATION_NUMBER") }
        };
        Self::Function { variables, way: Way { region: region.to_owned(), provider } }
    }

    fn way(&self) -> Option<&Way> {
        match self {
            Self::Function { way, .. } | Self::Cognito { way } => Some(way),
            Self::Unknown(_) | Self::Nobody => None,
        }
    }

    fn is_cognito(&self) -> bool {
        matches!(self, Self::Cognito { .. })
    }
}

impl Way {
    fn of_cognito(sms: &SmsSettings, own_region: &str) -> Self {
        let provider = if sms.end_user_messaging {
            Provider::EndUserMessaging { identity: None }
        } else {
            Provider::Sns { number: None }
        };
        Self { region: sms.region.clone().unwrap_or_else(|| own_region.to_owned()), provider }
    }

    fn words(&self) -> String {
        match self.provider {
            Provider::Sns { .. } => format!("SNS in {}", self.region),
            Provider::EndUserMessaging { .. } => format!("End User Messaging SMS in {}", self.region),
        }
    }
}

fn sent_by(subject: &Subject<'_>, pool: &Pool, sender: &Sender<'_>) -> Finding {
    let attached = pool.triggers.function_arn(Trigger::CustomSmsSender).unwrap_or_default();
    let slot = format!(
        "the pool's LambdaConfig names {attached} as CustomSMSSender, which then sends in Cognito's place \
         ({CUSTOM_SENDER})"
    );
    match sender {
        Sender::Function { .. } if pool.sms.is_none() => Finding::warning(
            SENDER,
            "custom-sms-sender is attached, but the pool has no SMS configuration: Cognito wants one with a role even \
             where a function sends",
        )
        .advice("Give the pool an SmsConfiguration: its SnsCallerArn is a role that Cognito may take.")
        .why(slot)
        .why(format!("cognito-idp:DescribeUserPool answers no SmsConfiguration ({COGNITO_SMS})")),
        Sender::Function { way, .. } => {
            Finding::ok(SENDER, format!("custom-sms-sender sends the SMS, through {}", way.words())).why(slot)
        }
        Sender::Unknown(Some(error)) => {
            Finding::not_checked(SENDER, "what the function sends SMS with", error)
        }
        Sender::Unknown(None) => Finding::new(
            SENDER,
            Level::NotChecked,
            format!("the SMS are sent by {attached}, which is none of these triggers: not checked how"),
        ),
        Sender::Cognito { way } => {
            Finding::ok(SENDER, format!("Cognito sends the SMS, through {}, to any country", way.words())).why(
                format!(
                    "cognito-idp:DescribeUserPool answers an SmsConfiguration and no CustomSMSSender ({COGNITO_SMS}); \
                     whether its role may send was not checked"
                ),
            )
        }
        Sender::Nobody => {
            let why = format!(
                "cognito-idp:DescribeUserPool answers neither CustomSMSSender nor SmsConfiguration ({COGNITO_SMS})"
            );
            let goes = channels(subject).is_some_and(|channels| channels.contains(&Contact::Phone));
            let finding = if goes {
                Finding::cause(SENDER, "the code would go to the user's phone, but nobody sends the pool's SMS")
            } else {
                Finding::warning(SENDER, "nobody sends the pool's SMS: a code for a phone goes nowhere")
            };
            finding
                .advice(
                    "Deploy with SmsDelivery=sender and attach custom-sms-sender, give the pool an SmsConfiguration, \
                     or put e-mail first in its AccountRecoverySetting.",
                )
                .why(why)
        }
    }
}

fn failure(pool: &Pool, sender: &Sender<'_>) -> Option<Finding> {
    let failure = pool.sms_failure.as_deref()?;
    let level = if sender.is_cognito() { Level::Cause } else { Level::Warning };
    Some(
        Finding::new(FAILURE, level, format!("Cognito says that it cannot send SMS: {}", plain(failure)))
            .advice(
                "CloudTrail shows what was refused: look for events of sns.amazonaws.com and sts.amazonaws.com that \
                 cognito-idp.amazonaws.com caused.",
            )
            .why("cognito-idp:DescribeUserPool answers SmsConfigurationFailure"),
    )
}

/// What the number itself and the sender's own rules say.
fn of_number(
    subject: &Subject<'_>,
    sender: &Sender<'_>,
    number: &str,
    parsed: Option<&PhoneNumber>,
) -> Vec<Finding> {
    let Some(parsed) = parsed else {
        let finding = Finding::cause(
            NUMBER,
            format!("{} is no number in E.164 form (+12065550123): nothing is sent to it", plain(number)),
        )
        .why("SNS and End User Messaging take `+`, the calling code and the number (ITU-T E.164)");
        return vec![match subject.user() {
            Some(user) => finding.advice(OWN).command(format!(
                "aws cognito-idp admin-update-user-attributes --user-pool-id {} --username {} --user-attributes \
                 Name=phone_number,Value=RIGHT-NUMBER Name=phone_number_verified,Value=true --region {}",
                quote(subject.pool_id),
                quote(&user.name),
                quote(region_of_pool(subject)),
            )),
            None => finding,
        }];
    };
    let Sender::Function { variables, .. } = sender else { return Vec::new() };
    let mut findings = vec![country(variables, parsed)];
    let address = subject.user().and_then(|user| user.attribute("email"));
    findings.extend(address.and_then(|address| denied(DENIED, "SMS", variables, address)));
    findings
}

fn country(variables: &BTreeMap<String, String>, number: &PhoneNumber) -> Finding {
    const WHY: &str = "the function's SMS_ALLOWED_COUNTRIES lists where it sends to, and the country follows from the \
                       number's first digits (docs/adr/0005-phone-table.md)";
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method is for one lifetime of settings"
    )]
    let allowed = match read(variables, |settings| settings.allowed_countries()) {
        Ok(allowed) => allowed,
        Err(unusable) => {
            let what = "whether SMS are sent to the number's country";
            return unusable.finding(COUNTRY, Trigger::CustomSmsSender, what);
        }
    };
    let shown = number.expose();
    match allowed.decide(number) {
        SmsPermission::Allowed(country) => {
            Finding::ok(COUNTRY, format!("custom-sms-sender sends to {country}, where {shown} is")).why(WHY)
        }
        SmsPermission::Refused(refusal @ SmsRefusal::NotListed(country)) => {
            let list: Vec<_> = allowed.iter().chain([country]).map(|country| country.to_string()).collect();
            Finding::cause(COUNTRY, format!("custom-sms-sender sends {shown} nothing: {refusal}"))
                .advice(format!(
                    "To send there, deploy the stack with SmsAllowedCountries={}; every country makes SMS pumping \
                     easier (docs/sms-pumping.md).",
                    list.join(",")
                ))
                .why(WHY)
        }
        SmsPermission::Refused(refusal) => {
            Finding::cause(COUNTRY, format!("custom-sms-sender sends {shown} nothing: {refusal}"))
                .advice("No setting changes that: the user needs another number, or e-mail.")
                .why(WHY)
        }
    }
}

// SNS.

struct SnsFacts {
    attributes: Result<Attributes, AwsError>,
    spent: Result<Option<f64>, AwsError>,
    sandbox: Result<bool, AwsError>,
    /// In the sandbox, where the number is known.
    verified: Option<Result<Option<bool>, AwsError>>,
    /// Where the number is known.
    opted_out: Option<Result<bool, AwsError>>,
    /// Where the number's country wants one.
    originations: Option<Result<Vec<OriginationNumber>, AwsError>>,
}

async fn facts_of_sns(subject: &Subject<'_>, way: &Way, number: Option<&PhoneNumber>) -> SnsFacts {
    let (sns, progress) = (&Sns::new(subject.aws, &way.region), subject.progress);
    let (attributes, spent, (sandbox, verified), opted_out, originations) = tokio::join!(
        progress.of(sns.attributes()),
        progress.of(month_to_date_spend(subject.aws, &way.region, Spend::Sns)),
        async {
            let sandbox = progress.of(sns.in_sandbox()).await;
            let verified = match number {
                Some(number) if sandbox.as_ref().is_ok_and(|sandbox| *sandbox) => {
                    Some(progress.of(sns.verified_in_sandbox(number.expose())).await)
                }
                _ => None,
            };
            (sandbox, verified)
        },
        async {
            match number {
                Some(number) => Some(progress.of(sns.opted_out(number.expose())).await),
                None => None,
            }
        },
        async {
            match number.and_then(country_of) {
                Some(country) if wants_origination(country) => {
                    Some(progress.of(sns.origination_numbers()).await)
                }
                _ => None,
            }
        },
    );
    SnsFacts { attributes, spent, sandbox, verified, opted_out, originations }
}

fn country_of(number: &PhoneNumber) -> Option<Country> {
    match number.territory() {
        Territory::Country(country) => Some(country),
        Territory::Never(_) | Territory::Unknown => None,
    }
}

/// Whether operators there refuse what comes from no number of its own.
///
/// Source: <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-sms-settings.html>
fn wants_origination(country: Country) -> bool {
    country.to_string() == "US"
}

fn by_sns(way: &Way, facts: &SnsFacts, sender: &Sender<'_>, number: Option<&PhoneNumber>) -> Vec<Finding> {
    let region = &way.region;
    let mut findings = vec![spend_of_sns(region, facts)];
    findings.push(sandbox(
        SandboxIn {
            what: "SNS",
            region,
            action: "sns:GetSMSSandboxAccountStatus",
            page: "https://docs.aws.amazon.com/sns/latest/dg/sns-sms-sandbox.html",
        },
        &facts.sandbox,
        facts.verified.as_ref(),
        number,
        |number, started| {
            let (operation, code) = if started {
                ("verify-sms-sandbox-phone-number", " --one-time-password CODE")
            } else {
                ("create-sms-sandbox-phone-number", "")
            };
            format!("aws sns {operation} --phone-number {}{code} --region {}", quote(number), quote(region))
        },
    ));
    if let (Some(number), Some(opted_out)) = (number, &facts.opted_out) {
        findings.push(match opted_out {
            Ok(out) => opted_out_of_sns(region, number, *out),
            Err(error) => Finding::not_checked(OPTED_OUT, "whether the number has opted out", error),
        });
    }
    if let Some(number) = number {
        findings.extend(origination_of_sns(way, facts, number));
    }
    if let (true, Ok(attributes)) = (sender.is_cognito(), &facts.attributes) {
        findings.push(default_type(region, &attributes.default_type));
    }
    findings
}

fn spend_of_sns(region: &str, facts: &SnsFacts) -> Finding {
    let (limit, spent) = match (&facts.attributes, &facts.spent) {
        (Ok(attributes), Ok(Some(spent))) => (attributes.monthly_spend_limit, *spent),
        // The metric appears with the first SMS.
        (Ok(_), Ok(None)) => {
            return Finding::ok(SPEND, format!("SNS in {region} has reported no SMS this month"))
                .why(format!("CloudWatch's SMSMonthToDateSpentUSD has no data ({SNS_SPEND})"));
        }
        (Err(error), _) => return Finding::not_checked(SPEND, "the limit of what SMS may cost", error),
        (_, Err(error)) => return Finding::not_checked(SPEND, "what SMS have cost this month", error),
    };
    let raised = (limit * 2.0).ceil();
    let finding = spend("SNS", region, limit, spent).why(format!(
        "sns:GetSMSAttributes answers MonthlySpendLimit {limit} (1 where nobody set it), and CloudWatch's \
         SMSMonthToDateSpentUSD is {spent}; past the limit SNS takes messages and sends none ({SNS_SPEND})"
    ));
    if finding.level == Level::Ok {
        return finding;
    }
    finding
        .command(format!(
            "aws sns set-sms-attributes --attributes MonthlySpendLimit={raised} --region {}",
            quote(region)
        ))
        .advice(
            "That works up to the account's quota; for more, ask Service Quotas for TextMessageMonthlySpend of AWS End \
             User Messaging. Look first whether somebody pumps SMS: docs/sms-pumping.md.",
        )
}

/// How much of a month's limit is used up.
fn spend(service: &str, region: &str, limit: f64, spent: f64) -> Finding {
    let said = format!(
        "USD {spent:.2} of the USD {limit:.2} that SMS may cost a month through {service} in {region}"
    );
    if spent >= limit {
        Finding::cause(SPEND, format!("the account has spent {said}: no more SMS are sent this month"))
    } else if spent >= NEARLY * limit {
        Finding::warning(SPEND, format!("the account has spent {said}"))
    } else {
        Finding::ok(SPEND, format!("the account has spent {said}"))
    }
}

/// Whose sandbox.
#[derive(Clone, Copy)]
struct SandboxIn<'a> {
    what: &'a str,
    region: &'a str,
    action: &'a str,
    page: &'a str,
}

fn sandbox(
    place: SandboxIn<'_>,
    sandbox: &Result<bool, AwsError>,
    verified: Option<&Result<Option<bool>, AwsError>>,
    number: Option<&PhoneNumber>,
    verify: impl Fn(&str, bool) -> String,
) -> Finding {
    let SandboxIn { what, region, action, page } = place;
    let leave = || format!("AWS Support lets the account out of the SMS sandbox: {page}");
    let what = format!("{what} in {region}");
    match sandbox {
        Err(error) => {
            return Finding::not_checked(SANDBOX, "whether the account is in the SMS sandbox", error);
        }
        Ok(false) => {
            return Finding::ok(SANDBOX, format!("{what} sends to everybody"))
                .why(format!("{action} answers that the account is not in the sandbox"));
        }
        Ok(true) => {}
    }
    let finding = match (number, verified) {
        (Some(number), Some(Ok(Some(true)))) => Finding::ok(
            SANDBOX,
            format!("{what} is in the sandbox, and {} is verified there", number.expose()),
        ),
        (Some(number), Some(Ok(state))) => {
            let (number, started) = (number.expose(), state.is_some());
            let state = if started { "whose verification is not finished" } else { "which is not verified" };
            Finding::cause(
                SANDBOX,
                format!("{what} is in the sandbox and sends nothing to {number}, {state} there"),
            )
            .advice(leave())
            .command(verify(number, started))
            .advice(if started {
                "The command is for tests: CODE is what that number was sent."
            } else {
                "The command is for tests: it sends that number a code to verify it with."
            })
        }
        (Some(_), Some(Err(error))) => Finding::new(
            SANDBOX,
            Level::NotChecked,
            format!("{what} is in the sandbox; whether the number is verified: not checked, {error}"),
        )
        .advice(leave()),
        (_, None) | (None, Some(_)) => {
            Finding::warning(SANDBOX, format!("{what} is in the sandbox: only verified numbers get SMS"))
                .advice(leave())
        }
    };
    finding.why(format!("{action} answers that the account is in the sandbox, where only verified numbers are sent to ({page})"))
}

fn opted_out_of_sns(region: &str, number: &PhoneNumber, opted_out: bool) -> Finding {
    let number = number.expose();
    if !opted_out {
        return Finding::ok(OPTED_OUT, format!("{number} has not opted out of the account's SMS"))
            .why("sns:CheckIfPhoneNumberIsOptedOut answers false");
    }
    Finding::cause(
        OPTED_OUT,
        format!("{number} has opted out of the account's SMS, by an answer such as STOP"),
    )
    .step(Step::OptInPhone { region: region.to_owned(), number: number.to_owned() })
    .advice("Only when its owner wants it; AWS takes this back once in 30 days.")
    .why(
        "sns:CheckIfPhoneNumberIsOptedOut answers true; SNS takes messages to it and sends none \
             (https://docs.aws.amazon.com/sns/latest/dg/sms_manage.html)",
    )
}

fn origination_of_sns(way: &Way, facts: &SnsFacts, number: &PhoneNumber) -> Option<Finding> {
    let country = country_of(number)?;
    let Some(originations) = &facts.originations else { return dlt(country) };
    let chosen = match &way.provider {
        Provider::Sns { number } => number.as_deref(),
        Provider::EndUserMessaging { .. } => None,
    };
    let rule = format!("operators there take SMS from registered numbers only ({COGNITO_SMS})");
    let numbers = match originations {
        Ok(numbers) => numbers,
        Err(error) => {
            return Some(Finding::not_checked(
                ORIGINATION,
                "whether the account has a number to send from",
                error,
            ));
        }
    };
    let region = &way.region;
    let own: Vec<_> = numbers.iter().filter(|own| own.country == country.to_string() && own.sms).collect();
    let answer = format!("sns:ListOriginationNumbers answers {} with SMS in {country}", own.len());
    let finding = if own.iter().any(|own| own.status.eq_ignore_ascii_case("ACTIVE")) {
        Finding::ok(ORIGINATION, format!("SNS in {region} has a number in {country} to send from"))
    } else if let Some(own) = own.first() {
        Finding::warning(
            ORIGINATION,
            format!(
                "the number in {country} that SNS in {region} sends from is not active ({}): SMS to {country} may go \
                 nowhere",
                plain(&own.status)
            ),
        )
        .advice("Its registration has to be finished: https://console.aws.amazon.com/sms-voice/home.")
    } else if let Some(chosen) = chosen {
        Finding::warning(
            ORIGINATION,
            format!(
                "SMS_ORIGINATION_NUMBER is {}, but SNS in {region} has no number in {country}: SMS to {country} may go \
                 nowhere",
                plain(chosen)
            ),
        )
        .advice("Deploy the stack with a number of this account and Region as SmsOriginationNumber.")
    } else {
        Finding::cause(
            ORIGINATION,
            format!("SNS in {region} has no number in {country} to send from: operators there drop the SMS"),
        )
        .command(format!(
            "aws pinpoint-sms-voice-v2 request-phone-number --iso-country-code {country} --message-type TRANSACTIONAL \
             --number-capabilities SMS --number-type TOLL_FREE --region {}",
            quote(region)
        ))
        .advice("A toll-free number has to be registered before it works; 10DLC and short codes are other ways.")
    };
    Some(finding.why(answer).why(rule))
}

/// What India wants: no cause, because SMS without it go another, dearer way.
fn dlt(country: Country) -> Option<Finding> {
    (country.to_string() == "IN").then(|| {
        Finding::ok(
            ORIGINATION,
            "SMS to India go by the international way, which is dearer and less reliable",
        )
        .advice(
            "For the local way, register the sender and the text under DLT and use End User Messaging SMS.",
        )
        .why("https://docs.aws.amazon.com/sms-voice/latest/userguide/registrations-sms-senderid-india.html")
    })
}

fn default_type(region: &str, default_type: &str) -> Finding {
    let finding = if default_type == "Promotional" {
        Finding::warning(
            TYPE,
            format!("SNS in {region} sends what names no type as Promotional, which operators deliver later or not at all"),
        )
        .command(format!(
            "aws sns set-sms-attributes --attributes DefaultSMSType=Transactional --region {}",
            quote(region)
        ))
    } else {
        Finding::ok(TYPE, format!("SNS in {region} sends what names no type as {}", plain(default_type)))
    };
    finding.why(
        "sns:GetSMSAttributes answers DefaultSMSType, Promotional where nobody set it; whether Cognito names a type for \
         its own SMS is not documented (https://docs.aws.amazon.com/sns/latest/dg/sms_preferences.html)",
    )
}

// End User Messaging SMS.

struct MessagingFacts {
    limit: Result<SpendLimit, AwsError>,
    spent: Result<Option<f64>, AwsError>,
    sandbox: Result<bool, AwsError>,
    verified: Option<Result<Option<Destination>, AwsError>>,
    /// Where the identity is known, and a number or a pool.
    origination: Option<Result<Option<Origination>, AwsError>>,
    /// The list, and whether the number is on it.
    opted_out: Option<(String, Result<bool, AwsError>)>,
}

async fn facts_of_messaging(
    subject: &Subject<'_>,
    way: &Way,
    identity: Option<&str>,
    number: Option<&PhoneNumber>,
) -> MessagingFacts {
    let (messaging, progress) = (&EndUserMessaging::new(subject.aws, &way.region), subject.progress);
    let (limit, spent, (sandbox, verified), (origination, opted_out)) = tokio::join!(
        progress.of(messaging.spend_limit()),
        progress.of(month_to_date_spend(subject.aws, &way.region, Spend::EndUserMessaging)),
        async {
            let sandbox = progress.of(messaging.in_sandbox()).await;
            let verified = match number {
                Some(number) if sandbox.as_ref().is_ok_and(|sandbox| *sandbox) => {
                    Some(progress.of(messaging.verified_in_sandbox(number.expose())).await)
                }
                _ => None,
            };
            (sandbox, verified)
        },
        async {
            let origination = match identity.filter(|arn| !arn.contains(":sender-id/")) {
                Some(arn) => Some(progress.of(messaging.origination(arn)).await),
                None => None,
            };
            let list = origination.as_ref().and_then(|origination| origination.as_ref().ok()?.as_ref());
            let list =
                list.map_or_else(|| "Default".to_owned(), |origination| origination.opt_out_list.clone());
            let opted_out = match number {
                Some(number) => {
                    let opted_out = progress.of(messaging.opted_out(&list, number.expose())).await;
                    Some((list, opted_out))
                }
                None => None,
            };
            (origination, opted_out)
        },
    );
    MessagingFacts { limit, spent, sandbox, verified, origination, opted_out }
}

fn by_messaging(way: &Way, facts: &MessagingFacts, number: Option<&PhoneNumber>) -> Vec<Finding> {
    let region = &way.region;
    let mut findings = vec![spend_of_messaging(region, facts)];
    let destination = facts.verified.as_ref().and_then(|answer| answer.as_ref().ok()?.as_ref());
    let verified = facts.verified.as_ref().map(|answer| match answer {
        Ok(destination) => Ok(destination.as_ref().map(|destination| destination.verified)),
        Err(error) => Err(error.clone()),
    });
    findings.push(sandbox(
        SandboxIn {
            what: "End User Messaging SMS",
            region,
            action: "sms-voice:DescribeAccountAttributes",
            page: "https://docs.aws.amazon.com/sms-voice/latest/userguide/sandbox.html",
        },
        &facts.sandbox,
        verified.as_ref(),
        number,
        |number, _| {
            let words = match destination {
                Some(begun) => format!(
                    "verify-destination-number --verified-destination-number-id {} --verification-code CODE",
                    quote(&begun.id)
                ),
                None => {
                    format!("create-verified-destination-number --destination-phone-number {}", quote(number))
                }
            };
            format!("aws pinpoint-sms-voice-v2 {words} --region {}", quote(region))
        },
    ));
    if let Some(origination) = &facts.origination {
        findings.push(match origination {
            Ok(origination) => origination_of_messaging(region, origination.as_ref(), number),
            Err(error) => {
                Finding::not_checked(ORIGINATION, "the number or pool that SMS are sent from", error)
            }
        });
    }
    if let (Some(number), Some((list, opted_out))) = (number, &facts.opted_out) {
        findings.push(match opted_out {
            Ok(out) => opted_out_of_messaging(region, list, number, *out),
            Err(error) => Finding::not_checked(OPTED_OUT, "whether the number has opted out", error),
        });
    }
    findings
}

#[expect(clippy::cast_precision_loss, reason = "a limit of 2^53 US dollars is none")]
fn spend_of_messaging(region: &str, facts: &MessagingFacts) -> Finding {
    let (limit, spent) = match (&facts.limit, &facts.spent) {
        (Ok(limit), Ok(Some(spent))) => (*limit, *spent),
        (Ok(_), Ok(None)) => {
            let sentence =
                "what SMS have cost this month: not checked, the metric TextMessageMonthlySpend has no data";
            return Finding::new(SPEND, Level::NotChecked, sentence)
                .why(format!("cloudwatch:GetMetricData answers no value ({MESSAGING_SPEND})"));
        }
        (Err(error), _) => return Finding::not_checked(SPEND, "the limit of what SMS may cost", error),
        (_, Err(error)) => return Finding::not_checked(SPEND, "what SMS have cost this month", error),
    };
    let SpendLimit { enforced, most } = limit;
    let finding = spend("End User Messaging SMS", region, enforced as f64, spent).why(format!(
        "sms-voice:DescribeSpendLimits answers {enforced}, of at most {most}, and CloudWatch's TextMessageMonthlySpend \
         is {spent} ({MESSAGING_SPEND})"
    ));
    match finding.level {
        Level::Ok => finding,
        _ if enforced < most => finding.command(format!(
            "aws pinpoint-sms-voice-v2 set-text-message-spend-limit-override --monthly-limit {most} --region {}",
            quote(region)
        )),
        _ => finding.advice("Ask Service Quotas for more TextMessageMonthlySpend of AWS End User Messaging."),
    }
}

fn origination_of_messaging(
    region: &str,
    origination: Option<&Origination>,
    number: Option<&PhoneNumber>,
) -> Finding {
    let Some(Origination { status, country, international, .. }) = origination else {
        return Finding::cause(
            ORIGINATION,
            format!("End User Messaging SMS in {region} does not know what SMS_ORIGINATION_IDENTITY names: it refuses \
                     every SMS"),
        )
        .advice("Deploy the stack with the ARN of a number or pool of this account as SmsOriginationIdentity.")
        .why("sms-voice:DescribePhoneNumbers or DescribePools knows none of that ARN");
    };
    let answer = format!("sms-voice:DescribePhoneNumbers or DescribePools answers Status {status}");
    if status != "ACTIVE" {
        return Finding::cause(
            ORIGINATION,
            format!("the number or pool that SMS are sent from is not active ({})", plain(status)),
        )
        .advice("Its registration has to be finished: https://console.aws.amazon.com/sms-voice/home.")
        .why(answer);
    }
    let to = number.and_then(country_of).map(|country| country.to_string());
    match (country, to) {
        (Some(from), Some(to)) if *from != to && !international => Finding::cause(
            ORIGINATION,
            format!("SMS are sent from a number in {}, which may not send to {to}", plain(from)),
        )
        .advice("Deploy with the ARN of a pool that has a number there, or of a number that may send abroad.")
        .why(answer)
        .why(
            "InternationalSendingEnabled is false \
             (https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_PhoneNumberInformation.html)",
        ),
        _ => Finding::ok(ORIGINATION, "the number or pool that SMS are sent from is active").why(answer),
    }
}

fn opted_out_of_messaging(region: &str, list: &str, number: &PhoneNumber, opted_out: bool) -> Finding {
    let number = number.expose();
    let why = format!("sms-voice:DescribeOptedOutNumbers was asked for {number} on the list {list}");
    if !opted_out {
        return Finding::ok(OPTED_OUT, format!("{number} has not opted out of the account's SMS")).why(why);
    }
    Finding::cause(OPTED_OUT, format!("{number} has opted out of the account's SMS, by an answer such as STOP"))
        .command(format!(
            "aws pinpoint-sms-voice-v2 delete-opted-out-number --opt-out-list-name {} --opted-out-number {} --region {}",
            quote(list),
            quote(number),
            quote(region)
        ))
        .advice("Only when its owner wants it; AWS takes this back once in 30 days.")
        .why(why)
}

// The sender's own limits.

/// That a number that asked often enough gets nothing for a while: the counters are not read here.
fn limits(variables: &BTreeMap<String, String>) -> Finding {
    let setting = |name: &str, default: &'static str| {
        variables
            .get(name)
            .map(|value| plain(value))
            .filter(|value| !value.is_empty())
            .unwrap_or_else(|| default.to_owned())
    };
    let number = setting("SMS_MAX_PER_NUMBER_HOURLY", "6");
    let country = setting("SMS_MAX_PER_COUNTRY_DAILY", "500");
    let day = setting("SMS_DAILY_BUDGET_MESSAGES", "1000");
    let price = variables.get("SMS_MAX_PRICE_USD").filter(|price| !price.is_empty());
    let price = price.map(|price| format!(", and at a price over USD {} for one", plain(price)));
    let sentence = format!(
        "custom-sms-sender stops after {number} SMS to a number in an hour, {country} to a country and {day} in all in a \
         day{}",
        price.unwrap_or_default()
    );
    Finding::ok(LIMITS, sentence)
        .why("the counters are not read here: what was stopped is counted by the metric PumpingBlocked, and a user gets \
              codes again when the hour or the day (UTC) is over; docs/sms-pumping.md")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_nearly_reached_from_four_fifths_on() {
        for (spent, level) in [
            (0.0, Level::Ok),
            (0.79, Level::Ok),
            (0.8, Level::Warning),
            (1.0, Level::Cause),
            (7.5, Level::Cause),
        ] {
            assert_eq!(spend("SNS", "eu-central-1", 1.0, spent).level, level, "{spent}");
        }
    }
}
