//! Reads a user pool, writes it, and reads it again.

use std::time::Duration;

use crate::aws::{CallError, Clients, Kind, UPDATE};
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
    /// The change was made, and the pool could not be read again.
    #[error("the change was made, but what became of the user pool could not be read: {0}")]
    NotReadAgain(Box<Error>),
}

impl Error {
    /// Whether the pool was changed; `None` when Cognito gave no answer to the change.
    #[must_use]
    pub fn was_written(&self) -> Option<bool> {
        match self {
            Self::Differs(_) | Self::NotReadAgain(_) => Some(true),
            Self::Call(error) if error.action == UPDATE && error.kind() == Kind::Unanswered => None,
            Self::Call(_) | Self::Malformed(_) | Self::Refused(_) | Self::ChangedMeanwhile(_) => Some(false),
        }
    }
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
    match settled(clients, plan.after(), unknown).await {
        Ok(found) if found.is_empty() => Ok(()),
        Ok(found) => Err(Error::Differs(found)),
        Err(error) => Err(Error::NotReadAgain(Box::new(error))),
    }
}

/// In what the pool differs from what it ought to be, once there was time for it to show.
async fn settled(
    clients: &Clients,
    expected: &Description,
    unknown: UnknownFields,
) -> Result<Vec<Difference>, Error> {
    let compare = async || {
        let mut found = differences(expected, &read(clients, expected.id()).await?);
        // Whoever leaves a setting out has been told what may become of it.
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

fn unchanged(planned: &Description, now: &Description) -> Result<(), Error> {
    let mut changed: Vec<_> = differences(planned, now).into_iter().map(|found| found.member).collect();
    if changed.is_empty() && planned.last_modified() != now.last_modified() {
        changed.push("LastModifiedDate".to_owned());
    }
    if changed.is_empty() { Ok(()) } else { Err(Error::ChangedMeanwhile(changed)) }
}

/// Reads the pool and attaches the wanted functions. Done twice, it changes nothing.
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
    let permissions = carry_out(clients, &plan, wanted, unknown).await?;
    Ok(Done { plan, permissions })
}

/// Lets Cognito invoke the wanted functions, then writes what is planned. Names the functions that Cognito could not
/// invoke until now.
///
/// The permissions come first: a trigger that Cognito may not invoke fails every sign-up. They are taken back when
/// the pool was certainly not changed.
///
/// # Errors
/// See [`Error`].
pub async fn carry_out(
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
            // The reason for the failure is worth more than that this one failed, too.
            let _ = permission::revoke(clients, function, plan.before()).await;
        }
    }
    Err(error)
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
    let Revoked { functions, failure } = give_back(clients, &plan, ours, unknown).await?;
    match failure {
        Some(failure) => Err(failure.into()),
        None => Ok(Done { plan, permissions: functions }),
    }
}

/// What became of our statements once the functions were taken off.
#[derive(Debug, Default)]
pub struct Revoked {
    /// The functions that lost one.
    pub functions: Vec<String>,
    /// Why the others were not looked at.
    pub failure: Option<CallError>,
}

/// Writes what is planned, then takes our statements out of the policies of our functions.
///
/// # Errors
/// When the pool is not as planned, see [`Error`]; no statement is taken out then.
pub async fn give_back(
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
    pool: &Description,
    granted: &mut Vec<String>,
) -> Result<(), Error> {
    for (_, function) in wanted.functions() {
        if permission::grant(clients, function, pool).await? {
            granted.push(function.to_owned());
        }
    }
    Ok(())
}
