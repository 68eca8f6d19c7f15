//! SNS: spend limit, sandbox, opt-outs, origination numbers.

use shared::phone::{Country, PhoneNumber};

use super::account::{SandboxOf, country_of, sandbox, spend};
use super::sender::{COGNITO_SMS, Provider, SmsRoute, SmsSender};
use crate::aws::AwsError;
use crate::aws::cloudwatch::{Spend, month_to_date_spend};
use crate::aws::sns::{Attributes, OriginationNumber, Sns};
use crate::doctor::finding::Finding;
use crate::doctor::level::Level;
use crate::doctor::registry::CheckId;
use crate::doctor::step::Step;
use crate::doctor::subject::Subject;
use crate::terminal::output::plain;
use crate::terminal::shell::quote;
use crate::terminal::words::count;

const SPEND_PAGE: &str = "https://docs.aws.amazon.com/sns/latest/dg/sms_stats_cloudwatch.html";
const SANDBOX_PAGE: &str = "https://docs.aws.amazon.com/sns/latest/dg/sns-sms-sandbox.html";
const OPT_OUT_PAGE: &str = "https://docs.aws.amazon.com/sns/latest/dg/sms_manage.html";
const TYPE_PAGE: &str = "https://docs.aws.amazon.com/sns/latest/dg/sms_preferences.html";

/// What SNS and CloudWatch returned.
pub(super) struct SnsFacts {
    attributes: Result<Attributes, AwsError>,
    spent: Result<Option<f64>, AwsError>,
    sandbox: Result<bool, AwsError>,
    /// In the sandbox, if the number is known.
    verified: Option<Result<Option<bool>, AwsError>>,
    /// If the number is known.
    opted_out: Option<Result<bool, AwsError>>,
    /// If the number's country requires one.
    originations: Option<Result<Vec<OriginationNumber>, AwsError>>,
}

pub(super) async fn facts(subject: &Subject<'_>, route: &SmsRoute, number: Option<&PhoneNumber>) -> SnsFacts {
    let (sns, progress) = (&Sns::new(subject.aws, &route.region), subject.progress);
    let (attributes, spent, (sandbox, verified), opted_out, originations) = tokio::join!(
        progress.of(sns.attributes()),
        progress.of(month_to_date_spend(subject.aws, &route.region, Spend::Sns)),
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
                Some(country) if requires_origination(country) => {
                    Some(progress.of(sns.origination_numbers()).await)
                }
                _ => None,
            }
        },
    );
    SnsFacts { attributes, spent, sandbox, verified, opted_out, originations }
}

/// Whether operators in that country reject SMS without a registered origination number.
///
/// Source: <https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-sms-settings.html>
fn requires_origination(country: Country) -> bool {
    country.to_string() == "US"
}

pub(super) fn findings(
    route: &SmsRoute,
    facts: &SnsFacts,
    sender: &SmsSender<'_>,
    number: Option<&PhoneNumber>,
) -> Vec<Finding> {
    let region = &route.region;
    let mut findings = vec![spend_of_sns(region, facts)];
    findings.push(sandbox(
        SandboxOf { service: "SNS", region, action: "sns:GetSMSSandboxAccountStatus", page: SANDBOX_PAGE },
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
            Ok(opted_out) => opt_out(region, number, *opted_out),
            Err(error) => {
                Finding::not_checked(CheckId::SmsOptedOut, "whether the number has opted out", error)
            }
        });
    }
    if let Some(number) = number {
        findings.extend(origination(route, facts, number));
    }
    if let (true, Ok(attributes)) = (sender.is_cognito(), &facts.attributes) {
        findings.push(default_type(region, &attributes.default_type));
    }
    findings
}

fn spend_of_sns(region: &str, facts: &SnsFacts) -> Finding {
    const CHECK: CheckId = CheckId::SmsSpend;
    let (limit, spent) = match (&facts.attributes, &facts.spent) {
        (Ok(attributes), Ok(Some(spent))) => (attributes.monthly_spend_limit, *spent),
        // The metric appears with the first SMS.
        (Ok(_), Ok(None)) => {
            return Finding::ok(CHECK, format!("SNS in {region} has sent no SMS this month"))
                .evidence("CloudWatch has no data for SMSMonthToDateSpentUSD")
                .source(SPEND_PAGE);
        }
        (Err(error), _) => return Finding::not_checked(CHECK, "the SMS spend limit", error),
        (_, Err(error)) => return Finding::not_checked(CHECK, "this month's SMS spend", error),
    };
    let raised = (limit * 2.0).ceil();
    let finding = spend("SNS", region, limit, spent)
        .evidence(format!(
            "sns:GetSMSAttributes returns MonthlySpendLimit {limit} (1 by default), and CloudWatch's \
             SMSMonthToDateSpentUSD is {spent}; above the limit SNS accepts messages but doesn't send them"
        ))
        .source(SPEND_PAGE);
    if finding.level == Level::Ok {
        return finding;
    }
    finding
        .advice("First check for SMS pumping: docs/sms-pumping.md. Then raise the limit:")
        .command(format!(
            "aws sns set-sms-attributes --attributes MonthlySpendLimit={raised} --region {}",
            quote(region)
        ))
        .advice(
            "That works up to the account's quota. To raise the quota, request TextMessageMonthlySpend of AWS End User \
             Messaging from Service Quotas.",
        )
}

fn opt_out(region: &str, number: &PhoneNumber, opted_out: bool) -> Finding {
    const CHECK: CheckId = CheckId::SmsOptedOut;
    let number = number.expose();
    if !opted_out {
        return Finding::ok(CHECK, format!("{number} hasn't opted out of the account's SMS"))
            .evidence("sns:CheckIfPhoneNumberIsOptedOut returns false");
    }
    Finding::cause(CHECK, format!("{number} has opted out of the account's SMS, for example by replying STOP"))
        .step(Step::OptInPhone { region: region.to_owned(), number: number.to_owned() })
        .advice("Only if the owner of the number agrees. AWS allows it once in 30 days.")
        .evidence(
            "sns:CheckIfPhoneNumberIsOptedOut returns true; SNS accepts messages to that number and doesn't send them",
        )
        .source(OPT_OUT_PAGE)
}

fn origination(route: &SmsRoute, facts: &SnsFacts, number: &PhoneNumber) -> Option<Finding> {
    const CHECK: CheckId = CheckId::SmsOrigination;
    let country = country_of(number)?;
    let configured = match &route.provider {
        Provider::Sns { number } => number.as_deref(),
        Provider::EndUserMessaging { .. } => None,
    };
    let numbers = match facts.originations.as_ref()? {
        Ok(numbers) => numbers,
        Err(error) => {
            return Some(Finding::not_checked(CHECK, "whether the account has an origination number", error));
        }
    };
    let region = &route.region;
    let own: Vec<_> = numbers.iter().filter(|own| own.country == country.to_string() && own.sms).collect();
    let finding = if own.iter().any(|own| own.status.eq_ignore_ascii_case("ACTIVE")) {
        Finding::ok(CHECK, format!("SNS in {region} has an active origination number in {country}"))
    } else if let Some(own) = own.first() {
        Finding::warning(
            CHECK,
            format!(
                "the origination number of SNS in {region} for {country} isn't active ({}): operators may drop the SMS",
                plain(&own.status)
            ),
        )
        .advice("Finish its registration: https://console.aws.amazon.com/sms-voice/home.")
    } else if let Some(configured) = configured {
        Finding::warning(
            CHECK,
            format!(
                "SMS_ORIGINATION_NUMBER is {}, but SNS in {region} has no origination number in {country}: operators \
                 may drop the SMS",
                plain(configured)
            ),
        )
        .advice("Set SmsOriginationNumber in MoreSettings to a number of this account and Region, and deploy the stack again.")
    } else {
        Finding::cause(
            CHECK,
            format!("SNS in {region} has no origination number in {country}: operators there drop the SMS"),
        )
        .command(format!(
            "aws pinpoint-sms-voice-v2 request-phone-number --iso-country-code {country} --message-type TRANSACTIONAL \
             --number-capabilities SMS --number-type TOLL_FREE --region {}",
            quote(region)
        ))
        .advice("A toll-free number must be registered before it works. 10DLC numbers and short codes work too.")
    };
    Some(
        finding
            .evidence(format!(
                "sns:ListOriginationNumbers returns {} with SMS in {country}; operators there accept SMS only from \
                 registered numbers",
                count(own.len(), "number")
            ))
            .source(COGNITO_SMS),
    )
}

fn default_type(region: &str, default_type: &str) -> Finding {
    const CHECK: CheckId = CheckId::SmsType;
    let finding = if default_type == "Promotional" {
        Finding::warning(
            CHECK,
            format!(
                "the default SMS type of SNS in {region} is Promotional: operators deliver such SMS later or not at all"
            ),
        )
        .command(format!(
            "aws sns set-sms-attributes --attributes DefaultSMSType=Transactional --region {}",
            quote(region)
        ))
    } else {
        Finding::ok(CHECK, format!("the default SMS type of SNS in {region} is {}", plain(default_type)))
    };
    finding
        .evidence(
            "sns:GetSMSAttributes returns DefaultSMSType, which is Promotional unless it was set; AWS doesn't document \
             whether Cognito sets a type for its own SMS",
        )
        .source(TYPE_PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts_with(originations: Option<Result<Vec<OriginationNumber>, AwsError>>) -> SnsFacts {
        let error = || AwsError::new(crate::aws::Kind::Other, "");
        SnsFacts {
            attributes: Err(error()),
            spent: Err(error()),
            sandbox: Err(error()),
            verified: None,
            opted_out: None,
            originations,
        }
    }

    /// DLT needs an entity id and a template id in each request, and custom-sms-sender sends neither.
    #[test]
    fn a_number_in_india_gets_no_advice_about_dlt() {
        let route = SmsRoute { region: "ap-south-1".to_owned(), provider: Provider::Sns { number: None } };
        let number = "+919876543210".parse().expect("a number");
        assert!(origination(&route, &facts_with(None), &number).is_none());
    }
}
