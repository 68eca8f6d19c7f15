//! DMARC: what a domain asks receivers to do with e-mail that fails its checks.
//!
//! Source: RFC 9989.

use std::collections::BTreeMap;

/// A longer name is shortened to this many labels before the walk goes on.
const LABELS: usize = 7;

/// What receivers are asked to do with e-mail that neither SPF nor DKIM proves to be the domain's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Request {
    None,
    Quarantine,
    Reject,
}

impl Request {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }
}

/// The record that holds for a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    /// The domain whose record it is.
    pub(super) at: String,
    pub(super) request: Request,
    /// Whether DKIM's domain must be the very domain of the sender, not only of the same organisation.
    pub(super) strict_dkim: bool,
    /// The same for the domain of the envelope.
    pub(super) strict_spf: bool,
}

/// What the walk through DNS found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// The domain itself has several records, so receivers take none.
    Several,
    Policy(Policy),
}

/// The domains whose records count, from the sender's own to the top-level one (RFC 9989, "DNS Tree Walk").
pub(super) fn walk(domain: &str) -> Vec<&str> {
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

/// Finds the record that holds. `answers` are the TXT records of `_dmarc` under each domain of [`walk`], in its order.
pub(super) fn policy(answers: &[(&str, Vec<String>)]) -> Found {
    let Some((own, _)) = answers.first() else { return Found::Nothing };
    let mut chosen: Option<(&str, Tags)> = None;
    for (domain, texts) in answers {
        let mut records = texts.iter().filter_map(|text| Tags::parse(text));
        let Some(record) = records.next() else { continue };
        if records.next().is_some() {
            if domain == own {
                return Found::Several;
            }
            continue;
        }
        if domain == own {
            return Found::Policy(record.policy(domain, true));
        }
        match record.get("psd") {
            // The organisation's domain is the one below, even where that has no record.
            Some("y") if chosen.as_ref().is_some_and(|(chosen, _)| is_child(chosen, domain)) => break,
            Some("y" | "n") => {
                chosen = Some((domain, record));
                break;
            }
            _ => chosen = Some((domain, record)),
        }
    }
    chosen.map_or(Found::Nothing, |(domain, record)| Found::Policy(record.policy(domain, false)))
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

/// What a record that is being tried out asks for.
fn milder(request: Request) -> Request {
    match request {
        Request::Reject => Request::Quarantine,
        Request::Quarantine | Request::None => Request::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answers: &[(&str, &[&str])], expected: &str) {
        let answers: Vec<(&str, Vec<String>)> = answers
            .iter()
            .map(|(domain, texts)| (*domain, texts.iter().map(|text| (*text).to_owned()).collect()))
            .collect();
        let found = match policy(&answers) {
            Found::Nothing => "nothing".to_owned(),
            Found::Several => "several".to_owned(),
            Found::Policy(policy) => format!("{} at {}", policy.request.name(), policy.at),
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
    fn several_records_are_none() {
        let two: &[&str] = &["v=DMARC1; p=none", "v=DMARC1; p=reject"];
        check(&[("a.b.example", two), ("b.example", &["v=DMARC1; p=none"])], "several");
        check(&[("a.b.example", &[]), ("b.example", two)], "nothing");
    }

    #[test]
    fn else_the_record_of_the_organisation_holds() {
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
    fn alignment_is_relaxed_unless_the_record_says_otherwise() {
        let strict = |text: &str| match policy(&[("a.example", vec![text.to_owned()])]) {
            Found::Policy(policy) => (policy.strict_dkim, policy.strict_spf),
            found => panic!("{found:?}"),
        };
        assert_eq!(strict("v=DMARC1; p=reject; adkim=r"), (false, false));
        assert_eq!(strict("v=DMARC1; p=reject; adkim=s; aspf=s"), (true, true));
    }
}
