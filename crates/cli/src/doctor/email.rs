//! E-mail: who sends it, whether SES sends it for them, and whether it can arrive.
//!
//! Which questions: "Email settings for Amazon Cognito user pools", Amazon Cognito developer guide, and what SES says of
//! accounts, identities and recipients.

mod dmarc;

use std::cell::RefCell;
use std::collections::BTreeMap;

use shared::address::EmailAddress;
use shared::config::{ConfigError, Settings};
use shared::domain::Denial;

use super::Subject;
use super::finding::{Finding, Level};
use super::step::Step;
use super::user::OWN;
use crate::aws::AwsError;
use crate::aws::cognito::Pool;
use crate::aws::ses::{Account, ConfigurationSet, Identity, MailFrom, Ses, Suppression};
use crate::dns::{Dns, DnsFailure};
use crate::terminal::output::plain;
use crate::terminal::progress::Progress;
use crate::terminal::shell::quote;
use dmarc::{Found, Policy, Request};
use shared::arn::{Arn, region_of};
use shared::trigger::Trigger;

const SENDER: &str = "email.sender";
const CUSTOM_MESSAGE: &str = "email.custom-message";
const FAILURE: &str = "email.configuration-failure";
const SENDING: &str = "email.sending";
const STANDING: &str = "email.standing";
const SANDBOX: &str = "email.sandbox";
const QUOTA: &str = "email.quota";
const IDENTITY: &str = "email.identity";
const DKIM: &str = "email.dkim";
const MAIL_FROM: &str = "email.mail-from";
const CONFIGURATION_SET: &str = "email.configuration-set";
const DMARC: &str = "email.dmarc";
const FALLBACK: &str = "email.fallback";
const ADDRESS: &str = "email.address";
const DENIED: &str = "email.denied";
const SUPPRESSED: &str = "email.suppressed";
const MAILBOX: &str = "email.mailbox";

const COGNITO_EMAIL: &str = "https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-email.html";
const CUSTOM_SENDER: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-email-sender.html";
const GET_ACCOUNT: &str = "https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetAccount.html";
const GET_IDENTITY: &str = "https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetEmailIdentity.html";

/// From which part of the quota on it is time to ask for more.
const NEARLY: f64 = 0.8;

pub(super) async fn look(subject: &Subject<'_>) -> Vec<Finding> {
    let pool = match subject.pool {
        Ok(pool) => pool,
        Err(error) => return vec![Finding::not_checked(SENDER, "who sends the e-mails", error)],
    };
    let sender = Sender::of(subject, pool);
    let recipient = recipient(subject);
    let to = recipient.as_deref().and_then(|text| text.parse::<EmailAddress>().ok());
    let dns = Dns::new(subject.options.resolver);

    let (routes, mailbox, dmarc) = tokio::join!(
        facts_of_routes(subject, &sender, to.as_ref()),
        async { Some(mailbox(dns.as_ref(), to.as_ref()?, subject.progress).await) },
        async { Some(dmarc_records(dns.as_ref(), sender.author()?.domain()?, subject.progress).await) },
    );

    let mut findings = who(subject, pool, &sender);
    if let Some(text) = recipient.as_deref().filter(|_| to.is_none()) {
        findings.push(unreadable(text));
    }
    let fallback = routes.get(1).map(|(route, facts)| (route, fallback_problems(route, facts)));
    if let Some((route, facts)) = routes.first() {
        let stands_in = fallback.as_ref().is_some_and(|(_, problems)| problems.is_empty());
        findings.extend(of_route(route, facts, to.as_ref(), stands_in));
    }
    if let (Some(from), Some(records)) = (sender.author(), &dmarc) {
        let identity = routes.first().and_then(|(_, facts)| facts.identity.as_ref().ok()?.as_ref());
        findings.extend(from.domain().map(|domain| dmarc_finding(domain, records, identity)));
    }
    findings.extend(fallback.map(|(route, problems)| fallback_finding(route, &problems)));
    if let Some(to) = &to {
        if let Sender::Function { variables, .. } = &sender {
            findings.extend(denied(DENIED, "e-mail", variables, &to.expose()));
        }
        findings.extend(mailbox.map(|mailbox| mailbox_finding(subject, to, &mailbox)));
    }
    findings
}

/// Whom the code goes to: the user's address, else what the operator asked for if it is one.
fn recipient(subject: &Subject<'_>) -> Option<String> {
    match subject.user() {
        Some(user) => user.attribute("email").map(str::to_owned),
        None => subject.asked.contains('@').then(|| subject.asked.to_owned()),
    }
}

/// Who sends the pool's e-mails.
enum Sender<'a> {
    /// One of these triggers.
    Function { variables: &'a BTreeMap<String, String>, routes: Vec<Route>, from: Author },
    /// A function of somebody else, or one whose settings nobody tells.
    Unknown(Option<&'a AwsError>),
    /// One of these triggers without an address to send from.
    Incomplete,
    /// Cognito, with an account of its own.
    CognitoDefault,
    /// Cognito, through SES of this account.
    Developer { route: Route, from: Author },
}

/// One way through SES.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Route {
    region: String,
    /// The identities that SES may take for it, the most specific first.
    identities: Vec<String>,
    configuration_set: Option<String>,
}

/// `Name <address>`, an address or a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Author(String);

impl Author {
    fn parse(text: &str) -> Self {
        let address = text.strip_suffix('>').and_then(|text| text.rsplit_once('<'));
        Self(address.map_or(text, |(_, address)| address).trim().to_owned())
    }

    fn domain(&self) -> Option<&str> {
        let (_, domain) = self.0.rsplit_once('@').unwrap_or(("", &self.0));
        domain.contains('.').then_some(domain)
    }

    /// The address, its domain, and that domain's parents: verifying one of them covers all below it.
    ///
    /// Source: <https://docs.aws.amazon.com/ses/latest/dg/creating-identities.html>
    fn identities(&self) -> Vec<String> {
        let mut names = vec![self.0.to_ascii_lowercase()];
        let domain = names.first().and_then(|name| Some(name.rsplit_once('@')?.1.to_owned()));
        let mut rest = domain.as_deref().unwrap_or_default();
        // A top-level domain is nobody's identity.
        while let Some((_, parent)) = rest.split_once('.') {
            names.push(rest.to_owned());
            rest = parent;
        }
        names
    }
}

impl<'a> Sender<'a> {
    fn of(subject: &Subject<'a>, pool: &Pool) -> Self {
        if subject.sends(Trigger::CustomEmailSender) {
            return match subject.settings.get(&Trigger::CustomEmailSender) {
                Some(Ok(variables)) => Self::of_function(variables, region_of_pool(subject)),
                Some(Err(error)) => Self::Unknown(Some(error)),
                None => Self::Unknown(None),
            };
        }
        if pool.email.sending_account.as_deref() != Some("DEVELOPER") {
            return Self::CognitoDefault;
        }
        let arn = pool.email.source_arn.as_deref().unwrap_or_default();
        let identity = Arn::parse(arn).and_then(Arn::ses_identity).unwrap_or_default();
        let region = region_of(arn);
        Self::Developer {
            route: Route {
                region: region.unwrap_or_else(|| region_of_pool(subject)).to_owned(),
                identities: vec![identity.to_owned()],
                configuration_set: pool.email.configuration_set.clone(),
            },
            from: Author::parse(pool.email.from.as_deref().unwrap_or(identity)),
        }
    }

    fn of_function(variables: &'a BTreeMap<String, String>, own_region: &str) -> Self {
        let setting = |name| variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let Some(from) = setting("FROM_ADDRESS").map(Author::parse) else {
            // Only these triggers know that setting.
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

    fn routes(&self) -> &[Route] {
        match self {
            Self::Function { routes, .. } => routes,
            Self::Developer { route, .. } => std::slice::from_ref(route),
            Self::Unknown(_) | Self::Incomplete | Self::CognitoDefault => &[],
        }
    }

    fn author(&self) -> Option<&Author> {
        match self {
            Self::Function { from, .. } | Self::Developer { from, .. } => Some(from),
            Self::Unknown(_) | Self::Incomplete | Self::CognitoDefault => None,
        }
    }

    fn is_cognito(&self) -> bool {
        matches!(self, Self::CognitoDefault | Self::Developer { .. })
    }
}

/// The Region of the pool, and so of its functions: that of --region, else that in the pool's id.
pub(super) fn region_of_pool<'a>(subject: &Subject<'a>) -> &'a str {
    subject.aws.region()
}

// What SES says.

/// The answers about one route.
struct Facts {
    account: Result<Account, AwsError>,
    identity: Result<Option<Identity>, AwsError>,
    /// Where e-mails go through one: its name, and what SES says of it.
    configuration_set: Option<(String, Result<Option<ConfigurationSet>, AwsError>)>,
    /// Where the recipient is known.
    suppression: Option<Result<Option<Suppression>, AwsError>>,
    /// In the sandbox, where the recipient is known: whether they or their domain are verified.
    verified_recipient: Option<Result<bool, AwsError>>,
}

async fn facts_of_routes(
    subject: &Subject<'_>,
    sender: &Sender<'_>,
    to: Option<&EmailAddress>,
) -> Vec<(Route, Facts)> {
    let one = async |route: Option<&Route>, to| {
        let route = route?;
        Some((route.clone(), Box::pin(facts(subject, route, to)).await))
    };
    let mut routes = sender.routes().iter();
    let (first, second) = tokio::join!(one(routes.next(), to), one(routes.next(), None));
    first.into_iter().chain(second).collect()
}

async fn facts(subject: &Subject<'_>, route: &Route, to: Option<&EmailAddress>) -> Facts {
    let ses = &Ses::new(subject.aws, &route.region);
    let progress = subject.progress;
    let (account, (identity, configuration_set), suppression) = tokio::join!(
        progress.of(ses.account()),
        async {
            let identity = first_identity(ses, &route.identities, progress).await;
            let default = || identity.as_ref().ok()?.as_ref()?.configuration_set.clone();
            let name = route.configuration_set.clone().or_else(default);
            let set = match name {
                Some(name) => {
                    let set = progress.of(ses.configuration_set(&name)).await;
                    Some((name, set))
                }
                None => None,
            };
            (identity, set)
        },
        async {
            match to {
                Some(to) => Some(progress.of(ses.suppression(&to.expose())).await),
                None => None,
            }
        },
    );
    let sandbox = account.as_ref().is_ok_and(|account| !account.production);
    let verified_recipient = match to {
        Some(to) if sandbox && !is_simulator(to) => {
            let names = Author(to.expose()).identities();
            let identity = first_identity(ses, &names, progress).await;
            Some(identity.map(|identity| identity.is_some_and(|identity| identity.verified)))
        }
        _ => None,
    };
    Facts { account, identity, configuration_set, suppression, verified_recipient }
}

/// The first of these that is verified, else the first that is there.
///
/// They are asked for one after another, because SES takes one such question a second.
async fn first_identity(
    ses: &Ses,
    names: &[String],
    progress: &Progress,
) -> Result<Option<Identity>, AwsError> {
    let mut first = None;
    for name in names {
        if let Some(identity) = progress.of(ses.identity(name)).await? {
            if identity.verified {
                return Ok(Some(identity));
            }
            first = first.or(Some(identity));
        }
    }
    Ok(first)
}

/// SES's own mailboxes for tests take e-mail from everybody.
fn is_simulator(to: &EmailAddress) -> bool {
    to.domain().to_string() == "simulator.amazonses.com"
}

// What follows from it.

fn who(subject: &Subject<'_>, pool: &Pool, sender: &Sender<'_>) -> Vec<Finding> {
    let attached = pool.triggers.function_arn(Trigger::CustomEmailSender).unwrap_or_default();
    let mut findings = vec![match sender {
        Sender::Function { routes, from, .. } => {
            let region = routes.first().map_or("", |route| &route.region);
            let sentence = format!("custom-email-sender sends the e-mails as {}, through SES in {region}", from.0);
            Finding::ok(SENDER, sentence).why(format!(
                "the pool's LambdaConfig names {attached} as CustomEmailSender, which then sends in Cognito's place \
                 ({CUSTOM_SENDER}); FROM_ADDRESS and SES_REGION are variables of that function"
            ))
        }
        Sender::Incomplete => {
            Finding::cause(SENDER, "custom-email-sender has no FROM_ADDRESS: it does not start, and sends nothing")
                .advice("Deploy the stack with the parameter FromAddress.")
                .why(format!("the variables of {attached} (lambda:GetFunctionConfiguration) have none"))
        }
        Sender::Unknown(Some(error)) => {
            Finding::not_checked(SENDER, "what the function sends e-mails with", error)
        }
        Sender::Unknown(None) => Finding::new(
            SENDER,
            Level::NotChecked,
            format!("the e-mails are sent by {attached}, which is none of these triggers: not checked how"),
        ),
        Sender::CognitoDefault => Finding::warning(
            SENDER,
            "Cognito itself sends the e-mails, at most 50 a day for all pools of the account together; nobody can see \
             how many it has sent",
        )
        .advice(
            "The day begins at 09:00 UTC. For more, let custom-email-sender send, or the pool through SES \
             (EmailSendingAccount DEVELOPER).",
        )
        .why(format!(
            "cognito-idp:DescribeUserPool answers EmailSendingAccount {} and no CustomEmailSender ({COGNITO_EMAIL})",
            pool.email.sending_account.as_deref().unwrap_or("COGNITO_DEFAULT"),
        )),
        Sender::Developer { route, from } => Finding::ok(
            SENDER,
            format!("Cognito sends the e-mails as {}, through SES in {}", from.0, route.region),
        )
        .why(format!(
            "cognito-idp:DescribeUserPool answers EmailSendingAccount DEVELOPER with SourceArn {} ({COGNITO_EMAIL})",
            pool.email.source_arn.as_deref().unwrap_or_default(),
        )),
    }];
    findings.extend(custom_message(subject, pool, sender));
    findings.extend(pool.email_failure.as_deref().map(|failure| {
        let level = if sender.is_cognito() { Level::Cause } else { Level::Warning };
        Finding::new(FAILURE, level, format!("Cognito says that it cannot send e-mail: {}", plain(failure)))
            .advice(
                "CloudTrail shows what SES refused: look for events of ses.amazonaws.com that cognito-idp.amazonaws.com \
                 caused.",
            )
            .why("cognito-idp:DescribeUserPool answers EmailConfigurationFailure".to_owned())
    }));
    findings
}

/// Whether custom-message writes e-mails that Cognito then refuses to send.
fn custom_message(subject: &Subject<'_>, pool: &Pool, sender: &Sender<'_>) -> Option<Finding> {
    if !matches!(sender, Sender::CognitoDefault) || pool.triggers.custom_message.is_none() {
        return None;
    }
    let channels = subject.setting(Trigger::CustomMessage, "CUSTOM_MESSAGE_CHANNELS");
    let writes = channels.map(|channels| channels.split(',').any(|channel| channel.trim() == "email"));
    let (level, sentence) = match writes {
        Some(false) => return None,
        Some(true) => (
            Level::Cause,
            "custom-message writes the e-mails, but the pool sends with Cognito's own account: every operation that \
             sends one fails with InvalidLambdaResponseException",
        ),
        None => (
            Level::Warning,
            "a custom-message function is attached while the pool sends with Cognito's own account: if it writes \
             e-mails, every operation that sends one fails with InvalidLambdaResponseException",
        ),
    };
    let finding = Finding::new(CUSTOM_MESSAGE, level, sentence)
        .advice(
            "Let the pool send through SES (EmailSendingAccount DEVELOPER), or deploy with EmailDelivery=sender and \
             attach custom-email-sender.",
        )
        .why(
            "emailMessage and emailSubject of a custom message trigger are only taken with EmailSendingAccount \
             DEVELOPER \
             (https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-custom-message.html)",
        );
    Some(match channels {
        Some(channels) => finding.why(format!("its CUSTOM_MESSAGE_CHANNELS is {}", plain(channels))),
        None => finding,
    })
}

fn unreadable(text: &str) -> Finding {
    Finding::cause(ADDRESS, format!("{} is not one plain e-mail address: nothing is sent to it", plain(text)))
        .why(
            "SES takes an ASCII local part and a domain; custom-email-sender refuses what is not one address \
             (https://docs.aws.amazon.com/ses/latest/dg/send-email-concepts-email-format.html)",
        )
}

/// `stands_in`: whether the sender has another route that works when this one does not.
fn of_route(route: &Route, facts: &Facts, to: Option<&EmailAddress>, stands_in: bool) -> Vec<Finding> {
    let mut findings = match &facts.account {
        Ok(account) => of_account(&route.region, account, facts, to, stands_in),
        Err(error) => vec![Finding::not_checked(SENDING, "whether SES sends for this account", error)],
    };
    match &facts.identity {
        Ok(identity) => findings.extend(of_identity(route, identity.as_ref(), stands_in)),
        Err(error) => findings.push(Finding::not_checked(IDENTITY, "the sender's identity", error)),
    }
    if let Some((name, set)) = &facts.configuration_set {
        findings.push(match set {
            Ok(set) => of_configuration_set(&route.region, name, set.as_ref(), stands_in),
            Err(error) => {
                Finding::not_checked(CONFIGURATION_SET, &format!("the configuration set {name}"), error)
            }
        });
    }
    if let (Some(to), Some(suppression)) = (to, &facts.suppression) {
        findings.push(match suppression {
            Ok(suppression) => of_suppression(&route.region, to, suppression.as_ref(), facts),
            Err(error) => {
                let what = "whether the address is on SES's suppression list";
                Finding::not_checked(SUPPRESSED, what, error)
            }
        });
    }
    findings
}

/// What keeps every e-mail back is no cause where another route stands in.
fn blocked(check: &'static str, sentence: String, stands_in: bool) -> Finding {
    if stands_in {
        Finding::warning(check, format!("{sentence}; the sender turns to its fallback"))
    } else {
        Finding::cause(check, sentence)
    }
}

fn of_account(
    region: &str,
    account: &Account,
    facts: &Facts,
    to: Option<&EmailAddress>,
    stands_in: bool,
) -> Vec<Finding> {
    let mut findings = vec![sending(region, account, stands_in)];
    if account.standing.as_deref() == Some("PROBATION") {
        findings.push(
            Finding::warning(
                STANDING,
                format!("AWS is reviewing the account's SES in {region} because of bounces or complaints, and may \
                         stop it"),
            )
            .advice("The Reputation metrics page of the SES console says why.")
            .why(format!("ses:GetAccount answers EnforcementStatus PROBATION ({GET_ACCOUNT})")),
        );
    }
    findings.push(sandbox(region, account, facts.verified_recipient.as_ref(), to));
    findings.extend(quota(region, account, stands_in));
    findings
}

fn sending(region: &str, account: &Account, stands_in: bool) -> Finding {
    if account.standing.as_deref() == Some("SHUTDOWN") {
        return blocked(STANDING, format!("AWS has stopped the account's SES in {region}"), stands_in)
            .advice("The Reputation metrics page of the SES console says why; only AWS Support can start it again.")
            .why(format!("ses:GetAccount answers EnforcementStatus SHUTDOWN ({GET_ACCOUNT})"));
    }
    if account.sending {
        return Finding::ok(SENDING, format!("SES sends in {region}"))
            .why(format!("ses:GetAccount answers SendingEnabled true ({GET_ACCOUNT})"));
    }
    blocked(SENDING, format!("sending is paused for the whole account in SES in {region}"), stands_in)
        .step(Step::ResumeSending { region: region.to_owned() })
        .advice("Find out first who paused it and why: an alarm on bounces may have.")
        .why(format!("ses:GetAccount answers SendingEnabled false ({GET_ACCOUNT})"))
}

fn sandbox(
    region: &str,
    account: &Account,
    verified: Option<&Result<bool, AwsError>>,
    to: Option<&EmailAddress>,
) -> Finding {
    if account.production {
        return Finding::ok(SANDBOX, format!("SES in {region} sends to everybody"))
            .why(format!("ses:GetAccount answers ProductionAccessEnabled true ({GET_ACCOUNT})"));
    }
    let rule = "ses:GetAccount answers ProductionAccessEnabled false: in the sandbox SES sends only to verified addresses and \
         domains (https://docs.aws.amazon.com/ses/latest/dg/request-production-access.html)";
    let leave = format!(
        "aws sesv2 put-account-details --production-access-enabled --mail-type TRANSACTIONAL --website-url \
         https://YOUR-SITE --region {}",
        quote(region)
    );
    let finding = match (to, verified) {
        (Some(to), None) if is_simulator(to) => {
            return Finding::ok(SANDBOX, format!("SES in {region} is in the sandbox, which lets e-mails to its simulator out"))
                .why(rule);
        }
        (Some(to), Some(Ok(true))) => {
            Finding::ok(SANDBOX, format!("SES in {region} is in the sandbox, and {} is verified there", to.expose()))
        }
        (Some(to), Some(Ok(false))) => Finding::cause(
            SANDBOX,
            format!(
                "SES in {region} is in the sandbox and refuses e-mails to {}, which is not verified there",
                to.expose()
            ),
        )
        .command(leave)
        .command(create_identity(&to.expose(), region))
        .advice("The first asks AWS for access to everybody; the second, for tests, sends that address a link to verify it with."),
        (Some(_), Some(Err(error))) => Finding::new(
            SANDBOX,
            Level::NotChecked,
            format!("SES in {region} is in the sandbox; whether the recipient is verified: not checked, {error}"),
        )
        .command(leave),
        (_, None) | (None, Some(_)) => {
            Finding::warning(SANDBOX, format!("SES in {region} is in the sandbox: only verified recipients get e-mails"))
                .command(leave)
        }
    };
    finding.why(rule)
}

fn quota(region: &str, account: &Account, stands_in: bool) -> Option<Finding> {
    let quota = account.quota.filter(|quota| *quota > 0.0)?;
    let sent = account.sent;
    let said = format!("{sent} of the {quota} e-mails that SES in {region} sends in 24 hours");
    let finding = if sent >= quota {
        blocked(QUOTA, format!("the account has used up {said}"), stands_in)
    } else if sent >= NEARLY * quota {
        Finding::warning(QUOTA, format!("the account has sent {said}"))
    } else {
        Finding::ok(QUOTA, format!("the account has sent {said}"))
    };
    let finding = finding.why(format!(
        "ses:GetAccount answers Max24HourSend {quota} and SentLast24Hours {sent}; past it SES refuses, for up to a day \
         (https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas.html)"
    ));
    Some(if finding.level == Level::Ok {
        finding
    } else {
        finding.advice(format!(
            "Ask for a higher sending quota: https://console.aws.amazon.com/servicequotas/home/services/ses/quotas in \
             {region}."
        ))
    })
}

fn create_identity(name: &str, region: &str) -> String {
    format!("aws sesv2 create-email-identity --email-identity {} --region {}", quote(name), quote(region))
}

fn of_identity(route: &Route, identity: Option<&Identity>, stands_in: bool) -> Vec<Finding> {
    let region = &route.region;
    let Some(identity) = identity else {
        let names = route.identities.join(", ");
        let domain = route.identities.iter().find(|name| !name.contains('@')).or(route.identities.first());
        let sentence = format!("SES in {region} has no identity for {names}: it refuses every e-mail");
        return vec![
            blocked(IDENTITY, sentence, stands_in)
                .command(create_identity(domain.map_or("", String::as_str), region))
                .advice("Then publish the DKIM records that it answers.")
                .why(format!("ses:GetEmailIdentity knows none of these names in {region} ({GET_IDENTITY})")),
        ];
    };
    let name = &identity.name;
    if !identity.verified {
        let sentence = format!(
            "the identity {name} is not verified for sending in SES in {region} ({}): it refuses every e-mail",
            identity.status
        );
        let finding = blocked(IDENTITY, sentence, stands_in)
            .why(format!("ses:GetEmailIdentity answers VerifiedForSendingStatus false ({GET_IDENTITY})"));
        return vec![if name.contains('@') {
            finding
                .command(format!(
                    "aws sesv2 delete-email-identity --email-identity {0} --region {1} && {2}",
                    quote(name),
                    quote(region),
                    create_identity(name, region)
                ))
                .advice("That sends a new link to the address; somebody has to open it within 24 hours.")
        } else {
            finding.command(dkim_tokens(name, region)).advice(dkim_records(name))
        }];
    }
    let mut findings = vec![
        Finding::ok(IDENTITY, format!("the identity {name} is verified in SES in {region}"))
            .why(format!("ses:GetEmailIdentity answers VerifiedForSendingStatus true ({GET_IDENTITY})")),
    ];
    findings.push(dkim(identity, region));
    findings.push(mail_from(identity, region, stands_in));
    findings
}

fn dkim_tokens(name: &str, region: &str) -> String {
    format!(
        "aws sesv2 get-email-identity --email-identity {} --query DkimAttributes.Tokens --region {}",
        quote(name),
        quote(region)
    )
}

fn dkim_records(name: &str) -> String {
    format!("Publish each of the tokens: TOKEN._domainkey.{name} is a CNAME of TOKEN.dkim.amazonses.com.")
}

fn dkim(identity: &Identity, region: &str) -> Finding {
    const RULE: &str = "receivers take e-mail without a DKIM signature for spam more often \
                        (https://docs.aws.amazon.com/ses/latest/dg/send-email-authentication-dkim.html)";
    let name = &identity.name;
    let answer = format!(
        "ses:GetEmailIdentity answers DkimAttributes with SigningEnabled {} and Status {}",
        identity.signing, identity.dkim
    );
    let finding = match (identity.signing, identity.dkim.as_str()) {
        (true, "SUCCESS") => Finding::ok(DKIM, format!("e-mails of {name} are signed with DKIM")),
        (false, "SUCCESS") => Finding::warning(
            DKIM,
            format!("e-mails of {name} are not signed with DKIM, because signing is off: they may land in the junk \
                     folder"),
        )
        .command(format!(
            "aws sesv2 put-email-identity-dkim-attributes --email-identity {} --signing-enabled --region {}",
            quote(name),
            quote(region)
        )),
        (_, status) => {
            let finding = Finding::warning(
                DKIM,
                format!("e-mails of {name} are not signed with DKIM, because SES does not find its keys in DNS \
                         ({status}): they may land in the junk folder"),
            );
            if name.contains('@') {
                finding
                    .command(create_identity(name.rsplit('@').next().unwrap_or_default(), region))
                    .advice("A domain of your own, verified with DKIM, also signs for its addresses.")
            } else {
                finding.command(dkim_tokens(name, region)).advice(dkim_records(name))
            }
        }
    };
    finding.why(answer).why(RULE)
}

fn mail_from(identity: &Identity, region: &str, stands_in: bool) -> Finding {
    const RULE: &str = "without a MAIL FROM domain of your own, SPF proves amazonses.com's domain and not yours, so DMARC rests on \
         DKIM alone (https://docs.aws.amazon.com/ses/latest/dg/mail-from.html)";
    let name = &identity.name;
    let Some(MailFrom { domain, status, rejects }) = &identity.mail_from else {
        // With DKIM it is one of two proofs, and one is enough.
        return Finding::ok(
            MAIL_FROM,
            format!("{name} has no MAIL FROM domain of its own, which is no fault"),
        )
        .why("ses:GetEmailIdentity answers no MailFromDomain")
        .why(RULE);
    };
    let finding = match (status.as_str(), rejects) {
        ("SUCCESS", _) => Finding::ok(MAIL_FROM, format!("{name} has the MAIL FROM domain {domain}")),
        (_, true) => blocked(
            MAIL_FROM,
            format!(
                "the MAIL FROM domain {domain} is not set up ({status}), and {name} sends nothing until it is"
            ),
            stands_in,
        ),
        (_, false) => Finding::warning(
            MAIL_FROM,
            format!(
                "the MAIL FROM domain {domain} is not set up ({status}): SES sends with its own, and e-mails may \
                     land in the junk folder"
            ),
        ),
    };
    let finding = finding
        .why(format!(
            "ses:GetEmailIdentity answers MailFromDomainStatus {status} and BehaviorOnMxFailure {}",
            if *rejects { "REJECT_MESSAGE" } else { "USE_DEFAULT_VALUE" }
        ))
        .why(RULE);
    if status == "SUCCESS" {
        return finding;
    }
    finding.advice(format!(
        "Publish for {domain} the MX record 10 feedback-smtp.{region}.amazonses.com and the TXT record \"v=spf1 \
         include:amazonses.com ~all\"."
    ))
}

fn of_configuration_set(
    region: &str,
    name: &str,
    set: Option<&ConfigurationSet>,
    stands_in: bool,
) -> Finding {
    const SOURCE: &str =
        "https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetConfigurationSet.html";
    let named = format!("--configuration-set-name {} --region {}", quote(name), quote(region));
    match set {
        Some(set) if set.sending => {
            Finding::ok(CONFIGURATION_SET, format!("the configuration set {name} sends"))
                .why(format!("ses:GetConfigurationSet answers SendingEnabled true ({SOURCE})"))
        }
        Some(_) => {
            blocked(CONFIGURATION_SET, format!("sending is off in the configuration set {name}"), stands_in)
                .command(format!("aws sesv2 put-configuration-set-sending-options --sending-enabled {named}"))
                .why(format!("ses:GetConfigurationSet answers SendingEnabled false ({SOURCE})"))
        }
        None => blocked(
            CONFIGURATION_SET,
            format!("SES in {region} has no configuration set {name}: it refuses every e-mail"),
            stands_in,
        )
        .command(format!("aws sesv2 create-configuration-set {named}"))
        .advice("Or deploy with another SesConfigurationSet.")
        .why(format!("ses:GetConfigurationSet knows none of that name ({SOURCE})")),
    }
}

fn of_suppression(
    region: &str,
    to: &EmailAddress,
    suppression: Option<&Suppression>,
    facts: &Facts,
) -> Finding {
    const RULE: &str = "SES takes an e-mail to such an address, and does not send it \
                        (https://docs.aws.amazon.com/ses/latest/dg/sending-email-suppression-list.html)";
    let address = to.expose();
    let Some(Suppression { reason, since }) = suppression else {
        return Finding::ok(SUPPRESSED, format!("{address} is not on SES's suppression list in {region}"))
            .why("ses:GetSuppressedDestination knows no such destination");
    };
    let what = match reason.as_str() {
        "BOUNCE" => "an e-mail to it bounced",
        "COMPLAINT" => "its owner marked an e-mail as spam",
        other => other,
    };
    let step = Step::RemoveSuppression { region: region.to_owned(), address: address.clone() };
    let answer = format!("ses:GetSuppressedDestination answers Reason {reason} and LastUpdateTime {since}");
    if is_applied(reason, facts) {
        Finding::cause(
            SUPPRESSED,
            format!("{address} is on SES's suppression list in {region} since {since}, because {what}: SES sends it \
                     nothing"),
        )
        .step(step)
        .advice("Only when the cause is mended: another bounce or complaint harms the account's reputation.")
        .why(answer)
        .why(RULE)
    } else {
        Finding::warning(
            SUPPRESSED,
            format!("{address} is on SES's suppression list in {region} since {since}, because {what}, but the list \
                     is not applied"),
        )
        .step(step)
        .why(answer)
        .why("neither the configuration set nor the account suppresses for that reason")
    }
}

/// Whether an entry for that reason keeps e-mails back: the configuration set decides where it has a say, else the
/// account. What could not be read is taken to be as usual.
fn is_applied(reason: &str, facts: &Facts) -> bool {
    let set = facts.configuration_set.as_ref().and_then(|(_, set)| set.as_ref().ok()?.as_ref());
    let account = facts.account.as_ref().ok().map(|account| &account.suppresses);
    let reasons = set.and_then(|set| set.suppresses.as_ref()).or(account);
    reasons.is_none_or(|reasons| reasons.iter().any(|applied| applied == reason))
}

/// Why the second route could not stand in.
fn fallback_problems(route: &Route, facts: &Facts) -> Vec<String> {
    let mut problems = Vec::new();
    match &facts.account {
        Err(error) => problems.push(format!("not checked, {error}")),
        Ok(account) => {
            if account.standing.as_deref() == Some("SHUTDOWN") {
                problems.push("AWS has stopped the account there".to_owned());
            } else if !account.sending {
                problems.push("sending is paused there".to_owned());
            }
            if !account.production {
                problems.push("the account is in the sandbox there".to_owned());
            }
            if account.quota.is_some_and(|quota| quota > 0.0 && account.sent >= quota) {
                problems.push("its quota is used up".to_owned());
            }
        }
    }
    match &facts.identity {
        Err(error) => problems.push(format!("not checked, {error}")),
        Ok(None) => problems.push(format!("there is no identity {}", route.identities.join(", "))),
        Ok(Some(identity)) if !identity.verified => {
            problems.push(format!("the identity {} is not verified there", identity.name));
        }
        Ok(Some(_)) => {}
    }
    if let Some((name, set)) = &facts.configuration_set {
        match set {
            Err(error) => problems.push(format!("not checked, {error}")),
            Ok(None) => problems.push(format!("there is no configuration set {name}")),
            Ok(Some(set)) if !set.sending => {
                problems.push(format!("the configuration set {name} sends nothing"));
            }
            Ok(Some(_)) => {}
        }
    }
    problems
}

fn fallback_finding(route: &Route, problems: &[String]) -> Finding {
    let region = &route.region;
    let why = "the sender turns to SES_FALLBACK_REGION and SES_FALLBACK_CONFIGURATION_SET when the first way is down or \
               refuses; docs/configuration.md";
    if problems.is_empty() {
        return Finding::ok(FALLBACK, format!("the fallback through SES in {region} could take over"))
            .why(why);
    }
    let level = if problems.iter().all(|problem| problem.starts_with("not checked")) {
        Level::NotChecked
    } else {
        Level::Warning
    };
    let sentence =
        format!("the fallback through SES in {region} could not take over: {}", problems.join("; "));
    Finding::new(FALLBACK, level, sentence).why(why)
}

// What DNS says.

/// What the domain of a recipient says of its e-mail.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Mailbox {
    Hosts(Vec<String>),
    /// Without an MX record; whether the domain has an address instead.
    NoHost(bool),
}

async fn mailbox(
    dns: Result<&Dns, &DnsFailure>,
    to: &EmailAddress,
    progress: &Progress,
) -> Result<Mailbox, DnsFailure> {
    let dns = dns.map_err(Clone::clone)?;
    let domain = to.domain().to_string();
    let hosts = progress.of(dns.mail_hosts(&domain)).await?;
    if hosts.is_empty() {
        return Ok(Mailbox::NoHost(progress.of(dns.has_address(&domain)).await?));
    }
    Ok(Mailbox::Hosts(hosts))
}

fn mailbox_finding(
    subject: &Subject<'_>,
    to: &EmailAddress,
    mailbox: &Result<Mailbox, DnsFailure>,
) -> Finding {
    let domain = to.domain().to_string();
    let cause = |sentence: String| {
        let finding = Finding::cause(MAILBOX, sentence);
        match subject.user() {
            Some(user) => finding.advice(OWN).command(format!(
                "aws cognito-idp admin-update-user-attributes --user-pool-id {} --username {} --user-attributes \
                 Name=email,Value=RIGHT-ADDRESS Name=email_verified,Value=true --region {}",
                quote(subject.pool_id),
                quote(&user.name),
                quote(region_of_pool(subject)),
            )),
            None => finding.advice("Look at how the address is spelt."),
        }
    };
    match mailbox {
        Ok(Mailbox::Hosts(hosts)) if hosts.iter().all(String::is_empty) => {
            cause(format!("{domain} says that it receives no e-mail"))
                .why("DNS answers a null MX record (RFC 7505)")
        }
        Ok(Mailbox::Hosts(hosts)) => {
            let host = hosts.iter().find(|host| !host.is_empty()).map_or("", String::as_str);
            Finding::ok(MAILBOX, format!("{domain} receives e-mail"))
                .why(format!("DNS answers the MX record {host}"))
        }
        Ok(Mailbox::NoHost(true)) => Finding::ok(MAILBOX, format!("{domain} may receive e-mail"))
            .why("DNS answers no MX record but an address, which then counts (RFC 5321, 5.1)"),
        Ok(Mailbox::NoHost(false)) => cause(format!("{domain} has no mail server"))
            .why("DNS answers neither an MX record nor an address (RFC 5321, 5.1)"),
        Err(DnsFailure::NoSuchDomain) => {
            cause(format!("there is no domain {domain}: the address may be mistyped"))
                .why("DNS answers NXDOMAIN")
        }
        Err(failure) => Finding::new(
            MAILBOX,
            Level::NotChecked,
            format!("whether {domain} receives e-mail: not checked, {failure}"),
        ),
    }
}

async fn dmarc_records(
    dns: Result<&Dns, &DnsFailure>,
    domain: &str,
    progress: &Progress,
) -> Result<Found, DnsFailure> {
    let dns = dns.map_err(Clone::clone)?;
    let mut answers = Vec::new();
    for name in dmarc::walk(domain) {
        answers.push((name, progress.of(dns.texts(&format!("_dmarc.{name}"))).await?));
        // The domain's own record needs nobody else's.
        if answers.len() == 1 && dmarc::policy(&answers) != Found::Nothing {
            break;
        }
    }
    Ok(dmarc::policy(&answers))
}

fn dmarc_finding(domain: &str, found: &Result<Found, DnsFailure>, identity: Option<&Identity>) -> Finding {
    const WANTED: &str = "large mailbox providers want a DMARC record, and send e-mails without one to the junk folder \
                          more often (https://docs.aws.amazon.com/ses/latest/dg/send-email-authentication-dmarc.html)";
    let record = format!("a TXT record _dmarc.{domain} with \"v=DMARC1; p=none\" is a beginning");
    let policy = match found {
        Err(failure) => {
            return Finding::new(
                DMARC,
                Level::NotChecked,
                format!("the DMARC record of {domain}: not checked, {failure}"),
            );
        }
        Ok(Found::Nothing) => {
            return Finding::warning(
                DMARC,
                format!("{domain} has no DMARC record: its e-mails may land in the junk folder"),
            )
            .advice(format!("Publish one: {record}."))
            .why("neither the domain nor one above it has one (RFC 9989)")
            .why(WANTED);
        }
        Ok(Found::Several) => {
            return Finding::warning(
                DMARC,
                format!(
                    "{domain} has several DMARC records, so receivers take none: its e-mails may land in the \
                         junk folder"
                ),
            )
            .advice(format!("Leave one TXT record at _dmarc.{domain}."))
            .why("RFC 9989 has receivers discard them all")
            .why(WANTED);
        }
        Ok(Found::Policy(policy)) => policy,
    };
    let Policy { at, request, .. } = policy;
    let answer = format!("the record at _dmarc.{at} asks for p={} (RFC 9989)", request.name());
    let Some(proof) = identity.map(|identity| proof(domain, policy, identity)) else {
        let sentence = format!("{domain} has a DMARC record; whether its e-mails fulfil it was not checked");
        return Finding::ok(DMARC, sentence).why(answer);
    };
    if let Some(proof) = proof {
        return Finding::ok(
            DMARC,
            format!("{domain} has a DMARC record, which its e-mails can fulfil by {proof}"),
        )
        .why(answer);
    }
    let because = "neither DKIM nor the MAIL FROM domain of its SES identity is set up for that domain";
    let finding = match request {
        Request::Reject => Finding::cause(
            DMARC,
            format!(
                "the DMARC record of {at} asks receivers to refuse e-mails of {domain} that do not fulfil it, and \
                     these cannot"
            ),
        ),
        Request::Quarantine => Finding::warning(
            DMARC,
            format!(
                "the DMARC record of {at} asks receivers to put e-mails of {domain} that do not fulfil it into the \
                     junk folder, and these cannot fulfil it"
            ),
        ),
        Request::None => Finding::warning(
            DMARC,
            format!(
                "the e-mails of {domain} cannot fulfil its DMARC record: they may land in the junk folder"
            ),
        ),
    };
    finding.advice("Set up DKIM for the identity, as above.").why(answer).why(because)
}

/// What proves e-mails to be the domain's.
fn proof(domain: &str, policy: &Policy, identity: &Identity) -> Option<&'static str> {
    let aligned = |other: &str, strict: bool| {
        let below =
            |long: &str, short: &str| long.strip_suffix(short).is_some_and(|front| front.ends_with('.'));
        other.eq_ignore_ascii_case(domain) || (!strict && (below(domain, other) || below(other, domain)))
    };
    let signs_for = identity.name.rsplit('@').next().unwrap_or_default();
    if identity.signing && identity.dkim == "SUCCESS" && aligned(signs_for, policy.strict_dkim) {
        return Some("DKIM");
    }
    let envelope = identity.mail_from.as_ref().filter(|from| from.status == "SUCCESS")?;
    aligned(&envelope.domain, policy.strict_spf).then_some("SPF")
}

// What the sender's own settings say.

/// Why settings of a function cannot be read from here.
pub(super) enum Unusable {
    /// They are in a file of a layer.
    OutOfReach(String),
    /// The function itself would not start with them.
    Wrong(ConfigError),
}

/// Reads settings as the function itself does.
pub(super) fn read<T>(
    variables: &BTreeMap<String, String>,
    read: impl FnOnce(&Settings<'_>) -> Option<T>,
) -> Result<T, Unusable> {
    let out_of_reach = RefCell::default();
    let lookup = |name: &str| variables.get(name).cloned();
    let read_file = |path: &str| {
        *out_of_reach.borrow_mut() = Some(path.to_owned());
        Err("it is in a layer".to_owned())
    };
    let settings = Settings::new(&lookup, &read_file);
    let value = read(&settings);
    let result = settings.finish(value);
    match out_of_reach.into_inner() {
        Some(path) => Err(Unusable::OutOfReach(path)),
        None => result.map_err(Unusable::Wrong),
    }
}

impl Unusable {
    /// That `what` could not be found out, or that the function does not even start.
    pub(super) fn finding(&self, check: &'static str, function: Trigger, what: &str) -> Finding {
        match self {
            Self::OutOfReach(path) => Finding::new(
                check,
                Level::NotChecked,
                format!("{what}: not checked, the list {} is in a layer of the function", plain(path)),
            ),
            Self::Wrong(error) => Finding::cause(
                check,
                format!("{} does not start, so it sends nothing: {error}", function.package()),
            )
            .advice("Deploy the stack with right parameters: docs/configuration.md."),
        }
    }
}

/// Whether the sender's lists keep an address from getting anything; nothing where they are empty.
pub(super) fn denied(
    check: &'static str,
    what: &str,
    variables: &BTreeMap<String, String>,
    address: &str,
) -> Option<Finding> {
    let function = if check == DENIED { Trigger::CustomEmailSender } else { Trigger::CustomSmsSender };
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method is for one lifetime of settings"
    )]
    let lists = match read(variables, |settings| settings.blocked_domains()) {
        Ok(lists) => lists,
        Err(unusable) => {
            let what = format!("whether the sender's lists deny {address}");
            return Some(unusable.finding(check, function, &what));
        }
    };
    let denial = lists.denies(address)?;
    let parameter = match denial {
        Denial::Listed(_) => "DeniedEmailDomains",
        Denial::Disposable => "DenyDisposableEmail or DisposableEmailExceptions",
        Denial::Unreadable => return None,
    };
    let entry = match denial {
        Denial::Listed(pattern) => format!(" (entry {pattern})"),
        Denial::Disposable | Denial::Unreadable => String::new(),
    };
    Some(
        Finding::cause(
            check,
            format!("{} sends {address} no {what}: {}{entry}", function.package(), denial.explain()),
        )
        .advice(format!("If that is wrong, deploy the stack with another {parameter}."))
        .why("the variables of the function hold the lists; such a message ends as sent to nobody, without an error"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(strict_dkim: bool, strict_spf: bool) -> Policy {
        Policy { at: "shop.example".to_owned(), request: Request::Reject, strict_dkim, strict_spf }
    }

    fn signing(name: &str) -> Identity {
        let (name, dkim) = (name.to_owned(), "SUCCESS".to_owned());
        Identity { name, signing: true, dkim, ..Identity::default() }
    }

    #[track_caller]
    fn check_proof(domain: &str, policy: &Policy, identity: &Identity, expected: Option<&str>) {
        assert_eq!(proof(domain, policy, identity), expected);
    }

    #[test]
    fn an_identity_covers_all_below_it() {
        let from = Author::parse("\"Acme, Inc.\" <No-Reply@mail.shop.example>");
        assert_eq!(from.domain(), Some("mail.shop.example"));
        assert_eq!(from.identities(), ["no-reply@mail.shop.example", "mail.shop.example", "shop.example"]);
        assert_eq!(
            Author::parse(" no-reply@shop.example ").identities(),
            ["no-reply@shop.example", "shop.example"]
        );
        assert_eq!(Author::parse("shop.example").domain(), Some("shop.example"));
        assert_eq!(Author::parse("").domain(), None);
    }

    #[test]
    fn one_aligned_proof_is_enough() {
        let relaxed = &policy(false, false);
        check_proof("shop.example", relaxed, &signing("shop.example"), Some("DKIM"));
        check_proof("shop.example", relaxed, &signing("no-reply@shop.example"), Some("DKIM"));
        check_proof("mail.shop.example", relaxed, &signing("shop.example"), Some("DKIM"));
        check_proof("mail.shop.example", &policy(true, false), &signing("shop.example"), None);
        check_proof("shop.example", relaxed, &Identity { signing: false, ..signing("shop.example") }, None);
        check_proof("bookshop.example", relaxed, &signing("shop.example"), None);
        let unsigned = |status: &str| Identity {
            name: "shop.example".to_owned(),
            mail_from: Some(MailFrom {
                domain: "bounces.shop.example".to_owned(),
                status: status.to_owned(),
                rejects: false,
            }),
            ..Identity::default()
        };
        check_proof("shop.example", relaxed, &unsigned("SUCCESS"), Some("SPF"));
        check_proof("shop.example", relaxed, &unsigned("PENDING"), None);
        check_proof("shop.example", &policy(false, true), &unsigned("SUCCESS"), None);
    }

    #[test]
    fn the_configuration_set_has_the_first_say_on_suppression() {
        let error = || AwsError::new(crate::aws::Kind::Other, "");
        let check = |account: Option<&[&str]>, set: Option<Option<&[&str]>>, expected: bool| {
            let owned = |reasons: &[&str]| reasons.iter().map(|reason| (*reason).to_owned()).collect();
            let account = account.map(|suppresses| Account {
                sending: true,
                production: true,
                standing: None,
                quota: None,
                sent: 0.0,
                suppresses: owned(suppresses),
            });
            let set =
                set.map(|suppresses| ConfigurationSet { sending: true, suppresses: suppresses.map(owned) });
            let facts = Facts {
                account: account.ok_or_else(error),
                identity: Ok(None),
                configuration_set: set.map(|set| ("codes".to_owned(), Ok(Some(set)))),
                suppression: None,
                verified_recipient: None,
            };
            assert_eq!(is_applied("BOUNCE", &facts), expected);
        };
        check(Some(&["BOUNCE"]), None, true);
        check(Some(&["COMPLAINT"]), None, false);
        check(Some(&["BOUNCE"]), Some(Some(&[])), false);
        check(Some(&[]), Some(Some(&["BOUNCE"])), true);
        check(Some(&["BOUNCE"]), Some(None), true);
        check(None, None, true);
    }
}
