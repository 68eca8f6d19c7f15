//! Cognito: the users of a pool.

use aws_smithy_types::DateTime;

use crate::aws::{Aws, AwsError, Call};

/// Users that one page may hold.
///
/// Source: <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUsers.html>
const PAGE: i32 = 60;

/// Counts the users who signed up in that time (seconds since 1970, the end exclusive) and have not confirmed yet.
///
/// Page after page, of which nothing is kept; `progress` is told the number of users seen so far.
///
/// # Errors
/// When Cognito does not list them to the end.
pub(crate) async fn count_unconfirmed(
    aws: &Aws,
    pool: &str,
    time: std::ops::Range<u64>,
    mut progress: impl FnMut(u64),
) -> Result<u64, AwsError> {
    let call =
        Call { service: "Cognito", action: "cognito-idp:ListUsers", region: aws.region(), quotes: false };
    let client = aws_sdk_cognitoidentityprovider::Client::new(aws.config());
    let created_then = |created: Option<&DateTime>| {
        created.and_then(|created| u64::try_from(created.secs()).ok()).is_some_and(|at| time.contains(&at))
    };
    let (mut seen, mut counted) = (0_u64, 0_u64);
    let mut pages = client
        .list_users()
        .user_pool_id(pool)
        .filter("cognito:user_status = \"UNCONFIRMED\"")
        // The one attribute that everybody has, and that says nothing about the person.
        .attributes_to_get("sub")
        .limit(PAGE)
        .into_paginator()
        .send();
    while let Some(answer) = pages.next().await {
        let answer = answer.map_err(|error| call.failure(&error))?;
        for user in answer.users() {
            seen = seen.saturating_add(1);
            counted = counted.saturating_add(created_then(user.user_create_date()).into());
        }
        progress(seen);
    }
    Ok(counted)
}
