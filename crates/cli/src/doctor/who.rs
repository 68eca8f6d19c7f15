//! Whom the operator means: a user by name, `sub`, address, number or preferred name.

use crate::aws::cognito::{Mfa, Pool, Pools, User};
use crate::aws::{Aws, AwsError, Kind};
use crate::terminal::progress::Progress;

/// What of a user the operator named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    UserName,
    Sub,
    /// `email`, `phone_number`, `preferred_username`.
    Attribute(&'static str),
    /// Cognito knows why: the user came from [`Pools::user`] and has the name in no attribute that we look at.
    Otherwise,
}

/// The result of the search.
#[derive(Debug)]
pub(crate) struct Found {
    /// Whom the name means: nobody, one, or several in a pool where addresses are not unique.
    pub(super) users: Result<Vec<User>, AwsError>,
    /// Users who have the same address, but whom a sign-in with it does not mean.
    pub(super) others: Vec<User>,
    pub(super) named: Named,
    /// Why the search has a gap: by list or by name alone nobody could look.
    pub(super) gap: Option<AwsError>,
    /// Why the second factors could not be asked for.
    pub(super) mfa: Result<(), AwsError>,
}

impl Found {
    fn nobody(users: Result<Vec<User>, AwsError>) -> Self {
        Self { users, others: Vec::new(), named: Named::Otherwise, gap: None, mfa: Ok(()) }
    }
}

/// Looks for the user: by lists first, for those make nobody an active user; by name or alias where they find nobody
/// or are not allowed.
pub(super) async fn find(
    aws: &Aws,
    pool_id: &str,
    pool: Option<&Pool>,
    asked: &str,
    progress: &Progress,
) -> Found {
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
    /// Everybody who goes by that text.
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

    /// The user by name or alias. `listing` is why the lists could not be asked.
    async fn by_name(&self, text: &str, lower: Option<&str>, listing: Option<AwsError>) -> Found {
        for name in [Some(text), lower].into_iter().flatten() {
            match self.progress.of(self.pools.user(self.pool_id, name)).await {
                Ok(user) => {
                    let named = named(&user, name);
                    return Found { named, gap: listing, ..Found::nobody(Ok(vec![user])) };
                }
                Err(error) if error.kind == Kind::NotFound => {}
                Err(error) => {
                    return match listing {
                        Some(listing) => {
                            let text = format!("{}; {}", listing.text, error.text);
                            Found::nobody(Err(AwsError::new(error.kind, text)))
                        }
                        // By the lists nobody is there.
                        None => Found { gap: Some(error), ..Found::nobody(Ok(Vec::new())) },
                    };
                }
            }
        }
        Found { gap: listing, ..Found::nobody(Ok(Vec::new())) }
    }

    /// Asks for the second factors of the one user who was found, where the pool has any.
    async fn with_mfa(&self, mut found: Found, pool: Option<&Pool>) -> Found {
        if pool.is_some_and(|pool| pool.mfa == "OFF") {
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

/// Whom of those a sign-in with that text means.
fn chosen(users: Vec<User>, text: &str, pool: Option<&Pool>) -> Found {
    for exact in [Named::UserName, Named::Sub] {
        if users.iter().any(|user| named(user, text) == exact) {
            let (users, others) = users.into_iter().partition(|user| named(user, text) == exact);
            return Found { others, named: exact, ..Found::nobody(Ok(users)) };
        }
    }
    let named = users.first().map_or(Named::Otherwise, |user| named(user, text));
    let owns = |user: &User| match (named, pool) {
        (Named::Attribute(attribute), Some(pool)) => is_name(pool, attribute) && user.verified(attribute),
        _ => false,
    };
    // An alias belongs to the one user whose address is verified.
    if users.len() > 1 && users.iter().filter(|user| owns(user)).count() == 1 {
        let (users, others) = users.into_iter().partition(owns);
        return Found { others, named, ..Found::nobody(Ok(users)) };
    }
    Found { named, ..Found::nobody(Ok(users)) }
}

/// Whether the pool takes that attribute in the place of the user name.
pub(super) fn is_name(pool: &Pool, attribute: &str) -> bool {
    pool.aliases.iter().chain(&pool.username_attributes).any(|name| name == attribute)
}

fn named(user: &User, text: &str) -> Named {
    let is = |value: &str| value.to_lowercase() == text.to_lowercase();
    if is(&user.name) {
        return Named::UserName;
    }
    let number = number(text);
    if number.is_some() && user.attribute("phone_number") == number.as_deref() {
        return Named::Attribute("phone_number");
    }
    let has = |attribute: &str| user.attribute(attribute).is_some_and(is);
    match ["sub", "email", "preferred_username"].into_iter().find(|attribute| has(attribute)) {
        Some("sub") => Named::Sub,
        Some(attribute) => Named::Attribute(attribute),
        None => Named::Otherwise,
    }
}

/// A text that was meant as a number, as Cognito has numbers: without spaces, hyphens, dots and brackets.
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
    use super::*;

    const SUB: &str = "11111111-2222-4333-8444-555555555555";

    fn user(name: &str, attributes: &[(&str, &str)]) -> User {
        let attributes =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        User { name: name.to_owned(), attributes, ..User::default() }
    }

    fn ann(name: &str, verified: &str) -> User {
        user(name, &[("email", "ann@example.com"), ("email_verified", verified)])
    }

    fn alias_pool() -> Pool {
        Pool { aliases: vec!["email".to_owned()], ..Pool::default() }
    }

    fn names(users: &[User]) -> Vec<&str> {
        users.iter().map(|user| user.name.as_str()).collect()
    }

    #[track_caller]
    fn check(users: &[User], text: &str, pool: &Pool, expected: &[&str], others: &[&str], how: Named) {
        let found = chosen(users.to_vec(), text, Some(pool));
        assert_eq!(names(&found.users.unwrap()), expected);
        assert_eq!(names(&found.others), others);
        assert_eq!(found.named, how);
    }

    #[test]
    fn a_user_name_wins_over_an_attribute() {
        let users = [ann("1", "true"), user("ann@example.com", &[])];
        check(&users, "ann@example.com", &alias_pool(), &["ann@example.com"], &["1"], Named::UserName);
    }

    #[test]
    fn an_alias_belongs_to_the_one_user_whose_address_is_verified() {
        let email = Named::Attribute("email");
        let users = [ann("1", "false"), ann("2", "true"), ann("3", "false")];
        check(&users, "ann@example.com", &alias_pool(), &["2"], &["1", "3"], email);
        check(&users, "ann@example.com", &Pool::default(), &["1", "2", "3"], &[], email);
        let unverified = [ann("1", "false"), ann("2", "false")];
        check(&unverified, "ann@example.com", &alias_pool(), &["1", "2"], &[], email);
    }

    #[test]
    fn a_sub_and_a_number_in_any_spelling_are_recognised() {
        let users = [user("ann", &[("sub", SUB), ("phone_number", "+12065550123")])];
        check(&users, SUB, &Pool::default(), &["ann"], &[], Named::Sub);
        check(&users, "+1 (206) 555-0123", &Pool::default(), &["ann"], &[], Named::Attribute("phone_number"));
    }

    #[test]
    fn only_what_may_be_a_number_or_a_sub_is_looked_for_as_one() {
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
