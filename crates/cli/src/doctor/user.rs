//! The user and the pool: who is meant, what their state permits, which contact a code goes to.

use std::time::{SystemTime, UNIX_EPOCH};

use super::client::{self, Clients, titles};
use super::finding::{Finding, Level};
use super::step::Step;
use super::who::{Named, is_name};
use super::{Subject, shown};
use crate::aws::AwsError;
use crate::aws::cognito::{AppClient, Pool, User};
use crate::terminal::shell::quote;

const POOL: &str = "user.pool";
const FOUND: &str = "user.found";
const SEARCH: &str = "user.search";
const SAME_ADDRESS: &str = "user.same-address";
const ALIAS: &str = "user.alias";
const SPELLING: &str = "user.spelling";
const ENABLED: &str = "user.enabled";
const STATUS: &str = "user.status";
const INVITATION: &str = "user.invitation";
const EMAIL: &str = "user.email";
const PHONE: &str = "user.phone";
const SECOND_FACTORS: &str = "user.second-factors";
const RECOVERY: &str = "user.recovery";
const SIGN_UP_CODE: &str = "user.sign-up-code";

const DAY: i64 = 24 * 60 * 60;

/// When a contact may be marked as verified.
pub(super) const OWN: &str = "If it is known to be the user's own (whoever reads the code gets the account):";

/// Pages of AWS that state the rules.
const PASSWORDS: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/managing-users-passwords.html";
const SIGNING_UP: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/signing-up-users-in-your-app.html";
const ATTRIBUTES: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html";
const ERRORS: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pool-managing-errors.html";
const QUOTAS: &str = "https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html";

pub(super) async fn look(subject: &Subject<'_>) -> Vec<Finding> {
    let clients = client::clients(subject).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let pool = subject.pool.as_ref().ok();
    let mut findings = vec![pool_finding(subject.pool, subject.pool_id)];
    findings.extend(who(subject, pool, clients.as_ref().ok()));
    if let Some(user) = subject.user() {
        let case = Case {
            region: subject.aws.region(),
            pool_id: subject.pool_id,
            user,
            mfa: subject.found.mfa.as_ref().err(),
            client: clients.as_ref().ok().and_then(Clients::any),
            now: i64::try_from(now).unwrap_or(i64::MAX),
        };
        findings.extend(case.findings(pool));
    }
    findings.extend(client::findings(&clients, subject.pool_id));
    findings
}

fn pool_finding(pool: &Result<Pool, AwsError>, pool_id: &str) -> Finding {
    match pool {
        Ok(pool) => {
            let names: Vec<&str> =
                pool.username_attributes.iter().chain(&pool.aliases).map(|name| words(name)).collect();
            let names = match names.as_slice() {
                [] => "their user name alone".to_owned(),
                names if pool.username_attributes.is_empty() => {
                    format!("user name or {}", names.join(" or "))
                }
                names => names.join(" or "),
            };
            Finding::ok(POOL, format!("users of the pool {pool_id} are known by {names}")).why(format!(
                "DescribeUserPool: UsernameAttributes [{}], AliasAttributes [{}]",
                pool.username_attributes.join(", "),
                pool.aliases.join(", ")
            ))
        }
        Err(error) => Finding::not_checked(POOL, "the settings of the pool", error),
    }
}

/// Whom the name means.
fn who(subject: &Subject<'_>, pool: Option<&Pool>, clients: Option<&Clients>) -> Vec<Finding> {
    let (found, asked) = (subject.found, subject.asked);
    let mut findings = match &found.users {
        Err(error) => vec![Finding::not_checked(FOUND, "the user", error)],
        Ok(users) => match users.as_slice() {
            [] => vec![unknown(subject, pool, clients)],
            [user] => {
                let mut findings = vec![known(asked, user)];
                findings.extend(same_address(asked, user, &found.others));
                findings.extend(pool.and_then(|pool| alias(subject, user, found.named, pool)));
                findings.extend(pool.and_then(|pool| spelling(asked, user, found.named, pool)));
                findings
            }
            users => vec![several(subject.pool_id, asked, users, found.named, pool)],
        },
    };
    if let Some(error) = &found.gap {
        findings.push(Finding::not_checked(SEARCH, "every way to find the user", error));
    }
    findings
}

fn known(asked: &str, user: &User) -> Finding {
    let sentence = if user.name == asked {
        format!("{} is a user of the pool", shown(asked))
    } else {
        format!("{} is the user {}", shown(asked), shown(&user.name))
    };
    Finding::ok(FOUND, sentence).why(match user.mfa {
        Some(_) => "AdminGetUser answered; it counts as activity of the user in the month",
        None => "ListUsers answered with a filter by name, address, number, sub and preferred name",
    })
}

fn unknown(subject: &Subject<'_>, pool: Option<&Pool>, clients: Option<&Clients>) -> Finding {
    let Subject { asked, pool_id, .. } = *subject;
    let region = subject.aws.region();
    let mut finding = Finding::cause(
        FOUND,
        format!("the pool {pool_id} has no user {}, so it sends no code", shown(asked)),
    );
    let masking = clients.map(Clients::masking).unwrap_or_default();
    let telling = clients.map(Clients::telling).unwrap_or_default();
    if !masking.is_empty() {
        finding = finding.advice(format!(
            "Nobody notices with {}: Cognito answers as if a code had been sent, because PreventUserExistenceErrors \
             is ENABLED there.",
            titles(&masking)
        ));
    }
    if !telling.is_empty() {
        finding = finding.advice(format!("With {} it is a UserNotFoundException.", titles(&telling)));
    }
    finding = finding
        .advice("Is it the pool and the Region that the app uses? The pools of the Region:")
        .command(format!("aws cognito-idp list-user-pools --max-results 60 --region {region}"));
    if let Some((attribute, prefix)) = prefix(asked) {
        let filter = quote(&format!("{attribute} ^= \"{prefix}\""));
        finding = finding.advice("Is it mistyped? The users who begin alike:").command(format!(
            "aws cognito-idp list-users --user-pool-id {pool_id} --filter {filter} --limit 20 --region {region}"
        ));
    }
    if pool.is_some_and(tells_case) {
        finding = finding.advice(
            "This pool tells upper from lower case: the name has to be spelled as it was at sign-up. Tried were the \
             spelling above and lower case.",
        );
    }
    finding
        .why("ListUsers with a filter by name, address, number, sub and preferred name answered nobody")
        .why("AdminGetUser, which knows aliases, answered UserNotFoundException or could not be asked")
        .why(ERRORS)
}

/// How the users who begin alike are found: at most three characters, none that a filter or a shell reads.
fn prefix(asked: &str) -> Option<(&'static str, String)> {
    let attribute = match asked {
        number if number.starts_with('+') => return None,
        address if address.contains('@') => "email",
        _ => "username",
    };
    let plain = |character: &char| character.is_alphanumeric() || "._-".contains(*character);
    let prefix: String = asked.chars().take_while(plain).take(3).collect();
    (!prefix.is_empty()).then_some((attribute, prefix))
}

fn several(pool_id: &str, asked: &str, users: &[User], named: Named, pool: Option<&Pool>) -> Finding {
    let attribute = match named {
        Named::Attribute(attribute) => attribute,
        Named::UserName | Named::Sub | Named::Otherwise => "name",
    };
    let rule = match pool {
        Some(pool) if is_name(pool, attribute) => "it is verified for none of them or for more than one",
        Some(_) => "the pool does not take it in the place of the user name",
        None => "which of them a sign-in means is not known",
    };
    let count = users.len();
    let sentence =
        format!("{count} users have {} as {}, and {rule}: name one of them", shown(asked), words(attribute));
    let finding = Finding::warning(FOUND, sentence)
        .why(format!("ListUsers with a filter by {attribute} answered {count} users"))
        .why(ATTRIBUTES);
    users.iter().take(10).fold(finding, |finding, user| {
        finding.command(format!("cognito-triggers doctor {} --user-pool-id {pool_id}", quote(&user.name)))
    })
}

fn same_address(asked: &str, user: &User, others: &[User]) -> Option<Finding> {
    let names: Vec<String> = others.iter().take(5).map(|other| shown(&other.name)).collect();
    (!names.is_empty()).then(|| {
        Finding::warning(
            SAME_ADDRESS,
            format!(
                "{} also belongs to {} ({}); a sign-in with it means {}",
                shown(asked),
                if others.len() == 1 {
                    "1 other user".to_owned()
                } else {
                    format!("{} other users", others.len())
                },
                names.join(", "),
                shown(&user.name)
            ),
        )
        .why("an alias belongs to the user whose address is verified; a user name wins over an alias")
        .why(ATTRIBUTES)
    })
}

/// Whether the app may pass what the operator passed.
fn alias(subject: &Subject<'_>, user: &User, named: Named, pool: &Pool) -> Option<Finding> {
    let Named::Attribute(attribute) = named else { return None };
    let (noun, name) = (words(attribute), shown(&user.name));
    let why = format!(
        "DescribeUserPool: UsernameAttributes [{}], AliasAttributes [{}]",
        pool.username_attributes.join(", "),
        pool.aliases.join(", ")
    );
    let finding = if !is_name(pool, attribute) {
        Finding::warning(
            ALIAS,
            format!("the pool takes no {noun} in the place of the user name: an app has to pass {name}"),
        )
    } else if pool.aliases.iter().any(|alias| alias == attribute)
        && attribute != "preferred_username"
        && !user.verified(attribute)
    {
        Finding::warning(
            ALIAS,
            format!("the {noun} is an alias only once it is verified: till then an app has to pass {name}"),
        )
        .advice("The mark takes the alias from whoever else has it.")
        .advice(OWN)
        .step(Step::MarkVerified {
            region: subject.aws.region().to_owned(),
            pool_id: subject.pool_id.to_owned(),
            user: user.name.clone(),
            attribute: if attribute == "email" { "email_verified" } else { "phone_number_verified" },
        })
    } else {
        Finding::ok(ALIAS, format!("an app may pass the {noun} in the place of the user name"))
    };
    Some(finding.why(why).why(ATTRIBUTES))
}

/// Whether the pool takes the spelling that the operator used.
fn spelling(asked: &str, user: &User, named: Named, pool: &Pool) -> Option<Finding> {
    let stored = match named {
        Named::UserName => user.name.as_str(),
        Named::Attribute(attribute @ ("email" | "preferred_username")) => user.attribute(attribute)?,
        Named::Attribute(_) | Named::Sub | Named::Otherwise => return None,
    };
    (stored != asked && tells_case(pool)).then(|| {
        Finding::warning(
            SPELLING,
            format!(
                "the pool tells upper from lower case and knows the user as {}: an app that passes {} finds nobody",
                shown(stored),
                shown(asked)
            ),
        )
        .why("DescribeUserPool: UsernameConfiguration.CaseSensitive is true, or absent, which means true")
        .why("https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UsernameConfigurationType.html")
    })
}

fn tells_case(pool: &Pool) -> bool {
    pool.case_sensitive.unwrap_or(true)
}

fn words(attribute: &str) -> &str {
    match attribute {
        "email" => "e-mail address",
        "phone_number" => "phone number",
        "preferred_username" => "preferred user name",
        other => other,
    }
}

/// Where a code can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contact {
    Phone,
    Email,
}

impl Contact {
    fn attribute(self) -> &'static str {
        match self {
            Self::Phone => "phone_number",
            Self::Email => "email",
        }
    }

    fn verified_attribute(self) -> &'static str {
        match self {
            Self::Phone => "phone_number_verified",
            Self::Email => "email_verified",
        }
    }

    fn by(self) -> &'static str {
        match self {
            Self::Phone => "by SMS",
            Self::Email => "by e-mail",
        }
    }

    fn medium(self) -> &'static str {
        match self {
            Self::Phone => "SMS",
            Self::Email => "EMAIL",
        }
    }

    /// The second factor that uses it.
    fn factor(self) -> &'static str {
        match self {
            Self::Phone => "SMS_MFA",
            Self::Email => "EMAIL_OTP",
        }
    }

    fn check(self) -> &'static str {
        match self {
            Self::Phone => PHONE,
            Self::Email => EMAIL,
        }
    }
}

/// Where this user's codes go, none where a code goes nowhere by design; unknown where the user, the second factors or
/// the pool are, and where nothing but a mistake keeps them from going anywhere.
pub(super) fn channels(subject: &Subject<'_>) -> Option<Vec<Contact>> {
    let (user, pool) = (subject.user()?, subject.pool.as_ref().ok()?);
    subject.found.mfa.as_ref().ok()?;
    let case = Case {
        region: subject.aws.region(),
        pool_id: subject.pool_id,
        user,
        mfa: None,
        client: None,
        now: 0,
    };
    case.channels(pool)
}

/// Of what stops one channel, only that is a cause which stops codes of this user.
pub(super) fn weigh(mut finding: Finding, contact: Contact, channels: Option<&[Contact]>) -> Finding {
    let Some(channels) = channels else { return finding };
    if finding.level == Level::Cause && !channels.contains(&contact) {
        let where_to = match channels.first() {
            Some(other) => format!("this user's codes go {}", other.by()),
            None => format!("none of this user's codes goes {}", contact.by()),
        };
        finding.level = Level::Warning;
        finding.sentence = format!("{}; {where_to}", finding.sentence.trim_end_matches('.'));
    }
    finding
}

/// How a forgotten password is reset.
#[derive(Debug, PartialEq, Eq)]
enum Recovery {
    /// There, for those before it do not do.
    Contact(Contact, Vec<Contact>),
    /// By an administrator alone.
    AdminOnly,
    /// By nobody; why each contact does not do.
    Nothing(Vec<String>),
}

/// One user, with what is needed to judge them.
struct Case<'a> {
    region: &'a str,
    pool_id: &'a str,
    user: &'a User,
    /// Why the second factors are not known.
    mfa: Option<&'a AwsError>,
    client: Option<&'a AppClient>,
    /// Seconds since 1970.
    now: i64,
}

impl Case<'_> {
    fn findings(&self, pool: Option<&Pool>) -> Vec<Finding> {
        let mut findings = vec![self.enabled(), self.status(pool)];
        let recovery = pool.map(|pool| self.recovery(pool));
        findings.extend(pool.and_then(|pool| self.invitation(pool)));
        findings
            .extend([Contact::Email, Contact::Phone].map(|contact| self.contact(contact, recovery.as_ref())));
        let Some((pool, recovery)) = pool.zip(recovery) else { return findings };
        findings.push(self.second_factors(pool));
        findings.extend(self.recovers().then(|| self.recovery_finding(pool, &recovery)));
        findings.extend((self.user.status == "UNCONFIRMED").then(|| self.sign_up_code(pool)));
        findings
    }

    /// Whether the user's state lets them reset a password at all.
    fn recovers(&self) -> bool {
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
            return Finding::ok(ENABLED, "the user is enabled");
        }
        Finding::cause(ENABLED, "the user is disabled: Cognito sends them no code")
            .step(Step::EnableUser { region: self.region(), pool_id: self.pool_id(), user: self.name() })
            .why("Enabled is false; ForgotPassword is answered with NotAuthorizedException, or as if it had worked")
            .why(ERRORS)
    }

    fn status(&self, pool: Option<&Pool>) -> Finding {
        let status = self.user.status.as_str();
        let finding = match status {
            "CONFIRMED" => Finding::ok(STATUS, "CONFIRMED: the user may sign in and reset the password"),
            "UNCONFIRMED" => Finding::warning(
                STATUS,
                "UNCONFIRMED: the user signed up, but never entered the code. Until then there is no sign-in, and \
                 ForgotPassword sends nothing, though it may look as if it did",
            )
            .why("reported in https://github.com/aws/aws-aspnet-cognito-identity-provider/issues/179"),
            "FORCE_CHANGE_PASSWORD" => self.forced(pool),
            "RESET_REQUIRED" => self.reset_required(pool),
            "EXTERNAL_PROVIDER" => Finding::cause(
                STATUS,
                "EXTERNAL_PROVIDER: the user signs in through an identity provider; Cognito has no password of \
                 theirs and never sends a code",
            )
            .advice("The password is reset where the identity provider says.")
            .why(SIGNING_UP),
            "ARCHIVED" | "COMPROMISED" => Finding::cause(
                STATUS,
                format!("{status}: a state that Cognito no longer gives, in which nobody can sign in"),
            )
            .why("https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UserType.html"),
            other => Finding::warning(
                STATUS,
                format!("{}: a state of which nothing is known here", shown(other)),
            ),
        };
        // Where no code is sent at all, confirming by hand mends that, and stands there.
        let confirm = status == "UNCONFIRMED" && pool.is_none_or(|pool| self.sign_up_contact(pool).is_some());
        let finding = if confirm { finding.step(self.confirm()) } else { finding };
        finding.why(format!("the user's status is {}", shown(status)))
    }

    fn confirm(&self) -> Step {
        Step::ConfirmSignUp { region: self.region(), pool_id: self.pool_id(), user: self.name() }
    }

    fn forced(&self, pool: Option<&Pool>) -> Finding {
        let finding = Finding::cause(
            STATUS,
            "FORCE_CHANGE_PASSWORD: the user never replaced the temporary password, and until then ForgotPassword \
             is refused",
        )
        .why("ForgotPassword: NotAuthorizedException, \"User password cannot be reset in the current state.\"")
        .why("reported in https://github.com/aws-amplify/amplify-flutter/issues/3048");
        let contacts = [Contact::Email, Contact::Phone];
        let Some(contact) = contacts.into_iter().find(|way| self.user.attribute(way.attribute()).is_some())
        else {
            return finding.advice("The user has no contact that an invitation could be sent to.");
        };
        let step = Step::ResendInvitation {
            region: self.region(),
            pool_id: self.pool_id(),
            user: self.invited_as(pool),
            medium: contact.medium(),
        };
        finding.advice("The invitation can be sent again, with a new temporary password:").step(step)
    }

    /// Where an address is the user name, `AdminCreateUser` takes nothing else.
    fn invited_as(&self, pool: Option<&Pool>) -> String {
        let attributes = pool.map(|pool| pool.username_attributes.as_slice()).unwrap_or_default();
        let address = attributes.iter().find_map(|attribute| self.user.attribute(attribute));
        address.map_or_else(|| self.name(), str::to_owned)
    }

    fn reset_required(&self, pool: Option<&Pool>) -> Finding {
        let finding = Finding::warning(
            STATUS,
            "RESET_REQUIRED: an administrator reset the password, or the user was imported, who gets no message by \
             itself. Sign-in is refused until a code from ForgotPassword sets a new password",
        )
        .why("sign-in is answered with PasswordResetRequiredException")
        .why(PASSWORDS);
        match pool.map(|pool| self.recovery(pool)) {
            Some(Recovery::Contact(..)) => {
                finding.advice("A new code can be sent:").step(Step::ResetPassword {
                    region: self.region(),
                    pool_id: self.pool_id(),
                    user: self.name(),
                })
            }
            _ => finding,
        }
    }

    fn invitation(&self, pool: &Pool) -> Option<Finding> {
        if self.user.status != "FORCE_CHANGE_PASSWORD" {
            return None;
        }
        let days = pool.temporary_password_days;
        let ago = |time: Option<i64>| time.map(|time| self.now.saturating_sub(time).max(0) / DAY);
        let (created, changed) = (ago(self.user.created)?, ago(self.user.modified.or(self.user.created))?);
        let limit = format!("the temporary password can be used for {}", count(days, "day"));
        let finding = if changed >= days {
            let since = count(changed, "day");
            Finding::cause(INVITATION, format!("{limit}, and it has expired: nothing changed for {since}"))
        } else if created >= days {
            let (created, changed) = (count(created, "day"), count(changed, "day"));
            let sentence = format!(
                "{limit}, and it has expired unless it was renewed: the user was created {created} ago and last \
                 changed {changed} ago"
            );
            Finding::warning(INVITATION, sentence)
        } else {
            let created = count(created, "day");
            Finding::ok(INVITATION, format!("{limit}; the user was created {created} ago"))
        };
        Some(
            finding
                .why(format!(
                    "DescribeUserPool: Policies.PasswordPolicy.TemporaryPasswordValidityDays is {days}"
                ))
                .why("sending an invitation again starts the time anew, and changes UserLastModifiedDate")
                .why(PASSWORDS),
        )
    }

    /// Whether it is there and verified; whether a message can go there is a question of the other areas.
    fn contact(&self, contact: Contact, recovery: Option<&Recovery>) -> Finding {
        let (check, noun) = (contact.check(), words(contact.attribute()));
        let Some(value) = self.user.attribute(contact.attribute()) else {
            return Finding::ok(check, format!("there is no {noun}"));
        };
        let value = shown(value);
        if self.user.verified(contact.attribute()) {
            return Finding::ok(check, format!("the {noun} {value} is verified"));
        }
        let why = format!("{} is not true", contact.verified_attribute());
        let skipped = match recovery {
            Some(Recovery::Contact(_, skipped)) => skipped.contains(&contact),
            Some(Recovery::AdminOnly) => false,
            Some(Recovery::Nothing(_)) | None => true,
        };
        match self.user.status.as_str() {
            "UNCONFIRMED" => Finding::ok(
                check,
                format!("the {noun} {value} is not verified yet: entering a code does that"),
            ),
            "EXTERNAL_PROVIDER" => Finding::ok(check, format!("the {noun} {value} is not verified")),
            // The other one is there.
            _ if self.recovers() && !skipped => Finding::ok(
                check,
                format!("the {noun} {value} is not verified: no code for a new password goes there"),
            ),
            _ => {
                let finding = Finding::warning(
                    check,
                    format!("the {noun} {value} is not verified: no code for a new password goes there"),
                );
                // Where nothing else does, this is the cause and stands at the way of recovery.
                let cause = self.recovers() && matches!(recovery, Some(Recovery::Nothing(_)));
                if cause { finding } else { self.verify(finding, [contact]) }
            }
        }
        .why(why)
    }

    /// The mend of contacts that are not verified.
    fn verify(&self, finding: Finding, contacts: impl IntoIterator<Item = Contact>) -> Finding {
        let mut contacts = contacts.into_iter().peekable();
        if contacts.peek().is_none() {
            return finding;
        }
        contacts.fold(finding.advice(OWN), |finding, contact| {
            let (region, pool_id, user) = (self.region(), self.pool_id(), self.name());
            finding.step(Step::MarkVerified {
                region,
                pool_id,
                user,
                attribute: contact.verified_attribute(),
            })
        })
    }

    fn active(&self) -> &[String] {
        self.user.mfa.as_ref().map(|mfa| mfa.active.as_slice()).unwrap_or_default()
    }

    fn second_factors(&self, pool: &Pool) -> Finding {
        if let Some(error) = self.mfa {
            return Finding::not_checked(SECOND_FACTORS, "the user's second factors", error);
        }
        let why = format!("DescribeUserPool: MfaConfiguration is {}", pool.mfa);
        if pool.mfa == "OFF" {
            return Finding::ok(SECOND_FACTORS, "the pool asks for no second factor").why(why);
        }
        let active = self.active();
        let preferred = self.user.mfa.as_ref().and_then(|mfa| mfa.preferred.as_deref()).unwrap_or("not set");
        let seen = format!(
            "AdminGetUser: UserMFASettingList [{}], PreferredMfaSetting {}",
            shown(&active.join(", ")),
            shown(preferred)
        );
        let sent = [Contact::Phone, Contact::Email];
        let sent = sent.into_iter().filter(|contact| active.iter().any(|factor| factor == contact.factor()));
        let ways: Vec<Contact> = sent.collect();
        let lost = ways.iter().find(|contact| self.user.attribute(contact.attribute()).is_none());
        let finding = if let Some(contact) = lost {
            let noun = words(contact.attribute());
            Finding::cause(
                SECOND_FACTORS,
                format!("sign-in codes go {}, and the user has no {noun}", contact.by()),
            )
        } else if ways.is_empty() {
            Finding::ok(SECOND_FACTORS, "no second factor of the user's is a code that is sent")
        } else {
            let ways: Vec<&str> = ways.iter().map(|contact| contact.by()).collect();
            Finding::ok(
                SECOND_FACTORS,
                format!("sign-in codes go {}, valid 3 to 15 minutes", ways.join(" or ")),
            )
        };
        finding.why(why).why(seen).why(QUOTAS)
    }

    /// Which contact a code for a new password goes to.
    fn recovery(&self, pool: &Pool) -> Recovery {
        // Without the setting SMS comes first, whatever the second factor is.
        let legacy = ["verified_phone_number".to_owned(), "verified_email".to_owned()];
        let set = !pool.recovery.is_empty();
        let mechanisms = if set { pool.recovery.as_slice() } else { &legacy };
        let (mut refusals, mut skipped) = (Vec::new(), Vec::new());
        for mechanism in mechanisms {
            let contact = match mechanism.as_str() {
                "verified_phone_number" => Contact::Phone,
                "verified_email" => Contact::Email,
                "admin_only" => return Recovery::AdminOnly,
                other => {
                    refusals.push(format!("{} is not known here", shown(other)));
                    continue;
                }
            };
            let noun = words(contact.attribute());
            if self.user.attribute(contact.attribute()).is_none() {
                refusals.push(format!("there is no {noun}"));
            } else if !self.user.verified(contact.attribute()) {
                refusals.push(format!("the {noun} is not verified"));
            } else if set && self.active().iter().any(|factor| factor == contact.factor()) {
                refusals.push(format!("a second factor {} rules out the {noun}", contact.by()));
            } else {
                return Recovery::Contact(contact, skipped);
            }
            skipped.push(contact);
        }
        Recovery::Nothing(refusals)
    }

    /// The channels that this user's codes take: that of their state, and those of their second factors.
    fn channels(&self, pool: &Pool) -> Option<Vec<Contact>> {
        let contacts = [Contact::Email, Contact::Phone];
        let mut channels = match self.user.status.as_str() {
            "UNCONFIRMED" => vec![self.sign_up_contact(pool)?],
            // Which of two was chosen when the user was created is not told.
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
        let active = |contact: &Contact| self.active().iter().any(|factor| factor == contact.factor());
        channels.extend(contacts.into_iter().filter(|contact| pool.mfa != "OFF" && active(contact)));
        Some(channels)
    }

    fn recovery_finding(&self, pool: &Pool, recovery: &Recovery) -> Finding {
        let setting = if pool.recovery.is_empty() {
            "DescribeUserPool: no AccountRecoverySetting, so the verified phone number comes first, then the \
             verified e-mail address"
                .to_owned()
        } else {
            format!("DescribeUserPool: AccountRecoverySetting is {}", pool.recovery.join(", then "))
        };
        let finding = match recovery {
            Recovery::Contact(contact, _) => {
                let value = self.user.attribute(contact.attribute()).unwrap_or_default();
                let unsure = match self.mfa {
                    Some(_) if !pool.recovery.is_empty() => ", unless that is the second factor",
                    _ => "",
                };
                Finding::ok(
                    RECOVERY,
                    format!("ForgotPassword sends its code {} to {}{unsure}", contact.by(), shown(value)),
                )
                .advice(
                    "The code is valid for 1 hour. Cognito takes 5 to 20 calls for a new password from a user in an \
                     hour, and refuses more with LimitExceededException.",
                )
            }
            Recovery::AdminOnly => Finding::cause(
                RECOVERY,
                "the pool lets administrators alone reset a password (admin_only): ForgotPassword sends no code",
            )
            .advice("An administrator sets a password, see below, or the pool gets another AccountRecoverySetting."),
            Recovery::Nothing(refusals) => self.unreachable(pool, refusals),
        };
        finding.why(setting).why(PASSWORDS).why(QUOTAS)
    }

    fn unreachable(&self, pool: &Pool, refusals: &[String]) -> Finding {
        let sentence = format!("ForgotPassword has nowhere to send a code: {}", refusals.join(", "));
        let finding = Finding::cause(RECOVERY, sentence)
            .why(
                "ForgotPassword: InvalidParameterException, \"Cannot reset password for the user as there is no \
                 registered/verified email or phone_number\", or an answer as if it had worked",
            )
            .why("with AccountRecoverySetting a contact that serves as second factor is no way to recover");
        let accepted = |contact: &Contact| {
            let mechanism = format!("verified_{}", contact.attribute());
            let unverified = self.user.attribute(contact.attribute()).is_some()
                && !self.user.verified(contact.attribute());
            unverified && (pool.recovery.is_empty() || pool.recovery.contains(&mechanism))
        };
        let contacts = [Contact::Email, Contact::Phone];
        self.verify(finding, contacts.into_iter().filter(accepted))
    }

    /// Which contact the code of a sign-up goes to: the phone number first, and then not the address as well.
    fn sign_up_contact(&self, pool: &Pool) -> Option<Contact> {
        let verified = |contact: &Contact| pool.auto_verified.iter().any(|name| name == contact.attribute());
        let has = |contact: &Contact| self.user.attribute(contact.attribute()).is_some();
        [Contact::Phone, Contact::Email].into_iter().find(|contact| verified(contact) && has(contact))
    }

    fn sign_up_code(&self, pool: &Pool) -> Finding {
        let finding = if let Some(contact) = self.sign_up_contact(pool) {
            let both = contact == Contact::Phone && self.user.attribute("email").is_some();
            let only = if both { ", and not by e-mail" } else { "" };
            let value = shown(self.user.attribute(contact.attribute()).unwrap_or_default());
            Finding::ok(SIGN_UP_CODE, format!("the code of the sign-up goes {} to {value}{only}", contact.by()))
                .advice(
                    "The code is valid for 24 hours. A new one, 5 times an hour at most, makes the older one useless:",
                )
                .command(self.resend())
        } else if pool.auto_verified.is_empty() {
            Finding::cause(
                SIGN_UP_CODE,
                "the pool sends no code at sign-up (AutoVerifiedAttributes is empty): an administrator confirms the \
                 user",
            )
            .step(self.confirm())
        } else {
            let missing: Vec<&str> = pool.auto_verified.iter().map(|name| words(name)).collect();
            let missing = missing.join(" or the ");
            Finding::cause(
                SIGN_UP_CODE,
                format!(
                    "the code of a sign-up goes to the {missing}, and the user has none: nothing is sent"
                ),
            )
            .step(self.confirm())
        };
        finding
            .why(format!("DescribeUserPool: AutoVerifiedAttributes [{}]", pool.auto_verified.join(", ")))
            .why("with both contacts the code goes to the phone number alone")
            .why(SIGNING_UP)
            .why(QUOTAS)
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

fn count(number: i64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// How an administrator lets the user in while no code arrives: a password for good, and one to be changed.
pub(super) fn meanwhile(region: &str, pool_id: &str, user: &User) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::cognito::Mfa;

    const DAY_TEN: i64 = 10 * DAY;

    /// `e` and `p` are the address and the number, upper case where they are verified.
    fn user(contacts: &str, status: &str, factors: &[&str]) -> User {
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
        let active = factors.iter().map(|factor| (*factor).to_owned()).collect();
        user.mfa = Some(Mfa { active, preferred: None });
        user
    }

    fn case(user: &User) -> Case<'_> {
        Case {
            region: "eu-central-1",
            pool_id: "eu-central-1_Example01",
            user,
            mfa: None,
            client: None,
            now: DAY_TEN,
        }
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[track_caller]
    fn check_recovery(contacts: &str, setting: &[&str], factors: &[&str], expected: Option<Contact>) {
        let pool = Pool { recovery: texts(setting), mfa: "OPTIONAL".to_owned(), ..Pool::default() };
        let found = match case(&user(contacts, "CONFIRMED", factors)).recovery(&pool) {
            Recovery::Contact(contact, _) => Some(contact),
            Recovery::AdminOnly | Recovery::Nothing(_) => None,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_code_for_a_new_password_goes_to_the_first_verified_contact_of_the_setting() {
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
    fn a_contact_that_is_the_second_factor_is_no_way_to_recover() {
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
    fn without_the_setting_the_number_comes_first_whatever_the_second_factor_is() {
        check_recovery("EP", &[], &[], Some(Contact::Phone));
        check_recovery("EP", &[], &["SMS_MFA"], Some(Contact::Phone));
        check_recovery("Ep", &[], &[], Some(Contact::Email));
    }

    #[track_caller]
    fn check_sign_up(contacts: &str, verified: &[&str], expected: Option<Contact>) {
        let pool = Pool { auto_verified: texts(verified), ..Pool::default() };
        assert_eq!(case(&user(contacts, "UNCONFIRMED", &[])).sign_up_contact(&pool), expected);
    }

    #[test]
    fn the_code_of_a_sign_up_goes_to_the_number_where_the_pool_verifies_both() {
        check_sign_up("ep", &["email", "phone_number"], Some(Contact::Phone));
        check_sign_up("ep", &["email"], Some(Contact::Email));
        check_sign_up("e", &["email", "phone_number"], Some(Contact::Email));
        check_sign_up("e", &["phone_number"], None);
        check_sign_up("ep", &[], None);
    }

    #[track_caller]
    fn check_channels(contacts: &str, status: &str, factors: &[&str], expected: Option<&[Contact]>) {
        let pool = Pool {
            auto_verified: texts(&["email"]),
            recovery: texts(&["verified_email", "verified_phone_number"]),
            mfa: "OPTIONAL".to_owned(),
            ..Pool::default()
        };
        let user = user(contacts, status, factors);
        assert_eq!(case(&user).channels(&pool).as_deref(), expected, "{contacts} {status} {factors:?}");
    }

    #[test]
    fn the_users_codes_go_where_their_state_and_their_second_factors_say() {
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

    /// A pool of several Regions has the Region of its first one in its id.
    #[test]
    fn the_commands_are_for_the_region_that_was_named() {
        let user = user("E", "CONFIRMED", &[]);
        let command = Case { region: "eu-west-1", ..case(&user) }.confirm().command();
        assert!(command.ends_with(" --username ann --region eu-west-1"), "{command}");
    }

    #[test]
    fn what_stops_a_channel_that_no_code_takes_is_no_cause() {
        let weighed = |channels: Option<&[Contact]>| {
            let finding = weigh(Finding::cause("sms.spend", "no more SMS."), Contact::Phone, channels);
            (finding.level, finding.sentence)
        };
        let cause = (Level::Cause, "no more SMS.".to_owned());
        assert_eq!(weighed(None), cause);
        assert_eq!(weighed(Some(&[Contact::Email, Contact::Phone])), cause);
        let less = |why: &str| (Level::Warning, format!("no more SMS; {why}"));
        assert_eq!(weighed(Some(&[Contact::Email])), less("this user's codes go by e-mail"));
        assert_eq!(weighed(Some(&[])), less("none of this user's codes goes by SMS"));
    }

    #[track_caller]
    fn check_invitation(created: i64, modified: Option<i64>, expected: Level) {
        let user = User {
            created: Some(created * DAY),
            modified: modified.map(|day| day * DAY),
            ..user("E", "FORCE_CHANGE_PASSWORD", &[])
        };
        let pool = Pool { temporary_password_days: 7, ..Pool::default() };
        assert_eq!(case(&user).invitation(&pool).map(|finding| finding.level), Some(expected));
    }

    #[test]
    fn an_invitation_expires_when_nothing_changed_for_as_long_as_it_is_valid() {
        check_invitation(4, None, Level::Ok);
        check_invitation(3, None, Level::Cause);
        check_invitation(1, Some(3), Level::Cause);
        check_invitation(1, Some(4), Level::Warning);
        // A clock that is slow.
        check_invitation(11, Some(12), Level::Ok);
    }

    #[test]
    fn a_contact_that_is_skipped_is_warned_about_and_another_one_is_not() {
        let pool = Pool { recovery: texts(&["verified_email", "verified_phone_number"]), ..Pool::default() };
        let levels = |contacts: &str| {
            let user = user(contacts, "CONFIRMED", &[]);
            let case = case(&user);
            let recovery = case.recovery(&pool);
            [Contact::Email, Contact::Phone].map(|contact| case.contact(contact, Some(&recovery)).level)
        };
        assert_eq!(levels("EP"), [Level::Ok, Level::Ok]);
        assert_eq!(levels("eP"), [Level::Warning, Level::Ok]);
        assert_eq!(levels("Ep"), [Level::Ok, Level::Ok]);
        assert_eq!(levels("ep"), [Level::Warning, Level::Warning]);
    }

    #[test]
    fn the_prefix_of_a_name_is_safe_in_a_filter() {
        assert_eq!(prefix("ann@example.com"), Some(("email", "ann".to_owned())));
        assert_eq!(prefix("a@example.com"), Some(("email", "a".to_owned())));
        assert_eq!(prefix("a\"b"), Some(("username", "a".to_owned())));
        assert_eq!(prefix("+12065550123"), None);
        assert_eq!(prefix("\"; --"), None);
    }
}
