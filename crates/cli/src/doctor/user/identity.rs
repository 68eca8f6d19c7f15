//! Which user the operator means, and whether an app can use the same name.

use crate::aws::AwsError;
use crate::aws::cognito::User;
use crate::doctor::client::{Clients, titles};
use crate::doctor::contact::{OWN_CONTACT, attribute_in_words};
use crate::doctor::finding::Finding;
use crate::doctor::lookup::{MatchedBy, is_name};
use crate::doctor::registry::CheckId;
use crate::doctor::step::Step;
use crate::doctor::subject::Subject;
use crate::terminal::output::plain;
use crate::terminal::shell::quote;
use crate::terminal::words::count;
use pool::user_pool::UserPool;

const ATTRIBUTES: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html";
const ERRORS: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pool-managing-errors.html";
const CASE: &str = "https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UsernameConfigurationType.html";

/// The sign-in attributes of the user pool.
pub(super) fn sign_in_attributes(pool: &Result<UserPool, AwsError>, pool_id: &str) -> Finding {
    match pool {
        Ok(pool) => {
            let attributes = [pool.username_attributes(), pool.alias_attributes()].concat();
            let names: Vec<&str> = attributes.into_iter().map(attribute_in_words).collect();
            let names = match names.as_slice() {
                [] => "username only".to_owned(),
                names if pool.username_attributes().is_empty() => {
                    format!("username or {}", names.join(" or "))
                }
                names => names.join(" or "),
            };
            Finding::ok(CheckId::UserPool, format!("users of the user pool {pool_id} sign in with {names}"))
                .evidence(attributes_of(pool))
        }
        Err(error) => Finding::not_checked(CheckId::UserPool, "the settings of the user pool", error),
    }
}

fn attributes_of(pool: &UserPool) -> String {
    format!(
        "DescribeUserPool: UsernameAttributes [{}], AliasAttributes [{}]",
        pool.username_attributes().join(", "),
        pool.alias_attributes().join(", ")
    )
}

/// The user that the operator means.
pub(super) fn check(
    subject: &Subject<'_>,
    pool: Option<&UserPool>,
    clients: Option<&Clients>,
) -> Vec<Finding> {
    let (lookup, asked) = (subject.lookup, subject.asked);
    let mut findings = match &lookup.users {
        Err(error) => vec![Finding::not_checked(CheckId::UserFound, "the user", error)],
        Ok(users) => match users.as_slice() {
            [] => vec![unknown(subject, pool, clients)],
            [user] => {
                let mut findings = vec![found(asked, user)];
                findings.extend(same_address(asked, user, &lookup.others));
                findings.extend(pool.and_then(|pool| alias(subject, user, lookup.matched_by, pool)));
                findings.extend(pool.and_then(|pool| spelling(asked, user, lookup.matched_by, pool)));
                findings
            }
            users => vec![several(subject.pool_id, asked, users, lookup.matched_by, pool)],
        },
    };
    if let Some(error) = &lookup.gap {
        findings.push(Finding::not_checked(CheckId::UserSearch, "all ways to find the user", error));
    }
    findings
}

fn found(asked: &str, user: &User) -> Finding {
    let summary = if user.name == asked {
        format!("{} is a user of the user pool", plain(asked))
    } else {
        format!("{} is the user {}", plain(asked), plain(&user.name))
    };
    Finding::ok(CheckId::UserFound, summary).evidence(match user.mfa {
        Some(_) => "AdminGetUser returned the user; the call counts towards monthly active users (MAUs)",
        None => {
            "ListUsers returned the user, filtered by username, address, number, sub and preferred username"
        }
    })
}

fn unknown(subject: &Subject<'_>, pool: Option<&UserPool>, clients: Option<&Clients>) -> Finding {
    let Subject { asked, pool_id, .. } = *subject;
    let region = subject.region();
    let mut finding = Finding::cause(
        CheckId::UserFound,
        format!("the user pool {pool_id} has no user {}, so Cognito sends no code", plain(asked)),
    );
    let masking = clients.map(Clients::masking).unwrap_or_default();
    let telling = clients.map(Clients::telling).unwrap_or_default();
    if !masking.is_empty() {
        finding = finding.advice(format!(
            "With {}, this goes unnoticed: Cognito responds as if it had sent a code, because \
             PreventUserExistenceErrors is ENABLED.",
            titles(&masking)
        ));
    }
    if !telling.is_empty() {
        finding =
            finding.advice(format!("With {}, Cognito returns UserNotFoundException.", titles(&telling)));
    }
    finding = finding
        .advice("Check that the app uses this user pool and Region. The user pools of the Region:")
        .command(format!("aws cognito-idp list-user-pools --max-results 60 --region {region}"));
    if let Some((attribute, prefix)) = prefix(asked) {
        let filter = quote(&format!("{attribute} ^= \"{prefix}\""));
        finding = finding.advice("Check for a typing error. The users that begin with the same letters:").command(
            format!(
                "aws cognito-idp list-users --user-pool-id {pool_id} --filter {filter} --limit 20 --region {region}"
            ),
        );
    }
    if pool.is_some_and(UserPool::is_case_sensitive) {
        finding = finding.advice(
            "Usernames of this user pool are case-sensitive: the spelling must be the one from sign-up. doctor tried \
             the spelling above and lower case.",
        );
    }
    finding
        .evidence(
            "ListUsers, filtered by username, address, number, sub and preferred username, returned no user",
        )
        .evidence("AdminGetUser, which resolves aliases, returned UserNotFoundException or failed")
        .source(ERRORS)
}

/// A filter for users with the same beginning: at most three characters, none with a meaning in a filter or a shell.
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

fn several(
    pool_id: &str,
    asked: &str,
    users: &[User],
    matched_by: MatchedBy,
    pool: Option<&UserPool>,
) -> Finding {
    let attribute = match matched_by {
        MatchedBy::Attribute(attribute) => attribute,
        MatchedBy::Username | MatchedBy::Sub | MatchedBy::Unknown => "name",
    };
    let rule = match pool {
        Some(pool) if is_name(pool, attribute) => "either none of them has verified it or more than one has",
        Some(_) => "the user pool doesn't accept it instead of the username",
        None => "it isn't known which of them a sign-in selects",
    };
    let number = users.len();
    let noun = attribute_in_words(attribute);
    let summary = format!(
        "{number} users have the {noun} {}, and {rule}: run doctor for one of them by username",
        plain(asked)
    );
    let finding = Finding::warning(CheckId::UserFound, summary)
        .evidence(format!("ListUsers, filtered by {attribute}, returned {number} users"))
        .source(ATTRIBUTES);
    users.iter().take(10).fold(finding, |finding, user| {
        finding.command(format!("cognito-triggers doctor {} --user-pool-id {pool_id}", quote(&user.name)))
    })
}

fn same_address(asked: &str, user: &User, others: &[User]) -> Option<Finding> {
    let names: Vec<String> = others.iter().take(5).map(|other| plain(&other.name)).collect();
    (!names.is_empty()).then(|| {
        Finding::warning(
            CheckId::UserSameAddress,
            format!(
                "{} also belongs to {} ({}); a sign-in with it selects {}",
                plain(asked),
                count(others.len(), "other user"),
                names.join(", "),
                plain(&user.name)
            ),
        )
        .evidence(
            "an alias belongs to the user with the verified address; a username takes precedence over an alias",
        )
        .source(ATTRIBUTES)
    })
}

/// Whether an app can pass the operator's argument.
fn alias(subject: &Subject<'_>, user: &User, matched_by: MatchedBy, pool: &UserPool) -> Option<Finding> {
    let MatchedBy::Attribute(attribute) = matched_by else { return None };
    let (noun, name) = (attribute_in_words(attribute), plain(&user.name));
    let finding = if !is_name(pool, attribute) {
        Finding::warning(
            CheckId::UserAlias,
            format!(
                "the user pool doesn't accept the {noun} instead of the username: an app must pass {name}"
            ),
        )
    } else if pool.alias_attributes().contains(&attribute)
        && attribute != "preferred_username"
        && !user.verified(attribute)
    {
        Finding::warning(
            CheckId::UserAlias,
            format!("the {noun} isn't an alias until it is verified: until then an app must pass {name}"),
        )
        .advice("Marking it as verified removes the alias from any other user that has it.")
        .advice(OWN_CONTACT)
        .step(Step::MarkVerified {
            region: subject.region().to_owned(),
            pool_id: subject.pool_id.to_owned(),
            user: user.name.clone(),
            attribute: if attribute == "email" { "email_verified" } else { "phone_number_verified" },
        })
    } else {
        Finding::ok(CheckId::UserAlias, format!("an app can pass the {noun} instead of the username"))
    };
    Some(finding.evidence(attributes_of(pool)).source(ATTRIBUTES))
}

/// Whether the user pool accepts the spelling that the operator used.
fn spelling(asked: &str, user: &User, matched_by: MatchedBy, pool: &UserPool) -> Option<Finding> {
    let stored = match matched_by {
        MatchedBy::Username => user.name.as_str(),
        MatchedBy::Attribute(attribute @ ("email" | "preferred_username")) => user.attribute(attribute)?,
        MatchedBy::Attribute(_) | MatchedBy::Sub | MatchedBy::Unknown => return None,
    };
    (stored != asked && pool.is_case_sensitive()).then(|| {
        Finding::warning(
            CheckId::UserSpelling,
            format!(
                "usernames are case-sensitive and this user is {}: for an app that passes {}, the user doesn't exist",
                plain(stored),
                plain(asked)
            ),
        )
        .advice("Make the app pass the name as it is stored, or convert names to lower case at sign-up and sign-in.")
        .evidence("DescribeUserPool: UsernameConfiguration.CaseSensitive is true, or absent, which means true")
        .source(CASE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_of_a_name_is_safe_in_a_filter() {
        assert_eq!(prefix("ann@example.com"), Some(("email", "ann".to_owned())));
        assert_eq!(prefix("a@example.com"), Some(("email", "a".to_owned())));
        assert_eq!(prefix("a\"b"), Some(("username", "a".to_owned())));
        assert_eq!(prefix("+12065550123"), None);
        assert_eq!(prefix("\"; --"), None);
    }
}
