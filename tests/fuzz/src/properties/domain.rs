//! Trust is never wider than denial, and no spelling of a denied domain gets past the list.
//!
//! The first line is a list, the second an address, the third says how the address's domain is spelt oddly.

use shared::address::EmailAddress;
use shared::address::EmailDomain;
use shared::domain::{BlockedDomains, Denial, DomainAllowlist, DomainDenylist, DomainPattern};
use shared::policy::{Contacts, Decision, FederatedSignUp, SignUpMode, SignUpPolicy};
use shared::trigger::SignUpSource;

/// Checks one list with one address.
pub fn check(text: &str) {
    let mut lines = text.splitn(3, '\n');
    let (list, address, spelling) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    check_domain(address.rsplit('@').next().unwrap_or_default());
    list.split([',', ' ', '\t']).for_each(check_pattern);

    let denied = DomainDenylist::parse(list);
    match DomainAllowlist::parse(list) {
        Ok(allowed) => {
            let denied = denied.as_ref().expect("whatever can be trusted can be denied");
            check_trust(list, &allowed, denied, address);
        }
        Err(problems) => check_problems(&problems),
    }
    match denied {
        Ok(denied) => check_denial(&denied, address, spelling),
        Err(problems) => check_problems(&problems),
    }
}

fn check_domain(text: &str) {
    let Some(domain) = EmailDomain::strict(text) else { return };
    let shown = domain.to_string();
    assert!(
        shown.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte))
    );
    assert_eq!(
        EmailDomain::forgiving(text).as_ref(),
        Some(&domain),
        "a forgiving reader sees what is trusted"
    );
    assert_eq!(EmailDomain::strict(&shown).as_ref(), Some(&domain), "read again it is the same");
    if text.is_ascii() {
        assert_eq!(shown, text.to_ascii_lowercase(), "only the case of letters changes");
    }
}

fn check_pattern(text: &str) {
    let Ok(pattern) = text.parse::<DomainPattern>() else { return };
    let shown = pattern.to_string();
    assert_eq!(shown.parse().as_ref(), Ok(&pattern), "read again it is the same");
    let name = shown.strip_prefix("*.").unwrap_or(&shown);
    let itself = EmailDomain::strict(name).expect("a pattern holds a domain");
    assert_eq!(pattern.matches(&itself), name == shown, "a domain is not below itself");
    if let Some(below) = EmailDomain::strict(&format!("x.{name}")) {
        assert_eq!(pattern.matches(&below), name != shown);
    }
    if let Some(longer) = EmailDomain::strict(&format!("x{name}")) {
        assert!(!pattern.matches(&longer), "only whole labels count");
    }
}

fn check_trust(list: &str, allowed: &DomainAllowlist, denied: &DomainDenylist, address: &str) {
    let trusted = allowed.trusts(address).is_some();
    if trusted {
        assert!(matches!(denied.denies(address), Some(Denial::Listed(_))), "a trusted address can be denied");
        let exposed = address.parse::<EmailAddress>().expect("only an address is trusted").expose();
        let (_, domain) = exposed.split_once('@').expect("an address has an `@`");
        // Plain comparison of texts, which shares nothing with the code under test but Punycode.
        let covers = |entry: &str| {
            let entry = entry.parse::<DomainPattern>().map(|pattern| pattern.to_string()).unwrap_or_default();
            match entry.strip_prefix('*') {
                Some(end) => domain.ends_with(end) && domain.len() > end.len(),
                None => entry == domain,
            }
        };
        assert!(list.split([',', ' ', '\t']).any(covers), "trust needs an entry of the list");
    }
    let confirms = |denied: &DomainDenylist| {
        let policy = SignUpPolicy {
            allowed: allowed.clone(),
            denied: BlockedDomains { denied: denied.clone(), ..BlockedDomains::default() },
            mode: SignUpMode::Open,
            federated: FederatedSignUp::Listed,
            confirm_trusted_users: true,
            auto_verify_phone: false,
            email_is_username: true,
        };
        let contacts = Contacts { email: Some(address), ..Contacts::default() };
        matches!(policy.decide(SignUpSource::SelfSignUp, contacts), Decision::Confirm { .. })
    };
    assert_eq!(confirms(&DomainDenylist::default()), trusted, "trust and nothing else confirms");
    assert!(!confirms(denied), "denial wins");
}

fn check_denial(denied: &DomainDenylist, address: &str, spelling: &str) {
    let listed = |address: &str| matches!(denied.denies(address), Some(Denial::Listed(_)));
    if let Ok(address) = address.parse::<EmailAddress>()
        && listed(&address.expose())
    {
        let domain = address.domain().to_string();
        let odd = format!("ann@{}", spelt_oddly(&domain, spelling));
        assert!(listed(&odd), "another spelling of a denied domain is denied: {odd:?}");
        assert!(
            denied.denies(&format!("ann@x.{domain}")).is_some(),
            "what is below a denied domain is denied"
        );
    }
}

/// The domain as only a forgiving reader would understand it; each character of `spelling` changes one of it.
fn spelt_oddly(domain: &str, spelling: &str) -> String {
    let changes = spelling.chars().map(Some).chain(std::iter::repeat(None));
    let mut odd = String::new();
    for (character, change) in domain.chars().zip(changes) {
        // What UTS #46 leaves out, or this program itself; between the parts of `xn--` as anywhere else.
        odd.extend(change.filter(|change| change.is_whitespace() || IGNORED.contains(change)));
        match (character, change) {
            ('.', Some('.')) => odd.push('\u{3002}'),
            ('.', Some(',')) => odd.push('\u{ff61}'),
            ('!'..='~', Some('w')) => odd.extend(char::from_u32(u32::from(character) + 0xFEE0)),
            ('a'..='z', Some('o')) => odd.extend(char::from_u32(u32::from(character) - 0x61 + 0x24D0)),
            ('a'..='z', Some('b')) => odd.extend(char::from_u32(u32::from(character) - 0x61 + 0x1D41A)),
            ('k', Some('k')) => odd.push('\u{212a}'),
            ('s', Some('s')) => odd.push('\u{17f}'),
            (_, Some('u')) => odd.push(character.to_ascii_uppercase()),
            _ => odd.push(character),
        }
    }
    odd
}

const IGNORED: [char; 8] =
    ['\u{ad}', '\u{34f}', '\u{180b}', '\u{200b}', '\u{2060}', '\u{2064}', '\u{fe0f}', '\u{feff}'];

/// Problems go into the log: each is one line and shows no address.
fn check_problems(problems: &[String]) {
    assert!(!problems.is_empty());
    for problem in problems {
        assert!(!problem.contains(['@', '\u{ff20}', '\u{fe6b}']), "an address would be shown");
        assert!(!problem.contains(char::is_control), "a line of the log could be forged");
    }
}
