//! The app clients that the user may sign in with: what they return for unknown users, and whether they have a secret.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use tokio::sync::Semaphore;

use super::finding::Finding;
use super::registry::CheckId;
use super::subject::Subject;
use crate::aws::cognito::{AppClient, Pools};
use crate::aws::{AwsError, Kind};
use crate::terminal::output::plain;
use crate::terminal::words::count;

const FOUND: CheckId = CheckId::ClientFound;
const ERRORS: CheckId = CheckId::ClientErrors;
const SECRET: CheckId = CheckId::ClientSecret;

const ERRORS_PAGE: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pool-managing-errors.html";
const SECRET_PAGE: &str = "https://docs.aws.amazon.com/cognito/latest/developerguide/troubleshooting.html";

/// Concurrent calls: Cognito accepts 15 of them per second for a whole account and Region.
///
/// Source: category `UserPoolClientRead` of <https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html>
const AT_ONCE: usize = 10;

/// What is known about the app clients.
pub(super) struct Clients {
    /// The app clients, or why they couldn't be described.
    pub(super) known: Vec<Result<AppClient, AwsError>>,
    /// Whether the user pool has more than were described.
    more: bool,
}

/// The app client that the operator named, or the user pool's first 60.
pub(super) async fn clients(subject: &Subject<'_>) -> Result<Clients, AwsError> {
    let pools = &Pools::new(subject.aws);
    let progress = subject.progress;
    let (ids, more) = match subject.client_id {
        Some(id) => (vec![id.to_owned()], false),
        None => progress.of(pools.client_ids(subject.pool_id)).await?,
    };
    let calls = ids.iter().map(async |id: &String| progress.of(pools.app_client(subject.pool_id, id)).await);
    Ok(Clients { known: concurrently(calls).await, more })
}

/// Makes calls concurrently. The results are in the order of the calls.
async fn concurrently<F: Future>(calls: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let permits = &Semaphore::new(AT_ONCE);
    let one = async |call: F| {
        let _permit = permits.acquire().await;
        call.await
    };
    let mut calls: Vec<(Pin<Box<_>>, Option<F::Output>)> =
        calls.into_iter().map(|call| (Box::pin(one(call)), None)).collect();
    poll_fn(|context| {
        for (call, result) in calls.iter_mut().filter(|(_, result)| result.is_none()) {
            if let Poll::Ready(value) = call.as_mut().poll(context) {
                *result = Some(value);
            }
        }
        if calls.iter().all(|(_, result)| result.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    calls.into_iter().filter_map(|(_, result)| result).collect()
}

impl Clients {
    fn all(&self) -> impl Iterator<Item = &AppClient> {
        self.known.iter().filter_map(|client| client.as_ref().ok())
    }

    /// The names of those that hide whether a user exists.
    pub(super) fn masking(&self) -> Vec<&str> {
        self.all().filter(|client| client.masks_unknown_users).map(AppClient::title).collect()
    }

    /// The names of those that return `UserNotFoundException`.
    pub(super) fn telling(&self) -> Vec<&str> {
        self.all().filter(|client| !client.masks_unknown_users).map(AppClient::title).collect()
    }

    fn with_secret(&self) -> Vec<&str> {
        self.all().filter(|client| client.has_secret).map(AppClient::title).collect()
    }

    /// An app client for a command that needs one, preferably without a secret.
    pub(super) fn any(&self) -> Option<&AppClient> {
        self.all().min_by_key(|client| client.has_secret)
    }
}

impl AppClient {
    fn title(&self) -> &str {
        if self.name.is_empty() { &self.id } else { &self.name }
    }
}

/// `the app client web`, `the app clients web, ios and 3 more`.
pub(super) fn titles(names: &[&str]) -> String {
    const SHOWN: usize = 4;
    let list: Vec<String> = names.iter().take(SHOWN).map(|name| plain(name)).collect();
    let more = names.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let many = if names.len() == 1 { "" } else { "s" };
    format!("the app client{many} {}{more}", list.join(", "))
}

pub(super) fn findings(clients: &Result<Clients, AwsError>, pool_id: &str) -> Vec<Finding> {
    let clients = match clients {
        Ok(clients) => clients,
        Err(error) => return vec![Finding::not_checked(FOUND, "the app clients", error)],
    };
    let mut findings: Vec<Finding> =
        clients.known.iter().filter_map(|client| Some(failure(client.as_ref().err()?, pool_id))).collect();
    findings.dedup_by(|one, other| one.summary == other.summary);
    if clients.known.is_empty() {
        findings.push(
            Finding::cause(FOUND, "the user pool has no app client: no app can request a code")
                .advice("Create an app client: aws cognito-idp create-user-pool-client.")
                .evidence("ListUserPoolClients returned none"),
        );
        return findings;
    }
    if clients.all().next().is_none() {
        return findings;
    }
    let more = if clients.more { "; the user pool has more: name one with --client-id" } else { "" };
    let described = count(clients.all().count(), "app client");
    findings.push(Finding::ok(FOUND, format!("{described} checked{more}")));
    findings.push(errors(clients));
    findings.push(secrets(clients));
    findings
}

fn failure(error: &AwsError, pool_id: &str) -> Finding {
    if error.kind == Kind::NotFound {
        return Finding::cause(
            FOUND,
            format!("the user pool {pool_id} has no app client with that id: every call with it fails"),
        )
        .advice("Fix the client id in the app's configuration.")
        .evidence(format!("DescribeUserPoolClient: {error}"));
    }
    Finding::not_checked(FOUND, "an app client", error)
}

fn errors(clients: &Clients) -> Finding {
    let (masking, telling) = (clients.masking(), clients.telling());
    let sentence = if masking.is_empty() {
        format!("{}: for an unknown user, Cognito returns UserNotFoundException", titles(&telling))
    } else {
        format!(
            "{}: for a user that is unknown, disabled or without a verified contact, Cognito responds as if it had \
             sent a code",
            titles(&masking)
        )
    };
    Finding::ok(ERRORS, sentence)
        .evidence(format!(
            "DescribeUserPoolClient: PreventUserExistenceErrors is ENABLED for {} of {} app clients",
            masking.len(),
            masking.len().saturating_add(telling.len())
        ))
        .source(ERRORS_PAGE)
}

fn secrets(clients: &Clients) -> Finding {
    let secret = clients.with_secret();
    if secret.is_empty() {
        return Finding::ok(SECRET, "no app client has a secret, so no call needs SECRET_HASH")
            .evidence("DescribeUserPoolClient returns no ClientSecret");
    }
    Finding::ok(
        SECRET,
        format!(
            "{}: it has a secret, so SignUp, ResendConfirmationCode and ForgotPassword need SECRET_HASH",
            titles(&secret)
        ),
    )
    .advice(
        "Without it, Cognito returns NotAuthorizedException, \"… is configured with secret but SECRET_HASH was not \
         received\". It is Base64(HMAC-SHA-256(secret, username + client id)).",
    )
    .evidence("DescribeUserPoolClient returns a ClientSecret")
    .source(SECRET_PAGE)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::doctor::level::Level;

    fn client(name: &str, has_secret: bool, masks_unknown_users: bool) -> AppClient {
        AppClient { id: format!("id of {name}"), name: name.to_owned(), has_secret, masks_unknown_users }
    }

    #[track_caller]
    fn check(known: Vec<Result<AppClient, AwsError>>, expected: &[(CheckId, Level, &str)]) {
        let findings = findings(&Ok(Clients { known, more: false }), "pool");
        let seen: Vec<_> =
            findings.iter().map(|found| (found.check, found.level, found.summary.as_str())).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn app_clients_are_grouped_by_what_they_return() {
        check(
            vec![Ok(client("web", false, true)), Ok(client("ios", true, false))],
            &[
                (FOUND, Level::Ok, "2 app clients checked"),
                (
                    ERRORS,
                    Level::Ok,
                    "the app client web: for a user that is unknown, disabled or without a verified contact, \
                     Cognito responds as if it had sent a code",
                ),
                (
                    SECRET,
                    Level::Ok,
                    "the app client ios: it has a secret, so SignUp, ResendConfirmationCode and ForgotPassword \
                     need SECRET_HASH",
                ),
            ],
        );
    }

    #[test]
    fn a_user_pool_without_app_clients_and_an_unknown_app_client_are_causes() {
        check(vec![], &[(FOUND, Level::Cause, "the user pool has no app client: no app can request a code")]);
        check(
            vec![Err(AwsError::new(Kind::NotFound, "no"))],
            &[(
                FOUND,
                Level::Cause,
                "the user pool pool has no app client with that id: every call with it fails",
            )],
        );
    }

    #[test]
    fn long_lists_are_shortened() {
        assert_eq!(titles(&["a"]), "the app client a");
        assert_eq!(titles(&["a", "b", "c", "d", "e", "f"]), "the app clients a, b, c, d and 2 more");
    }

    #[tokio::test]
    async fn the_number_of_concurrent_calls_is_limited() {
        let (running, most) = (Cell::new(0), Cell::new(0));
        let call = async |number: usize| {
            running.set(running.get() + 1);
            most.set(running.get().max(most.get()));
            tokio::task::yield_now().await;
            running.set(running.get() - 1);
            number
        };
        assert_eq!(concurrently((0..35).map(call)).await, (0..35).collect::<Vec<_>>());
        assert_eq!(most.get(), AT_ONCE);
        assert_eq!(concurrently((0..0).map(call)).await, Vec::<usize>::new());
    }
}
