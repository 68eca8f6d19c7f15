//! What sends the user pool's emails, and from which address.

use std::collections::BTreeMap;

use shared::arn::{Arn, region_of};
use shared::trigger::Trigger;

use crate::aws::AwsError;
use crate::doctor::finding::Finding;
use crate::doctor::level::Level;
use crate::doctor::registry::CheckId;
use crate::doctor::severity::{Mitigation, mitigate};
use crate::doctor::subject::Subject;
use crate::terminal::output::plain;
use pool::user_pool::UserPool;

const COGNITO_EMAIL: &str = "https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-email.html";
const CUSTOM_SENDER: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-email-sender.html";
const CUSTOM_MESSAGE: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-message.html";

/// What sends the user pool's emails.
pub(super) enum EmailSender<'a> {
    /// The function custom-email-sender.
    Function { variables: &'a BTreeMap<String, String>, routes: Vec<Route>, from: FromAddress },
    /// Another function, or one whose settings can't be read.
    Unknown(Option<&'a AwsError>),
    /// The function custom-email-sender without an address to send from.
    Incomplete,
    /// Cognito, with its default email configuration.
    CognitoDefault,
    /// Cognito, through SES of this account.
    Developer { route: Route, from: FromAddress },
}

/// One route through SES.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) region: String,
    /// The identities that SES can use for it, the most specific first.
    pub(super) identities: Vec<String>,
    pub(super) configuration_set: Option<String>,
}

/// The address or domain in `Name <address>`, an address or a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FromAddress(String);

impl FromAddress {
    pub(super) fn parse(text: &str) -> Self {
        let address = text.strip_suffix('>').and_then(|text| text.rsplit_once('<'));
        Self(address.map_or(text, |(_, address)| address).trim().to_owned())
    }

    pub(super) fn domain(&self) -> Option<&str> {
        let (_, domain) = self.0.rsplit_once('@').unwrap_or(("", &self.0));
        domain.contains('.').then_some(domain)
    }

    /// The address, its domain, and that domain's parents: a verified one covers everything below it.
    ///
    /// Source: <https://docs.aws.amazon.com/ses/latest/dg/creating-identities.html>
    pub(super) fn identities(&self) -> Vec<String> {
        let mut names = vec![self.0.to_ascii_lowercase()];
        let domain = names.first().and_then(|name| Some(name.rsplit_once('@')?.1.to_owned()));
        let mut rest = domain.as_deref().unwrap_or_default();
        // A top-level domain can't be an identity.
        while let Some((_, parent)) = rest.split_once('.') {
            names.push(rest.to_owned());
            rest = parent;
        }
        names
    }
}

impl<'a> EmailSender<'a> {
    pub(super) fn of(subject: &Subject<'a>, pool: &UserPool) -> Self {
        if subject.sends(Trigger::CustomEmailSender) {
            return match subject.settings.get(&Trigger::CustomEmailSender) {
                Some(Ok(variables)) => Self::of_function(variables, subject.region()),
                Some(Err(error)) => Self::Unknown(Some(error)),
                None => Self::Unknown(None),
            };
        }
        if !pool.sends_email_through_ses() {
            return Self::CognitoDefault;
        }
        let arn = pool.email_identity_arn().unwrap_or_default();
        let identity = Arn::parse(arn).and_then(Arn::ses_identity).unwrap_or_default();
        let region = region_of(arn);
        Self::Developer {
            route: Route {
                region: region.unwrap_or_else(|| subject.region()).to_owned(),
                identities: vec![identity.to_owned()],
                configuration_set: pool.email_configuration_set().map(str::to_owned),
            },
            from: FromAddress::parse(pool.email_from().unwrap_or(identity)),
        }
    }

    fn of_function(variables: &'a BTreeMap<String, String>, own_region: &str) -> Self {
        let setting = |name| variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let Some(from) = setting("FROM_ADDRESS").map(FromAddress::parse) else {
            // Only the senders of this project have that setting.
            let ours = setting("CODE_KEY_ARN").is_some();
            return if ours { Self::Incomplete } else { Self::Unknown(None) };
        };
        let route = |region: &str, configuration_set: Option<&str>| Route {
            region: region.to_owned(),
            identities: from.identities(),
            configuration_set: configuration_set.map(str::to_owned),
        };
        let region = setting("SES_REGION").unwrap_or(own_region);
        let mut routes = vec![route(region, setting("SES_CONFIGURATION_SET"))];
        let (other, set) = (setting("SES_FALLBACK_REGION"), setting("SES_FALLBACK_CONFIGURATION_SET"));
        if other.is_some() || set.is_some() {
            routes.push(route(other.unwrap_or(region), set));
        }
        Self::Function { variables, routes, from }
    }

    pub(super) fn routes(&self) -> &[Route] {
        match self {
            Self::Function { routes, .. } => routes,
            Self::Developer { route, .. } => std::slice::from_ref(route),
            Self::Unknown(_) | Self::Incomplete | Self::CognitoDefault => &[],
        }
    }

    pub(super) fn from(&self) -> Option<&FromAddress> {
        match self {
            Self::Function { from, .. } | Self::Developer { from, .. } => Some(from),
            Self::Unknown(_) | Self::Incomplete | Self::CognitoDefault => None,
        }
    }

    fn is_cognito(&self) -> bool {
        matches!(self, Self::CognitoDefault | Self::Developer { .. })
    }
}

pub(super) fn findings(subject: &Subject<'_>, pool: &UserPool, sender: &EmailSender<'_>) -> Vec<Finding> {
    let mut findings = vec![sent_by(pool, sender)];
    findings.extend(custom_message(subject, pool, sender));
    findings.extend(pool.email_configuration_failure().map(|failure| configuration_failure(failure, sender)));
    findings
}

fn sent_by(pool: &UserPool, sender: &EmailSender<'_>) -> Finding {
    const CHECK: CheckId = CheckId::EmailSender;
    let attached = pool.function_arn(Trigger::CustomEmailSender).unwrap_or_default();
    match sender {
        EmailSender::Function { routes, from, .. } => {
            let region = routes.first().map_or("", |route| &route.region);
            let summary = format!("custom-email-sender sends the emails from {}, through SES in {region}", from.0);
            Finding::ok(CHECK, summary)
                .evidence(format!(
                    "CustomEmailSender in the pool's LambdaConfig is {attached}, which sends instead of Cognito; \
                     FROM_ADDRESS and SES_REGION are variables of that function"
                ))
                .source(CUSTOM_SENDER)
        }
        EmailSender::Incomplete => Finding::cause(
            CHECK,
            "custom-email-sender has no FROM_ADDRESS: it doesn't start, and sends nothing",
        )
        .advice("Set the parameter FromAddress and deploy the stack again.")
        .evidence(format!("the variables of {attached} don't include it (lambda:GetFunctionConfiguration)")),
        EmailSender::Unknown(Some(error)) => {
            Finding::not_checked(CHECK, "the settings of the function that sends the emails", error)
        }
        EmailSender::Unknown(None) => Finding::new(
            CHECK,
            Level::NotChecked,
            format!("how {attached} sends the emails: not checked, it isn't custom-email-sender"),
        ),
        EmailSender::CognitoDefault => Finding::warning(
            CHECK,
            "Cognito sends the emails with its default email configuration (COGNITO_DEFAULT): at most 50 a day for \
             all user pools of the account, and no API shows how many it has sent",
        )
        .advice(
            "The day begins at 09:00 UTC. For more, attach custom-email-sender, or let the user pool send through SES \
             (EmailSendingAccount DEVELOPER).",
        )
        .evidence(format!(
            "cognito-idp:DescribeUserPool returns EmailSendingAccount {} and no CustomEmailSender",
            pool.email_sending_account().unwrap_or("COGNITO_DEFAULT"),
        ))
        .source(COGNITO_EMAIL),
        EmailSender::Developer { route, from } => Finding::ok(
            CHECK,
            format!("Cognito sends the emails from {}, through SES in {}", from.0, route.region),
        )
        .evidence(format!(
            "cognito-idp:DescribeUserPool returns EmailSendingAccount DEVELOPER with SourceArn {}",
            pool.email_identity_arn().unwrap_or_default(),
        ))
        .source(COGNITO_EMAIL),
    }
}

fn configuration_failure(failure: &str, sender: &EmailSender<'_>) -> Finding {
    let summary = format!("Cognito reports that it can't send email: {}", plain(failure));
    let finding = Finding::cause(CheckId::EmailConfigurationFailure, summary)
        .advice(
            "CloudTrail shows what SES rejected: look for events of ses.amazonaws.com invoked by \
             cognito-idp.amazonaws.com.",
        )
        .evidence("cognito-idp:DescribeUserPool returns EmailConfigurationFailure");
    if sender.is_cognito() { finding } else { mitigate(finding, Mitigation::SentByFunction) }
}

/// Whether custom-message writes emails that Cognito then refuses to send.
fn custom_message(subject: &Subject<'_>, pool: &UserPool, sender: &EmailSender<'_>) -> Option<Finding> {
    const CHECK: CheckId = CheckId::EmailCustomMessage;
    if !matches!(sender, EmailSender::CognitoDefault) || pool.function_arn(Trigger::CustomMessage).is_none() {
        return None;
    }
    let channels = subject.setting(Trigger::CustomMessage, "CUSTOM_MESSAGE_CHANNELS");
    let writes = channels.map(|channels| channels.split(',').any(|channel| channel.trim() == "email"));
    let finding = match writes {
        Some(false) => return None,
        Some(true) => Finding::cause(
            CHECK,
            "custom-message writes the emails, but the user pool uses the default email configuration \
             (COGNITO_DEFAULT): every operation that sends one fails with InvalidLambdaResponseException",
        ),
        None => Finding::warning(
            CHECK,
            "a custom message trigger is attached, and the user pool uses the default email configuration \
             (COGNITO_DEFAULT): if the function writes emails, every operation that sends one fails with \
             InvalidLambdaResponseException",
        ),
    };
    let finding = finding
        .advice(
            "Let the user pool send through SES (EmailSendingAccount DEVELOPER), or deploy with EmailDelivery=sender \
             and attach custom-email-sender.",
        )
        .evidence("Cognito accepts emailMessage and emailSubject only with EmailSendingAccount DEVELOPER")
        .source(CUSTOM_MESSAGE);
    Some(match channels {
        Some(channels) => finding.evidence(format!("CUSTOM_MESSAGE_CHANNELS is {}", plain(channels))),
        None => finding,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_covers_everything_below_it() {
        let from = FromAddress::parse("\"Acme, Inc.\" <No-Reply@mail.shop.example>");
        assert_eq!(from.domain(), Some("mail.shop.example"));
        assert_eq!(from.identities(), ["no-reply@mail.shop.example", "mail.shop.example", "shop.example"]);
        assert_eq!(
            FromAddress::parse(" no-reply@shop.example ").identities(),
            ["no-reply@shop.example", "shop.example"]
        );
        assert_eq!(FromAddress::parse("shop.example").domain(), Some("shop.example"));
        assert_eq!(FromAddress::parse("").domain(), None);
    }
}
