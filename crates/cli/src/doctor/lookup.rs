//! Finds the user that the operator means: by username, `sub`, address, number or preferred username.

use crate::aws::cognito::{Mfa, Pools, User};
use crate::aws::{Aws, AwsError, Kind};
use crate::terminal::progress::Progress;
use pool::user_pool::UserPool;

/// The property of the user that matches the operator's argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MatchedBy {
    Username,
    Sub,
    /// `email`, `phone_number`, `preferred_username`.
    Attribute(&'static str),
    /// [`Pools::user`] returned the user, but none of the attributes that are compared here has the text.
    Unknown,
}

/// The result of the search.
#[derive(Debug)]
pub(super) struct UserLookup {
    /// The users that match: none, one, or several in a user pool where addresses are not unique.
    pub(super) users: Result<Vec<User>, AwsError>,
    /// Users with the same address that a sign-in with it doesn't select.
    pub(super) others: Vec<User>,
    pub(super) matched_by: MatchedBy,
    /// Why the search is incomplete: `ListUsers` or `AdminGetUser` failed.
    pub(super) gap: Option<AwsError>,
    /// Why the user's MFA settings are unknown.
    pub(super) mfa: Result<(), AwsError>,
}

impl UserLookup {
    fn of(users: Result<Vec<User>, AwsError>) -> Self {
        Self { users, others: Vec::new(), matched_by: MatchedBy::Unknown, gap: None, mfa: Ok(()) }
    }
}

/// Looks for the user: with `ListUsers` first, because it doesn't count towards monthly active users (MAUs), then with
/// `AdminGetUser` if that finds no user or is denied.
pub(super) async fn find(
    aws: &Aws,
    pool_id: &str,
    pool: Option<&UserPool>,
    asked: &str,
    progress: &Progress,
) -> UserLookup {
    let search = &Search { pools: Pools::new(aws), pool_id, progress };
    let lower = Some(asked.to_lowercase()).filter(|lower| lower != asked);
    for text in [Some(asked), lower.as_deref()].into_iter().flatten() {
        let found = match search.lists(text).await {
            Ok(users) if users.is_empty() => continue,
            Ok(users) => chosen(users, text, pool),
            Err(listing) => search.by_name(text, lower.as_deref(), Some(listing)).await,
        };
        return search.with_mfa(found, pool).await;
    }
    search.by_name(asked, lower.as_deref(), None).await
}

struct Search<'a> {
    pools: Pools,
    pool_id: &'a str,
    progress: &'a Progress,
}

impl Search<'_> {
    /// All users with that text as username or attribute.
    async fn lists(&self, text: &str) -> Result<Vec<User>, AwsError> {
        let list = async |attribute: &str, value: Option<&str>| match value {
            Some(value) => self.progress.of(self.pools.users_with(self.pool_id, attribute, value)).await,
            None => Ok(Vec::new()),
        };
        let number = number(text);
        let (names, preferred, subs, addresses, numbers) = tokio::join!(
            list("username", Some(text)),
            list("preferred_username", Some(text)),
            list("sub", Some(text).filter(|text| is_uuid(text))),
            list("email", Some(text).filter(|text| text.contains('@'))),
            list("phone_number", number.as_deref()),
        );
        let mut users: Vec<User> = Vec::new();
        for user in [names?, preferred?, subs?, addresses?, numbers?].into_iter().flatten() {
            if users.iter().all(|known| known.name != user.name) {
                users.push(user);
            }
        }
        Ok(users)
    }

    /// The user by username or alias. `listing` is why `ListUsers` failed.
    async fn by_name(&self, text: &str, lower: Option<&str>, listing: Option<AwsError>) -> UserLookup {
        for name in [Some(text), lower].into_iter().flatten() {
            match self.progress.of(self.pools.user(self.pool_id, name)).await {
                Ok(user) => {
                    let matched_by = matched_by(&user, name);
                    return UserLookup { matched_by, gap: listing, ..UserLookup::of(Ok(vec![user])) };
                }
                Err(error) if error.kind == Kind::NotFound => {}
                Err(error) => {
                    return match listing {
                        Some(listing) => {
                            let text = format!("{}; {}", listing.text, error.text);
                            UserLookup::of(Err(AwsError::new(error.kind, text)))
                        }
                        // `ListUsers` worked and returned no user.
                        None => UserLookup { gap: Some(error), ..UserLookup::of(Ok(Vec::new())) },
                    };
                }
            }
        }
        UserLookup { gap: listing, ..UserLookup::of(Ok(Vec::new())) }
    }

    /// Adds the MFA settings if exactly one user was found and MFA is on.
    async fn with_mfa(&self, mut found: UserLookup, pool: Option<&UserPool>) -> UserLookup {
        if pool.is_some_and(|pool| pool.mfa() == "OFF") {
            return found;
        }
        if let Ok([user]) = found.users.as_deref_mut()
            && user.mfa.is_none()
        {
            match self.progress.of(self.pools.user(self.pool_id, &user.name)).await {
                Ok(User { mfa, .. }) => user.mfa = mfa.or_else(|| Some(Mfa::default())),
                Err(error) => found.mfa = Err(error),
            }
        }
        found
    }
}

/// Which of these users a sign-in with that text selects.
fn chosen(users: Vec<User>, text: &str, pool: Option<&UserPool>) -> UserLookup {
    for exact in [MatchedBy::Username, MatchedBy::Sub] {
        if users.iter().any(|user| matched_by(user, text) == exact) {
            let (users, others) = users.into_iter().partition(|user| matched_by(user, text) == exact);
            return UserLookup { others, matched_by: exact, ..UserLookup::of(Ok(users)) };
        }
    }
    let matched_by = users.first().map_or(MatchedBy::Unknown, |user| matched_by(user, text));
    let owns = |user: &User| match (matched_by, pool) {
        (MatchedBy::Attribute(attribute), Some(pool)) => is_name(pool, attribute) && user.verified(attribute),
        _ => false,
    };
    // An alias belongs to the one user whose address is verified.
    if users.len() > 1 && users.iter().filter(|user| owns(user)).count() == 1 {
        let (users, others) = users.into_iter().partition(owns);
        return UserLookup { others, matched_by, ..UserLookup::of(Ok(users)) };
    }
    UserLookup { matched_by, ..UserLookup::of(Ok(users)) }
}

/// Whether the user pool accepts that attribute instead of the username.
pub(super) fn is_name(pool: &UserPool, attribute: &str) -> bool {
    [pool.alias_attributes(), pool.username_attributes()].concat().contains(&attribute)
}

fn matched_by(user: &User, text: &str) -> MatchedBy {
    let is = |value: &str| value.to_lowercase() == text.to_lowercase();
    if is(&user.name) {
        return MatchedBy::Username;
    }
    let number = number(text);
    if number.is_some() && user.attribute("phone_number") == number.as_deref() {
        return MatchedBy::Attribute("phone_number");
    }
    let has = |attribute: &str| user.attribute(attribute).is_some_and(is);
    match ["sub", "email", "preferred_username"].into_iter().find(|attribute| has(attribute)) {
        Some("sub") => MatchedBy::Sub,
        Some(attribute) => MatchedBy::Attribute(attribute),
        None => MatchedBy::Unknown,
    }
}

/// A phone number as Cognito stores it: without spaces, hyphens, dots and brackets.
pub(super) fn number(text: &str) -> Option<String> {
    let digits = text.strip_prefix('+')?;
    let digits: String = digits.chars().filter(|character| !" -.()/".contains(*character)).collect();
    let all = !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_digit());
    all.then(|| format!("+{digits}"))
}

fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12])
        && text.chars().all(|character| character == '-' || character.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::cognito::sample_pool;

    const SUB: &str = "11111111-2222-4333-8444-555555555555";

    fn user(name: &str, attributes: &[(&str, &str)]) -> User {
        let attributes =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        User { name: name.to_owned(), attributes, ..User::default() }
    }

    fn ann(name: &str, verified: &str) -> User {
        user(name, &[("email", "ann@example.com"), ("email_verified", verified)])
    }

    fn alias_pool() -> UserPool {
        sample_pool(json!({ "AliasAttributes": ["email"] }))
    }

    fn username_pool() -> UserPool {
        sample_pool(json!({}))
    }

    fn names(users: &[User]) -> Vec<&str> {
        users.iter().map(|user| user.name.as_str()).collect()
    }

    #[track_caller]
    fn check(
        users: &[User],
        text: &str,
        pool: &UserPool,
        expected: &[&str],
        others: &[&str],
        how: MatchedBy,
    ) {
        let found = chosen(users.to_vec(), text, Some(pool));
        assert_eq!(names(&found.users.unwrap()), expected);
        assert_eq!(names(&found.others), others);
        assert_eq!(found.matched_by, how);
    }

    #[test]
    fn a_username_takes_precedence_over_an_attribute() {
        let users = [ann("1", "true"), user("ann@example.com", &[])];
        check(&users, "ann@example.com", &alias_pool(), &["ann@example.com"], &["1"], MatchedBy::Username);
    }

    #[test]
    fn an_alias_belongs_to_the_only_user_with_a_verified_address() {
        let email = MatchedBy::Attribute("email");
        let users = [ann("1", "false"), ann("2", "true"), ann("3", "false")];
        check(&users, "ann@example.com", &alias_pool(), &["2"], &["1", "3"], email);
        check(&users, "ann@example.com", &username_pool(), &["1", "2", "3"], &[], email);
        let unverified = [ann("1", "false"), ann("2", "false")];
        check(&unverified, "ann@example.com", &alias_pool(), &["1", "2"], &[], email);
    }

    #[test]
    fn a_sub_and_a_number_in_any_spelling_are_recognized() {
        let users = [user("ann", &[("sub", SUB), ("phone_number", "+12065550123")])];
        check(&users, SUB, &username_pool(), &["ann"], &[], MatchedBy::Sub);
        check(
            &users,
            "+1 (206) 555-0123",
            &username_pool(),
            &["ann"],
            &[],
            MatchedBy::Attribute("phone_number"),
        );
    }

    #[test]
    fn only_numbers_and_uuids_are_searched_as_numbers_and_subs() {
        assert_eq!(number("+1 (206) 555-01.23").as_deref(), Some("+12065550123"));
        for text in ["", "+", "12065550123", "+1206x", "ann"] {
            assert_eq!(number(text), None);
        }
        assert!(is_uuid(SUB));
        for text in ["", "ann", "11111111-2222-4333-8444-55555555555g", "1-1-1-1-1"] {
            assert!(!is_uuid(text), "{text}");
        }
    }
}
