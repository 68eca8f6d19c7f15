//! What sends the user pool's SMS, and through which service.

use std::collections::BTreeMap;

use shared::arn::Arn;
use shared::trigger::Trigger;

use crate::aws::AwsError;
use crate::doctor::contact::Contact;
use crate::doctor::finding::Finding;
use crate::doctor::level::Level;
use crate::doctor::registry::CheckId;
use crate::doctor::severity::{Mitigation, mitigate};
use crate::doctor::subject::Subject;
use crate::doctor::user::state::channels;
use crate::terminal::output::plain;
use pool::user_pool::{SmsConfiguration, UserPool};

pub(super) const COGNITO_SMS: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-sms-settings.html";
const CUSTOM_SENDER: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-sms-sender.html";

/// What sends the user pool's SMS.
pub(super) enum SmsSender<'a> {
    /// The function custom-sms-sender.
    Function {
        variables: &'a BTreeMap<String, String>,
        route: SmsRoute,
    },
    /// Another function, or one whose settings can't be read.
    Unknown(Option<&'a AwsError>),
    Cognito {
        route: SmsRoute,
    },
    /// The user pool can't send SMS.
    Nothing,
}

/// The service that sends SMS, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SmsRoute {
    pub(super) region: String,
    pub(super) provider: Provider,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Provider {
    /// With the configured origination number, if there is one.
    Sns { number: Option<String> },
    /// With the ARN of the origination identity (number, pool or sender id), if it is known.
    EndUserMessaging { identity: Option<String> },
}

impl<'a> SmsSender<'a> {
    pub(super) fn of(subject: &Subject<'a>, pool: &UserPool) -> Self {
        let own_region = subject.region();
        if subject.sends(Trigger::CustomSmsSender) {
            return match subject.settings.get(&Trigger::CustomSmsSender) {
                Some(Ok(variables)) => Self::of_function(variables, own_region),
                Some(Err(error)) => Self::Unknown(Some(error)),
                None => Self::Unknown(None),
            };
        }
        let route = |sms| Self::Cognito { route: SmsRoute::of_cognito(sms, own_region) };
        pool.sms_configuration().map_or(Self::Nothing, route)
    }

    fn of_function(variables: &'a BTreeMap<String, String>, region: &str) -> Self {
        // Only the functions of this project have one of these settings.
        if !["SMS_ALLOWED_COUNTRIES", "CODE_KEY_ARN"].iter().any(|name| variables.contains_key(*name)) {
            return Self::Unknown(None);
        }
        let setting = |name| variables.get(name).filter(|value| !value.is_empty()).cloned();
        let provider = if setting("SMS_PROVIDER").as_deref() == Some("end-user-messaging") {
            Provider::EndUserMessaging { identity: setting("SMS_ORIGINATION_IDENTITY") }
        } else {
            Provider::Sns { number: setting("SMS_ORIGINATION_NUMBER") }
        };
        let of_identity = match &provider {
            Provider::EndUserMessaging { identity } => identity.as_deref().and_then(Arn::parse),
            Provider::Sns { .. } => None,
        };
        let region = match of_identity {
            Some(identity) => identity.region().to_owned(),
            None => setting("SMS_REGION").unwrap_or_else(|| region.to_owned()),
        };
        Self::Function { variables, route: SmsRoute { region, provider } }
    }

    pub(super) fn route(&self) -> Option<&SmsRoute> {
        match self {
            Self::Function { route, .. } | Self::Cognito { route } => Some(route),
            Self::Unknown(_) | Self::Nothing => None,
        }
    }

    pub(super) fn is_cognito(&self) -> bool {
        matches!(self, Self::Cognito { .. })
    }
}

impl SmsRoute {
    fn of_cognito(sms: SmsConfiguration<'_>, own_region: &str) -> Self {
        let provider = if sms.end_user_messaging {
            Provider::EndUserMessaging { identity: None }
        } else {
            Provider::Sns { number: None }
        };
        Self { region: sms.region.unwrap_or(own_region).to_owned(), provider }
    }

    fn words(&self) -> String {
        match self.provider {
            Provider::Sns { .. } => format!("SNS in {}", self.region),
            Provider::EndUserMessaging { .. } => format!("End User Messaging SMS in {}", self.region),
        }
    }
}

pub(super) fn findings(subject: &Subject<'_>, pool: &UserPool, sender: &SmsSender<'_>) -> Vec<Finding> {
    let failure = pool.sms_configuration_failure().map(|failure| configuration_failure(failure, sender));
    [sent_by(subject, pool, sender)].into_iter().chain(failure).collect()
}

fn sent_by(subject: &Subject<'_>, pool: &UserPool, sender: &SmsSender<'_>) -> Finding {
    const CHECK: CheckId = CheckId::SmsSender;
    let attached = pool.function_arn(Trigger::CustomSmsSender).unwrap_or_default();
    let trigger =
        format!("CustomSMSSender in the pool's LambdaConfig is {attached}, which sends instead of Cognito");
    match sender {
        SmsSender::Function { .. } if pool.sms_configuration().is_none() => Finding::warning(
            CHECK,
            "custom-sms-sender is attached, but the user pool has no SMS configuration: Cognito requires one with a \
             role even if a function sends",
        )
        .advice("Set SmsConfiguration in the user pool: its SnsCallerArn is a role that Cognito can assume.")
        .evidence(trigger)
        .source(CUSTOM_SENDER)
        .evidence("cognito-idp:DescribeUserPool returns no SmsConfiguration")
        .source(COGNITO_SMS),
        SmsSender::Function { route, .. } => {
            Finding::ok(CHECK, format!("custom-sms-sender sends the SMS, through {}", route.words()))
                .evidence(trigger)
                .source(CUSTOM_SENDER)
        }
        SmsSender::Unknown(Some(error)) => {
            Finding::not_checked(CHECK, "the settings of the function that sends the SMS", error)
        }
        SmsSender::Unknown(None) => Finding::new(
            CHECK,
            Level::NotChecked,
            format!("how {attached} sends the SMS: not checked, it isn't custom-sms-sender"),
        ),
        SmsSender::Cognito { route } => {
            Finding::ok(CHECK, format!("Cognito sends the SMS, through {}, to any country", route.words()))
                .evidence(
                    "cognito-idp:DescribeUserPool returns an SmsConfiguration and no CustomSMSSender; the permissions \
                     of its role were not checked",
                )
                .source(COGNITO_SMS)
        }
        SmsSender::Nothing => {
            let uses_phone = channels(subject).is_some_and(|channels| channels.contains(&Contact::Phone));
            let finding = if uses_phone {
                Finding::cause(CHECK, "the code should go to the user's phone, but the user pool can't send SMS")
            } else {
                Finding::warning(CHECK, "the user pool can't send SMS: codes for phones are not sent")
            };
            finding
                .advice(
                    "Deploy with SmsDelivery=sender and attach custom-sms-sender, set SmsConfiguration in the user \
                     pool, or put email first in its AccountRecoverySetting.",
                )
                .evidence("cognito-idp:DescribeUserPool returns neither CustomSMSSender nor SmsConfiguration")
                .source(COGNITO_SMS)
        }
    }
}

fn configuration_failure(failure: &str, sender: &SmsSender<'_>) -> Finding {
    let summary = format!("Cognito reports that it can't send SMS: {}", plain(failure));
    let finding = Finding::cause(CheckId::SmsConfigurationFailure, summary)
        .advice(
            "CloudTrail shows what was rejected: look for events of sns.amazonaws.com and sts.amazonaws.com invoked by \
             cognito-idp.amazonaws.com.",
        )
        .evidence("cognito-idp:DescribeUserPool returns SmsConfigurationFailure");
    if sender.is_cognito() { finding } else { mitigate(finding, Mitigation::SentByFunction) }
}
