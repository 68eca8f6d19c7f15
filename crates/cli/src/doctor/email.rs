//! Email: what sends it, whether SES accepts it, and whether it can arrive.
//!
//! Sources: "Email settings for Amazon Cognito user pools", Amazon Cognito developer guide, and the SES API reference.

mod dmarc;
mod dns;
mod sender;
mod ses;

use shared::address::EmailAddress;

use super::contact::Contact;
use super::finding::Finding;
use super::registry::CheckId;
use super::settings;
use super::subject::Subject;
use crate::dns::Dns;
use crate::terminal::output::plain;
use sender::EmailSender;

const EMAIL_FORMAT: &str = "https://docs.aws.amazon.com/ses/latest/dg/send-email-concepts-email-format.html";

pub(super) async fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let pool = match subject.pool {
        Ok(pool) => pool,
        Err(error) => {
            return vec![Finding::not_checked(CheckId::EmailSender, "what sends the emails", error)];
        }
    };
    let sender = EmailSender::of(subject, pool);
    let recipient = subject.email();
    let to = recipient.as_deref().and_then(|text| text.parse::<EmailAddress>().ok());
    let dns = Dns::new(subject.resolver);

    let (routes, mailbox, dmarc) = tokio::join!(
        ses::facts_of_routes(subject, &sender, to.as_ref()),
        async { Some(dns::mailbox(dns.as_ref(), to.as_ref()?, subject.progress).await) },
        async { Some(dmarc::records(dns.as_ref(), sender.from()?.domain()?, subject.progress).await) },
    );

    let mut findings = sender::findings(subject, pool, &sender);
    if let Some(text) = recipient.as_deref().filter(|_| to.is_none()) {
        findings.push(not_an_address(text));
    }
    findings.extend(ses::findings(&routes, to.as_ref()));
    if let (Some(from), Some(records)) = (sender.from(), &dmarc) {
        let identity = routes.first().and_then(|(_, facts)| facts.identity.as_ref().ok()?.as_ref());
        findings.extend(from.domain().map(|domain| dmarc::finding(domain, records, identity)));
    }
    findings.extend(ses::fallback(&routes));
    if let Some(to) = &to {
        if let EmailSender::Function { variables, .. } = &sender {
            findings.extend(settings::blocked_domain(Contact::Email, variables, &to.expose()));
        }
        findings.extend(mailbox.map(|mailbox| dns::finding(subject, to, &mailbox)));
    }
    findings
}

fn not_an_address(text: &str) -> Finding {
    let summary = format!("{} isn't one plain email address: nothing is sent to it", plain(text));
    Finding::cause(CheckId::EmailAddress, summary)
        .advice("Correct the user's email attribute.")
        .evidence(
            "SES accepts an ASCII local part and a domain; custom-email-sender rejects everything that isn't one \
             address",
        )
        .source(EMAIL_FORMAT)
}
