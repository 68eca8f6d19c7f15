//! IAM: the policies of a role.

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum};

use crate::aws::{Aws, AwsError, Call};

/// IAM, which is global.
pub(crate) struct Policies {
    client: aws_sdk_iam::Client,
    region: String,
}

impl Policies {
    pub(crate) fn new(aws: &Aws) -> Self {
        Self { client: aws_sdk_iam::Client::new(aws.config()), region: aws.region().to_owned() }
    }

    fn call(&self, action: &'static str) -> Call<'_> {
        Call { service: "IAM", action, region: &self.region, quotes: false }
    }

    /// The ARN of a role, which has a path that the ARN of its sessions lacks.
    ///
    /// # Errors
    /// If there is no such role in this account, or if the call fails.
    pub(crate) async fn role_arn(&self, name: &str) -> Result<Option<String>, AwsError> {
        let sent = self.client.get_role().role_name(name).send();
        let answer = sent.await.map_err(|error| self.call("iam:GetRole").failure(&error))?;
        Ok(answer.role.map(|role| role.arn))
    }

    /// Whether the policies of a user or role allow an action. Resource-based policies are not evaluated.
    ///
    /// Source: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn allow(
        &self,
        principal: &str,
        action: &str,
        resource: &str,
        context: &[(&str, &str)],
    ) -> Result<bool, AwsError> {
        let entries = context
            .iter()
            .map(|(key, value)| {
                ContextEntry::builder()
                    .context_key_name(*key)
                    .context_key_values(*value)
                    .context_key_type(ContextKeyTypeEnum::String)
                    .build()
            })
            .collect();
        let sent = self
            .client
            .simulate_principal_policy()
            .policy_source_arn(principal)
            .action_names(action)
            .resource_arns(resource)
            .set_context_entries(Some(entries))
            .send();
        let answer = sent.await.map_err(|error| self.call("iam:SimulatePrincipalPolicy").failure(&error))?;
        let results = answer.evaluation_results();
        Ok(!results.is_empty() && results.iter().all(|result| result.eval_decision().as_str() == "allowed"))
    }
}
