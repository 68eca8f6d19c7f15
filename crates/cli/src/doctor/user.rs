//! The user and the user pool: which user the operator means, what the user's status allows, and which contact a code
//! goes to.

mod identity;
pub(super) mod state;

use std::time::{SystemTime, UNIX_EPOCH};

use super::client::{self, Clients};
use super::finding::Finding;
use super::subject::Subject;
use state::UserState;

pub(super) async fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let clients = client::clients(subject).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let pool = subject.pool.as_ref().ok();
    let mut findings = vec![identity::sign_in_attributes(subject.pool, subject.pool_id)];
    findings.extend(identity::check(subject, pool, clients.as_ref().ok()));
    if let Some(user) = subject.user() {
        let state = UserState {
            region: subject.region(),
            pool_id: subject.pool_id,
            user,
            mfa_error: subject.lookup.mfa.as_ref().err(),
            client: clients.as_ref().ok().and_then(Clients::any),
            now: i64::try_from(now).unwrap_or(i64::MAX),
        };
        findings.extend(state.findings(pool));
    }
    findings.extend(client::findings(&clients, subject.pool_id));
    findings
}
