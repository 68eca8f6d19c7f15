//! Whether SES sends: account, identity, configuration set and suppression list, for each route.

use shared::address::EmailAddress;

use super::sender::{EmailSender, FromAddress, Route};
use crate::aws::AwsError;
use crate::aws::ses::{Account, ConfigurationSet, Identity, MailFrom, Ses, Suppression};
use crate::doctor::finding::Finding;
use crate::doctor::level::Level;
use crate::doctor::registry::CheckId;
use crate::doctor::severity::{Mitigation, mitigate};
use crate::doctor::step::Step;
use crate::doctor::subject::Subject;
use crate::terminal::progress::Progress;
use crate::terminal::shell::quote;

const GET_ACCOUNT: &str = "https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetAccount.html";
const GET_IDENTITY: &str = "https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetEmailIdentity.html";
const GET_CONFIGURATION_SET: &str =
    "https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetConfigurationSet.html";
const PRODUCTION_ACCESS: &str = "https://docs.aws.amazon.com/ses/latest/dg/request-production-access.html";
const QUOTAS: &str = "https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas.html";
const DKIM: &str = "https://docs.aws.amazon.com/ses/latest/dg/send-email-authentication-dkim.html";
const MAIL_FROM: &str = "https://docs.aws.amazon.com/ses/latest/dg/mail-from.html";
const SUPPRESSION_LIST: &str =
    "https://docs.aws.amazon.com/ses/latest/dg/sending-email-suppression-list.html";

/// The share of the quota from which doctor warns.
const NEARLY: f64 = 0.8;

/// What SES returned about one route.
pub(super) struct RouteFacts {
    account: Result<Account, AwsError>,
    pub(super) identity: Result<Option<Identity>, AwsError>,
    /// The configuration set, if emails use one: its name, and what SES returned about it.
    configuration_set: Option<(String, Result<Option<ConfigurationSet>, AwsError>)>,
    /// If the recipient is known.
    suppression: Option<Result<Option<Suppression>, AwsError>>,
    /// Without production access, if the recipient is known: whether they or their domain are verified.
    verified_recipient: Option<Result<bool, AwsError>>,
}

pub(super) async fn facts_of_routes(
    subject: &Subject<'_>,
    sender: &EmailSender<'_>,
    to: Option<&EmailAddress>,
) -> Vec<(Route, RouteFacts)> {
    let one = async |route: Option<&Route>, to| {
        let route = route?;
        Some((route.clone(), Box::pin(facts(subject, route, to)).await))
    };
    let mut routes = sender.routes().iter();
    let (first, second) = tokio::join!(one(routes.next(), to), one(routes.next(), None));
    first.into_iter().chain(second).collect()
}

async fn facts(subject: &Subject<'_>, route: &Route, to: Option<&EmailAddress>) -> RouteFacts {
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
            let names = FromAddress::parse(&to.expose()).identities();
            let identity = first_identity(ses, &names, progress).await;
            Some(identity.map(|identity| identity.is_some_and(|identity| identity.verified)))
        }
        _ => None,
    };
    RouteFacts { account, identity, configuration_set, suppression, verified_recipient }
}

/// The first verified one of these identities, else the first that exists.
///
/// The calls are made one after another: SES accepts one per second.
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

/// The SES mailbox simulator accepts email from every account.
fn is_simulator(to: &EmailAddress) -> bool {
    to.domain().to_string() == "simulator.amazonses.com"
}

/// Findings about the first route. `routes` has the fallback as second one.
pub(super) fn findings(routes: &[(Route, RouteFacts)], to: Option<&EmailAddress>) -> Vec<Finding> {
    let Some((route, facts)) = routes.first() else { return Vec::new() };
    let findings = of_route(route, facts, to);
    let fallback_works =
        routes.get(1).is_some_and(|(route, facts)| fallback_problems(route, facts).is_empty());
    if !fallback_works {
        return findings;
    }
    findings.into_iter().map(with_fallback).collect()
}

/// A problem that stops every email is not a cause if the fallback works.
fn with_fallback(finding: Finding) -> Finding {
    match finding.check {
        CheckId::EmailSending
        | CheckId::EmailStanding
        | CheckId::EmailQuota
        | CheckId::EmailIdentity
        | CheckId::EmailMailFrom
        | CheckId::EmailConfigurationSet => mitigate(finding, Mitigation::Fallback),
        _ => finding,
    }
}

fn of_route(route: &Route, facts: &RouteFacts, to: Option<&EmailAddress>) -> Vec<Finding> {
    let mut findings = match &facts.account {
        Ok(account) => of_account(&route.region, account, facts, to),
        Err(error) => {
            vec![Finding::not_checked(CheckId::EmailSending, "whether SES sends for this account", error)]
        }
    };
    match &facts.identity {
        Ok(identity) => findings.extend(of_identity(route, identity.as_ref())),
        Err(error) => {
            findings.push(Finding::not_checked(CheckId::EmailIdentity, "the sender's identity", error));
        }
    }
    if let Some((name, set)) = &facts.configuration_set {
        findings.push(match set {
            Ok(set) => of_configuration_set(&route.region, name, set.as_ref()),
            Err(error) => {
                let what = format!("the configuration set {name}");
                Finding::not_checked(CheckId::EmailConfigurationSet, &what, error)
            }
        });
    }
    if let (Some(to), Some(suppression)) = (to, &facts.suppression) {
        findings.push(match suppression {
            Ok(suppression) => of_suppression(&route.region, to, suppression.as_ref(), facts),
            Err(error) => {
                let what = "whether the address is on the SES suppression list";
                Finding::not_checked(CheckId::EmailSuppressed, what, error)
            }
        });
    }
    findings
}

fn of_account(
    region: &str,
    account: &Account,
    facts: &RouteFacts,
    to: Option<&EmailAddress>,
) -> Vec<Finding> {
    let mut findings = vec![sending(region, account)];
    if account.standing.as_deref() == Some("PROBATION") {
        findings.push(
            Finding::warning(
                CheckId::EmailStanding,
                format!(
                    "AWS is reviewing the account's SES in {region} because of bounces or complaints, and may stop it"
                ),
            )
            .advice("The Reputation metrics page of the SES console shows why.")
            .evidence("ses:GetAccount returns EnforcementStatus PROBATION")
            .source(GET_ACCOUNT),
        );
    }
    findings.push(sandbox(region, account, facts.verified_recipient.as_ref(), to));
    findings.extend(quota(region, account));
    findings
}

fn sending(region: &str, account: &Account) -> Finding {
    if account.standing.as_deref() == Some("SHUTDOWN") {
        return Finding::cause(
            CheckId::EmailStanding,
            format!("AWS has stopped the account's SES in {region}"),
        )
        .advice(
            "The Reputation metrics page of the SES console shows why; only AWS Support can start it again.",
        )
        .evidence("ses:GetAccount returns EnforcementStatus SHUTDOWN")
        .source(GET_ACCOUNT);
    }
    if account.sending {
        return Finding::ok(CheckId::EmailSending, format!("sending is on in SES in {region}"))
            .evidence("ses:GetAccount returns SendingEnabled true")
            .source(GET_ACCOUNT);
    }
    Finding::cause(
        CheckId::EmailSending,
        format!("sending is paused for the whole account in SES in {region}"),
    )
    .step(Step::ResumeSending { region: region.to_owned() })
    .advice("First find out what paused it and why. It may have been an alarm on bounces.")
    .evidence("ses:GetAccount returns SendingEnabled false")
    .source(GET_ACCOUNT)
}

fn sandbox(
    region: &str,
    account: &Account,
    verified: Option<&Result<bool, AwsError>>,
    to: Option<&EmailAddress>,
) -> Finding {
    const CHECK: CheckId = CheckId::EmailSandbox;
    if account.production {
        return Finding::ok(CHECK, format!("the account has production access to SES in {region}"))
            .evidence("ses:GetAccount returns ProductionAccessEnabled true")
            .source(GET_ACCOUNT);
    }
    let leave = format!(
        "aws sesv2 put-account-details --production-access-enabled --mail-type TRANSACTIONAL --website-url \
         https://YOUR-SITE --region {}",
        quote(region)
    );
    let no_access = format!("the account has no production access to SES in {region}");
    let finding = match (to, verified) {
        (Some(to), None) if is_simulator(to) => {
            Finding::ok(CHECK, format!("{no_access}, but the mailbox simulator needs none"))
        }
        (Some(to), Some(Ok(true))) => {
            Finding::ok(CHECK, format!("{no_access}, but {} is a verified recipient", to.expose()))
        }
        (Some(to), Some(Ok(false))) => Finding::cause(
            CHECK,
            format!("{no_access}, and {} isn't verified: SES rejects the emails", to.expose()),
        )
        .advice("Request production access:")
        .command(leave)
        .advice("Or, for a test, verify the address: SES sends it a link.")
        .command(create_identity(&to.expose(), region)),
        (Some(_), Some(Err(error))) => Finding::new(
            CHECK,
            Level::NotChecked,
            format!("{no_access}; whether the recipient is verified: not checked, {error}"),
        )
        .command(leave),
        (_, None) | (None, Some(_)) => {
            Finding::warning(CHECK, format!("{no_access}: SES sends only to verified recipients"))
                .command(leave)
        }
    };
    finding
        .evidence(
            "ses:GetAccount returns ProductionAccessEnabled false: in the sandbox SES sends only to verified addresses \
             and domains",
        )
        .source(PRODUCTION_ACCESS)
}

fn quota(region: &str, account: &Account) -> Option<Finding> {
    const CHECK: CheckId = CheckId::EmailQuota;
    let quota = account.quota.filter(|quota| *quota > 0.0)?;
    let sent = account.sent;
    let usage = format!("{sent} of {quota} emails in 24 hours (the sending quota of SES in {region})");
    let finding = if sent >= quota {
        Finding::cause(CHECK, format!("the account has used its quota: {usage}"))
    } else if sent >= NEARLY * quota {
        Finding::warning(CHECK, format!("the account has nearly used its quota: {usage}"))
    } else {
        Finding::ok(CHECK, format!("the account has sent {usage}"))
    };
    let finding = finding
        .evidence(format!(
            "ses:GetAccount returns Max24HourSend {quota} and SentLast24Hours {sent}; above it SES rejects emails, for \
             up to a day"
        ))
        .source(QUOTAS);
    Some(if finding.level == Level::Ok {
        finding
    } else {
        finding.advice(format!(
            "Request a higher sending quota in {region}: \
             https://console.aws.amazon.com/servicequotas/home/services/ses/quotas"
        ))
    })
}

fn create_identity(name: &str, region: &str) -> String {
    format!("aws sesv2 create-email-identity --email-identity {} --region {}", quote(name), quote(region))
}

fn of_identity(route: &Route, identity: Option<&Identity>) -> Vec<Finding> {
    const CHECK: CheckId = CheckId::EmailIdentity;
    let region = &route.region;
    let Some(identity) = identity else {
        let names = route.identities.join(", ");
        let domain = route.identities.iter().find(|name| !name.contains('@')).or(route.identities.first());
        let summary = format!("SES in {region} has no identity for {names}: it rejects every email");
        return vec![
            Finding::cause(CHECK, summary)
                .command(create_identity(domain.map_or("", String::as_str), region))
                .advice("Then publish the DKIM records that the command returns.")
                .evidence(format!("ses:GetEmailIdentity finds none of these names in {region}"))
                .source(GET_IDENTITY),
        ];
    };
    let name = &identity.name;
    if !identity.verified {
        let summary = format!(
            "the identity {name} isn't verified for sending in SES in {region} ({}): SES rejects every email",
            identity.status
        );
        let finding = Finding::cause(CHECK, summary);
        let finding = if name.contains('@') {
            finding
                .command(format!(
                    "aws sesv2 delete-email-identity --email-identity {0} --region {1} && {2}",
                    quote(name),
                    quote(region),
                    create_identity(name, region)
                ))
                .advice("That sends a new link to the address; open it within 24 hours.")
        } else {
            finding.command(dkim_tokens(name, region)).advice(dkim_records(name))
        };
        return vec![
            finding
                .evidence("ses:GetEmailIdentity returns VerifiedForSendingStatus false")
                .source(GET_IDENTITY),
        ];
    }
    vec![
        Finding::ok(CHECK, format!("the identity {name} is verified in SES in {region}"))
            .evidence("ses:GetEmailIdentity returns VerifiedForSendingStatus true")
            .source(GET_IDENTITY),
        dkim(identity, region),
        mail_from(identity, region),
    ]
}

fn dkim_tokens(name: &str, region: &str) -> String {
    format!(
        "aws sesv2 get-email-identity --email-identity {} --query DkimAttributes.Tokens --region {}",
        quote(name),
        quote(region)
    )
}

fn dkim_records(name: &str) -> String {
    format!("Publish a record for each token: TOKEN._domainkey.{name} CNAME TOKEN.dkim.amazonses.com.")
}

fn dkim(identity: &Identity, region: &str) -> Finding {
    const CHECK: CheckId = CheckId::EmailDkim;
    let name = &identity.name;
    let finding = match (identity.signing, identity.dkim.as_str()) {
        (true, "SUCCESS") => Finding::ok(CHECK, format!("emails from {name} are signed with DKIM")),
        (false, "SUCCESS") => Finding::warning(
            CHECK,
            format!("DKIM signing is off for {name}: its emails may land in the junk folder"),
        )
        .command(format!(
            "aws sesv2 put-email-identity-dkim-attributes --email-identity {} --signing-enabled --region {}",
            quote(name),
            quote(region)
        )),
        (_, status) => {
            let finding = Finding::warning(
                CHECK,
                format!(
                    "SES can't sign emails from {name} with DKIM, because it doesn't find the keys in DNS ({status}): \
                     they may land in the junk folder"
                ),
            );
            if name.contains('@') {
                finding
                    .advice("Verify the domain with DKIM: it then signs for its addresses too.")
                    .command(create_identity(name.rsplit('@').next().unwrap_or_default(), region))
            } else {
                finding.command(dkim_tokens(name, region)).advice(dkim_records(name))
            }
        }
    };
    finding
        .evidence(format!(
            "ses:GetEmailIdentity returns DkimAttributes with SigningEnabled {} and Status {}",
            identity.signing, identity.dkim
        ))
        .evidence("receivers classify email without a DKIM signature as spam more often")
        .source(DKIM)
}

fn mail_from(identity: &Identity, region: &str) -> Finding {
    const CHECK: CheckId = CheckId::EmailMailFrom;
    const RULE: &str = "without a custom MAIL FROM domain, SPF passes for amazonses.com and not for the sender's domain, \
                        so DMARC depends on DKIM alone";
    let name = &identity.name;
    let Some(MailFrom { domain, status, rejects }) = &identity.mail_from else {
        // DKIM or SPF is enough for DMARC.
        return Finding::ok(CHECK, format!("{name} has no custom MAIL FROM domain; it is optional"))
            .evidence("ses:GetEmailIdentity returns no MailFromDomain")
            .evidence(RULE)
            .source(MAIL_FROM);
    };
    let finding = match (status.as_str(), rejects) {
        ("SUCCESS", _) => Finding::ok(CHECK, format!("the MAIL FROM domain {domain} of {name} works")),
        (_, true) => Finding::cause(
            CHECK,
            format!(
                "the MAIL FROM domain {domain} isn't set up ({status}): until then SES sends nothing for {name}"
            ),
        ),
        (_, false) => Finding::warning(
            CHECK,
            format!(
                "the MAIL FROM domain {domain} isn't set up ({status}): SES uses its own instead, and emails may land \
                 in the junk folder"
            ),
        ),
    };
    let finding = finding
        .evidence(format!(
            "ses:GetEmailIdentity returns MailFromDomainStatus {status} and BehaviorOnMxFailure {}",
            if *rejects { "REJECT_MESSAGE" } else { "USE_DEFAULT_VALUE" }
        ))
        .evidence(RULE)
        .source(MAIL_FROM);
    if status == "SUCCESS" {
        return finding;
    }
    finding.advice(format!(
        "Publish for {domain} the MX record 10 feedback-smtp.{region}.amazonses.com and the TXT record \"v=spf1 \
         include:amazonses.com ~all\"."
    ))
}

fn of_configuration_set(region: &str, name: &str, set: Option<&ConfigurationSet>) -> Finding {
    const CHECK: CheckId = CheckId::EmailConfigurationSet;
    let named = format!("--configuration-set-name {} --region {}", quote(name), quote(region));
    let finding = match set {
        Some(set) if set.sending => {
            Finding::ok(CHECK, format!("sending is on in the configuration set {name}"))
                .evidence("ses:GetConfigurationSet returns SendingEnabled true")
        }
        Some(_) => Finding::cause(CHECK, format!("sending is off in the configuration set {name}"))
            .command(format!("aws sesv2 put-configuration-set-sending-options --sending-enabled {named}"))
            .evidence("ses:GetConfigurationSet returns SendingEnabled false"),
        None => Finding::cause(
            CHECK,
            format!("SES in {region} has no configuration set {name}: it rejects every email"),
        )
        .command(format!("aws sesv2 create-configuration-set {named}"))
        .advice("Or set another SesConfigurationSet in MoreSettings and deploy the stack again.")
        .evidence("ses:GetConfigurationSet finds none with that name"),
    };
    finding.source(GET_CONFIGURATION_SET)
}

fn of_suppression(
    region: &str,
    to: &EmailAddress,
    suppression: Option<&Suppression>,
    facts: &RouteFacts,
) -> Finding {
    const CHECK: CheckId = CheckId::EmailSuppressed;
    let address = to.expose();
    let Some(Suppression { reason, since }) = suppression else {
        return Finding::ok(CHECK, format!("{address} isn't on the SES suppression list in {region}"))
            .evidence("ses:GetSuppressedDestination finds no such destination");
    };
    let because = match reason.as_str() {
        "BOUNCE" => "an email to it bounced",
        "COMPLAINT" => "its owner marked an email as spam",
        other => other,
    };
    let step = Step::RemoveSuppression { region: region.to_owned(), address: address.clone() };
    let listed = format!(
        "{address} has been on the SES suppression list in {region} since {since}, because {because}"
    );
    let answer = format!("ses:GetSuppressedDestination returns Reason {reason} and LastUpdateTime {since}");
    if is_applied(reason, facts) {
        Finding::cause(CHECK, format!("{listed}: SES sends it nothing"))
            .step(step)
            .advice("First fix the reason: another bounce or complaint harms the account's reputation.")
            .evidence(answer)
            .evidence("SES accepts an email to such an address, and doesn't send it")
            .source(SUPPRESSION_LIST)
    } else {
        Finding::warning(CHECK, format!("{listed}, but the list isn't applied"))
            .step(step)
            .evidence(answer)
            .evidence("neither the configuration set nor the account suppresses for that reason")
            .source(SUPPRESSION_LIST)
    }
}

/// Whether a suppression for that reason stops emails: the configuration set takes precedence over the account. If
/// neither could be read, the default applies: it does.
fn is_applied(reason: &str, facts: &RouteFacts) -> bool {
    let set = facts.configuration_set.as_ref().and_then(|(_, set)| set.as_ref().ok()?.as_ref());
    let account = facts.account.as_ref().ok().map(|account| &account.suppresses);
    let reasons = set.and_then(|set| set.suppresses.as_ref()).or(account);
    reasons.is_none_or(|reasons| reasons.iter().any(|applied| applied == reason))
}

/// Why the fallback route can't send.
fn fallback_problems(route: &Route, facts: &RouteFacts) -> Vec<String> {
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
                problems.push("the account has no production access there".to_owned());
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
            problems.push(format!("the identity {} isn't verified there", identity.name));
        }
        Ok(Some(_)) => {}
    }
    if let Some((name, set)) = &facts.configuration_set {
        match set {
            Err(error) => problems.push(format!("not checked, {error}")),
            Ok(None) => problems.push(format!("there is no configuration set {name}")),
            Ok(Some(set)) if !set.sending => {
                problems.push(format!("sending is off in the configuration set {name}"));
            }
            Ok(Some(_)) => {}
        }
    }
    problems
}

/// Whether the fallback route could send, if the sender has one.
pub(super) fn fallback(routes: &[(Route, RouteFacts)]) -> Option<Finding> {
    const CHECK: CheckId = CheckId::EmailFallback;
    let (route, facts) = routes.get(1)?;
    let problems = fallback_problems(route, facts);
    let region = &route.region;
    let evidence = "the sender uses SES_FALLBACK_REGION and SES_FALLBACK_CONFIGURATION_SET if the first route is down or \
                    rejects the email; docs/configuration.md";
    if problems.is_empty() {
        return Some(
            Finding::ok(CHECK, format!("the fallback through SES in {region} can send")).evidence(evidence),
        );
    }
    let level = if problems.iter().all(|problem| problem.starts_with("not checked")) {
        Level::NotChecked
    } else {
        Level::Warning
    };
    let summary = format!("the fallback through SES in {region} can't send: {}", problems.join("; "));
    Some(Finding::new(CHECK, level, summary).evidence(evidence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_set_takes_precedence_for_suppression() {
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
            let facts = RouteFacts {
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
