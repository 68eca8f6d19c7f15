//! The user, the pool and its app clients: F2.2 to F2.5, F2.8.

use super::Subject;
use super::finding::Finding;
use crate::aws::AwsError;
use crate::cognito::{Pool, Pools, User};
use crate::progress::Progress;

/// Looks for the user under that name: first without making them an active user, then by name or alias.
pub(super) async fn find(
    pools: &Pools,
    pool_id: &str,
    _pool: &Result<Pool, AwsError>,
    asked: &str,
    progress: &Progress,
) -> Result<Vec<User>, AwsError> {
    let attribute = if asked.contains('@') { "email" } else { "username" };
    progress.of(pools.users_with(pool_id, attribute, asked)).await
}

pub(super) async fn look(_subject: &Subject<'_>) -> Vec<Finding> {
    Vec::new()
}
