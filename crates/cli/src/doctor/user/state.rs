//! What a user's status allows, and where the user's codes go.

use crate::aws::AwsError;
use crate::aws::cognito::{AppClient, User};
use crate::doctor::contact::{Contact, OWN_CONTACT, attribute_in_words};
use crate::doctor::finding::Finding;
use crate::doctor::registry::CheckId;
use crate::doctor::step::Step;
use crate::doctor::subject::Subject;
use crate::terminal::output::plain;
use crate::terminal::shell::quote;
use crate::terminal::words::count;
use pool::user_pool::UserPool;

const DAY: i64 = 24 * 60 * 60;

const PASSWORDS: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/managing-users-passwords.html";
const SIGNING_UP: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/signing-up-users-in-your-app.html";
const ERRORS: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pool-managing-errors.html";
const QUOTAS: &str = "https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html";
const USER_TYPE: &str =
    "https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserType.html";

/// Where this user's codes go: an empty list if Cognito sends them none by design, `None` if the user, the MFA
/// settings or the user pool are unknown, or if a mistake in the settings excludes every contact.
pub(in crate::doctor) fn channels(subject: &Subject<'_>) -> Option<Vec<Contact>> {
    let (user, pool) = (subject.user()?, subject.pool.as_ref().ok()?);
    subject.lookup.mfa.as_ref().ok()?;
    let state = UserState {
        region: subject.region(),
        pool_id: subject.pool_id,
        user,
        mfa_error: None,
        client: None,
        now: 0,
    };
    state.channels(pool)
}

/// How an administrator lets the user in while no code arrives: with a permanent password, or with a temporary one.
pub(in crate::doctor) fn workaround(region: &str, pool_id: &str, user: &User) -> Vec<String> {
    ["--permanent", "--no-permanent"]
        .map(|how| {
            format!(
                "aws cognito-idp admin-set-user-password --user-pool-id {pool_id} --username {} --password \
                 'NEW-PASSWORD' {how} --region {}",
                quote(&user.name),
                quote(region)
            )
        })
        .into()
}

/// How a forgotten password is reset.
#[derive(Debug, PartialEq, Eq)]
enum Recovery {
    /// With a code to this contact; the second part has the contacts before it that can't be used.
    Contact(Contact, Vec<Contact>),
    /// Only by an administrator.
    AdminOnly,
    /// No contact can be used, with the reason for each.
    Nothing(Vec<String>),
}

/// One user, with the data for the checks.
pub(super) struct UserState<'a> {
    pub(super) region: &'a str,
    pub(super) pool_id: &'a str,
    pub(super) user: &'a User,
    /// Why the MFA settings are unknown.
    pub(super) mfa_error: Option<&'a AwsError>,
    pub(super) client: Option<&'a AppClient>,
    /// Seconds since 1970.
    pub(super) now: i64,
}

impl UserState<'_> {
    pub(super) fn findings(&self, pool: Option<&UserPool>) -> Vec<Finding> {
        let mut findings = vec![self.enabled(), self.status(pool)];
        let recovery = pool.map(|pool| self.recovery(pool));
        findings.extend(pool.and_then(|pool| self.invitation(pool)));
        findings
            .extend([Contact::Email, Contact::Phone].map(|contact| self.contact(contact, recovery.as_ref())));
        let Some((pool, recovery)) = pool.zip(recovery) else { return findings };
        findings.push(self.mfa(pool));
        findings.extend(self.can_recover().then(|| self.recovery_finding(pool, &recovery)));
        findings.extend((self.user.status == "UNCONFIRMED").then(|| self.sign_up_code(pool)));
        findings
    }

    /// Whether the user's status permits a password reset at all.
    fn can_recover(&self) -> bool {
        !["UNCONFIRMED", "FORCE_CHANGE_PASSWORD", "EXTERNAL_PROVIDER"].contains(&self.user.status.as_str())
    }

    fn name(&self) -> String {
        self.user.name.clone()
    }

    fn region(&self) -> String {
        self.region.to_owned()
    }

    fn pool_id(&self) -> String {
        self.pool_id.to_owned()
    }

    fn enabled(&self) -> Finding {
        if self.user.enabled {
            return Finding::ok(CheckId::UserEnabled, "the user is enabled");
        }
        Finding::cause(CheckId::UserEnabled, "the user is disabled: Cognito sends them no code")
            .step(Step::EnableUser { region: self.region(), pool_id: self.pool_id(), user: self.name() })
            .evidence(
                "Enabled is false; ForgotPassword returns NotAuthorizedException, or responds as if it had worked",
            )
            .source(ERRORS)
    }

    fn status(&self, pool: Option<&UserPool>) -> Finding {
        const CHECK: CheckId = CheckId::UserStatus;
        let status = self.user.status.as_str();
        let finding = match status {
            "CONFIRMED" => Finding::ok(CHECK, "CONFIRMED: the user can sign in and reset the password"),
            "UNCONFIRMED" => Finding::warning(
                CHECK,
                "UNCONFIRMED: the user signed up but never entered the code. Until then they can't sign in, and \
                 ForgotPassword sends nothing, although it can look as if it did",
            )
            .evidence("reported in https://github.com/aws/aws-aspnet-cognito-identity-provider/issues/179"),
            "FORCE_CHANGE_PASSWORD" => self.force_change_password(pool),
            "RESET_REQUIRED" => self.reset_required(pool),
            "EXTERNAL_PROVIDER" => Finding::cause(
                CHECK,
                "EXTERNAL_PROVIDER: the user signs in through an identity provider; Cognito has no password for them \
                 and never sends them a code",
            )
            .advice("Reset the password at the identity provider.")
            .source(SIGNING_UP),
            "ARCHIVED" | "COMPROMISED" => Finding::cause(
                CHECK,
                format!("{status}: the user can't sign in; Cognito no longer assigns this status"),
            )
            .advice("Ask AWS Support, or delete the user and let them sign up again.")
            .source(USER_TYPE),
            other => Finding::warning(CHECK, format!("{}: an unknown status", plain(other))).source(USER_TYPE),
        };
        // If the pool sends no code at all, `sign_up_code` offers the confirmation.
        let confirm = status == "UNCONFIRMED" && pool.is_none_or(|pool| self.sign_up_contact(pool).is_some());
        let finding = if confirm { finding.step(self.confirm()) } else { finding };
        finding.evidence(format!("the user's status is {}", plain(status)))
    }

    fn confirm(&self) -> Step {
        Step::ConfirmSignUp { region: self.region(), pool_id: self.pool_id(), user: self.name() }
    }

    fn force_change_password(&self, pool: Option<&UserPool>) -> Finding {
        let finding = Finding::cause(
            CheckId::UserStatus,
            "FORCE_CHANGE_PASSWORD: the user never replaced the temporary password, and until then Cognito rejects \
             ForgotPassword",
        )
        .evidence(
            "ForgotPassword: NotAuthorizedException, \"User password cannot be reset in the current state.\"",
        )
        .evidence("reported in https://github.com/aws-amplify/amplify-flutter/issues/3048");
        let contacts = [Contact::Email, Contact::Phone];
        let contact = contacts.into_iter().find(|contact| self.user.attribute(contact.attribute()).is_some());
        let Some(contact) = contact else {
            return finding.advice("The user has no contact for an invitation: add an email address first.");
        };
        let step = Step::ResendInvitation {
            region: self.region(),
            pool_id: self.pool_id(),
            user: self.invited_as(pool),
            medium: contact.medium(),
        };
        finding.advice("Send the invitation again, with a new temporary password:").step(step)
    }

    /// If an address is the username, `AdminCreateUser` accepts nothing else.
    fn invited_as(&self, pool: Option<&UserPool>) -> String {
        let attributes = pool.map(UserPool::username_attributes).unwrap_or_default();
        let address = attributes.into_iter().find_map(|attribute| self.user.attribute(attribute));
        address.map_or_else(|| self.name(), str::to_owned)
    }

    fn reset_required(&self, pool: Option<&UserPool>) -> Finding {
        let finding = Finding::warning(
            CheckId::UserStatus,
            "RESET_REQUIRED: an administrator reset the password, or the user was imported; an import sends no \
             message. Cognito rejects sign-ins until the user sets a password with a code from ForgotPassword",
        )
        .evidence("a sign-in returns PasswordResetRequiredException")
        .source(PASSWORDS);
        match pool.map(|pool| self.recovery(pool)) {
            Some(Recovery::Contact(..)) => finding.advice("Send a new code:").step(Step::ResetPassword {
                region: self.region(),
                pool_id: self.pool_id(),
                user: self.name(),
            }),
            _ => finding,
        }
    }

    fn invitation(&self, pool: &UserPool) -> Option<Finding> {
        const CHECK: CheckId = CheckId::UserInvitation;
        if self.user.status != "FORCE_CHANGE_PASSWORD" {
            return None;
        }
        let days = pool.temporary_password_days();
        let ago = |time: Option<i64>| time.map(|time| self.now.saturating_sub(time).max(0) / DAY);
        let (created, changed) = (ago(self.user.created)?, ago(self.user.modified.or(self.user.created))?);
        let limit = format!("the temporary password is valid for {}", count(days, "day"));
        let finding = if changed >= days {
            let since = count(changed, "day");
            Finding::cause(CHECK, format!("{limit} and has expired: the user hasn't changed for {since}"))
        } else if created >= days {
            let (created, changed) = (count(created, "day"), count(changed, "day"));
            let summary = format!(
                "{limit} and has expired unless it was renewed: the user was created {created} ago and last changed \
                 {changed} ago"
            );
            Finding::warning(CHECK, summary)
        } else {
            let created = count(created, "day");
            Finding::ok(CHECK, format!("{limit}; the user was created {created} ago"))
        };
        Some(
            finding
                .evidence(format!(
                    "DescribeUserPool: Policies.PasswordPolicy.TemporaryPasswordValidityDays is {days}"
                ))
                .evidence("a resent invitation restarts the validity and changes UserLastModifiedDate")
                .source(PASSWORDS),
        )
    }

    /// Whether the contact exists and is verified. Other areas check whether a message can get there.
    fn contact(&self, contact: Contact, recovery: Option<&Recovery>) -> Finding {
        let check = match contact {
            Contact::Email => CheckId::UserEmail,
            Contact::Phone => CheckId::UserPhone,
        };
        let noun = attribute_in_words(contact.attribute());
        let Some(value) = self.user.attribute(contact.attribute()) else {
            return Finding::ok(check, format!("the user has no {noun}"));
        };
        let value = plain(value);
        if self.user.verified(contact.attribute()) {
            return Finding::ok(check, format!("the {noun} {value} is verified"));
        }
        let evidence = format!("{} is not true", contact.verified_attribute());
        let skipped = match recovery {
            Some(Recovery::Contact(_, skipped)) => skipped.contains(&contact),
            Some(Recovery::AdminOnly) => false,
            Some(Recovery::Nothing(_)) | None => true,
        };
        let unused = format!("the {noun} {value} isn't verified: Cognito sends no password reset code to it");
        match self.user.status.as_str() {
            "UNCONFIRMED" => Finding::ok(
                check,
                format!("the {noun} {value} isn't verified yet: entering the sign-up code verifies it"),
            ),
            "EXTERNAL_PROVIDER" => Finding::ok(check, format!("the {noun} {value} isn't verified")),
            // Another contact has priority.
            _ if self.can_recover() && !skipped => Finding::ok(check, unused),
            _ => {
                let finding = Finding::warning(check, unused);
                // If no contact can be used, that is the cause, and `recovery_finding` has the remedy.
                let cause = self.can_recover() && matches!(recovery, Some(Recovery::Nothing(_)));
                if cause { finding } else { self.verify(finding, [contact]) }
            }
        }
        .evidence(evidence)
    }

    /// Adds the steps that mark contacts as verified.
    fn verify(&self, finding: Finding, contacts: impl IntoIterator<Item = Contact>) -> Finding {
        let mut contacts = contacts.into_iter().peekable();
        if contacts.peek().is_none() {
            return finding;
        }
        contacts.fold(finding.advice(OWN_CONTACT), |finding, contact| {
            let (region, pool_id, user) = (self.region(), self.pool_id(), self.name());
            finding.step(Step::MarkVerified {
                region,
                pool_id,
                user,
                attribute: contact.verified_attribute(),
            })
        })
    }

    fn active_mfa(&self) -> &[String] {
        self.user.mfa.as_ref().map(|mfa| mfa.active.as_slice()).unwrap_or_default()
    }

    fn uses_for_mfa(&self, contact: Contact) -> bool {
        self.active_mfa().iter().any(|method| method == contact.mfa_method())
    }

    fn mfa(&self, pool: &UserPool) -> Finding {
        const CHECK: CheckId = CheckId::UserSecondFactors;
        if let Some(error) = self.mfa_error {
            return Finding::not_checked(CHECK, "the user's MFA settings", error);
        }
        let of_pool = format!("DescribeUserPool: MfaConfiguration is {}", pool.mfa());
        if pool.mfa() == "OFF" {
            return Finding::ok(CHECK, "MFA is off in the user pool").evidence(of_pool);
        }
        let preferred = self.user.mfa.as_ref().and_then(|mfa| mfa.preferred.as_deref()).unwrap_or("not set");
        let of_user = format!(
            "AdminGetUser: UserMFASettingList [{}], PreferredMfaSetting {}",
            plain(&self.active_mfa().join(", ")),
            plain(preferred)
        );
        let contacts: Vec<Contact> = [Contact::Phone, Contact::Email]
            .into_iter()
            .filter(|contact| self.uses_for_mfa(*contact))
            .collect();
        let missing = contacts.iter().find(|contact| self.user.attribute(contact.attribute()).is_none());
        let finding = if let Some(contact) = missing {
            let noun = attribute_in_words(contact.attribute());
            Finding::cause(CHECK, format!("MFA codes go {}, but the user has no {noun}", contact.by()))
                .advice(format!("Set the user's {noun}, or turn off that MFA method for the user."))
        } else if contacts.is_empty() {
            Finding::ok(CHECK, "none of the user's MFA methods sends a code")
        } else {
            let ways: Vec<&str> = contacts.iter().map(|contact| contact.by()).collect();
            Finding::ok(
                CHECK,
                format!("MFA codes go {}; they are valid for 3 to 15 minutes", ways.join(" or ")),
            )
        };
        finding.evidence(of_pool).evidence(of_user).source(QUOTAS)
    }

    /// Which contact a password reset code goes to.
    fn recovery(&self, pool: &UserPool) -> Recovery {
        // Without the setting SMS comes first, whatever the MFA method is.
        let legacy = vec!["verified_phone_number", "verified_email"];
        let configured = pool.recovery_mechanisms();
        let set = !configured.is_empty();
        let mechanisms = if set { configured } else { legacy };
        let (mut reasons, mut skipped) = (Vec::new(), Vec::new());
        for mechanism in mechanisms {
            let contact = match mechanism {
                "verified_phone_number" => Contact::Phone,
                "verified_email" => Contact::Email,
                "admin_only" => return Recovery::AdminOnly,
                other => {
                    reasons.push(format!("the mechanism {} is unknown", plain(other)));
                    continue;
                }
            };
            let noun = attribute_in_words(contact.attribute());
            if self.user.attribute(contact.attribute()).is_none() {
                reasons.push(format!("the user has no {noun}"));
            } else if !self.user.verified(contact.attribute()) {
                reasons.push(format!("the {noun} isn't verified"));
            } else if set && self.uses_for_mfa(contact) {
                reasons.push(format!("MFA {} excludes the {noun}", contact.by()));
            } else {
                return Recovery::Contact(contact, skipped);
            }
            skipped.push(contact);
        }
        Recovery::Nothing(reasons)
    }

    /// The channels of this user's codes: the one for their status, and those for MFA.
    fn channels(&self, pool: &UserPool) -> Option<Vec<Contact>> {
        let contacts = [Contact::Email, Contact::Phone];
        let mut channels = match self.user.status.as_str() {
            "UNCONFIRMED" => vec![self.sign_up_contact(pool)?],
            // The delivery medium that was chosen when the user was created can't be read.
            "FORCE_CHANGE_PASSWORD" => {
                let has = |contact: &Contact| self.user.attribute(contact.attribute()).is_some();
                contacts.into_iter().filter(has).collect()
            }
            "EXTERNAL_PROVIDER" => Vec::new(),
            _ => match self.recovery(pool) {
                Recovery::Contact(contact, _) => vec![contact],
                Recovery::AdminOnly => Vec::new(),
                Recovery::Nothing(_) => return None,
            },
        };
        channels.extend(
            contacts.into_iter().filter(|contact| pool.mfa() != "OFF" && self.uses_for_mfa(*contact)),
        );
        Some(channels)
    }

    fn recovery_finding(&self, pool: &UserPool, recovery: &Recovery) -> Finding {
        const CHECK: CheckId = CheckId::UserRecovery;
        let setting = if pool.recovery_mechanisms().is_empty() {
            "DescribeUserPool: no AccountRecoverySetting, so the verified phone number comes first, then the verified \
             email address"
                .to_owned()
        } else {
            format!(
                "DescribeUserPool: AccountRecoverySetting is {}",
                pool.recovery_mechanisms().join(", then ")
            )
        };
        let finding = match recovery {
            Recovery::Contact(contact, _) => {
                let value = self.user.attribute(contact.attribute()).unwrap_or_default();
                let unsure = match self.mfa_error {
                    Some(_) if !pool.recovery_mechanisms().is_empty() => ", unless MFA uses that contact",
                    _ => "",
                };
                Finding::ok(
                    CHECK,
                    format!("ForgotPassword sends its code {} to {}{unsure}", contact.by(), plain(value)),
                )
                .advice(
                    "The code is valid for 1 hour. Cognito accepts 5 to 20 ForgotPassword calls per user and hour, and \
                     rejects more with LimitExceededException.",
                )
            }
            Recovery::AdminOnly => Finding::cause(
                CHECK,
                "only an administrator can reset a password in this user pool (admin_only): ForgotPassword sends no \
                 code",
            )
            .advice("Set a password as an administrator, see below, or change the pool's AccountRecoverySetting."),
            Recovery::Nothing(reasons) => self.unreachable(pool, reasons),
        };
        finding.evidence(setting).source(PASSWORDS).source(QUOTAS)
    }

    fn unreachable(&self, pool: &UserPool, reasons: &[String]) -> Finding {
        let summary = format!("ForgotPassword has no contact to send a code to: {}", reasons.join(", "));
        let finding = Finding::cause(CheckId::UserRecovery, summary)
            .evidence(
                "ForgotPassword: InvalidParameterException, \"Cannot reset password for the user as there is no \
                 registered/verified email or phone_number\", or a response as if it had worked",
            )
            .evidence("with AccountRecoverySetting, a contact that MFA uses can't be used for recovery");
        let mechanisms = pool.recovery_mechanisms();
        let accepted = |contact: &Contact| {
            let mechanism = format!("verified_{}", contact.attribute());
            let unverified = self.user.attribute(contact.attribute()).is_some()
                && !self.user.verified(contact.attribute());
            unverified && (mechanisms.is_empty() || mechanisms.contains(&mechanism.as_str()))
        };
        let contacts: Vec<_> = [Contact::Email, Contact::Phone].into_iter().filter(accepted).collect();
        if contacts.is_empty() {
            return finding.advice(
                "Set a password as an administrator, see below, or add a mechanism to the pool's \
                 AccountRecoverySetting that the user has a verified contact for.",
            );
        }
        self.verify(finding, contacts)
    }

    /// Which contact the sign-up code goes to: the phone number if there is one, and then only there.
    fn sign_up_contact(&self, pool: &UserPool) -> Option<Contact> {
        let verified = |contact: &Contact| pool.auto_verified_attributes().contains(&contact.attribute());
        let has = |contact: &Contact| self.user.attribute(contact.attribute()).is_some();
        [Contact::Phone, Contact::Email].into_iter().find(|contact| verified(contact) && has(contact))
    }

    fn sign_up_code(&self, pool: &UserPool) -> Finding {
        const CHECK: CheckId = CheckId::UserSignUpCode;
        let finding = if let Some(contact) = self.sign_up_contact(pool) {
            let both = contact == Contact::Phone && self.user.attribute("email").is_some();
            let only = if both { ", and not by email" } else { "" };
            let value = plain(self.user.attribute(contact.attribute()).unwrap_or_default());
            Finding::ok(CHECK, format!("the sign-up code goes {} to {value}{only}", contact.by()))
                .advice(
                    "The code is valid for 24 hours. Sending a new one (at most 5 times an hour) invalidates the old \
                     one:",
                )
                .command(self.resend())
        } else if pool.auto_verified_attributes().is_empty() {
            Finding::cause(
                CHECK,
                "the user pool sends no code at sign-up (AutoVerifiedAttributes is empty): an administrator has to \
                 confirm the user",
            )
            .step(self.confirm())
        } else {
            let missing: Vec<&str> =
                pool.auto_verified_attributes().into_iter().map(attribute_in_words).collect();
            let missing = missing.join(" or the ");
            Finding::cause(
                CHECK,
                format!(
                    "the sign-up code goes to the {missing}, but the user has none: Cognito sends nothing"
                ),
            )
            .step(self.confirm())
        };
        finding
            .evidence(format!(
                "DescribeUserPool: AutoVerifiedAttributes [{}]",
                pool.auto_verified_attributes().join(", ")
            ))
            .evidence("if the user has both contacts, the code goes only to the phone number")
            .source(SIGNING_UP)
            .source(QUOTAS)
    }

    fn resend(&self) -> String {
        let id = self.client.map_or("CLIENT-ID", |client| client.id.as_str());
        let secret = self.client.is_some_and(|client| client.has_secret);
        let hash = if secret { " --secret-hash HASH" } else { "" };
        format!(
            "aws cognito-idp resend-confirmation-code --client-id {} --username {}{hash} --region {}",
            quote(id),
            quote(&self.user.name),
            self.region
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::cognito::{Mfa, sample_pool};
    use crate::doctor::level::Level;

    const DAY_TEN: i64 = 10 * DAY;

    /// `e` and `p` are the address and the number, upper case if they are verified.
    fn user(contacts: &str, status: &str, methods: &[&str]) -> User {
        let mut user = User { name: "ann".to_owned(), status: status.to_owned(), ..User::default() };
        let mut set = |name: &str, value: &str| user.attributes.insert(name.to_owned(), value.to_owned());
        for contact in contacts.chars() {
            let (attribute, value) = if contact.eq_ignore_ascii_case(&'e') {
                ("email", "ann@example.com")
            } else {
                ("phone_number", "+12065550123")
            };
            set(attribute, value);
            set(&format!("{attribute}_verified"), if contact.is_uppercase() { "true" } else { "false" });
        }
        let active = methods.iter().map(|factor| (*factor).to_owned()).collect();
        user.mfa = Some(Mfa { active, preferred: None });
        user
    }

    fn state(user: &User) -> UserState<'_> {
        UserState {
            region: "eu-central-1",
            pool_id: "eu-central-1_Example01",
            user,
            mfa_error: None,
            client: None,
            now: DAY_TEN,
        }
    }

    /// A pool with this `AccountRecoverySetting`.
    fn recovery_pool(mechanisms: &[&str]) -> UserPool {
        let mechanisms: Vec<_> = mechanisms
            .iter()
            .enumerate()
            .map(|(index, name)| json!({ "Priority": index + 1, "Name": name }))
            .collect();
        sample_pool(json!({
            "AccountRecoverySetting": { "RecoveryMechanisms": mechanisms },
            "AutoVerifiedAttributes": ["email"],
            "MfaConfiguration": "OPTIONAL",
        }))
    }

    #[track_caller]
    fn check_recovery(contacts: &str, setting: &[&str], methods: &[&str], expected: Option<Contact>) {
        let pool = recovery_pool(setting);
        let found = match state(&user(contacts, "CONFIRMED", methods)).recovery(&pool) {
            Recovery::Contact(contact, _) => Some(contact),
            Recovery::AdminOnly | Recovery::Nothing(_) => None,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_reset_code_goes_to_the_first_verified_contact_of_the_setting() {
        const EMAIL_FIRST: [&str; 2] = ["verified_email", "verified_phone_number"];
        const PHONE_FIRST: [&str; 2] = ["verified_phone_number", "verified_email"];
        check_recovery("EP", &EMAIL_FIRST, &[], Some(Contact::Email));
        check_recovery("EP", &PHONE_FIRST, &[], Some(Contact::Phone));
        check_recovery("eP", &EMAIL_FIRST, &[], Some(Contact::Phone));
        check_recovery("Ep", &PHONE_FIRST, &[], Some(Contact::Email));
        check_recovery("ep", &EMAIL_FIRST, &[], None);
        check_recovery("", &EMAIL_FIRST, &[], None);
        check_recovery("P", &["verified_email"], &[], None);
        check_recovery("EP", &["admin_only"], &[], None);
        check_recovery("EP", &["verified_by_pigeon"], &[], None);
    }

    #[test]
    fn a_contact_that_mfa_uses_is_not_used_for_recovery() {
        check_recovery(
            "EP",
            &["verified_phone_number", "verified_email"],
            &["SMS_MFA"],
            Some(Contact::Email),
        );
        check_recovery(
            "EP",
            &["verified_email", "verified_phone_number"],
            &["EMAIL_OTP"],
            Some(Contact::Phone),
        );
        check_recovery("EP", &["verified_phone_number"], &["SMS_MFA"], None);
        check_recovery("EP", &["verified_phone_number"], &["SOFTWARE_TOKEN_MFA"], Some(Contact::Phone));
    }

    #[test]
    fn without_the_setting_the_number_comes_first_whatever_mfa_uses() {
        check_recovery("EP", &[], &[], Some(Contact::Phone));
        check_recovery("EP", &[], &["SMS_MFA"], Some(Contact::Phone));
        check_recovery("Ep", &[], &[], Some(Contact::Email));
    }

    #[track_caller]
    fn check_sign_up(contacts: &str, verified: &[&str], expected: Option<Contact>) {
        let pool = sample_pool(json!({ "AutoVerifiedAttributes": verified }));
        assert_eq!(state(&user(contacts, "UNCONFIRMED", &[])).sign_up_contact(&pool), expected);
    }

    #[test]
    fn a_sign_up_code_goes_to_the_number_if_the_pool_verifies_both() {
        check_sign_up("ep", &["email", "phone_number"], Some(Contact::Phone));
        check_sign_up("ep", &["email"], Some(Contact::Email));
        check_sign_up("e", &["email", "phone_number"], Some(Contact::Email));
        check_sign_up("e", &["phone_number"], None);
        check_sign_up("ep", &[], None);
    }

    #[track_caller]
    fn check_channels(contacts: &str, status: &str, methods: &[&str], expected: Option<&[Contact]>) {
        let pool = recovery_pool(&["verified_email", "verified_phone_number"]);
        let user = user(contacts, status, methods);
        assert_eq!(state(&user).channels(&pool).as_deref(), expected, "{contacts} {status} {methods:?}");
    }

    #[test]
    fn channels_follow_from_status_and_mfa() {
        const BOTH: [Contact; 2] = [Contact::Email, Contact::Phone];
        check_channels("EP", "CONFIRMED", &[], Some(&[Contact::Email]));
        check_channels("eP", "CONFIRMED", &[], Some(&[Contact::Phone]));
        check_channels("EP", "CONFIRMED", &["SMS_MFA"], Some(&BOTH));
        check_channels("ep", "CONFIRMED", &[], None);
        check_channels("eP", "UNCONFIRMED", &[], Some(&[Contact::Email]));
        check_channels("p", "UNCONFIRMED", &[], None);
        check_channels("p", "FORCE_CHANGE_PASSWORD", &[], Some(&[Contact::Phone]));
        check_channels("ep", "FORCE_CHANGE_PASSWORD", &[], Some(&BOTH));
        check_channels("EP", "EXTERNAL_PROVIDER", &[], Some(&[]));
    }

    /// A multi-Region user pool has the Region of the first one in its id.
    #[test]
    fn commands_use_the_given_region() {
        let user = user("E", "CONFIRMED", &[]);
        let command = UserState { region: "eu-west-1", ..state(&user) }.confirm().command();
        assert!(command.ends_with(" --username ann --region eu-west-1"), "{command}");
    }

    #[track_caller]
    fn check_invitation(created: i64, modified: Option<i64>, expected: Level) {
        let user = User {
            created: Some(created * DAY),
            modified: modified.map(|day| day * DAY),
            ..user("E", "FORCE_CHANGE_PASSWORD", &[])
        };
        let pool = sample_pool(json!({}));
        assert_eq!(state(&user).invitation(&pool).map(|finding| finding.level), Some(expected));
    }

    #[test]
    fn an_invitation_expires_if_the_user_has_not_changed_during_its_validity() {
        check_invitation(4, None, Level::Ok);
        check_invitation(3, None, Level::Cause);
        check_invitation(1, Some(3), Level::Cause);
        check_invitation(1, Some(4), Level::Warning);
        // A slow clock.
        check_invitation(11, Some(12), Level::Ok);
    }

    #[test]
    fn only_a_skipped_contact_is_a_warning() {
        let pool = recovery_pool(&["verified_email", "verified_phone_number"]);
        let levels = |contacts: &str| {
            let user = user(contacts, "CONFIRMED", &[]);
            let state = state(&user);
            let recovery = state.recovery(&pool);
            [Contact::Email, Contact::Phone].map(|contact| state.contact(contact, Some(&recovery)).level)
        };
        assert_eq!(levels("EP"), [Level::Ok, Level::Ok]);
        assert_eq!(levels("eP"), [Level::Warning, Level::Ok]);
        assert_eq!(levels("Ep"), [Level::Ok, Level::Ok]);
        assert_eq!(levels("ep"), [Level::Warning, Level::Warning]);
    }
}
