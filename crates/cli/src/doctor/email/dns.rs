//! Whether the recipient's domain receives email.

use shared::address::EmailAddress;

use crate::dns::{Dns, DnsFailure};
use crate::doctor::contact::OWN_CONTACT;
use crate::doctor::finding::Finding;
use crate::doctor::level::Level;
use crate::doctor::registry::CheckId;
use crate::doctor::subject::Subject;
use crate::terminal::progress::Progress;
use crate::terminal::shell::quote;

/// What the domain of a recipient publishes about its email.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mailbox {
    Hosts(Vec<String>),
    /// Without an MX record; whether the domain has an address record instead.
    NoHost(bool),
}

pub(super) async fn mailbox(
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

pub(super) fn finding(
    subject: &Subject<'_>,
    to: &EmailAddress,
    mailbox: &Result<Mailbox, DnsFailure>,
) -> Finding {
    const CHECK: CheckId = CheckId::EmailMailbox;
    let domain = to.domain().to_string();
    let cause = |summary: String| {
        let finding = Finding::cause(CHECK, summary);
        match subject.user() {
            Some(user) => finding.advice(OWN_CONTACT).command(format!(
                "aws cognito-idp admin-update-user-attributes --user-pool-id {} --username {} --user-attributes \
                 Name=email,Value=RIGHT-ADDRESS Name=email_verified,Value=true --region {}",
                quote(subject.pool_id),
                quote(&user.name),
                quote(subject.region()),
            )),
            None => finding.advice("Check the spelling of the address."),
        }
    };
    match mailbox {
        Ok(Mailbox::Hosts(hosts)) if hosts.iter().all(String::is_empty) => {
            cause(format!("{domain} doesn't receive email")).evidence("DNS has a null MX record (RFC 7505)")
        }
        Ok(Mailbox::Hosts(hosts)) => {
            let host = hosts.iter().find(|host| !host.is_empty()).map_or("", String::as_str);
            Finding::ok(CHECK, format!("{domain} receives email"))
                .evidence(format!("DNS has the MX record {host}"))
        }
        Ok(Mailbox::NoHost(true)) => Finding::ok(CHECK, format!("{domain} may receive email"))
            .evidence("DNS has no MX record but an address record, which counts instead (RFC 5321, 5.1)"),
        Ok(Mailbox::NoHost(false)) => cause(format!("{domain} has no mail server"))
            .evidence("DNS has neither an MX nor an address record (RFC 5321, 5.1)"),
        Err(DnsFailure::NoSuchDomain) => {
            cause(format!("the domain {domain} doesn't exist: the address may be misspelled"))
                .evidence("DNS returns NXDOMAIN")
        }
        Err(failure) => Finding::new(
            CHECK,
            Level::NotChecked,
            format!("whether {domain} receives email: not checked, {failure}"),
        ),
    }
}
