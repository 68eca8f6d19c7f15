//! Reads a user pool, writes it, and reads it again.

use std::time::Duration;

use crate::aws::{CallError, Clients, Kind, UPDATE};
use crate::difference::{Difference, differences};
use crate::model::UnknownFields;
use crate::permission;
use crate::plan::{OnConflict, Plan, Refusal};
use crate::triggers::Triggers;
use crate::user_pool::{Malformed, UserPool};

/// Cognito usually shows a change at once, but does not document it.
const READ_AGAIN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Cognito's response cannot be read. Nothing was changed.
    #[error("Cognito's response to DescribeUserPool is {0}")]
    Malformed(#[from] Malformed),
    /// The plan was refused. Nothing was changed.
    #[error("{}", join(.0))]
    Refused(Vec<Refusal>),
    /// The pool changed after it was read for the plan. Nothing was written.
    #[error("the user pool changed after it was read, so nothing was written: {}", .0.join(", "))]
    ChangedMeanwhile(Vec<String>),
    /// The change was written, and other settings differ now.
    #[error("after the change the user pool differs from what was written: {}", join(.0))]
    Differs(Vec<Difference>),
    /// The change was written, and the pool could not be read again.
    #[error("the change was written, but the user pool could not be read again: {0}")]
    NotReadAgain(#[source] Box<Error>),
}

impl Error {
    /// Whether the pool was changed, `None` if Cognito did not respond to the change.
    #[must_use]
    pub fn was_written(&self) -> Option<bool> {
        match self {
            Self::Differs(_) | Self::NotReadAgain(_) => Some(true),
            Self::Call(error) if error.action == UPDATE && error.kind() == Kind::NoResponse => None,
            Self::Call(_) | Self::Malformed(_) | Self::Refused(_) | Self::ChangedMeanwhile(_) => Some(false),
        }
    }
}

fn join<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What [`attach`] or [`detach`] changed.
#[derive(Clone, Debug)]
pub struct Applied {
    /// What was changed in the pool: nothing if the pool was already as wanted.
    pub plan: Plan,
    /// The functions whose statement was added or removed.
    pub permissions: Vec<String>,
}

/// Reads the pool.
///
/// # Errors
/// See [`Error`].
pub async fn read(clients: &Clients, pool_id: &str) -> Result<UserPool, Error> {
    Ok(UserPool::parse(&clients.describe_user_pool(pool_id).await?)?)
}

/// Applies a plan. An empty one needs no call.
///
/// The pool is read right before, and nothing is written if it changed since the plan was made. Cognito has no
/// conditional write, so a change within the same moment can still be lost. Then the pool is read again, and
/// everything except the planned change must be as before.
///
/// # Errors
/// See [`Error`].
pub async fn write(clients: &Clients, plan: &Plan, unknown: UnknownFields) -> Result<(), Error> {
    let request = plan.update_request(unknown).map_err(Error::Refused)?;
    if plan.is_empty() {
        return Ok(());
    }
    let before = plan.before();
    unchanged(before, &read(clients, before.id()).await?)?;
    clients.update_user_pool(before, &request).await?;
    match settled(clients, plan.after(), unknown).await {
        Ok(found) if found.is_empty() => Ok(()),
        Ok(found) => Err(Error::Differs(found)),
        Err(error) => Err(Error::NotReadAgain(Box::new(error))),
    }
}

/// How the pool differs from what was written, after some time for Cognito to show it.
async fn settled(
    clients: &Clients,
    expected: &UserPool,
    unknown: UnknownFields,
) -> Result<Vec<Difference>, Error> {
    let compare = async || {
        let mut found = differences(expected, &read(clients, expected.id()).await?);
        // Cognito may reset a setting that the operator chose to leave out.
        found.retain(|one| unknown != UnknownFields::LeaveOut || !one.is_unknown());
        Ok::<_, Error>(found)
    };
    let mut found = compare().await?;
    for pause in READ_AGAIN {
        if found.is_empty() {
            break;
        }
        tokio::time::sleep(pause).await;
        found = compare().await?;
    }
    Ok(found)
}

fn unchanged(planned: &UserPool, now: &UserPool) -> Result<(), Error> {
    let mut changed: Vec<_> = differences(planned, now).into_iter().map(|found| found.member).collect();
    if changed.is_empty() && planned.last_modified() != now.last_modified() {
        changed.push("LastModifiedDate".to_owned());
    }
    if changed.is_empty() { Ok(()) } else { Err(Error::ChangedMeanwhile(changed)) }
}

/// Reads the pool and attaches the wanted functions. It is idempotent.
///
/// # Errors
/// See [`Error`].
pub async fn attach(
    clients: &Clients,
    pool_id: &str,
    wanted: &Triggers,
    former: &Triggers,
    on_conflict: OnConflict,
    unknown: UnknownFields,
) -> Result<Applied, Error> {
    let pool = read(clients, pool_id).await?;
    let plan = Plan::attach(&pool, wanted, former, on_conflict);
    let permissions = apply_and_grant(clients, &plan, wanted, unknown).await?;
    Ok(Applied { plan, permissions })
}

/// Lets Cognito invoke the wanted functions, then writes the plan. Returns the functions that got a statement.
///
/// The permissions come first: every sign-up fails if Cognito may not invoke a Lambda trigger. They are removed again
/// if the pool was certainly not changed.
///
/// # Errors
/// See [`Error`].
pub async fn apply_and_grant(
    clients: &Clients,
    plan: &Plan,
    wanted: &Triggers,
    unknown: UnknownFields,
) -> Result<Vec<String>, Error> {
    plan.update_request(unknown).map_err(Error::Refused)?;
    let mut granted = Vec::new();
    let result = match grant(clients, wanted, plan.before(), &mut granted).await {
        Ok(()) => write(clients, plan, unknown).await,
        Err(error) => Err(error),
    };
    let Err(error) = result else { return Ok(granted) };
    if error.was_written() == Some(false) {
        for function in &granted {
            // The first error matters more than a failure of this call.
            let _ = permission::revoke(clients, function, plan.before()).await;
        }
    }
    Err(error)
}

/// Reads the pool, restores the previous Lambda triggers unless another function replaced ours, and removes our
/// statements.
///
/// # Errors
/// See [`Error`].
pub async fn detach(
    clients: &Clients,
    pool_id: &str,
    ours: &Triggers,
    before: &Triggers,
    unknown: UnknownFields,
) -> Result<Applied, Error> {
    let pool = read(clients, pool_id).await?;
    let plan = Plan::detach(&pool, ours, before);
    let Revoked { functions, failure } = apply_and_revoke(clients, &plan, ours, unknown).await?;
    match failure {
        Some(failure) => Err(failure.into()),
        None => Ok(Applied { plan, permissions: functions }),
    }
}

/// What happened to our statements after the functions were detached.
#[derive(Debug, Default)]
pub struct Revoked {
    /// The functions whose statement was removed.
    pub functions: Vec<String>,
    /// Why the other statements were not removed.
    pub failure: Option<CallError>,
}

/// Writes the plan, then removes our statements from the policies of our functions.
///
/// # Errors
/// When the plan could not be written, see [`Error`]. No statement is removed then.
pub async fn apply_and_revoke(
    clients: &Clients,
    plan: &Plan,
    ours: &Triggers,
    unknown: UnknownFields,
) -> Result<Revoked, Error> {
    write(clients, plan, unknown).await?;
    let mut revoked = Revoked::default();
    for (_, function) in ours.functions() {
        match permission::revoke(clients, function, plan.before()).await {
            Ok(true) => revoked.functions.push(function.to_owned()),
            Ok(false) => {}
            Err(error) => {
                revoked.failure = Some(error);
                break;
            }
        }
    }
    Ok(revoked)
}

async fn grant(
    clients: &Clients,
    wanted: &Triggers,
    pool: &UserPool,
    granted: &mut Vec<String>,
) -> Result<(), Error> {
    for (_, function) in wanted.functions() {
        if permission::grant(clients, function, pool).await? {
            granted.push(function.to_owned());
        }
    }
    Ok(())
}
