//! DMARC: what the sender's domain asks receivers to do with email that fails its checks.
//!
//! Source: RFC 9989.

use std::collections::BTreeMap;

use crate::aws::ses::Identity;
use crate::dns::{Dns, DnsFailure};
use crate::doctor::finding::Finding;
use crate::doctor::level::Level;
use crate::doctor::registry::CheckId;
use crate::terminal::progress::Progress;

const DMARC_PAGE: &str = "https://docs.aws.amazon.com/ses/latest/dg/send-email-authentication-dmarc.html";

/// A longer name is shortened to this many labels before the walk goes on.
const LABELS: usize = 7;

/// What the domain asks receivers to do with email that passes neither SPF nor DKIM for the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Request {
    None,
    Quarantine,
    Reject,
}

impl Request {
    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }
}

/// The record that applies to a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    /// The domain whose record it is.
    pub(super) at: String,
    pub(super) request: Request,
    /// Whether the DKIM domain must be the sender's domain itself, and not only one of the same organization.
    pub(super) strict_dkim: bool,
    /// The same for the envelope's domain.
    pub(super) strict_spf: bool,
}

/// The result of the DNS tree walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DmarcLookup {
    Nothing,
    /// The domain itself has several records, so receivers ignore them all.
    Several,
    Policy(Policy),
}

/// The domains whose records apply, from the sender's own to the top-level one (RFC 9989, "DNS Tree Walk").
fn walk(domain: &str) -> Vec<&str> {
    let mut domains = vec![domain];
    let mut rest = domain;
    while let Some((_, parent)) = rest.split_once('.') {
        rest = parent;
        if rest.split('.').count() <= LABELS {
            domains.push(rest);
        }
    }
    domains
}

/// Finds the record that applies. `answers` are the TXT records of `_dmarc` under each domain of [`walk`], in its order.
fn policy(answers: &[(&str, Vec<String>)]) -> DmarcLookup {
    let Some((own, _)) = answers.first() else { return DmarcLookup::Nothing };
    let mut chosen: Option<(&str, Tags)> = None;
    for (domain, texts) in answers {
        let mut records = texts.iter().filter_map(|text| Tags::parse(text));
        let Some(record) = records.next() else { continue };
        if records.next().is_some() {
            if domain == own {
                return DmarcLookup::Several;
            }
            continue;
        }
        if domain == own {
            return DmarcLookup::Policy(record.policy(domain, true));
        }
        match record.get("psd") {
            // The organization's domain is the one below, even if that has no record.
            Some("y") if chosen.as_ref().is_some_and(|(chosen, _)| is_child(chosen, domain)) => break,
            Some("y" | "n") => {
                chosen = Some((domain, record));
                break;
            }
            _ => chosen = Some((domain, record)),
        }
    }
    chosen.map_or(DmarcLookup::Nothing, |(domain, record)| DmarcLookup::Policy(record.policy(domain, false)))
}

fn is_child(domain: &str, parent: &str) -> bool {
    domain.split_once('.').is_some_and(|(_, rest)| rest == parent)
}

/// The tags of a record, names in lower case.
struct Tags(BTreeMap<String, String>);

impl Tags {
    fn parse(text: &str) -> Option<Self> {
        let mut tags = text.split(';').map(|tag| {
            let (name, value) = tag.split_once('=').unwrap_or((tag, ""));
            (name.trim().to_ascii_lowercase(), value.trim().to_ascii_lowercase())
        });
        let (name, version) = tags.next()?;
        (name == "v" && version == "dmarc1").then(|| Self(tags.collect()))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn policy(&self, at: &str, own: bool) -> Policy {
        let for_subdomains = if own { None } else { self.get("sp") };
        let request = match for_subdomains.or_else(|| self.get("p")) {
            Some("reject") => Request::Reject,
            Some("quarantine") => Request::Quarantine,
            _ => Request::None,
        };
        Policy {
            at: at.to_owned(),
            request: if self.get("t") == Some("y") { milder(request) } else { request },
            strict_dkim: self.get("adkim") == Some("s"),
            strict_spf: self.get("aspf") == Some("s"),
        }
    }
}

/// What a record in test mode (`t=y`) asks for.
fn milder(request: Request) -> Request {
    match request {
        Request::Reject => Request::Quarantine,
        Request::Quarantine | Request::None => Request::None,
    }
}

/// Looks up the records that apply to a domain.
pub(super) async fn records(
    dns: Result<&Dns, &DnsFailure>,
    domain: &str,
    progress: &Progress,
) -> Result<DmarcLookup, DnsFailure> {
    let dns = dns.map_err(Clone::clone)?;
    let mut answers = Vec::new();
    for name in walk(domain) {
        answers.push((name, progress.of(dns.texts(&format!("_dmarc.{name}"))).await?));
        // The domain's own record is enough.
        if answers.len() == 1 && policy(&answers) != DmarcLookup::Nothing {
            break;
        }
    }
    Ok(policy(&answers))
}

pub(super) fn finding(
    domain: &str,
    lookup: &Result<DmarcLookup, DnsFailure>,
    identity: Option<&Identity>,
) -> Finding {
    const CHECK: CheckId = CheckId::EmailDmarc;
    const WANTED: &str = "large mailbox providers expect a DMARC record, and send emails without one to the junk folder \
                          more often";
    let policy = match lookup {
        Err(failure) => {
            return Finding::new(
                CHECK,
                Level::NotChecked,
                format!("the DMARC record of {domain}: not checked, {failure}"),
            );
        }
        Ok(DmarcLookup::Nothing) => {
            let summary = format!("{domain} has no DMARC record: its emails may land in the junk folder");
            return Finding::warning(CHECK, summary)
                .advice(format!("Publish a TXT record at _dmarc.{domain}. Start with \"v=DMARC1; p=none\"."))
                .evidence("neither the domain nor a parent domain has one (RFC 9989)")
                .evidence(WANTED)
                .source(DMARC_PAGE);
        }
        Ok(DmarcLookup::Several) => {
            let summary = format!(
                "{domain} has several DMARC records, so receivers ignore them all: its emails may land in the junk \
                 folder"
            );
            return Finding::warning(CHECK, summary)
                .advice(format!("Keep one TXT record at _dmarc.{domain}."))
                .evidence("RFC 9989 makes receivers discard them all")
                .evidence(WANTED)
                .source(DMARC_PAGE);
        }
        Ok(DmarcLookup::Policy(policy)) => policy,
    };
    let Policy { at, request, .. } = policy;
    let answer = format!("the record at _dmarc.{at} asks for p={} (RFC 9989)", request.name());
    let Some(proof) = identity.map(|identity| proof(domain, policy, identity)) else {
        let summary = format!("{domain} has a DMARC record; whether its emails pass it wasn't checked");
        return Finding::ok(CHECK, summary).evidence(answer);
    };
    if let Some(proof) = proof {
        let summary = format!("{domain} has a DMARC record, and its emails pass it with {proof}");
        return Finding::ok(CHECK, summary).evidence(answer);
    }
    let finding = match request {
        Request::Reject => Finding::cause(
            CHECK,
            format!("emails of {domain} fail DMARC, and the record of {at} asks receivers to reject them"),
        ),
        Request::Quarantine => Finding::warning(
            CHECK,
            format!(
                "emails of {domain} fail DMARC, and the record of {at} asks receivers to put them into the junk \
                 folder"
            ),
        ),
        Request::None => Finding::warning(
            CHECK,
            format!("emails of {domain} fail DMARC: they may land in the junk folder"),
        ),
    };
    finding
        .advice("Set up DKIM for the identity, as above.")
        .evidence(answer)
        .evidence("neither DKIM nor the MAIL FROM domain of the SES identity is set up for that domain")
}

/// What makes emails of the domain pass DMARC.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::ses::MailFrom;

    #[track_caller]
    fn check(answers: &[(&str, &[&str])], expected: &str) {
        let answers: Vec<(&str, Vec<String>)> = answers
            .iter()
            .map(|(domain, texts)| (*domain, texts.iter().map(|text| (*text).to_owned()).collect()))
            .collect();
        let found = match policy(&answers) {
            DmarcLookup::Nothing => "nothing".to_owned(),
            DmarcLookup::Several => "several".to_owned(),
            DmarcLookup::Policy(policy) => format!("{} at {}", policy.request.name(), policy.at),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn the_walk_goes_up_to_the_top_level_domain_in_at_most_eight_steps() {
        assert_eq!(walk("mail.shop.example"), ["mail.shop.example", "shop.example", "example"]);
        let long = "a.b.c.d.e.f.g.h.i.example";
        assert_eq!(walk(long).len(), 8);
        assert_eq!(walk(long)[..2], [long, "d.e.f.g.h.i.example"]);
    }

    #[test]
    fn the_record_of_the_domain_itself_comes_first() {
        check(
            &[("a.example", &["v=DMARC1; p=reject"]), ("example", &["v=DMARC1; p=none"])],
            "reject at a.example",
        );
        check(&[("a.example", &["v=spf1 -all", " V = dmarc1 ;P=Quarantine"])], "quarantine at a.example");
        check(&[("a.example", &["v=DMARC1; p=none; sp=reject"])], "none at a.example");
        check(&[("a.example", &["v=DMARC1; rua=mailto:ann@a.example"])], "none at a.example");
        check(&[("a.example", &["v=DMARC1; p=reject; t=y"])], "quarantine at a.example");
        check(&[("a.example", &["v=DMARC2; p=reject"]), ("example", &[])], "nothing");
        check(&[("a.example", &["p=reject; v=DMARC1"])], "nothing");
        check(&[], "nothing");
    }

    #[test]
    fn several_records_are_ignored() {
        let two: &[&str] = &["v=DMARC1; p=none", "v=DMARC1; p=reject"];
        check(&[("a.b.example", two), ("b.example", &["v=DMARC1; p=none"])], "several");
        check(&[("a.b.example", &[]), ("b.example", two)], "nothing");
    }

    #[test]
    fn otherwise_the_record_of_the_organization_applies() {
        let reject: &[&str] = &["v=DMARC1; p=none; sp=reject"];
        let quarantine: &[&str] = &["v=DMARC1; p=quarantine"];
        check(&[("a.b.example", &[]), ("b.example", reject), ("example", &[])], "reject at b.example");
        check(
            &[("a.b.c.example", &[]), ("b.c.example", quarantine), ("c.example", reject), ("example", &[])],
            "reject at c.example",
        );
        check(
            &[("a.b.example", &[]), ("b.example", &["v=DMARC1; p=none; psd=n"]), ("example", reject)],
            "none at b.example",
        );
        let suffix: &[&str] = &["v=DMARC1; p=reject; psd=y"];
        check(
            &[("a.b.example", &[]), ("b.example", quarantine), ("example", suffix)],
            "quarantine at b.example",
        );
        check(&[("a.b.example", &[]), ("b.example", &[]), ("example", suffix)], "reject at example");
    }

    #[test]
    fn alignment_is_relaxed_unless_the_record_is_strict() {
        let strict = |text: &str| match policy(&[("a.example", vec![text.to_owned()])]) {
            DmarcLookup::Policy(policy) => (policy.strict_dkim, policy.strict_spf),
            found => panic!("{found:?}"),
        };
        assert_eq!(strict("v=DMARC1; p=reject; adkim=r"), (false, false));
        assert_eq!(strict("v=DMARC1; p=reject; adkim=s; aspf=s"), (true, true));
    }

    fn record(strict_dkim: bool, strict_spf: bool) -> Policy {
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
    fn one_aligned_proof_is_enough() {
        let relaxed = &record(false, false);
        check_proof("shop.example", relaxed, &signing("shop.example"), Some("DKIM"));
        check_proof("shop.example", relaxed, &signing("no-reply@shop.example"), Some("DKIM"));
        check_proof("mail.shop.example", relaxed, &signing("shop.example"), Some("DKIM"));
        check_proof("mail.shop.example", &record(true, false), &signing("shop.example"), None);
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
        check_proof("shop.example", &record(false, true), &unsigned("SUCCESS"), None);
    }
}
