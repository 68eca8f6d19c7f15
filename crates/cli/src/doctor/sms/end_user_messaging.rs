//! AWS End User Messaging SMS: spend limit, sandbox, opt-outs, origination identity.

use shared::phone::PhoneNumber;

use super::account::{SandboxOf, country_of, sandbox, spend};
use super::sender::SmsRoute;
use crate::aws::AwsError;
use crate::aws::cloudwatch::{Spend, month_to_date_spend};
use crate::aws::end_user_messaging::{Destination, EndUserMessaging, Origination, SpendLimit};
use crate::doctor::finding::Finding;
use crate::doctor::level::Level;
use crate::doctor::registry::CheckId;
use crate::doctor::subject::Subject;
use crate::terminal::output::plain;
use crate::terminal::shell::quote;

const SPEND_PAGE: &str = "https://docs.aws.amazon.com/sms-voice/latest/userguide/spend-limit.html";
const SANDBOX_PAGE: &str = "https://docs.aws.amazon.com/sms-voice/latest/userguide/sandbox.html";
const NUMBER_PAGE: &str =
    "https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_PhoneNumberInformation.html";

/// What End User Messaging SMS and CloudWatch returned.
pub(super) struct MessagingFacts {
    limit: Result<SpendLimit, AwsError>,
    spent: Result<Option<f64>, AwsError>,
    sandbox: Result<bool, AwsError>,
    verified: Option<Result<Option<Destination>, AwsError>>,
    /// If the origination identity is known and is a number or a pool.
    origination: Option<Result<Option<Origination>, AwsError>>,
    /// The opt-out list, and whether the number is on it.
    opted_out: Option<(String, Result<bool, AwsError>)>,
}

pub(super) async fn facts(
    subject: &Subject<'_>,
    route: &SmsRoute,
    identity: Option<&str>,
    number: Option<&PhoneNumber>,
) -> MessagingFacts {
    let (messaging, progress) = (&EndUserMessaging::new(subject.aws, &route.region), subject.progress);
    let (limit, spent, (sandbox, verified), (origination, opted_out)) = tokio::join!(
        progress.of(messaging.spend_limit()),
        progress.of(month_to_date_spend(subject.aws, &route.region, Spend::EndUserMessaging)),
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

pub(super) fn findings(
    route: &SmsRoute,
    facts: &MessagingFacts,
    number: Option<&PhoneNumber>,
) -> Vec<Finding> {
    let region = &route.region;
    let mut findings = vec![spend_of_messaging(region, facts)];
    let destination = facts.verified.as_ref().and_then(|answer| answer.as_ref().ok()?.as_ref());
    let verified = facts.verified.as_ref().map(|answer| match answer {
        Ok(destination) => Ok(destination.as_ref().map(|destination| destination.verified)),
        Err(error) => Err(error.clone()),
    });
    findings.push(sandbox(
        SandboxOf {
            service: "End User Messaging SMS",
            region,
            action: "sms-voice:DescribeAccountAttributes",
            page: SANDBOX_PAGE,
        },
        &facts.sandbox,
        verified.as_ref(),
        number,
        |number, _| {
            let words = match destination {
                Some(started) => format!(
                    "verify-destination-number --verified-destination-number-id {} --verification-code CODE",
                    quote(&started.id)
                ),
                None => {
                    format!("create-verified-destination-number --destination-phone-number {}", quote(number))
                }
            };
            format!("aws pinpoint-sms-voice-v2 {words} --region {}", quote(region))
        },
    ));
    if let Some(identity) = &facts.origination {
        findings.push(match identity {
            Ok(identity) => origination(region, identity.as_ref(), number),
            Err(error) => Finding::not_checked(CheckId::SmsOrigination, "the origination identity", error),
        });
    }
    if let (Some(number), Some((list, opted_out))) = (number, &facts.opted_out) {
        findings.push(match opted_out {
            Ok(opted_out) => opt_out(region, list, number, *opted_out),
            Err(error) => {
                Finding::not_checked(CheckId::SmsOptedOut, "whether the number has opted out", error)
            }
        });
    }
    findings
}

#[expect(clippy::cast_precision_loss, reason = "no limit is as high as 2^53 US dollars")]
fn spend_of_messaging(region: &str, facts: &MessagingFacts) -> Finding {
    const CHECK: CheckId = CheckId::SmsSpend;
    let (limit, spent) = match (&facts.limit, &facts.spent) {
        (Ok(limit), Ok(Some(spent))) => (*limit, *spent),
        (Ok(_), Ok(None)) => {
            let summary =
                "this month's SMS spend: not checked, the metric TextMessageMonthlySpend has no data";
            return Finding::new(CHECK, Level::NotChecked, summary)
                .evidence("cloudwatch:GetMetricData returns no value")
                .source(SPEND_PAGE);
        }
        (Err(error), _) => return Finding::not_checked(CHECK, "the SMS spend limit", error),
        (_, Err(error)) => return Finding::not_checked(CHECK, "this month's SMS spend", error),
    };
    let SpendLimit { enforced, most } = limit;
    let finding = spend("End User Messaging SMS", region, enforced as f64, spent).evidence(format!(
        "sms-voice:DescribeSpendLimits returns {enforced}, of at most {most}, and CloudWatch's TextMessageMonthlySpend is \
         {spent}"
    ))
    .source(SPEND_PAGE);
    match finding.level {
        Level::Ok => finding,
        _ if enforced < most => finding.command(format!(
            "aws pinpoint-sms-voice-v2 set-text-message-spend-limit-override --monthly-limit {most} --region {}",
            quote(region)
        )),
        _ => finding.advice("Request a higher TextMessageMonthlySpend of AWS End User Messaging from Service Quotas."),
    }
}

fn origination(region: &str, origination: Option<&Origination>, number: Option<&PhoneNumber>) -> Finding {
    const CHECK: CheckId = CheckId::SmsOrigination;
    let Some(Origination { status, country, international, .. }) = origination else {
        return Finding::cause(
            CHECK,
            format!(
                "End User Messaging SMS in {region} doesn't have the identity in SMS_ORIGINATION_IDENTITY: it rejects \
                 every SMS"
            ),
        )
        .advice(
            "Set SmsOriginationIdentity to the ARN of a number or pool of this account, and deploy the stack again.",
        )
        .evidence("sms-voice:DescribePhoneNumbers or DescribePools finds none with that ARN");
    };
    let answer = format!("sms-voice:DescribePhoneNumbers or DescribePools returns Status {status}");
    if status != "ACTIVE" {
        return Finding::cause(CHECK, format!("the origination identity isn't active ({})", plain(status)))
            .advice("Finish its registration: https://console.aws.amazon.com/sms-voice/home.")
            .evidence(answer);
    }
    let to = number.and_then(country_of).map(|country| country.to_string());
    match (country, to) {
        (Some(from), Some(to)) if *from != to && !international => Finding::cause(
            CHECK,
            format!("the origination number is in {} and can't send to {to}", plain(from)),
        )
        .advice(
            "Set SmsOriginationIdentity to a pool that has a number there, or to a number with international sending, \
             and deploy the stack again.",
        )
        .evidence(answer)
        .evidence("InternationalSendingEnabled is false")
        .source(NUMBER_PAGE),
        _ => Finding::ok(CHECK, "the origination identity is active").evidence(answer),
    }
}

fn opt_out(region: &str, list: &str, number: &PhoneNumber, opted_out: bool) -> Finding {
    const CHECK: CheckId = CheckId::SmsOptedOut;
    let number = number.expose();
    let evidence = format!("sms-voice:DescribeOptedOutNumbers for {number} and the opt-out list {list}");
    if !opted_out {
        return Finding::ok(CHECK, format!("{number} hasn't opted out of the account's SMS"))
            .evidence(evidence);
    }
    Finding::cause(CHECK, format!("{number} has opted out of the account's SMS, for example by replying STOP"))
        .command(format!(
            "aws pinpoint-sms-voice-v2 delete-opted-out-number --opt-out-list-name {} --opted-out-number {} --region {}",
            quote(list),
            quote(number),
            quote(region)
        ))
        .advice("Only if the owner of the number agrees. AWS allows it once in 30 days.")
        .evidence(evidence)
}
