//! Whether these credentials have the permissions that a plan needs.

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
    /// `None` if it could not be checked.
    pub(super) allowed: Option<bool>,
    /// Why not, or why it could not be checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remark: Option<String>,
}

/// Checks each permission with IAM.
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
            Ok(Principal::Named(arn)) => policies.allow(arn, action, &resource, &context).await,
            Err(error) => Err(error.clone()),
        };
        let remark = match &allowed {
            Err(error) => Some(error.to_string()),
            // IAM does not evaluate the key's policy.
            Ok(false) if action == "kms:CreateGrant" => {
                Some("the caller's own policies do not allow it, but the key's policy may".to_owned())
            }
            Ok(_) => None,
        };
        let allowed = allowed.ok().filter(|allowed| *allowed || remark.is_none());
        needs.push(Need { action, resource, allowed, remark });
    }
    needs
}

impl Need {
    pub(super) fn summary(&self) -> String {
        let answer = match (self.allowed, &self.remark) {
            (Some(true), _) => "allowed".to_owned(),
            (Some(false), _) => "denied".to_owned(),
            (None, Some(remark)) => format!("not checked: {remark}"),
            (None, None) => "not checked".to_owned(),
        };
        format!("{}: {answer}", self.action)
    }
}

/// The principal whose policies apply.
enum Principal {
    /// The root user has every permission.
    Root,
    Named(String),
}

/// The user or role behind the credentials: the ARN of a role's session has only the role's name.
async fn principal(aws: &Aws) -> Result<Principal, AwsError> {
    let caller = sts::caller(aws).await?;
    if caller.ends_with(":root") {
        return Ok(Principal::Root);
    }
    let Some((_, role)) = caller.split_once(":assumed-role/") else { return Ok(Principal::Named(caller)) };
    let role = role.split('/').next().unwrap_or_default();
    let arn = Policies::new(aws).role_arn(role).await?;
    Ok(Principal::Named(arn.unwrap_or(caller)))
}
