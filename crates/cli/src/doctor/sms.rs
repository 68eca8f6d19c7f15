//! SMS: what sends it, whether the account can, and whether the number accepts it.
//!
//! Sources: "SMS message settings for Amazon Cognito user pools", Amazon Cognito developer guide, and the API references
//! of SNS and AWS End User Messaging SMS.

mod account;
mod end_user_messaging;
mod sender;
mod sns;

use std::collections::BTreeMap;

use shared::phone::{PhoneNumber, SmsPermission, SmsRefusal};
use shared::trigger::Trigger;

use super::contact::{Contact, OWN_CONTACT};
use super::finding::Finding;
use super::registry::CheckId;
use super::settings::{blocked_domain, read, unusable};
use super::subject::Subject;
use crate::terminal::output::plain;
use crate::terminal::shell::quote;
use pool::user_pool::UserPool;
use sender::{Provider, SmsRoute, SmsSender};

pub(super) async fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let Ok(pool) = subject.pool else {
        // The email checks report that the user pool couldn't be described.
        return Vec::new();
    };
    let number = subject.phone_number();
    if number.is_none() && !uses_sms(pool) {
        return Vec::new();
    }
    let sender = SmsSender::of(subject, pool);
    let parsed = number.as_deref().and_then(|number| number.parse::<PhoneNumber>().ok());
    let mut findings = sender::findings(subject, pool, &sender);
    if let Some(number) = number.as_deref() {
        findings.extend(of_number(subject, &sender, number, parsed.as_ref()));
    }
    findings.extend(match sender.route() {
        Some(route @ SmsRoute { provider: Provider::Sns { .. }, .. }) => {
            let facts = Box::pin(sns::facts(subject, route, parsed.as_ref())).await;
            sns::findings(route, &facts, &sender, parsed.as_ref())
        }
        Some(route @ SmsRoute { provider: Provider::EndUserMessaging { identity }, .. }) => {
            let facts = end_user_messaging::facts(subject, route, identity.as_deref(), parsed.as_ref());
            let facts = Box::pin(facts).await;
            end_user_messaging::findings(route, &facts, parsed.as_ref())
        }
        None => Vec::new(),
    });
    if let SmsSender::Function { variables, .. } = &sender {
        findings.push(limits(variables));
    }
    findings
}

/// Whether the user pool sends codes by SMS at all.
fn uses_sms(pool: &UserPool) -> bool {
    pool.recovery_mechanisms().contains(&"verified_phone_number")
        || pool.auto_verified_attributes().contains(&"phone_number")
        || (pool.mfa() != "OFF" && pool.sms_configuration().is_some())
}

/// The checks of the number itself and of the settings of custom-sms-sender.
fn of_number(
    subject: &Subject<'_>,
    sender: &SmsSender<'_>,
    number: &str,
    parsed: Option<&PhoneNumber>,
) -> Vec<Finding> {
    let Some(parsed) = parsed else {
        let finding = Finding::cause(
            CheckId::SmsNumber,
            format!("{} isn't a number in E.164 format (+12065550123): nothing is sent to it", plain(number)),
        )
        .evidence("SNS and End User Messaging accept `+`, the calling code and the number (ITU-T E.164)");
        return vec![match subject.user() {
            Some(user) => finding.advice(OWN_CONTACT).command(format!(
                "aws cognito-idp admin-update-user-attributes --user-pool-id {} --username {} --user-attributes \
                 Name=phone_number,Value=RIGHT-NUMBER Name=phone_number_verified,Value=true --region {}",
                quote(subject.pool_id),
                quote(&user.name),
                quote(subject.region()),
            )),
            None => finding,
        }];
    };
    let SmsSender::Function { variables, .. } = sender else { return Vec::new() };
    let mut findings = vec![country(variables, parsed)];
    let address = subject.user().and_then(|user| user.attribute("email"));
    findings.extend(address.and_then(|address| blocked_domain(Contact::Phone, variables, address)));
    findings
}

fn country(variables: &BTreeMap<String, String>, number: &PhoneNumber) -> Finding {
    const CHECK: CheckId = CheckId::SmsCountry;
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method is for one lifetime of settings"
    )]
    let allowed = match read(variables, |settings| settings.allowed_countries()) {
        Ok(allowed) => allowed,
        Err(error) => {
            let what = "whether custom-sms-sender allows the number's country";
            return unusable(&error, CHECK, Trigger::CustomSmsSender, what);
        }
    };
    let shown = number.expose();
    let finding = match allowed.decide(number) {
        SmsPermission::Allowed(country) => {
            Finding::ok(CHECK, format!("custom-sms-sender allows {country}, the country of {shown}"))
        }
        SmsPermission::Refused(refusal @ SmsRefusal::NotListed(country)) => {
            let list: Vec<_> = allowed.iter().chain([country]).map(|country| country.to_string()).collect();
            Finding::cause(CHECK, format!("custom-sms-sender sends nothing to {shown}: {refusal}")).advice(format!(
                "To allow the country, deploy the stack with SmsAllowedCountries={}; each country makes SMS pumping \
                 easier (docs/sms-pumping.md).",
                list.join(",")
            ))
        }
        SmsPermission::Refused(refusal) => {
            Finding::cause(CHECK, format!("custom-sms-sender sends nothing to {shown}: {refusal}"))
                .advice("No setting allows it: the user needs another number, or codes by email.")
        }
    };
    finding.evidence(
        "SMS_ALLOWED_COUNTRIES of the function lists the allowed countries; the country follows from the number's first \
         digits (docs/adr/0005-phone-table.md)",
    )
}

/// The SMS limits of custom-sms-sender. Its counters are not read here.
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
    let price = price.map(|price| format!(", and at most USD {} for one", plain(price)));
    let summary = format!(
        "SMS limits of custom-sms-sender: {number} per number and hour, {country} per country and day, {day} per day{}",
        price.unwrap_or_default()
    );
    Finding::ok(CheckId::SmsLimits, summary).evidence(
        "doctor doesn't read the counters: the metric PumpingBlocked counts blocked messages, and the user gets codes \
         again when the hour or the day (UTC) is over; docs/sms-pumping.md",
    )
}
