//! IAM: what a role may do.

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};

use crate::aws::{Aws, AwsError, Call};

/// What the policies of a role say to one action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    Allowed,
    /// No statement allows it.
    NotAllowed,
    /// A statement denies it.
    Denied,
}

/// Asks IAM what the policies of a role say to one action on one resource, under one condition key with a text as
/// its value. Policies of the resource itself are not part of the answer.
///
/// Source: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>
///
/// # Errors
/// When there is no such role, or IAM does not tell.
pub(crate) async fn simulate(
    aws: &Aws,
    role_arn: &str,
    action: &str,
    resource_arn: &str,
    condition: (&str, &str),
) -> Result<Permission, AwsError> {
    let call =
        Call { service: "IAM", action: "iam:SimulatePrincipalPolicy", region: aws.region(), quotes: false };
    let context = ContextEntry::builder()
        .context_key_name(condition.0)
        .context_key_type(ContextKeyTypeEnum::String)
        .context_key_values(condition.1)
        .build();
    let answer = aws_sdk_iam::Client::new(aws.config())
        .simulate_principal_policy()
        .policy_source_arn(role_arn)
        .action_names(action)
        .resource_arns(resource_arn)
        .context_entries(context)
        .send()
        .await
        .map_err(|error| call.failure(&error))?;
    let decision = answer.evaluation_results().first().map(|result| &result.eval_decision);
    Ok(match decision {
        Some(PolicyEvaluationDecisionType::Allowed) => Permission::Allowed,
        Some(PolicyEvaluationDecisionType::ExplicitDeny) => Permission::Denied,
        _ => Permission::NotAllowed,
    })
}
