//! Reads a user pool, writes it, and reads it again.

use std::time::Duration;

use crate::aws::{CallError, Clients};
use crate::description::{Description, Malformed};
use crate::difference::{Difference, differences};
use crate::model::UnknownFields;
use crate::permission;
use crate::plan::{Foreign, Plan, Refusal};
use crate::triggers::Triggers;

/// Cognito shows a change at once as a rule; nobody promises it.
const READ_AGAIN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// Why the pool is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Cognito's answer cannot be read. Nothing was changed.
    #[error("Cognito's answer to DescribeUserPool is {0}")]
    Malformed(#[from] Malformed),
    /// Nothing was changed, and has to be.
    #[error("{}", join(.0))]
    Refused(Vec<Refusal>),
    /// Nothing was changed, because somebody else changed the pool after it was read for the plan.
    #[error("the user pool was changed meanwhile, and is left as it is now: {}", .0.join(", "))]
    ChangedMeanwhile(Vec<String>),
    /// The change was made, and more than was asked for is different now.
    #[error("after the change the user pool differs from what was written: {}", join(.0))]
    Differs(Vec<Difference>),
}

fn join<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What [`attach`] or [`detach`] did.
#[derive(Clone, Debug)]
pub struct Done {
    /// What was changed in the pool; none of it when it was as wanted already.
    pub plan: Plan,
    /// The functions that got a statement, or lost one of ours.
    pub permissions: Vec<String>,
}

/// The pool as it is.
///
/// # Errors
/// When Cognito does not say.
pub async fn read(clients: &Clients, pool_id: &str) -> Result<Description, Error> {
    Ok(Description::parse(&clients.describe_user_pool(pool_id).await?)?)
}

/// Carries a plan out; an empty one calls nobody.
///
/// The pool is read right before, and nothing is written when it is not the one that the plan was made for any more;
/// Cognito has no write that depends on what is there, so a change within the same moment can still be lost. It is
/// read again afterwards, and everything but the planned change has to be as it was.
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
    let mut found = differences(plan.after(), &read(clients, before.id()).await?);
    for pause in READ_AGAIN {
        if found.is_empty() {
            break;
        }
        tokio::time::sleep(pause).await;
        found = differences(plan.after(), &read(clients, before.id()).await?);
    }
    if found.is_empty() { Ok(()) } else { Err(Error::Differs(found)) }
}

fn unchanged(planned: &Description, now: &Description) -> Result<(), Error> {
    let mut changed: Vec<_> = differences(planned, now).into_iter().map(|found| found.member).collect();
    if changed.is_empty() && planned.last_modified() != now.last_modified() {
        changed.push("LastModifiedDate".to_owned());
    }
    if changed.is_empty() { Ok(()) } else { Err(Error::ChangedMeanwhile(changed)) }
}

/// Reads the pool, lets Cognito invoke the wanted functions, and attaches them. Done twice, it changes nothing.
///
/// The permissions come first: a trigger that Cognito may not invoke fails every sign-up.
///
/// # Errors
/// See [`Error`].
pub async fn attach(
    clients: &Clients,
    pool_id: &str,
    wanted: &Triggers,
    former: &Triggers,
    foreign: Foreign,
    unknown: UnknownFields,
) -> Result<Done, Error> {
    let pool = read(clients, pool_id).await?;
    let plan = Plan::attach(&pool, wanted, former, foreign);
    plan.update_request(unknown).map_err(Error::Refused)?;
    let permissions = grant(clients, wanted, &pool).await?;
    write(clients, &plan, unknown).await?;
    Ok(Done { plan, permissions })
}

/// Reads the pool, puts back what was in our slots before, where they are still ours, and takes our permissions back.
///
/// # Errors
/// See [`Error`].
pub async fn detach(
    clients: &Clients,
    pool_id: &str,
    ours: &Triggers,
    before: &Triggers,
    unknown: UnknownFields,
) -> Result<Done, Error> {
    let pool = read(clients, pool_id).await?;
    let plan = Plan::detach(&pool, ours, before);
    write(clients, &plan, unknown).await?;
    let permissions = revoke(clients, ours, &pool).await?;
    Ok(Done { plan, permissions })
}

/// Lets Cognito invoke each function for the pool, and names those that it could not invoke until now.
///
/// # Errors
/// When Lambda refuses one; the others before it have their permission.
pub async fn grant(clients: &Clients, wanted: &Triggers, pool: &Description) -> Result<Vec<String>, Error> {
    let mut granted = Vec::new();
    for (_, function) in wanted.functions() {
        if permission::grant(clients, function, pool).await? {
            granted.push(function.to_owned());
        }
    }
    Ok(granted)
}

/// Takes our statements out of the functions' policies, and names those functions.
///
/// # Errors
/// When Lambda refuses one.
pub async fn revoke(clients: &Clients, ours: &Triggers, pool: &Description) -> Result<Vec<String>, Error> {
    let mut revoked = Vec::new();
    for (_, function) in ours.functions() {
        permission::revoke(clients, function, pool).await?;
        revoked.push(function.to_owned());
    }
    Ok(revoked)
}
