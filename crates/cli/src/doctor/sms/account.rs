//! What SNS and End User Messaging have in common: countries, the SMS spend limit and the SMS sandbox.

use shared::phone::{Country, PhoneNumber, Territory};

use crate::aws::AwsError;
use crate::doctor::finding::Finding;
use crate::doctor::level::Level;
use crate::doctor::registry::CheckId;

/// The share of the spend limit from which doctor warns.
const NEARLY: f64 = 0.8;

/// The country of a number that can get SMS.
pub(super) fn country_of(number: &PhoneNumber) -> Option<Country> {
    match number.territory() {
        Territory::Country(country) => Some(country),
        Territory::Never(_) | Territory::Unknown => None,
    }
}

/// How much of the month's SMS spend limit is used.
pub(super) fn spend(service: &str, region: &str, limit: f64, spent: f64) -> Finding {
    const CHECK: CheckId = CheckId::SmsSpend;
    let usage =
        format!("USD {spent:.2} of the monthly SMS spend limit of USD {limit:.2} ({service} in {region})");
    if spent >= limit {
        Finding::cause(
            CHECK,
            format!("the account has spent {usage}: no SMS is sent for the rest of the month"),
        )
    } else if spent >= NEARLY * limit {
        Finding::warning(CHECK, format!("the account has nearly reached its limit: {usage}"))
    } else {
        Finding::ok(CHECK, format!("the account has spent {usage}"))
    }
}

/// The service of the sandbox.
#[derive(Clone, Copy)]
pub(super) struct SandboxOf<'a> {
    pub(super) service: &'a str,
    pub(super) region: &'a str,
    pub(super) action: &'a str,
    pub(super) page: &'static str,
}

/// `verify` makes the command that verifies a number; its second argument is whether the verification has started.
pub(super) fn sandbox(
    of: SandboxOf<'_>,
    sandbox: &Result<bool, AwsError>,
    verified: Option<&Result<Option<bool>, AwsError>>,
    number: Option<&PhoneNumber>,
    verify: impl Fn(&str, bool) -> String,
) -> Finding {
    const CHECK: CheckId = CheckId::SmsSandbox;
    let SandboxOf { service, region, action, page } = of;
    let leave = || format!("To leave the SMS sandbox, open a case with AWS Support: {page}");
    let service = format!("{service} in {region}");
    match sandbox {
        Err(error) => {
            return Finding::not_checked(CHECK, "whether the account is in the SMS sandbox", error);
        }
        Ok(false) => {
            return Finding::ok(CHECK, format!("the account isn't in the SMS sandbox of {service}"))
                .evidence(format!("{action} returns that the account isn't in the sandbox"));
        }
        Ok(true) => {}
    }
    let in_sandbox = format!("the account is in the SMS sandbox of {service}");
    let finding = match (number, verified) {
        (Some(number), Some(Ok(Some(true)))) => {
            Finding::ok(CHECK, format!("{in_sandbox}, and {} is verified there", number.expose()))
        }
        (Some(number), Some(Ok(state))) => {
            let (number, started) = (number.expose(), state.is_some());
            let state = if started {
                format!("the verification of {number} isn't finished")
            } else {
                format!("{number} isn't verified there")
            };
            Finding::cause(CHECK, format!("{in_sandbox}, and {state}: no SMS is sent to it"))
                .advice(leave())
                .advice(if started {
                    "Or, for a test, finish the verification; CODE is what the number received:"
                } else {
                    "Or, for a test, verify the number; this sends it a code:"
                })
                .command(verify(number, started))
        }
        (Some(_), Some(Err(error))) => Finding::new(
            CHECK,
            Level::NotChecked,
            format!("{in_sandbox}; whether the number is verified: not checked, {error}"),
        )
        .advice(leave()),
        (_, None) | (None, Some(_)) => {
            Finding::warning(CHECK, format!("{in_sandbox}: only verified numbers get SMS")).advice(leave())
        }
    };
    finding.evidence(format!("{action} returns that the account is in the sandbox")).source(page)
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
