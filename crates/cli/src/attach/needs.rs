//! Whether these credentials may do what a plan needs, asked beforehand.

use pool::plan::Plan;
use serde::Serialize;

use crate::aws::iam::Policies;
use crate::aws::sts;
use crate::aws::{Aws, AwsError};

/// A permission that a plan needs.
#[derive(Debug, Serialize)]
pub(super) struct Need {
    pub(super) action: &'static str,
    pub(super) resource: String,
    /// `None`: it could not be found out.
    pub(super) allowed: Option<bool>,
    /// Why not, or why it could not be found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remark: Option<String>,
}

/// Asks IAM about each need. What IAM does not tell is named as not checked.
pub(super) async fn check(aws: &Aws, plan: &Plan) -> Vec<Need> {
    let principal = principal(aws).await;
    let policies = Policies::new(aws);
    let context = [
        ("iam:PassedToService", "cognito-idp.amazonaws.com"),
        ("kms:EncryptionContext:userpool-id", plan.before().id()),
    ];
    let mut needs = Vec::new();
    for (action, resource) in plan.needs() {
        let allowed = match &principal {
            Ok(Principal::Root) => Ok(true),
            Ok(Principal::Is(arn)) => policies.allow(arn, action, &resource, &context).await,
            Err(error) => Err(error.clone()),
        };
        let remark = match &allowed {
            Err(error) => Some(error.to_string()),
            // Of a key's policy IAM knows nothing.
            Ok(false) if action == "kms:CreateGrant" => {
                Some("not by the caller's own policies; the key's policy may".to_owned())
            }
            Ok(_) => None,
        };
        let allowed = allowed.ok().filter(|allowed| *allowed || remark.is_none());
        needs.push(Need { action, resource, allowed, remark });
    }
    needs
}

impl Need {
    pub(super) fn sentence(&self) -> String {
        let answer = match (self.allowed, &self.remark) {
            (Some(true), _) => "allowed".to_owned(),
            (Some(false), _) => "denied".to_owned(),
            (None, Some(remark)) => format!("not checked: {remark}"),
            (None, None) => "not checked".to_owned(),
        };
        format!("{}: {answer}", self.action)
    }
}

/// Whose policies decide.
enum Principal {
    /// The account's own user may do everything.
    Root,
    Is(String),
}

/// The user or role behind the credentials: a session of a role is known by the role's name alone.
async fn principal(aws: &Aws) -> Result<Principal, AwsError> {
    let caller = sts::caller(aws).await?;
    if caller.ends_with(":root") {
        return Ok(Principal::Root);
    }
    let Some((_, role)) = caller.split_once(":assumed-role/") else { return Ok(Principal::Is(caller)) };
    let role = role.split('/').next().unwrap_or_default();
    let arn = Policies::new(aws).role_arn(role).await?;
    Ok(Principal::Is(arn.unwrap_or(caller)))
}
