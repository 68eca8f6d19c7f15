//! An accepted address is one mailbox on one line of ASCII, and stays the same address wherever it is read again.

use shared::address::{EmailAddress, EmailDomain};
use shared::domain::{Denial, DomainDenylist};

/// Checks one text.
pub fn check(text: &str) {
    let Ok(address) = text.parse::<EmailAddress>() else { return };
    let shown = address.expose();

    assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()), "only visible ASCII");
    assert!(!shown.contains([',', ';', ':', '<', '>', '(', ')', '[', ']', '"', '\\']), "no second mailbox");
    let (local_part, domain) = shown.split_once('@').expect("an address has an `@`");
    assert!(!domain.contains('@'), "and only one");
    assert!((1..=64).contains(&local_part.len()) && shown.len() <= 254, "what SMTP can carry");
    assert!(text.starts_with(&format!("{local_part}@")), "the local part is the one that was given");
    assert_eq!(domain, domain.to_ascii_lowercase());

    assert_eq!(shown.parse().as_ref(), Ok(&address), "read again it is the same");
    let given = text.split_once('@').map(|(_, domain)| domain).expect("an address has an `@`");
    assert_eq!(EmailDomain::forgiving(given).as_ref(), Some(address.domain()), "a forgiving reader agrees");
    if let Ok(denied) = DomainDenylist::parse(domain) {
        assert!(matches!(denied.denies(text), Some(Denial::Listed(_))), "its domain can be denied");
    }
    assert_eq!(format!("{address:?}"), "EmailAddress(******)");
}
