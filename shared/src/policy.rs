//! The sign-up decision: a pure function from policy and event to a decision with its reason.

use std::fmt;
use std::str::FromStr;

use crate::disposable::list_date;
use crate::domain::{BlockedDomains, Denial, DomainAllowlist};
use crate::trigger::{MessageKind, SignUpSource};

/// Who may sign up, and who is confirmed without a code.
#[derive(Clone, Debug)]
pub struct SignUpPolicy {
    /// Users of these domains are confirmed at once.
    pub allowed: DomainAllowlist,
    /// Users of these domains are refused, even if `allowed` lists them too.
    pub denied: BlockedDomains,
    /// What happens to all other users.
    pub mode: SignUpMode,
    /// What happens to them in a closed pool if they come from an identity provider.
    pub federated: FederatedSignUp,
    /// Whether users of `allowed` are confirmed at once. Otherwise they prove their mailbox like all other users, and
    /// the list only lets them sign up to a closed pool.
    pub confirm_trusted_users: bool,
    /// Also mark the phone number of a trusted user as verified.
    pub auto_verify_phone: bool,
    /// Whether the email address is the username in the pool. If it is an alias attribute, verifying it automatically
    /// would take it from the user who has it, so no user is confirmed.
    pub email_is_username: bool,
}

/// What happens to users whose domain is on no list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignUpMode {
    /// Cognito sends them its normal code.
    #[default]
    Open,
    /// They are refused.
    Closed,
    /// No user is confirmed automatically: an administrator reviews every user.
    Review,
}

/// Who may come to a closed pool from an identity provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FederatedSignUp {
    /// Users of listed domains.
    #[default]
    Listed,
    /// All users whom the provider lets in, except those of denied domains.
    Allowed,
}

impl FromStr for FederatedSignUp {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "listed" => Ok(Self::Listed),
            "allowed" => Ok(Self::Allowed),
            _ => Err("must be `listed` or `allowed`"),
        }
    }
}

impl FromStr for SignUpMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "open" => Ok(Self::Open),
            "closed" => Ok(Self::Closed),
            "review" => Ok(Self::Review),
            _ => Err("must be `open`, `closed` or `review`"),
        }
    }
}

/// The contacts of the user in the event. Absent and empty attributes are `None`.
#[derive(Clone, Copy, Default)]
pub struct Contacts<'a> {
    /// The attribute `email`.
    pub email: Option<&'a str>,
    /// The attribute `phone_number`.
    pub phone_number: Option<&'a str>,
    /// The `userName`. In a pool with email addresses as usernames it may be all that a client sent.
    /// Only the denylists read it; it never makes a user trusted.
    pub user_name: Option<&'a str>,
}

/// What to do with a sign-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Confirm the user and mark the email address as verified, and with `phone` also the phone number.
    ///
    /// A user is never confirmed without a verified contact, because such a user couldn't reset the password.
    Confirm {
        /// Whether the phone number is also marked as verified. Never `true` unless the event has one.
        phone: bool,
    },
    /// Return the event unchanged.
    PassThrough(PassReason),
    /// Refuse the sign-up.
    Refuse(RefuseReason),
}

/// Why an event is returned unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassReason {
    /// The administrator decides.
    Administrator,
    /// The identity provider decides, and the domain is not denied.
    ExternalProvider,
    /// `SIGN_UP_MODE=review`.
    Review,
    /// The domain is trusted, but `CONFIRM_TRUSTED_USERS` is `false`.
    CodeForEverybody,
    /// The domain is trusted, but the address is an alias attribute in this pool.
    EmailIsNotUsername,
    /// The domain is on no list, or there is no address.
    NotListed,
}

/// Why a sign-up is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefuseReason {
    /// The domain is on the denylist.
    Denied,
    /// The domain is on the list of disposable mailboxes.
    Disposable,
    /// The address can't be parsed, and a denylist is set.
    Unreadable,
    /// `SIGN_UP_MODE=closed` and the domain is not on the allowlist.
    Closed,
}

impl SignUpPolicy {
    /// Decides. `clientMetadata` and `validationData` have no influence, because the client controls them.
    #[must_use]
    pub fn decide(&self, source: SignUpSource, contacts: Contacts<'_>) -> Decision {
        match source {
            SignUpSource::Administrator => Decision::PassThrough(PassReason::Administrator),
            SignUpSource::ExternalProvider => {
                self.refusal(contacts).map_or_else(|| self.federated_sign_up(contacts), Decision::Refuse)
            }
            SignUpSource::SelfSignUp => {
                self.refusal(contacts).map_or_else(|| self.self_sign_up(contacts), Decision::Refuse)
            }
        }
    }

    fn refusal(&self, contacts: Contacts<'_>) -> Option<RefuseReason> {
        // Most usernames are no addresses, so one that can't be parsed as an address isn't denied.
        let by_name = contacts.user_name.and_then(|name| self.denied.denies(name));
        let by_name = by_name.filter(|denial| *denial != Denial::Unreadable);
        let denial = by_name.or_else(|| contacts.email.and_then(|email| self.denied.denies(email)));
        denial.map(|denial| match denial {
            Denial::Listed(_) => RefuseReason::Denied,
            Denial::Disposable => RefuseReason::Disposable,
            Denial::Unreadable => RefuseReason::Unreadable,
        })
    }

    fn federated_sign_up(&self, contacts: Contacts<'_>) -> Decision {
        let listed = || contacts.email.is_some_and(|email| self.allowed.trusts(email).is_some());
        if self.mode == SignUpMode::Closed && self.federated == FederatedSignUp::Listed && !listed() {
            Decision::Refuse(RefuseReason::Closed)
        } else {
            Decision::PassThrough(PassReason::ExternalProvider)
        }
    }

    fn self_sign_up(&self, contacts: Contacts<'_>) -> Decision {
        let trusted = contacts.email.is_some_and(|email| {
            // An event with two different addresses is not trusted.
            let other = contacts.user_name.filter(|name| name.contains('@'));
            self.allowed.trusts(email).is_some() && other.is_none_or(|name| name.eq_ignore_ascii_case(email))
        });
        match (self.mode, trusted) {
            (SignUpMode::Review, _) => Decision::PassThrough(PassReason::Review),
            (SignUpMode::Closed, false) => Decision::Refuse(RefuseReason::Closed),
            (SignUpMode::Open, false) => Decision::PassThrough(PassReason::NotListed),
            (SignUpMode::Open | SignUpMode::Closed, true) if !self.confirm_trusted_users => {
                Decision::PassThrough(PassReason::CodeForEverybody)
            }
            (SignUpMode::Open | SignUpMode::Closed, true) if !self.email_is_username => {
                Decision::PassThrough(PassReason::EmailIsNotUsername)
            }
            (SignUpMode::Open | SignUpMode::Closed, true) => {
                Decision::Confirm { phone: self.auto_verify_phone && contacts.phone_number.is_some() }
            }
        }
    }
}

/// Which email addresses the senders send codes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecipientPolicy {
    /// Domains that get no message.
    pub denied: BlockedDomains,
    /// In a closed pool, the domains that an address may be changed to.
    pub closed_to: Option<DomainAllowlist>,
}

impl RecipientPolicy {
    /// Why a user with this email address gets no message of this kind, if so.
    ///
    /// A change of an address never passes pre-sign-up, so the senders ask the lists again. In a closed pool, a code for
    /// an attribute proves an address of a listed domain only. All other codes go out, because they need a user whom
    /// pre-sign-up, an administrator or an identity provider let in.
    #[must_use]
    pub fn refusal(&self, kind: MessageKind, address: &str) -> Option<&'static str> {
        // An address that can't be parsed is not denied here: the email sender rejects it, and an SMS goes elsewhere.
        let denial = self.denied.denies(address).filter(|denial| *denial != Denial::Unreadable);
        if let Some(denial) = denial {
            return Some(denial.explain());
        }
        let changes = matches!(kind, MessageKind::UpdateUserAttribute | MessageKind::VerifyUserAttribute);
        let listed = |list: &DomainAllowlist| list.trusts(address).is_some();
        (changes && self.closed_to.as_ref().is_some_and(|list| !listed(list))).then_some(
            "SIGN_UP_MODE is closed and the email domain is not on ALLOWED_EMAIL_DOMAINS, so the address can't be verified",
        )
    }
}

impl Decision {
    /// The reason in one line, without personal data.
    #[must_use]
    pub fn explain(&self) -> &'static str {
        match self {
            Self::Confirm { phone: false } => "confirmed: the email domain is on ALLOWED_EMAIL_DOMAINS",
            Self::Confirm { phone: true } => {
                "confirmed with email and phone: the email domain is on ALLOWED_EMAIL_DOMAINS and AUTO_VERIFY_PHONE is true"
            }
            Self::PassThrough(reason) => match reason {
                PassReason::Administrator => {
                    "unchanged: an administrator creates this user, so the sign-up policy does not apply"
                }
                PassReason::ExternalProvider => {
                    "unchanged: the user comes from an identity provider, and the lists permit the domain"
                }
                PassReason::Review => {
                    "unchanged: SIGN_UP_MODE is review, so an administrator confirms every user"
                }
                PassReason::CodeForEverybody => {
                    "unchanged: the domain is trusted, but CONFIRM_TRUSTED_USERS is false, so Cognito sends its normal code"
                }
                PassReason::EmailIsNotUsername => {
                    "unchanged: the domain is trusted, but EMAIL_IS_USERNAME is not true, so confirming the \
                     user could take the alias from another user"
                }
                PassReason::NotListed => {
                    "unchanged: the email domain is on no list, so Cognito sends its normal code"
                }
            },
            Self::Refuse(reason) => match reason {
                RefuseReason::Denied => {
                    "refused: the email domain is on DENIED_EMAIL_DOMAINS (parameter DeniedEmailDomains)"
                }
                RefuseReason::Disposable => {
                    concat!("refused: the email domain is on the disposable email list of ", list_date!())
                }
                RefuseReason::Unreadable => {
                    "refused: the email address can't be parsed, and DENIED_EMAIL_DOMAINS or DENY_DISPOSABLE_EMAIL is set"
                }
                RefuseReason::Closed => {
                    "refused: SIGN_UP_MODE (parameter SignUpMode) is closed and the email domain is not on \
                     ALLOWED_EMAIL_DOMAINS (parameter AllowedEmailDomains)"
                }
            },
        }
    }

    /// The first word of the explanation, for counting.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Confirm { .. } => "confirm",
            Self::PassThrough(_) => "pass-through",
            Self::Refuse(_) => "refuse",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.explain())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::disposable::LIST_DATE;
    use crate::domain::{DisposableDomains, DomainDenylist, DomainPatterns};

    fn policy() -> SignUpPolicy {
        SignUpPolicy {
            allowed: DomainAllowlist::parse("example.com, both.example").unwrap(),
            denied: BlockedDomains {
                denied: DomainDenylist::parse("evil.example, both.example").unwrap(),
                disposable: DisposableDomains::default(),
            },
            mode: SignUpMode::Open,
            federated: FederatedSignUp::Listed,
            confirm_trusted_users: true,
            auto_verify_phone: false,
            email_is_username: true,
        }
    }

    const PHONE: &str = "+15550100123";

    #[track_caller]
    fn check(
        policy: &SignUpPolicy,
        source: SignUpSource,
        email: &str,
        phone_number: &str,
        expected: Decision,
    ) {
        fn given(text: &str) -> Option<&str> {
            (!text.is_empty()).then_some(text)
        }
        let contacts = Contacts { email: given(email), phone_number: given(phone_number), user_name: None };
        assert_eq!(policy.decide(source, contacts), expected);
    }

    #[test]
    fn self_sign_up_follows_lists_and_mode() {
        use Decision::{Confirm, PassThrough, Refuse};
        use SignUpSource::SelfSignUp;
        let open = policy();
        check(&open, SelfSignUp, "ann@example.com", PHONE, Confirm { phone: false });
        check(&open, SelfSignUp, "ann@example.org", "", PassThrough(PassReason::NotListed));
        check(&open, SelfSignUp, "", PHONE, PassThrough(PassReason::NotListed));
        check(&open, SelfSignUp, "", "", PassThrough(PassReason::NotListed));
        check(&open, SelfSignUp, "ann@evil.example", "", Refuse(RefuseReason::Denied));
        check(&open, SelfSignUp, "ann@both.example", "", Refuse(RefuseReason::Denied));
        check(&open, SelfSignUp, "no address", "", Refuse(RefuseReason::Unreadable));

        let closed = SignUpPolicy { mode: SignUpMode::Closed, ..policy() };
        check(&closed, SelfSignUp, "ann@example.com", "", Confirm { phone: false });
        check(&closed, SelfSignUp, "ann@example.org", "", Refuse(RefuseReason::Closed));
        check(&closed, SelfSignUp, "", PHONE, Refuse(RefuseReason::Closed));

        let review = SignUpPolicy { mode: SignUpMode::Review, ..policy() };
        check(&review, SelfSignUp, "ann@example.com", "", PassThrough(PassReason::Review));
        check(&review, SelfSignUp, "ann@evil.example", "", Refuse(RefuseReason::Denied));

        let alias = SignUpPolicy { email_is_username: false, auto_verify_phone: true, ..policy() };
        check(&alias, SelfSignUp, "ann@example.com", PHONE, PassThrough(PassReason::EmailIsNotUsername));

        let code = SignUpPolicy { mode: SignUpMode::Closed, confirm_trusted_users: false, ..policy() };
        check(&code, SelfSignUp, "ann@example.com", PHONE, PassThrough(PassReason::CodeForEverybody));
        check(&code, SelfSignUp, "ann@example.org", "", Refuse(RefuseReason::Closed));

        let phone = SignUpPolicy { auto_verify_phone: true, ..policy() };
        check(&phone, SelfSignUp, "ann@example.com", PHONE, Confirm { phone: true });
        check(&phone, SelfSignUp, "ann@example.com", "", Confirm { phone: false });
    }

    #[test]
    fn a_closed_pool_lets_an_identity_provider_in_only_with_listed_domains_or_the_setting() {
        use Decision::{PassThrough, Refuse};
        use SignUpSource::{Administrator, ExternalProvider};
        let closed = SignUpPolicy { mode: SignUpMode::Closed, ..policy() };
        let let_in = SignUpPolicy { federated: FederatedSignUp::Allowed, ..closed.clone() };
        let passes = PassThrough(PassReason::ExternalProvider);
        for (email, listed) in
            [("ann@example.com", true), ("ann@example.org", false), ("no address", false), ("", false)]
        {
            let unreadable = email == "no address";
            let refused = Refuse(if unreadable { RefuseReason::Unreadable } else { RefuseReason::Closed });
            check(&closed, ExternalProvider, email, "", if listed { passes } else { refused });
            check(&let_in, ExternalProvider, email, "", if unreadable { refused } else { passes });
            if !unreadable {
                check(&policy(), ExternalProvider, email, "", passes);
            }
        }
        for policy in [&closed, &let_in] {
            check(policy, ExternalProvider, "ann@evil.example", "", Refuse(RefuseReason::Denied));
            check(policy, Administrator, "ann@example.org", "", PassThrough(PassReason::Administrator));
        }
        // The provider's name of the user may be another address.
        let contacts = Contacts {
            email: Some("ann@example.com"),
            user_name: Some("saml_a@idp.example"),
            phone_number: None,
        };
        assert_eq!(closed.decide(ExternalProvider, contacts), passes);
    }

    #[test]
    fn a_closed_pool_sends_no_code_that_verifies_an_address_of_another_domain() {
        let closed_to = Some(DomainAllowlist::parse("example.com").unwrap());
        let closed = RecipientPolicy { denied: policy().denied, closed_to };
        let open = RecipientPolicy { closed_to: None, ..closed.clone() };
        for kind in MessageKind::ALL {
            let changes = matches!(kind, MessageKind::UpdateUserAttribute | MessageKind::VerifyUserAttribute);
            for address in ["ann@example.org", "ann@mail.example.com", "ann@ｅxample.com", "no address"] {
                assert_eq!(closed.refusal(kind, address).is_some(), changes, "{kind:?} {address}");
                assert_eq!(open.refusal(kind, address), None, "{kind:?} {address}");
            }
            assert_eq!(closed.refusal(kind, "Ann@Example.com"), None, "{kind:?}");
            assert!(closed.refusal(kind, "ann@evil.example").is_some(), "{kind:?}");
            assert!(open.refusal(kind, "ann@mail.evil.example").is_some(), "{kind:?}");
        }
    }

    #[track_caller]
    fn check_user_name(user_name: &str, email: Option<&str>, expected: Decision) {
        let contacts = Contacts { user_name: Some(user_name), email, ..Contacts::default() };
        assert_eq!(policy().decide(SignUpSource::SelfSignUp, contacts), expected, "{user_name}");
    }

    #[test]
    fn an_address_as_user_name_is_denied_but_never_trusted() {
        let unlisted = Decision::PassThrough(PassReason::NotListed);
        let denied = Decision::Refuse(RefuseReason::Denied);
        check_user_name("ann@evil.example", None, denied);
        check_user_name("ann@evil.example", Some("boss@example.com"), denied);
        check_user_name("ann@example.com", None, unlisted);
        check_user_name("ann", None, unlisted);
        check_user_name("a@b@c", None, unlisted);
        check_user_name("ann@example.org", Some("boss@example.com"), unlisted);
        check_user_name("Boss@Example.com", Some("boss@example.com"), Decision::Confirm { phone: false });
        check_user_name("boss", Some("boss@example.com"), Decision::Confirm { phone: false });
    }

    #[test]
    fn a_disposable_mailbox_is_refused_like_a_denied_domain() {
        use Decision::{Confirm, PassThrough, Refuse};
        let exceptions = DomainPatterns::parse("guerrillamail.com").unwrap();
        let mut policy = policy();
        policy.denied.disposable = DisposableDomains::new(true, exceptions);
        policy.allowed = DomainAllowlist::parse("example.com, mailinator.com").unwrap();
        for source in [SignUpSource::SelfSignUp, SignUpSource::ExternalProvider] {
            check(&policy, source, "ann@mailinator.com", "", Refuse(RefuseReason::Disposable));
            check(&policy, source, "ann@a.mailinator.com", "", Refuse(RefuseReason::Disposable));
            check(&policy, source, "no address", "", Refuse(RefuseReason::Unreadable));
        }
        let source = SignUpSource::SelfSignUp;
        check(&policy, source, "ann@guerrillamail.com", "", PassThrough(PassReason::NotListed));
        check(&policy, source, "ann@example.com", "", Confirm { phone: false });
        check(&policy, source, "", PHONE, PassThrough(PassReason::NotListed));
        let contacts = Contacts { user_name: Some("ann@mailinator.com"), ..Contacts::default() };
        assert_eq!(policy.decide(source, contacts), Refuse(RefuseReason::Disposable));
        let administrator = SignUpSource::Administrator;
        check(&policy, administrator, "ann@mailinator.com", "", PassThrough(PassReason::Administrator));
        assert_eq!(
            Refuse(RefuseReason::Disposable).to_string(),
            format!("refused: the email domain is on the disposable email list of {LIST_DATE}")
        );
    }

    #[test]
    fn administrators_decide_themselves_and_providers_are_only_refused() {
        use Decision::{PassThrough, Refuse};
        let closed =
            SignUpPolicy { mode: SignUpMode::Closed, federated: FederatedSignUp::Allowed, ..policy() };
        for policy in [policy(), closed] {
            for email in ["ann@example.com", "ann@evil.example", "no address", ""] {
                check(
                    &policy,
                    SignUpSource::Administrator,
                    email,
                    "",
                    PassThrough(PassReason::Administrator),
                );
            }
            let provider = SignUpSource::ExternalProvider;
            check(&policy, provider, "ann@example.com", "", PassThrough(PassReason::ExternalProvider));
            check(&policy, provider, "ann@example.org", "", PassThrough(PassReason::ExternalProvider));
            check(&policy, provider, "", "", PassThrough(PassReason::ExternalProvider));
            check(&policy, provider, "ann@evil.example", "", Refuse(RefuseReason::Denied));
        }
    }

    proptest! {
        #[test]
        fn nobody_without_a_listed_domain_is_ever_confirmed(
            before in "([a-z@,;<(\"\u{200b}]|@evil\\.example,){0,4}",
            at in "@|@x|@ｅ|@\u{ad}|\"@|@sub\\.",
            after in "[.>) ,@\u{200b}a-z](@?[a-z.]{0,4})?",
            phone in any::<bool>(),
        ) {
            // One plain letter before, the listed domain, and something behind that spoils it.
            let email = format!("a{before}{at}example.com{after}");
            let policy = SignUpPolicy { auto_verify_phone: true, ..policy() };
            let contacts = Contacts { email: Some(&email), phone_number: phone.then_some(PHONE), user_name: None };
            let decision = policy.decide(SignUpSource::SelfSignUp, contacts);
            prop_assert!(!matches!(decision, Decision::Confirm { .. }), "{}", decision);
        }
    }
}
